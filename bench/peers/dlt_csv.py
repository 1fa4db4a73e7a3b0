"""A CSV file into a DuckDB table by dlt: dlt_csv.py arrow|rows ORDERS DATABASE.

``arrow``: its fast path, tables of Arrow. ``rows``: what its guides begin with, dicts.
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dlt
import pyarrow as pa
from pyarrow import csv as arrow_csv

TYPES = {
    "order_id": pa.int64(), "customer_id": pa.int64(), "status": pa.string(), "amount": pa.string(),
    "discount": pa.decimal128(9, 2), "quantity": pa.int32(), "currency": pa.string(), "email": pa.string(),
    "country": pa.string(), "created_at": pa.timestamp("us"), "updated_at": pa.timestamp("us"),
    "note": pa.string(),
}  # fmt: skip


def tables(path: str) -> Iterator[Any]:
    options = arrow_csv.ConvertOptions(column_types=TYPES, strings_can_be_null=True)
    reading = arrow_csv.ReadOptions(block_size=16 << 20)
    with arrow_csv.open_csv(path, convert_options=options, read_options=reading) as reader:
        for batch in reader:
            yield pa.Table.from_batches([batch])


def rows(path: str) -> Iterator[Any]:
    with Path(path).open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def main(how: str, orders: str, database: str) -> None:
    Path(database).unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            "bench", pipelines_dir=folder, destination=dlt.destinations.duckdb(database), dataset_name="mart"
        )
        given = tables(orders) if how == "arrow" else rows(orders)
        pipeline.run(dlt.resource(given, name="orders"), write_disposition="replace")
        with pipeline.sql_client() as client:
            found = client.execute_sql("SELECT count(*) FROM orders")
        print(json.dumps({"rows": found[0][0]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
