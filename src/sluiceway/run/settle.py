"""What earlier runs of a pipeline left behind: whether they were published is asked of the destination."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sluiceway.run.fetched import hand_on

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sluiceway.run.resolve import Resolved
    from sluiceway.store.store import Store

__all__ = ["settle"]

_IN_VAIN = ("failed", "cancelled")


def settle(store: Store, opened: Resolved, run_id: str) -> datetime | None:
    """Runs whose process is gone: committed ones are recorded as such, others start over as ``run_id``. So
    is the last one, where it failed and yet has a receipt.

    The pipeline's lock is held, so no run of it can be alive but this one and those of other lanes. What the
    queue still has is left to it: such a run will be tried again, and settles itself.

    Returns:
        When the run that starts over had begun; None where none does.
    """
    pipeline, environment = opened.pipeline.name, opened.pipeline.environment.name
    begun = None
    _clear(opened, run_id)  # of its own earlier tries, however they ended
    gone = store.interrupted(pipeline, environment)
    last = store.runs(pipeline=pipeline, environment=environment, limit=1)
    queued = _queued(store, [*gone, *(row for row in last if row["status"] in _IN_VAIN)], run_id)
    for row in gone:
        if row["run_id"] in queued:
            continue
        if not _committed(store, opened, row["run_id"]):
            begun = _utc(row["started_at"])
            if row["run_id"] == run_id:  # another try of the same run
                continue
            error = {"type": "Interrupted", "message": f"its process ended; started over as {run_id}"}
            store.mark(row["run_id"], "failed", error=error)
        _clear(opened, row["run_id"])
    for row in last:
        if row["run_id"] in queued:
            continue
        if row["status"] in _IN_VAIN:
            # its COMMIT got no answer, or an interrupt came right after it
            _committed(store, opened, row["run_id"])
        if row["status"] in ("succeeded", *_IN_VAIN):
            _clear(opened, row["run_id"])  # it ended, but its process did so before it had cleared up
    return begun


def _queued(store: Store, rows: Sequence[Mapping[str, Any]], run_id: str) -> frozenset[str]:
    """Of these runs but this one those that the queue still has. Where all is well nobody asks it."""
    others = [row["run_id"] for row in rows if row["run_id"] != run_id]
    return store.queue.active(others) if others else frozenset()


def _clear(opened: Resolved, run_id: str) -> None:
    """What tries of a run left behind. This one's own folder stays, and gets what they had fetched."""
    own: set[Path] = {opened.staging, opened.engine.staging}
    for folder in own:
        for left in (folder.with_name(run_id), *folder.parent.glob(f"{run_id}.*")):
            if left not in own:
                if opened.staging.name.partition(".")[0] == run_id:
                    hand_on(left, opened.engine.local.staging)
                shutil.rmtree(left, ignore_errors=True)


def _committed(store: Store, opened: Resolved, run_id: str) -> bool:
    """Whether a run has a receipt; then it is recorded as succeeded, and told of."""
    from sluiceway.run.aftermath import acknowledge

    receipts = opened.sink.receipts(run_id=run_id)
    for receipt in receipts[:1]:
        acknowledge(store, opened, receipt)
    return bool(receipts)


def _utc(value: Any) -> datetime:
    when = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return when if when.tzinfo is not None else when.replace(tzinfo=UTC)
