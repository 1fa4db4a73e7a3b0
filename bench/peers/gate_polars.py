"""The twenty rules by hand in Polars: one lazy select, and an anti join."""

from __future__ import annotations

import sys
from datetime import datetime

import polars as pl
from rules import COUNTRIES, EMAIL, PHONE, STATUSES, say


def main(orders: str, customers: str) -> None:
    c, rows = pl.col, pl.scan_parquet(orders)
    wrong = {
        "amount": (c("amount") < 0) | (c("amount") > 100_000),
        "quantity": ~c("quantity").is_between(1, 20),
        "discount": ~c("discount").is_between(0, 1),
        "created_at": ~c("created_at").is_between(datetime(2026, 1, 1), datetime(2027, 1, 1)),  # noqa: DTZ001
        "status": ~c("status").is_in(STATUSES),
        "country": ~c("country").is_in(COUNTRIES),
        "email": ~c("email").str.contains(f"^{EMAIL}$"),
        "phone": ~c("phone").str.contains(f"^{PHONE}$"),
        "order": c("shipped_at") < c("created_at"),
    }
    measures = [expression.sum().alias(name) for name, expression in wrong.items()]
    measures += [
        c(n).null_count().alias(f"null:{n}")
        for n in ("order_id", "reference", "customer_id", "email", "created_at")
    ]
    measures += [(pl.len() - c(n).n_unique()).alias(f"unique:{n}") for n in ("order_id", "reference")]
    measures += [
        (pl.len() < 1).cast(pl.Int64).alias("row_count"),
        (c("created_at").max() < datetime(2016, 1, 1)).cast(pl.Int64).alias("freshness"),  # noqa: DTZ001
        (~c("amount").mean().is_between(20, 80_000)).cast(pl.Int64).alias("mean"),
    ]
    orphans = rows.select("customer_id").join(
        pl.scan_parquet(customers), left_on="customer_id", right_on="customer_id", how="anti"
    )
    found, lost = pl.collect_all([rows.select(measures), orphans.select(pl.len())], engine="streaming")
    say({**found.row(0, named=True), "customer_id": lost.item()})


if __name__ == "__main__":
    main(*sys.argv[1:])
