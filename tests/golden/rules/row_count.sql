-- {"row_count": {"min": 1}}
-- 0 of 1 fail
SELECT COUNT(*) AS n, COUNT(*) AS "a0_rows" FROM "_batch";

-- {"row_count": 4}
-- 1 of 1 fail
SELECT COUNT(*) AS n, COUNT(*) AS "a0_rows" FROM "_batch";

-- {"row_count": {"max": 2}, "where": "active"}
-- 1 of 1 fail
SELECT COUNT(*) AS n, COUNT(*) FILTER(WHERE COALESCE((active), FALSE)) AS "a0_rows" FROM "_batch";
