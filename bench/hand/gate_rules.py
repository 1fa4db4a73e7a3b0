"""The gate's twenty rules as a reader of DuckDB's manual would write them.

    gate_rules.py queries|fused ORDERS CUSTOMERS

``queries``: one query a rule. ``fused``: one scan for all that looks at single rows, and a query of its
own for each distinct and for the parents.
"""

from __future__ import annotations

import sys

from duck import connect, say

# name -> condition of a wrong row; NULL is right, but for not_null
ROWS = {
    "not_null:order_id": "order_id IS NULL",
    "not_null:reference": "reference IS NULL",
    "not_null:customer_id": "customer_id IS NULL",
    "not_null:email": "email IS NULL",
    "not_null:created_at": "created_at IS NULL",
    "amount": "amount < 0 OR amount > 100000",
    "quantity": "quantity < 1 OR quantity > 20",
    "discount": "discount < 0 OR discount > 1",
    "created_at": "created_at < TIMESTAMP '2026-01-01' OR created_at > TIMESTAMP '2027-01-01'",
    "status": "status NOT IN ('paid', 'shipped', 'returned', 'open')",
    "country": "country NOT IN ('NL', 'DE', 'FR', 'BE', 'US')",
    "email": "NOT regexp_full_match(email, '[^@]+@[^@]+[.][a-z]+')",
    "phone": "NOT regexp_full_match(phone, '[+][0-9]{9,15}')",
    "order": "shipped_at < created_at",
}
TABLE = {
    "row_count": "count(*) < 1",
    "freshness": "max(created_at) < TIMESTAMP '2016-01-01'",
    "mean": "avg(amount) NOT BETWEEN 20 AND 80000",
}
DISTINCT = {
    "unique:order_id": "SELECT count(order_id) - count(DISTINCT order_id) FROM orders",
    "unique:reference": "SELECT count(reference) - count(DISTINCT reference) FROM orders",
    "customer_id": "SELECT count(*) FROM orders ANTI JOIN customers USING (customer_id) "
    "WHERE orders.customer_id IS NOT NULL",
}


def main(how: str, orders: str, customers: str) -> None:
    con = connect()
    con.execute(f"CREATE VIEW orders AS SELECT * FROM read_parquet('{orders}')")
    con.execute(f"CREATE VIEW customers AS SELECT * FROM read_parquet('{customers}')")
    counts: dict[str, int] = {}
    if how == "queries":
        for name, wrong in ROWS.items():
            counts[name] = con.execute(f"SELECT count(*) FROM orders WHERE {wrong}").fetchall()[0][0]
        for name, wrong in TABLE.items():
            counts[name] = int(con.execute(f"SELECT {wrong} FROM orders").fetchall()[0][0])
    else:
        measures = [f"count_if({wrong})" for wrong in ROWS.values()] + list(TABLE.values())
        row = con.execute(f"SELECT {', '.join(measures)} FROM orders").fetchall()[0]
        counts = {name: int(value) for name, value in zip([*ROWS, *TABLE], row, strict=True)}
    for name, query in DISTINCT.items():
        counts[name] = con.execute(query).fetchall()[0][0]
    say(counts=counts)


if __name__ == "__main__":
    main(*sys.argv[1:])
