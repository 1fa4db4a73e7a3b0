"""Undo a run where the destination keeps snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluiceway.errors import DestinationError
from sluiceway.ids import new_run_id
from sluiceway.run.warehouse import environment_of, warehouse
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from sluiceway.exchange import Receipt
    from sluiceway.spec.model import Project

__all__ = ["rollback"]


def rollback(
    project: Project,
    environment: str | None,
    run_id: str,
    *,
    force: bool = False,
    keep_cursor: bool = False,
    lock_timeout: float = 60.0,
) -> Receipt:
    """A new snapshot of the run's table with its content before the run.

    Args:
        force: also when later runs touched the table; their rows are undone too.
        keep_cursor: leave the sources' marks where they are.

    Raises:
        DestinationError: no such run there, or the warehouse can't undo.
    """
    with warehouse(project, environment, changes=True) as sink:
        found = sink.receipts(run_id=run_id)
        if not found:
            raise DestinationError(
                f"the warehouse has no receipt of run {run_id}", hint="sluiceway runs list"
            )
        if not sink.capabilities.snapshots:
            raise DestinationError(
                f"a {sink.config.type} warehouse keeps no snapshots, so {run_id} can't be rolled back",
                hint="publish again with the data that you want; ducklake, delta and iceberg can roll back",
            )
        new_run_id_ = new_run_id()
        holder = f"rollback of {run_id}"
        with (
            sink.lock(f"pipeline {found[0].pipeline}", lock_timeout, holder),
            sink.lock(f"table {found[0].table}", lock_timeout, holder),
        ):
            receipt = sink.rollback(run_id, new_run_id=new_run_id_, force=force, keep_cursor=keep_cursor)
    with Store.open(project.metadata) as store:
        store.record_receipt(environment_of(project, environment).name, receipt)
    return receipt
