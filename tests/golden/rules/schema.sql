-- {"schema": {"columns": {"id": "integer", "amount": "DECIMAL(9,2)", "email": "string"}}}
-- 0 of 1 fail

-- {"schema": {"columns": ["email", "id"], "order": true}}
-- 1 of 1 fail

-- {"schema": {"columns": {"id": "BIGINT", "nope": null}, "extra": "forbid"}}
-- 1 of 1 fail
