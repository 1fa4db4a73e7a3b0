"""The destination's rows, for checks that look beyond the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from sluiceway.plan.nodes import AuditGate
from sluiceway.rules.base import BATCH, TARGET

if TYPE_CHECKING:
    from sluiceway.exchange import Scd2
    from sluiceway.run.execute import Execution

__all__ = ["bind_target"]


def bind_target(run: Execution) -> None:
    """``_target``: the destination's rows that stay beside the batch after the publish."""
    opened, destination = run.opened, run.plan.pipeline.destination
    if opened.target is None or destination.mode == "replace":
        return
    scd2 = destination.scd2 if destination.mode == "scd2" else None
    scan = run.reach.table(opened.sink, destination.table, _looked_at(run, scd2))
    if destination.mode == "append":
        run.relations.scan(TARGET, scan, schema=opened.target)
        return
    same = " AND ".join(f"_b.{run.quoted(k)} = _t.{run.quoted(k)}" for k in destination.key)
    current = f"_t.{run.quoted(scd2.valid_to)} IS NULL AND " if scd2 is not None else ""
    run.relations.scan(
        TARGET,
        f"SELECT _t.* FROM ({scan}) AS _t WHERE {current}NOT EXISTS "
        f"(SELECT 1 FROM {run.quoted(BATCH)} AS _b WHERE {same})",
        reads=(BATCH,),
        schema=opened.target,
    )


def _looked_at(run: Execution, scd2: Scd2 | None) -> list[str]:
    """The target's columns that checks look at; no others need to leave it."""
    wanted = {name.casefold() for name in run.plan.pipeline.destination.key}
    wanted |= {scd2.valid_to.casefold()} if scd2 is not None else set()
    for check in run.plan.select(AuditGate)[0].checks:
        if TARGET in check.relations:
            trees = [*check.measures.queries, *filter(None, [check.blame()])]
            wanted |= {c.name.casefold() for tree in trees for c in tree.find_all(exp.Column)}
    return [c.name for c in run.opened.target or () if c.name.casefold() in wanted]
