"""What a publish to files checks, and the JSON that it keeps beside the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from sluiceway.errors import DestinationError
from sluiceway.exchange import PublishOrder, Receipt
from sluiceway.schema import Schema

__all__ = ["evolved", "footer_rows", "receipt_json", "receipt_of", "same_count", "statuses_json"]


def evolved(batch: Schema, before: Schema | None, order: PublishOrder) -> Schema:
    """The table's columns after the publish."""
    if before is None:
        return batch
    types = {c.name: order.widen_columns.get(c.name, c.type) for c in before}
    types.update({n: t for n, t in order.add_columns.items() if n not in before})
    after = Schema.of(types)
    for column in batch:
        there = after.get(column.name)
        if there is None or there.type != column.type:
            is_now = f"is {there.type} there" if there else "is not there"
            raise DestinationError(
                f"column '{column.name}' {column.type} can't be appended to '{order.table}': it {is_now}",
                hint="cast it in a step, or load with mode: replace",
            )
    return after


def footer_rows(files: Sequence[Path]) -> int:
    """Rows of Parquet files, by their footers."""
    import pyarrow.parquet as pq

    return sum(int(pq.read_metadata(file).num_rows) for file in files)


def same_count(found: int, expected: int, what: str) -> None:
    """Raise DestinationError where what was written is not what was judged."""
    if found != expected:
        raise DestinationError(
            f"{found} {what} were written where the gate judged {expected}; nothing was published",
            hint="the staging changed after the gate: run again",
        )


def statuses_json(ids: Sequence[str], status: str) -> list[dict[str, str]]:
    """A file of ``statuses``: each id with its new status."""
    return [{"quarantine_id": one, "status": status} for one in ids]


def receipt_json(receipt: Receipt) -> dict[str, Any]:
    """A file of ``receipts``."""
    return {**asdict(receipt), "published_at": receipt.published_at.isoformat()}


def receipt_of(found: dict[str, Any]) -> Receipt:
    """The receipt of such a file."""
    return Receipt(**{**found, "published_at": datetime.fromisoformat(found["published_at"])})
