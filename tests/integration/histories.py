"""Histories of runs, written as the runs themselves would have: for tests of what is judged by them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sluiceway.events import RunFinished
from sluiceway.spec.project import load_project
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["check", "write_history"]


def check(
    id_: str, failing: int = 0, total: int = 10, dimension: str = "accuracy", **more: Any
) -> dict[str, Any]:
    """A check's document; what stands behind the colon are its columns."""
    rule, _, columns = id_.partition(":")
    return {
        "id": id_, "rule": rule, "phase": "gate", "columns": [c for c in columns.split(",") if c],
        "dimension": dimension, "severity": "error", "on_fail": "warn", "failing": failing,
        "total": total, "passed": not failing, "observed": None, "proven": False, "message": "", **more,
    }  # fmt: skip


def write_history(
    project: Any,
    metrics: Sequence[Mapping[str, Any]],
    *,
    table: str = "mart.orders",
    pipeline: str = "orders",
    status: str = "succeeded",
    kind: str = "run",
    checks: Sequence[Iterable[Mapping[str, Any]]] = (),
    until: datetime | None = None,
    config: Mapping[str, Any] | None = None,
    every: timedelta = timedelta(days=1),
    tag: str = "old",
) -> list[str]:
    """A run for each of ``metrics`` (``RunFinished.metrics``; ``quality_score`` and ``dimensions`` may be in
    it), the last one ``every`` before ``until``, which is now if absent. Gives their ids."""
    loaded = load_project(project.folder)
    end, ids = until or datetime.now(UTC), []
    with project.opened() as (sink, _):
        from sluiceway.schema import TableName

        namespace, name = sink.dataset(TableName.parse(table))
    with Store.open(loaded.metadata) as store:
        for n, given in enumerate(metrics):
            at, run_id = end - every * (len(metrics) - n), f"{tag}-{n:03}"
            measured = dict(given)
            score, parts = measured.pop("quality_score", None), measured.pop("dimensions", {})
            store.begin_run(
                run_id, pipeline, loaded.environments[0].name, at, kind=kind, config_raw=config or {}
            )
            store.record_event(
                RunFinished(
                    run_id, pipeline, at, environment=loaded.environments[0].name, status=status,
                    quality_score=score, dimensions=parts, metrics=measured,
                    output={"namespace": namespace, "name": name, "source": table, "columns": []},
                    checks=tuple(dict(c) for c in checks[n]) if checks else (),
                )
            )  # fmt: skip
            ids.append(run_id)
    return ids
