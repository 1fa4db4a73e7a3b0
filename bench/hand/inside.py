"""Orders judged and published inside PostgreSQL by SQL written by hand; the server is in BENCH_PG_URL.

    inside.py staged|twice

``staged``: flags are computed once, into an unlogged table, and counted there. ``twice``: the source is
judged where it lies and read again, in one snapshot, for the rows that may pass.
"""

from __future__ import annotations

import os
import sys

from duck import say

FLAGS = """
    (CASE WHEN order_id IS NULL THEN 1 ELSE 0 END)
    | (CASE WHEN amount NOT BETWEEN 0 AND 100000 THEN 4 ELSE 0 END)
    | (CASE WHEN status NOT IN ('paid', 'shipped', 'returned', 'open') THEN 8 ELSE 0 END)
    | (CASE WHEN email !~ '^([^@]+@[^@]+[.][a-z]+)$' THEN 16 ELSE 0 END)
"""
COUNTS = """
    SELECT count(*), count(*) FILTER (WHERE flags & 4 <> 0), count(*) FILTER (WHERE flags & 16 <> 0),
           count(*) FILTER (WHERE flags & 1 <> 0), count(*) FILTER (WHERE flags & 8 <> 0)
    FROM {rows}
"""
TWICE = "SELECT count(*) FROM (SELECT order_id FROM {rows} GROUP BY order_id HAVING count(*) > 1) AS t"
COLUMNS = (
    "order_id, reference, customer_id, status, country, amount, quantity, discount, email, phone, "
    "created_at, shipped_at"
)


def main(how: str) -> None:
    import psycopg

    with psycopg.connect(os.environ["BENCH_PG_URL"]) as con:
        con.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        con.execute("CREATE SCHEMA IF NOT EXISTS hand")
        rows = f"(SELECT *, {FLAGS} AS flags FROM public.orders) AS judged"
        if how == "staged":
            con.execute(f"CREATE UNLOGGED TABLE hand.staged AS SELECT * FROM {rows}")
            rows = "hand.staged"
        found = con.execute(COUNTS.format(rows=rows)).fetchall()[0]
        twice = con.execute(TWICE.format(rows=rows)).fetchall()[0][0]
        con.execute(f"CREATE TABLE hand.orders AS SELECT {COLUMNS} FROM {rows} WHERE (flags & 4) = 0")
        if how == "staged":
            con.execute("DROP TABLE hand.staged")
    names = ("amount", "email", "missing", "status")
    counts = dict(zip(names, found[1:], strict=True))
    say(rows=found[0], counts={**counts, "order_id": twice})


if __name__ == "__main__":
    main(*sys.argv[1:])
