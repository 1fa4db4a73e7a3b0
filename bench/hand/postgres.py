"""DuckDB's scanner for PostgreSQL, plain: no rules, no gate.

postgres.py to_lake LAKE | from_parquet FILE | fill FILE      with the server in BENCH_PG_URL
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from duck import connect, fresh_lake, load, say


def main(how: str, path: str) -> None:
    con = connect()
    load(con, "postgres_scanner")
    con.execute(f"ATTACH '{os.environ['BENCH_PG_URL']}' AS pg (TYPE postgres)")
    if how == "to_lake":
        fresh_lake(con, Path(path))
        con.execute("CREATE SCHEMA lake.mart")
        con.execute("CREATE TABLE lake.mart.orders AS SELECT * FROM pg.public.orders")
        rows = con.execute("SELECT count(*) FROM lake.mart.orders").fetchall()[0][0]
    else:
        schema, table = ("hand", "orders") if how == "from_parquet" else ("public", "orders")
        con.execute(f"CREATE SCHEMA IF NOT EXISTS pg.{schema}")
        con.execute(f"CREATE TABLE pg.{schema}.{table} AS SELECT * FROM read_parquet('{path}')")
        rows = con.execute(f"SELECT count(*) FROM read_parquet('{path}')").fetchall()[0][0]
    say(rows=rows)


if __name__ == "__main__":
    main(*sys.argv[1:])
