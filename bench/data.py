"""Workloads made by a seed, with planted defects whose counts are known."""

from __future__ import annotations

from pathlib import Path

import duckdb

__all__ = ["OUT", "gate_data", "orders_csv", "orders_table"]

OUT = Path(__file__).parent / "out"
SEED = 20_261_123


def _connect() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect(config={"preserve_insertion_order": "true"})
    con.execute(f"SET temp_directory = '{OUT / 'spill'}'")
    return con


def gate_data(rows: int) -> tuple[Path, Path, dict[str, int]]:
    """Twelve columns, ``rows`` rows, and a table of parents.

    Planted: every 100,000th email is broken, every 250,000th customer has no parent, every 50,000th
    ``shipped_at`` lies before ``created_at``, every 200,000th amount is negative.
    """
    OUT.mkdir(exist_ok=True)
    path, parents = OUT / f"gate_{rows}.parquet", OUT / "customers.parquet"
    truth = {
        "email": len(range(0, rows, 100_000)),
        "customer_id": len(range(0, rows, 250_000)),
        "order": len(range(0, rows, 50_000)),
        "amount": len(range(0, rows, 200_000)),
    }
    if path.exists() and parents.exists():
        return path, parents, truth
    con = _connect()
    con.execute(f"COPY (SELECT range AS customer_id FROM range(1000000)) TO '{parents}' (FORMAT parquet)")
    con.execute(
        f"""
        COPY (
            SELECT
                i AS order_id,
                'ref-' || lpad(CAST(hash(i + {SEED}) % 1000000000000 AS VARCHAR), 12, '0') || '-' || i AS reference,
                CASE WHEN i % 250000 = 0 THEN 1000000 + i ELSE CAST(hash(i) % 1000000 AS BIGINT) END AS customer_id,
                ['paid', 'shipped', 'returned', 'open'][1 + CAST(hash(i + 1) % 4 AS INTEGER)] AS status,
                ['NL', 'DE', 'FR', 'BE', 'US'][1 + CAST(hash(i + 2) % 5 AS INTEGER)] AS country,
                CASE WHEN i % 200000 = 0 THEN -1.00
                     ELSE CAST(CAST(hash(i + 3) % 10000000 AS DOUBLE) / 100 AS DECIMAL(12, 2)) END AS amount,
                CAST(1 + hash(i + 4) % 20 AS INTEGER) AS quantity,
                CAST(hash(i + 5) % 100 AS DOUBLE) / 100 AS discount,
                CASE WHEN i % 100000 = 0 THEN 'broken' ELSE 'user' || hash(i) % 5000000 || '@example.org' END AS email,
                '+31' || (600000000 + hash(i + 6) % 99999999) AS phone,
                TIMESTAMP '2026-01-01' + to_seconds(i % 20000000) AS created_at,
                TIMESTAMP '2026-01-01' + to_seconds(i % 20000000)
                    + to_hours(CASE WHEN i % 50000 = 0 THEN -1 ELSE 1 + CAST(hash(i + 7) % 90 AS INTEGER) END) AS shipped_at
            FROM range({rows}) AS t(i)
        ) TO '{path}' (FORMAT parquet, COMPRESSION zstd)
        """
    )
    con.close()
    return path, parents, truth
