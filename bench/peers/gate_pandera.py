"""The twenty rules as a pandera schema over Polars, all failures collected (lazy)."""

from __future__ import annotations

import sys
from datetime import datetime

import pandera.polars as pa
import polars as pl
from pandera.errors import SchemaErrors
from rules import COUNTRIES, EMAIL, PHONE, STATUSES, say

# built-in checks go by their own text in the report, whatever their name
BUILT_IN = {("email", "str_matches"): "email", ("amount", "in_range"): "amount"}
FROM, TO = datetime(2026, 1, 1), datetime(2027, 1, 1)  # noqa: DTZ001


def schema(parents: pl.DataFrame) -> pa.DataFrameSchema:
    known = parents["customer_id"].implode()

    def has_parent(data: pa.PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(pl.col("customer_id").is_in(known))

    def in_order(data: pa.PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(pl.col("shipped_at") >= pl.col("created_at"))

    def filled(data: pa.PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(pl.len() >= 1)

    def fresh(data: pa.PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(pl.col("created_at").max() >= datetime(2016, 1, 1))  # noqa: DTZ001

    def mean(data: pa.PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(pl.col("amount").mean().is_between(20, 80_000))

    check, column = pa.Check, pa.Column
    return pa.DataFrameSchema(
        {
            "order_id": column(nullable=False, unique=True),
            "reference": column(nullable=False, unique=True),
            "customer_id": column(nullable=False, checks=check(has_parent, name="customer_id")),
            "status": column(nullable=True, checks=check.isin(STATUSES, name="status")),
            "country": column(nullable=True, checks=check.isin(COUNTRIES, name="country")),
            "amount": column(nullable=True, checks=check.in_range(0, 100_000, name="amount")),
            "quantity": column(nullable=True, checks=check.in_range(1, 20, name="quantity")),
            "discount": column(nullable=True, checks=check.in_range(0, 1, name="discount")),
            "email": column(nullable=False, checks=check.str_matches(f"^{EMAIL}$", name="email")),
            "phone": column(nullable=True, checks=check.str_matches(f"^{PHONE}$", name="phone")),
            "created_at": column(nullable=False, checks=check.in_range(FROM, TO, name="created_at")),
        },
        checks=[
            check(in_order, name="order"),
            check(filled, name="row_count"),
            check(fresh, name="freshness"),
            check(mean, name="mean"),
        ],
    )


def main(orders: str, customers: str) -> None:
    counts: dict[str, int] = {}
    try:
        schema(pl.read_parquet(customers)).validate(pl.read_parquet(orders), lazy=True)
    except SchemaErrors as found:
        cases = found.failure_cases.group_by("column", "check").len()
        counts = {
            BUILT_IN.get((column, check.split("(")[0]), check): n for column, check, n in cases.iter_rows()
        }
    say(counts)


if __name__ == "__main__":
    main(*sys.argv[1:])
