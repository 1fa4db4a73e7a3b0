-- {"not_null": "id"}
-- 1 of 5 fail
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE(("id" IS NULL), FALSE);

-- {"not_null": {"column": "the \"text\" "}, "where": "id = 3"}
-- 1 of 2 fail
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE(("the ""text"" " IS NULL), FALSE) AND COALESCE((id = 3), FALSE);
