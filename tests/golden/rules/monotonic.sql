-- {"monotonic": {"column": "day", "by": "id"}}
-- 1 of 5 fail
SELECT (SELECT COUNT(*) FROM (SELECT "day", "id" FROM (SELECT "day", "id", LAG("day") OVER (ORDER BY "id", "day" ASC) AS "_before" FROM "_batch" WHERE NOT "day" IS NULL AND NOT "id" IS NULL) AS _ordered WHERE "day" < "_before") AS _drops) AS "drops", (SELECT COUNT(*) FROM "_batch") AS "rows";
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE((("day", "id") IN (SELECT "day", "id" FROM (SELECT "day", "id", LAG("day") OVER (ORDER BY "id", "day" ASC) AS "_before" FROM "_batch" WHERE NOT "day" IS NULL AND NOT "id" IS NULL) AS _ordered WHERE "day" < "_before")), FALSE);

-- {"monotonic": {"column": "updated_at", "by": "id", "direction": "decreasing"}}
-- 0 of 5 fail
SELECT (SELECT COUNT(*) FROM (SELECT "updated_at", "id" FROM (SELECT "updated_at", "id", LAG("updated_at") OVER (ORDER BY "id", "updated_at" DESC) AS "_before" FROM "_batch" WHERE NOT "updated_at" IS NULL AND NOT "id" IS NULL) AS _ordered WHERE "updated_at" > "_before") AS _drops) AS "drops", (SELECT COUNT(*) FROM "_batch") AS "rows";
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE((("updated_at", "id") IN (SELECT "updated_at", "id" FROM (SELECT "updated_at", "id", LAG("updated_at") OVER (ORDER BY "id", "updated_at" DESC) AS "_before" FROM "_batch" WHERE NOT "updated_at" IS NULL AND NOT "id" IS NULL) AS _ordered WHERE "updated_at" > "_before")), FALSE);

-- {"monotonic": {"column": "amount", "by": "id", "partition_by": ["customer_id"]}, "where": "active"}
-- 1 of 3 fail
SELECT (SELECT COUNT(*) FROM (SELECT "amount", "id", "customer_id" FROM (SELECT "amount", "id", "customer_id", LAG("amount") OVER (PARTITION BY "customer_id" ORDER BY "id", "amount" ASC) AS "_before" FROM "_batch" WHERE (NOT "amount" IS NULL AND NOT "id" IS NULL AND NOT "customer_id" IS NULL) AND (active)) AS _ordered WHERE "amount" < "_before") AS _drops) AS "drops", (SELECT COUNT(*) FROM "_batch" WHERE (active)) AS "rows";
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE((("amount", "id", "customer_id") IN (SELECT "amount", "id", "customer_id" FROM (SELECT "amount", "id", "customer_id", LAG("amount") OVER (PARTITION BY "customer_id" ORDER BY "id", "amount" ASC) AS "_before" FROM "_batch" WHERE (NOT "amount" IS NULL AND NOT "id" IS NULL AND NOT "customer_id" IS NULL) AND (active)) AS _ordered WHERE "amount" < "_before")), FALSE) AND COALESCE((active), FALSE);
