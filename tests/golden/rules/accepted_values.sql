-- {"accepted_values": {"column": "status", "values": ["paid", "shipped"]}}
-- 2 of 5 fail
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE((NOT "status" IN ('paid', 'shipped')), FALSE);

-- {"accepted_values": {"column": "customer_id", "values": [10, 11]}, "where": "id > 2"}
-- 1 of 2 fail
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE((NOT "customer_id" IN (10, 11)), FALSE) AND COALESCE((id > 2), FALSE);

-- {"accepted_values": {"column": "day", "values": ["2024-01-01", "2023-12-31"]}}
-- 2 of 5 fail
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE((NOT "day" IN (CAST('2024-01-01' AS DATE), CAST('2023-12-31' AS DATE))), FALSE);

-- {"accepted_values": {"column": "active", "values": [true]}}
-- 1 of 5 fail
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE((NOT "active" IN (TRUE)), FALSE);
