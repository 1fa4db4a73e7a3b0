-- {"expression": "amount > 0"}
-- 1 of 5 fail
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE((NOT (amount > 0)), FALSE);

-- {"expression": "_.amount > 0", "where": "_.id = 3"}
-- 1 of 2 fail
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE((NOT (amount > 0)), FALSE) AND COALESCE((id = 3), FALSE);

-- {"expression": "updated_at >= now() - INTERVAL 30 HOUR"}
-- 2 of 5 fail
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE((NOT (updated_at >= CAST('2026-11-23 06:00:00.000000+00' AS TIMESTAMPTZ) - INTERVAL '30' HOUR)), FALSE);

-- {"expression": "amount >= :least OR active"}
-- context: {"variables": {"least": 6}}
-- 1 of 5 fail
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE((NOT (amount >= 6 OR active)), FALSE);
