-- {"length": {"column": "email", "min": 7, "max": 8}}
-- 1 of 5 fail
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE((LENGTH("email") < 7 OR LENGTH("email") > 8), FALSE);

-- {"length": {"column": "status", "exact": 4}}
-- 2 of 5 fail
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE((LENGTH("status") <> 4), FALSE);
