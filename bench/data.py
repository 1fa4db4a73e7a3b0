"""Workloads made by a seed, with planted defects whose counts are known.

    python -m bench.data gate 1000000        # writes what is missing, prints what was planted as JSON

Made by a process of its own: a child's peak memory, as the kernel accounts for it, begins with that of
the process that started it, so the process that measures stays small.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["CUSTOMERS", "OUT", "PARENTS", "customers_sql", "made", "orders_sql"]

OUT = Path(__file__).parent / "out"
PARENTS = OUT / "customers.parquet"
CUSTOMERS = OUT / "customers.csv"
SEED = 20_261_123
_CUSTOMER_ROWS = 200_000

_GATE = """
    SELECT
        i AS order_id,
        'ref-' || lpad(CAST(hash(i + {seed}) % 1000000000000 AS VARCHAR), 12, '0') || '-' || i AS reference,
        CASE WHEN i % 250000 = 0 THEN 1000000 + i ELSE CAST(hash(i) % 1000000 AS BIGINT) END AS customer_id,
        ['paid', 'shipped', 'returned', 'open'][1 + CAST(hash(i + 1) % 4 AS INTEGER)] AS status,
        ['NL', 'DE', 'FR', 'BE', 'US'][1 + CAST(hash(i + 2) % 5 AS INTEGER)] AS country,
        CASE WHEN i % 200000 = 0 THEN -1.00
             ELSE CAST(CAST(hash(i + 3) % 10000000 AS DOUBLE) / 100 AS DECIMAL(12, 2)) END AS amount,
        CAST(1 + hash(i + 4) % 20 AS INTEGER) AS quantity,
        CAST(hash(i + 5) % 100 AS DOUBLE) / 100 AS discount,
        CASE WHEN i % 100000 = 0 THEN 'broken'
             ELSE 'user' || hash(i) % 5000000 || '@example.org' END AS email,
        '+31' || (600000000 + hash(i + 6) % 99999999) AS phone,
        TIMESTAMP '2026-01-01' + to_seconds(i % 20000000) AS created_at,
        TIMESTAMP '2026-01-01' + to_seconds(i % 20000000)
            + to_hours(CASE WHEN i % 50000 = 0 THEN -1 ELSE 1 + CAST(hash(i + 7) % 90 AS INTEGER) END)
            AS shipped_at
    FROM range({rows}) AS t(i)
"""

# Every 20th row repeats a key of another row, anywhere in the file, with an updated_at of its own.
_ORDERS = """
    SELECT
        CASE WHEN i % 20 = 19 THEN k - CAST(k % 20 = 19 AS BIGINT) ELSE i END AS order_id,
        CASE WHEN i % 50000 = 0 THEN {customers} + i
             ELSE CAST(hash(i) % {customers} AS BIGINT) END AS customer_id,
        ['paid', 'shipped', 'returned', 'open', 'draft'][1 + CAST(hash(i + 1) % 5 AS INTEGER)] AS status,
        CASE WHEN i % 10000 = 1 THEN 'n/a'
             ELSE CAST(CAST(CAST(hash(i + 3) % 10000000 AS DOUBLE) / 100 AS DECIMAL(12, 2)) AS VARCHAR) END
            AS amount,
        CASE WHEN i % 7 = 0 THEN NULL
             ELSE CAST(CAST(hash(i + 5) % 1000 AS DOUBLE) / 100 AS DECIMAL(9, 2)) END AS discount,
        CASE WHEN i % 25000 = 2 THEN 0 ELSE CAST(1 + hash(i + 4) % 20 AS INTEGER) END AS quantity,
        ['EUR', 'USD', 'GBP'][1 + CAST(hash(i + 8) % 3 AS INTEGER)] AS currency,
        CASE WHEN i % 20000 = 3 THEN 'broken' ELSE 'user' || hash(i) % 5000000 || '@example.org' END AS email,
        ['NL', 'DE', 'FR', 'BE', 'US'][1 + CAST(hash(i + 2) % 5 AS INTEGER)] AS country,
        TIMESTAMP '2025-01-01' + to_seconds(hash(i + 9) % 20000000) AS created_at,
        TIMESTAMP '2026-01-01' + to_milliseconds(i) AS updated_at,
        CASE WHEN i % 11 = 0 THEN 'leave at the door, "ring" twice'
             ELSE 'note ' || hash(i + 10) % 1000 END AS note
    FROM (SELECT i, CAST(hash(i + {seed}) % {rows} AS BIGINT) AS k FROM range({rows}) AS t(i)) AS t
