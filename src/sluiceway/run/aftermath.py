"""A run that was published and did not live to say so: it is recorded, and told of in its place."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sluiceway.errors import StoreError
from sluiceway.events import EventBus, RunFinished, RunStarted
from sluiceway.run.facts import dataset_of
from sluiceway.run.listeners import outside

if TYPE_CHECKING:
    from sluiceway.exchange import Receipt
    from sluiceway.run.resolve import Resolved
    from sluiceway.store.store import Store

__all__ = ["acknowledge"]


def acknowledge(store: Store, opened: Resolved, receipt: Receipt) -> None:
    """Record that a run has succeeded. Lineage and the others hear of it before it is written down: whoever
    dies in between leaves it to the next run, and they may hear twice of it but never not at all.

    What they do when a run is over waits for the end of this one, which holds locks: ``opened.owed``.
    """
    environment = opened.pipeline.environment.name
    try:
        row = store.run(receipt.run_id)
    except StoreError:  # a store that was lost: there is a receipt, and nothing else is known
        row = None
    if row is not None and row["status"] != "succeeded":
        opened.owed.append(_told(opened, receipt, row))
    store.mark(receipt.run_id, "succeeded", snapshot=receipt.snapshot)
    store.record_receipt(environment, receipt)


def _told(opened: Resolved, receipt: Receipt, row: dict[str, Any]) -> EventBus:
    """What is not known any more, its checks among it, is not told."""
    pipeline = opened.pipeline
    table, target = pipeline.destination.table, opened.target
    named = opened.sink.dataset(table)
    output = dataset_of(named, target, str(table)) if target and str(table) == receipt.table else None
    about = (receipt.run_id, pipeline.name, receipt.published_at.astimezone(UTC))
    begun = datetime.fromisoformat(row["started_at"])
    bus = EventBus()
    outside(bus, pipeline.project)
    bus.emit(  # not its first beginning, which was told
        RunStarted(
            *about, environment=pipeline.environment.name, attempt=row["attempt"] + 1, kind=row["kind"],
            output=output, description=pipeline.description, owner=pipeline.owner,
        )
    )  # fmt: skip
    bus.emit(
        RunFinished(
            *about, environment=pipeline.environment.name, status="succeeded", kind=row["kind"],
            seconds=max(0.0, (about[2] - begun).total_seconds()), snapshot=receipt.snapshot,
            records={
                "published": receipt.published, "quarantined": receipt.quarantined, "late": receipt.late
            },
            output=output, owner=pipeline.owner, table=receipt.table,
        )
    )  # fmt: skip
    return bus
