-- {"sql": "SELECT * FROM _ WHERE amount < 0"}
-- 1 of 5 fail
SELECT (SELECT COUNT(*) FROM (SELECT * FROM "_batch" AS _ WHERE amount < 0) AS "_failing") AS "failing", (SELECT COUNT(*) FROM "_batch") AS "rows";

-- {"sql": "SELECT o.id FROM _ AS o LEFT JOIN mart.clients AS c ON customer_id = c.id WHERE c.id IS NULL"}
-- 3 of 5 fail
SELECT (SELECT COUNT(*) FROM (SELECT o.id FROM "_batch" AS o LEFT JOIN "mart.clients" AS c ON customer_id = c.id WHERE c.id IS NULL) AS "_failing") AS "failing", (SELECT COUNT(*) FROM "_batch") AS "rows";

-- {"sql": {"query": "SELECT count(*) FROM _", "must_be_between": [5, 9]}}
-- 0 of 1 fail
SELECT MAX("v") AS "value", COUNT(*) AS "rows" FROM (SELECT COUNT(*) FROM "_batch" AS _) AS "_number"("v");

-- {"sql": {"query": "SELECT id FROM _", "must_be_less_than": 100}}
-- 1 of 1 fail
SELECT MAX("v") AS "value", COUNT(*) AS "rows" FROM (SELECT id FROM "_batch" AS _) AS "_number"("v");
