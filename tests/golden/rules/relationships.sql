-- {"relationships": {"column": "customer_id", "to": "customers.id"}}
-- 1 of 5 fail
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE((NOT "customer_id" IS NULL AND NOT "customer_id" IN (SELECT "customers"."id" FROM "customers" WHERE NOT "customers"."id" IS NULL)), FALSE);

-- {"relationships": {"columns": ["customer_id", "status"], "to": ["customers.id", "customers.status"]}}
-- 1 of 5 fail
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE(((NOT "customer_id" IS NULL AND NOT "status" IS NULL) AND NOT ("customer_id", "status") IN (SELECT "customers"."id", "customers"."status" FROM "customers" WHERE NOT "customers"."id" IS NULL AND NOT "customers"."status" IS NULL)), FALSE);

-- {"relationships": {"column": "customer_id", "to": "mart.clients.id"}}
-- 2 of 5 fail
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE((NOT "customer_id" IS NULL AND NOT "customer_id" IN (SELECT "mart.clients"."id" FROM "mart.clients" WHERE NOT "mart.clients"."id" IS NULL)), FALSE);

-- {"relationships": {"column": "customer_id", "to": "nobody.id"}}
-- 4 of 5 fail
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE((NOT "customer_id" IS NULL AND NOT "customer_id" IN (SELECT "nobody"."id" FROM "nobody" WHERE NOT "nobody"."id" IS NULL)), FALSE);

-- {"relationships": {"column": "customer_id", "to": "mart.clients.customer_id"}}
-- context: {"destination": "mart.clients"}
-- 0 of 5 fail
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE((NOT "customer_id" IS NULL AND NOT "customer_id" IN (SELECT "_batch"."customer_id" FROM "_batch" WHERE NOT "_batch"."customer_id" IS NULL)), FALSE);

-- {"relationships": {"column": "customer_id", "to": "_.id"}}
-- 4 of 5 fail
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE((NOT "customer_id" IS NULL AND NOT "customer_id" IN (SELECT "_batch"."id" FROM "_batch" WHERE NOT "_batch"."id" IS NULL)), FALSE);
