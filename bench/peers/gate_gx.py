"""The twenty rules as a Great Expectations suite on pandas."""

from __future__ import annotations

import sys
from datetime import datetime

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd
from rules import COUNTRIES, EMAIL, NEVER_NULL, PHONE, STATUSES, say

FROM, TO = datetime(2026, 1, 1), datetime(2027, 1, 1)  # noqa: DTZ001


def suite() -> list[tuple[str, gxe.Expectation]]:
    between, among, match = (
        gxe.ExpectColumnValuesToBeBetween,
        gxe.ExpectColumnValuesToBeInSet,
        gxe.ExpectColumnValuesToMatchRegex,
    )
    unique = gxe.ExpectColumnValuesToBeUnique
    return [
        *((f"null:{name}", gxe.ExpectColumnValuesToNotBeNull(column=name)) for name in NEVER_NULL),
        ("unique:order_id", unique(column="order_id")),
        ("unique:reference", unique(column="reference")),
        ("amount", between(column="amount", min_value=0, max_value=100_000)),
        ("quantity", between(column="quantity", min_value=1, max_value=20)),
        ("discount", between(column="discount", min_value=0, max_value=1)),
        ("created_at", between(column="created_at", min_value=FROM, max_value=TO)),
        ("status", among(column="status", value_set=STATUSES)),
        ("country", among(column="country", value_set=COUNTRIES)),
        ("email", match(column="email", regex=f"^{EMAIL}$")),
        ("phone", match(column="phone", regex=f"^{PHONE}$")),
        ("row_count", gxe.ExpectTableRowCountToBeBetween(min_value=1)),
        ("customer_id", among(column="has_parent", value_set=[True])),
        (
            "order",
            gxe.ExpectColumnPairValuesAToBeGreaterThanB(
                column_A="shipped_at", column_B="created_at", or_equal=True
            ),
        ),
        (
            "freshness",
            gxe.ExpectColumnMaxToBeBetween(column="created_at", min_value=datetime(2016, 1, 1)),  # noqa: DTZ001
        ),
        ("mean", gxe.ExpectColumnMeanToBeBetween(column="amount", min_value=20, max_value=80_000)),
    ]


def main(orders: str, customers: str) -> None:
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    rows = pd.read_parquet(orders)
    rows["amount"] = rows["amount"].astype(float)  # of Decimal objects it can't make a mean
    # a set of a million values in an expectation takes it minutes: the parents are looked up by pandas
    rows["has_parent"] = rows["customer_id"].isin(pd.read_parquet(customers)["customer_id"])
    batch = (
        context.data_sources.add_pandas("pandas")
        .add_dataframe_asset("orders")
        .add_batch_definition_whole_dataframe("all")
    )
    expectations = []
    for name, expectation in suite():
        expectation.meta = {"rule": name}
        expectations.append(expectation)
    outcome = batch.get_batch({"dataframe": rows}).validate(
        gx.ExpectationSuite(name="gate", expectations=expectations),
        result_format={"result_format": "BASIC", "partial_unexpected_count": 0},
    )
    counts: dict[str, int] = {}
    for result in outcome.results:
        counts[result.expectation_config.meta["rule"]] = int(
            result.result.get("unexpected_count", 0 if result.success else 1)
        )
    say(counts)


if __name__ == "__main__":
    main(*sys.argv[1:])
