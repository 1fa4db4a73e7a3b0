-- {"freshness": {"column": "updated_at", "max_age": "26h"}}
-- 0 of 1 fail
SELECT COUNT(*) AS n, MAX("updated_at") AS "a0_newest" FROM "_batch";

-- {"freshness": {"column": "updated_at", "max_age": "30m"}}
-- 1 of 1 fail
SELECT COUNT(*) AS n, MAX("updated_at") AS "a0_newest" FROM "_batch";

-- {"freshness": {"column": "updated_at", "max_age": "30m"}}
-- context: {"timezone": "America/New_York"}
-- 0 of 1 fail
SELECT COUNT(*) AS n, MAX("updated_at") AS "a0_newest" FROM "_batch";
