"""Cast, derive, filter, deduplicate, join, write into a DuckLake; no rules, no gate.

    csv_to_lake.py window|narrow|losers|twice ORDERS CUSTOMERS LAKE

``window``: QUALIFY over whole rows. ``narrow``: land the rows once, find the latest of each key on two
columns, join back. ``losers``: land them once, find the keys that repeat, take the losing rows away.
``twice``: as ``narrow`` without landing, so the file is read twice.
"""

from __future__ import annotations

import sys
from pathlib import Path

from duck import connect, fresh_lake, say

COLUMNS = (
    "{'order_id': 'BIGINT', 'customer_id': 'BIGINT', 'status': 'VARCHAR', 'amount': 'VARCHAR', "
    "'discount': 'DECIMAL(9,2)', 'quantity': 'INTEGER', 'currency': 'VARCHAR', 'email': 'VARCHAR', "
    "'country': 'VARCHAR', 'created_at': 'TIMESTAMP', 'updated_at': 'TIMESTAMP', 'note': 'VARCHAR'}"
)
CAST = """
    SELECT * REPLACE (TRY_CAST(amount AS DECIMAL(12, 2)) AS amount),
           TRY_CAST(amount AS DECIMAL(12, 2)) - coalesce(discount, 0) AS net,
           lower(split_part(email, '@', 2)) AS email_domain
    FROM {orders} WHERE status <> 'draft'
"""
LOAD = """
    CREATE TABLE lake.mart.orders AS
    SELECT o.*, c.segment, c.region FROM ({latest}) AS o LEFT JOIN customers AS c USING (customer_id)
"""
WINDOW = "SELECT * FROM typed QUALIFY row_number() OVER (PARTITION BY order_id ORDER BY updated_at DESC) = 1"
NARROW = """
    SELECT t.* FROM typed AS t
    SEMI JOIN (SELECT order_id, max(updated_at) AS updated_at FROM typed GROUP BY order_id) AS last
    USING (order_id, updated_at)
"""
LOSERS = """
    SELECT t.* EXCLUDE (n) FROM (SELECT rowid AS n, * FROM typed) AS t
    ANTI JOIN (
        SELECT n FROM (
            SELECT rowid AS n, order_id, updated_at FROM typed
            SEMI JOIN (SELECT order_id FROM typed GROUP BY order_id HAVING count(*) > 1) AS r USING (order_id)
        ) QUALIFY row_number() OVER (PARTITION BY order_id ORDER BY updated_at DESC) > 1
    ) AS losers USING (n)
"""


def main(how: str, orders: str, customers: str, lake: str) -> None:
    con = connect()
    fresh_lake(con, Path(lake))
    con.execute("CREATE SCHEMA lake.mart")
    reader = f"read_parquet('{orders}')" if orders.endswith("parquet") else (
        f"read_csv('{orders}', header = true, columns = {COLUMNS})"
    )  # fmt: skip
    con.execute(f"CREATE VIEW customers AS SELECT * FROM read_csv('{customers}', header = true)")
    # the others read each row once, or twice on purpose
    kind = "TEMP TABLE" if how in ("narrow", "losers") else "VIEW"
    con.execute(f"CREATE {kind} typed AS {CAST.format(orders=reader)}")
    con.execute(LOAD.format(latest={"window": WINDOW, "losers": LOSERS}.get(how, NARROW)))
    say(rows=con.execute("SELECT count(*) FROM lake.mart.orders").fetchall()[0][0])


if __name__ == "__main__":
    main(*sys.argv[1:])
