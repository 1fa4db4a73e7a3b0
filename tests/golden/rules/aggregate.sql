-- {"aggregate": {"measure": "avg(amount)", "min": 20, "max": 80}}
-- 1 of 1 fail
SELECT COUNT(*) AS n, AVG(amount) AS "a0_value" FROM "_batch";

-- {"aggregate": {"measure": "sum(amount)", "equals": 723.9}}
-- 0 of 1 fail
SELECT COUNT(*) AS n, SUM(amount) AS "a0_value" FROM "_batch";

-- {"aggregate": {"measure": "count(*) FILTER (WHERE active)", "max": 2}, "where": "id < 3"}
-- 0 of 1 fail
SELECT COUNT(*) AS n, COUNT(CASE WHEN active THEN 1 END) FILTER(WHERE COALESCE((id < 3), FALSE)) AS "a0_value" FROM "_batch";

-- {"aggregate": {"measure": "median(amount)", "min_exclusive": 12.45}}
-- 1 of 1 fail
SELECT COUNT(*) AS n, MEDIAN(amount) AS "a0_value" FROM "_batch";