"""

# What stands after filter and deduplicate, by a third way (arg_max) that neither contender takes.
_ORDERS_TRUTH = """
    WITH last AS (
        SELECT order_id, arg_max(
            (amount = 'n/a')::INTEGER + 2 * (quantity = 0)::INTEGER + 4 * (email = 'broken')::INTEGER
            + 8 * (customer_id >= {customers})::INTEGER, updated_at) AS r
        FROM ({orders}) AS o WHERE status <> 'draft' GROUP BY order_id
    )
    SELECT count(*), count_if(r & 1 <> 0), count_if(r & 2 <> 0), count_if(r & 4 <> 0),
           count_if(r & 8 <> 0), count_if(r & 3 <> 0)
    FROM last
"""
_ORDERS_NAMES = ("rows", "amount", "quantity", "email", "customer_id", "quarantined")


def customers_sql() -> str:
    """The customers that orders refer to."""
    return (
        "SELECT i AS customer_id, 'customer ' || i AS name, "
        "['retail', 'wholesale', 'staff'][1 + CAST(hash(i) % 3 AS INTEGER)] AS segment, "
        "['north', 'south', 'east', 'west'][1 + CAST(hash(i + 1) % 4 AS INTEGER)] AS region "
        f"FROM range({_CUSTOMER_ROWS}) AS t(i)"
    )


def orders_sql(rows: int) -> str:
    """Orders with repeated keys and planted defects."""
    return _ORDERS.format(seed=SEED, rows=rows, customers=_CUSTOMER_ROWS)


def made(kind: str, rows: int) -> tuple[Path, dict[str, int]]:
    """The file of a workload, made if need be, and what was planted in it."""
    OUT.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "bench.data", kind, str(rows)],
        check=True, capture_output=True, text=True, cwd=OUT.parent.parent,
    )  # fmt: skip
    answer: dict[str, Any] = json.loads(done.stdout)
    return Path(answer["path"]), answer["truth"]


def _connect() -> Any:
    import duckdb

    con = duckdb.connect()
    con.execute(f"SET temp_directory = '{OUT / 'spill'}'")
    con.execute("SET memory_limit = '6GB'")
    return con


def _copy(sql: str, path: Path, options: str) -> None:
    """Written aside and then renamed: a file that is there is whole."""
    if path.exists():
        return
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    con = _connect()
    con.execute(f"COPY ({sql}) TO '{aside}' ({options})")
    con.close()
    aside.rename(path)


def _gate(rows: int) -> tuple[Path, dict[str, int]]:
    path = OUT / f"gate_{rows}.parquet"
    _copy("SELECT range AS customer_id FROM range(1000000)", PARENTS, "FORMAT parquet")
    _copy(_GATE.format(seed=SEED, rows=rows), path, "FORMAT parquet, COMPRESSION zstd")
    planted = {"email": 100_000, "customer_id": 250_000, "order": 50_000, "amount": 200_000}
    return path, {name: len(range(0, rows, every)) for name, every in planted.items()}


def _bare(rows: int) -> tuple[Path, dict[str, int]]:
    """The same rows in a file whose footer holds no statistics: nothing is proven but the row count."""
    import pyarrow.parquet as pq

    full, truth = _gate(rows)
    path = OUT / f"bare_{rows}.parquet"
    if not path.exists():
        aside = path.with_name(f"{path.name}.{os.getpid()}")
        source = pq.ParquetFile(full)
        with pq.ParquetWriter(
            aside, source.schema_arrow, compression="zstd", write_statistics=False
        ) as writer:
            for group in range(source.num_row_groups):
                writer.write_table(source.read_row_group(group))
        aside.rename(path)
    return path, truth


def _orders(rows: int, kind: str) -> tuple[Path, dict[str, int]]:
    path, beside = OUT / f"orders_{rows}.{kind}", OUT / f"orders_{rows}.truth.json"
    _copy(customers_sql(), CUSTOMERS, "FORMAT csv, HEADER")
    sql = orders_sql(rows)
    _copy(sql, path, "FORMAT csv, HEADER" if kind == "csv" else "FORMAT parquet, COMPRESSION zstd")
    if not beside.exists():
        con = _connect()
        con.execute("SET preserve_insertion_order = false")
        found = con.execute(_ORDERS_TRUTH.format(orders=sql, customers=_CUSTOMER_ROWS)).fetchone()
        con.close()
        beside.write_text(json.dumps(dict(zip(_ORDERS_NAMES, found, strict=True))))
    return path, json.loads(beside.read_text())


def main(kind: str, rows: int) -> None:
    OUT.mkdir(exist_ok=True)
    if kind == "gate":
        path, truth = _gate(rows)
    elif kind == "bare":
        path, truth = _bare(rows)
    elif kind == "orders_csv":
        path, truth = _orders(rows, "csv")
    elif kind == "orders_parquet":
        path, truth = _orders(rows, "parquet")
    else:
        sys.exit(f"no workload is called {kind}; there are gate, bare, orders_csv and orders_parquet")
    print(json.dumps({"path": str(path), "truth": truth}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
