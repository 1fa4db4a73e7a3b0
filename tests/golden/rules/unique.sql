-- {"unique": "id"}
-- 2 of 5 fail
SELECT COUNT(*) AS "rows", COUNT("_h") AS "keys", COUNT(DISTINCT "_h") AS "distinct" FROM (SELECT CASE WHEN NOT "id" IS NULL THEN HASH("id") END AS "_h" FROM "_batch") AS _hashed;
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE(("id" IN (SELECT "_batch"."id" FROM "_batch" WHERE NOT "_batch"."id" IS NULL AND HASH("_batch"."id") IN (SELECT "_h" FROM (SELECT HASH("_batch"."id") AS "_h" FROM "_batch" WHERE NOT "_batch"."id" IS NULL) AS _hashed GROUP BY "_h" HAVING COUNT(*) > 1) GROUP BY "_batch"."id" HAVING COUNT(*) > 1)), FALSE);

-- {"unique": "id"}
-- context: {"bounds": {"id": ["1", "3", 1]}}
-- 2 of 5 fail
SELECT COUNT(*) AS "rows", COUNT("id") AS "keys", BIT_COUNT(BITSTRING_AGG("id", 1, 3)) AS "distinct" FROM "_batch";
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE(("id" IN (SELECT "_batch"."id" FROM "_batch" WHERE NOT "_batch"."id" IS NULL AND HASH("_batch"."id") IN (SELECT "_h" FROM (SELECT HASH("_batch"."id") AS "_h" FROM "_batch" WHERE NOT "_batch"."id" IS NULL) AS _hashed GROUP BY "_h" HAVING COUNT(*) > 1) GROUP BY "_batch"."id" HAVING COUNT(*) > 1)), FALSE);

-- {"unique": "id"}
-- context: {"has_target": true}
-- 3 of 5 fail
SELECT COUNT(*) AS "rows", COUNT("_h") AS "keys", COUNT(DISTINCT "_h") AS "distinct" FROM (SELECT CASE WHEN NOT "id" IS NULL THEN HASH("id") END AS "_h" FROM "_batch") AS _hashed;
SELECT COUNT(*) AS "clashes" FROM "_target" WHERE "_target"."id" IN (SELECT "_batch"."id" FROM "_batch" WHERE NOT "_batch"."id" IS NULL);
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE(("id" IN (SELECT "_batch"."id" FROM "_batch" WHERE NOT "_batch"."id" IS NULL AND HASH("_batch"."id") IN (SELECT "_h" FROM (SELECT HASH("_batch"."id") AS "_h" FROM "_batch" WHERE NOT "_batch"."id" IS NULL) AS _hashed GROUP BY "_h" HAVING COUNT(*) > 1) GROUP BY "_batch"."id" HAVING COUNT(*) > 1) OR "id" IN (SELECT "_target"."id" FROM "_target" WHERE NOT "_target"."id" IS NULL AND "_target"."id" IN (SELECT "_batch"."id" FROM "_batch" WHERE NOT "_batch"."id" IS NULL))), FALSE);

-- {"unique": "id", "scope": "batch"}
-- context: {"has_target": true}
-- 2 of 5 fail
SELECT COUNT(*) AS "rows", COUNT("_h") AS "keys", COUNT(DISTINCT "_h") AS "distinct" FROM (SELECT CASE WHEN NOT "id" IS NULL THEN HASH("id") END AS "_h" FROM "_batch") AS _hashed;
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE(("id" IN (SELECT "_batch"."id" FROM "_batch" WHERE NOT "_batch"."id" IS NULL AND HASH("_batch"."id") IN (SELECT "_h" FROM (SELECT HASH("_batch"."id") AS "_h" FROM "_batch" WHERE NOT "_batch"."id" IS NULL) AS _hashed GROUP BY "_h" HAVING COUNT(*) > 1) GROUP BY "_batch"."id" HAVING COUNT(*) > 1)), FALSE);

-- {"unique": "id"}
-- context: {"has_target": true, "mode": "merge", "key": ["ID"]}
-- 2 of 5 fail
SELECT COUNT(*) AS "rows", COUNT("_h") AS "keys", COUNT(DISTINCT "_h") AS "distinct" FROM (SELECT CASE WHEN NOT "id" IS NULL THEN HASH("id") END AS "_h" FROM "_batch") AS _hashed;
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE(("id" IN (SELECT "_batch"."id" FROM "_batch" WHERE NOT "_batch"."id" IS NULL AND HASH("_batch"."id") IN (SELECT "_h" FROM (SELECT HASH("_batch"."id") AS "_h" FROM "_batch" WHERE NOT "_batch"."id" IS NULL) AS _hashed GROUP BY "_h" HAVING COUNT(*) > 1) GROUP BY "_batch"."id" HAVING COUNT(*) > 1)), FALSE);

-- {"unique": "status", "where": "status = 'paid'"}
-- context: {"has_target": true}
-- 1 of 1 fail
SELECT COUNT(*) AS "rows", COUNT("_h") AS "keys", COUNT(DISTINCT "_h") AS "distinct" FROM (SELECT CASE WHEN NOT "status" IS NULL THEN HASH("status") END AS "_h" FROM "_batch" WHERE (status = 'paid')) AS _hashed;
SELECT COUNT(*) AS "clashes" FROM "_target" WHERE (status = 'paid') AND "_target"."status" IN (SELECT "_batch"."status" FROM "_batch" WHERE NOT "_batch"."status" IS NULL AND (status = 'paid'));
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE(("status" IN (SELECT "_batch"."status" FROM "_batch" WHERE (NOT "_batch"."status" IS NULL AND (status = 'paid')) AND HASH("_batch"."status") IN (SELECT "_h" FROM (SELECT HASH("_batch"."status") AS "_h" FROM "_batch" WHERE (status = 'paid') AND NOT "_batch"."status" IS NULL) AS _hashed GROUP BY "_h" HAVING COUNT(*) > 1) GROUP BY "_batch"."status" HAVING COUNT(*) > 1) OR "status" IN (SELECT "_target"."status" FROM "_target" WHERE (NOT "_target"."status" IS NULL AND (status = 'paid')) AND "_target"."status" IN (SELECT "_batch"."status" FROM "_batch" WHERE NOT "_batch"."status" IS NULL AND (status = 'paid')))), FALSE) AND COALESCE((status = 'paid'), FALSE);

-- {"unique": ["id", "status"]}
-- 0 of 5 fail
SELECT COUNT(*) AS "rows", COUNT("_h") AS "keys", COUNT(DISTINCT "_h") AS "distinct" FROM (SELECT CASE WHEN NOT "id" IS NULL AND NOT "status" IS NULL THEN HASH("id", "status") END AS "_h" FROM "_batch") AS _hashed;
SELECT COUNT(*) AS "failing" FROM "_batch" WHERE COALESCE((("id", "status") IN (SELECT "_batch"."id", "_batch"."status" FROM "_batch" WHERE (NOT "_batch"."id" IS NULL AND NOT "_batch"."status" IS NULL) AND HASH("_batch"."id", "_batch"."status") IN (SELECT "_h" FROM (SELECT HASH("_batch"."id", "_batch"."status") AS "_h" FROM "_batch" WHERE NOT "_batch"."id" IS NULL AND NOT "_batch"."status" IS NULL) AS _hashed GROUP BY "_h" HAVING COUNT(*) > 1) GROUP BY "_batch"."id", "_batch"."status" HAVING COUNT(*) > 1)), FALSE);
