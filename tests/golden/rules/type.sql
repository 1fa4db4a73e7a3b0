-- {"type": {"column": "the \"text\" ", "type": "integer"}}
-- 3 of 5 fail
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE((NOT "the ""text"" " IS NULL AND NOT (REGEXP_FULL_MATCH("the ""text"" ", '[+-]?[0-9]+') AND NOT TRY_CAST("the ""text"" " AS BIGINT) IS NULL)), FALSE);

-- {"type": {"column": "the \"text\" ", "type": "decimal"}}
-- 2 of 5 fail
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE((NOT "the ""text"" " IS NULL AND NOT (REGEXP_FULL_MATCH("the ""text"" ", '[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]+)?') AND COALESCE(ISFINITE(TRY_CAST("the ""text"" " AS DOUBLE)), FALSE))), FALSE);

-- {"type": {"column": "the \"text\" ", "type": "json"}}
-- 2 of 5 fail
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE((NOT JSON_VALID("the ""text"" ")), FALSE);

-- {"type": {"column": "day", "type": "date"}}
-- 0 of 5 fail
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE((FALSE), FALSE);
