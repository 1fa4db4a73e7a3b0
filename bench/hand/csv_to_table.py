"""A CSV file into a typed table of a DuckDB file: csv_to_table.py ORDERS DATABASE."""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
from csv_to_lake import COLUMNS
from duck import say


def main(orders: str, database: str) -> None:
    Path(database).unlink(missing_ok=True)
    con = duckdb.connect(database)
    con.execute("SET preserve_insertion_order = false")
    con.execute(
        f"CREATE TABLE orders AS SELECT * FROM read_csv('{orders}', header = true, columns = {COLUMNS})"
    )
    rows = con.execute("SELECT count(*) FROM orders").fetchall()[0][0]
    con.close()
    say(rows=rows)


if __name__ == "__main__":
    main(*sys.argv[1:])
