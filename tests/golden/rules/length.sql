-- {"length": {"column": "email", "min": 7, "max": 8}}
-- 1 of 5 fail
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE((LENGTH("email") < 7 OR LENGTH("email") > 8), FALSE);

-- {"length": {"column": "status", "exact": 4}}
-- 2 of 5 fail
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE((LENGTH("status") <> 4), FALSE);

-- {"length": {"column": "email", "max": 7}, "where": "updated_at > now() - INTERVAL 1 DAY AND id < :most"}
-- context: {"variables": {"most": 2}}
-- 0 of 1 fail
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE((LENGTH("email") > 7), FALSE) AND COALESCE((updated_at > CAST('2026-11-23 06:00:00.000000+00' AS TIMESTAMPTZ) - INTERVAL '1' DAY AND id < 2), FALSE);
