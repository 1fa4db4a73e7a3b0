-- {"not_accepted_values": {"column": "status", "values": ["", "PAID"]}}
-- 2 of 5 fail
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE(("status" IN ('', 'PAID')), FALSE);
