-- {"range": {"column": "amount", "min": 0, "max": 100}}
-- 2 of 5 fail
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE(("amount" < 0 OR "amount" > 100), FALSE);

-- {"range": {"column": "share", "min": 0, "max_exclusive": 1.5}}
-- 3 of 5 fail
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE(("share" < CAST(0 AS DOUBLE) OR "share" >= CAST(1.5 AS DOUBLE) OR ISNAN("share")), FALSE);

-- {"range": {"column": "share", "min_exclusive": -0.1}}
-- 2 of 5 fail
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE(("share" <= CAST(-0.1 AS DOUBLE) OR ISNAN("share")), FALSE);

-- {"range": {"column": "day", "min": "2024-01-01"}}
-- 1 of 5 fail
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE(("day" < CAST('2024-01-01' AS DATE)), FALSE);

-- {"range": {"column": "updated_at", "max": "2026-11-23T05:00:00+01:00"}}
-- 1 of 5 fail
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE(("updated_at" > CAST('2026-11-23 04:00:00' AS TIMESTAMP)), FALSE);
