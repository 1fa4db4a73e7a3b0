"""The twenty rules as a pointblank plan over Polars."""

from __future__ import annotations

import sys

import pointblank as pb
import polars as pl
from rules import COUNTRIES, EMAIL, NEVER_NULL, PHONE, STATUSES, say


def main(orders: str, customers: str) -> None:
    rows, known = pl.read_parquet(orders), pl.read_parquet(customers)["customer_id"].implode()
    plan = (
        pb.Validate(rows)
        .col_vals_not_null(NEVER_NULL, brief="null")
        .rows_distinct("order_id", brief="unique:order_id")
        .rows_distinct("reference", brief="unique:reference")
        .col_vals_between("amount", 0, 100_000, brief="amount")
        .col_vals_between("quantity", 1, 20, brief="quantity")
        .col_vals_between("discount", 0, 1, brief="discount")
        .col_vals_expr(
            pl.col("created_at").is_between(pl.datetime(2026, 1, 1), pl.datetime(2027, 1, 1)),
            brief="created_at",
        )
        .col_vals_in_set("status", STATUSES, brief="status")
        .col_vals_in_set("country", COUNTRIES, brief="country")
        .col_vals_regex("email", f"^{EMAIL}$", brief="email")
        .col_vals_regex("phone", f"^{PHONE}$", brief="phone")
        .col_vals_expr(pl.col("customer_id").is_in(known), brief="customer_id")
        .col_vals_expr(pl.col("shipped_at") >= pl.col("created_at"), brief="order")
        .specially(lambda table: table.height >= 1, brief="row_count")
        .specially(lambda table: table["created_at"].max().year >= 2016, brief="freshness")
        .specially(lambda table: 20 <= table["amount"].mean() <= 80_000, brief="mean")
        .interrogate(collect_extracts=False)
    )
    counts: dict[str, int] = {}
    for step in plan.validation_info:
        if step.eval_error:
            raise SystemExit(f"the step {step.brief} can't be evaluated")
        counts[str(step.brief)] = counts.get(str(step.brief), 0) + int(step.n_failed)
    say(counts)


if __name__ == "__main__":
    main(*sys.argv[1:])
