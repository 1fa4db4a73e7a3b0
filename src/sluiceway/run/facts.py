"""What a run tells the store and lineage of itself when it begins and when it ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sluiceway.plan.nodes import Plan, Stage
from sluiceway.run.gate import dimensions, score
from sluiceway.secrets import redact

if TYPE_CHECKING:
    from sluiceway.run.execute import Execution, Judged
    from sluiceway.run.result import RunResult
    from sluiceway.schema import Schema

__all__ = ["dataset_of", "edges_of", "sql_of", "summarise"]


def summarise(
    result: RunResult,
    execution: Execution,
    judged: Judged | None,
    weights: Mapping[str, float],
    *,
    dry_run: bool,
) -> None:
    """Checks, samples, scores and counts, as far as the run came."""
    result.checks = tuple(execution.results)
    result.scans = execution.audit.scans
    result.samples = execution.samples
    result.fixes = tuple(execution.fixes)
    result.dimensions = dimensions(execution.results)
    result.quality_score = score(result.dimensions, weights)
    records = result.records
    records.read, records.rejected = execution.read, execution.rejected
    if judged is not None:
        records.staged = judged.rows
        blocked = result.verdict is None or result.verdict.outcome == "block"
        records.quarantined = 0 if blocked or dry_run else judged.rows - judged.good_rows


def sql_of(plan: Plan, execution: Execution) -> str:
    """The statement that computed the result, without secrets."""
    return redact(execution.relations.compile(plan.select(Stage)[0].query))


def dataset_of(name: tuple[str, str], schema: Schema, relation: str) -> dict[str, Any]:
    """A dataset in events; ``relation`` is its name in the pipeline."""
    return {
        "namespace": name[0],
        "name": name[1],
        "source": relation,
        "columns": [{"name": c.name, "type": c.type} for c in schema],
    }


def edges_of(plan: Plan, inputs: tuple[Mapping[str, Any], ...]) -> dict[str, list[dict[str, Any]]]:
    """Lineage of the output's columns, in the names of datasets."""
    names = {given["source"]: given for given in inputs}
    out: dict[str, list[dict[str, Any]]] = {}
    for column in plan.output:
        edges = plan.lineage.columns.get(column.name, ())
        out[column.name] = [
            {
                "namespace": names[e.relation]["namespace"] if e.relation in names else "",
                "dataset": names[e.relation]["name"] if e.relation in names else e.relation,
                "column": e.column,
                "type": e.type,
                "subtype": e.subtype,
                "masking": e.masking,
            }
            for e in edges
        ]
    return out
