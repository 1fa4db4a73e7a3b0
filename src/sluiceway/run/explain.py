"""Plan without running: schemas and state are asked, no row is read."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.engines.base import EnginePlan
from sluiceway.plan.build import names_read
from sluiceway.plan.explain import describe_plan
from sluiceway.plan.nodes import AuditGate, Extract, PythonStep, Stage, Transform
from sluiceway.run.audit import proven, with_bounds
from sluiceway.run.check import metadata, plain
from sluiceway.run.estimate import estimate
from sluiceway.run.execute import Execution
from sluiceway.run.resolve import resolved
from sluiceway.run.spools import as_if_spooled
from sluiceway.secrets import redact

if TYPE_CHECKING:
    from sluiceway.plan.nodes import Plan
    from sluiceway.run.resolve import Resolved
    from sluiceway.spec.model import Pipeline

__all__ = ["explain"]


def explain(pipeline: Pipeline, *, engine_plan: bool = False) -> dict[str, Any]:
    """The plan as a document; with ``engine_plan`` the engine's own plan of the staging statement too."""
    started_at = datetime.now(UTC)
    with (
        tempfile.TemporaryDirectory(prefix="sluiceway-") as scratch,
        resolved(
            pipeline, started_at=started_at, staging=Path(scratch) / "plan", named=names_read(pipeline)
        ) as opened,
    ):
        plan = opened.plan()
        document = describe_plan(plan, opened.engine.capabilities.dialect)
        document["sources"] = [
            {"name": name, "dataset": list(source.dataset()), "columns": _columns(opened, name)}
            for name, source in opened.sources.items()
        ]
        document["exists"] = opened.target is not None
        document["proven"] = _proven(plan, opened)
        guessed = estimate(plan, opened)
        environment = plan.pipeline.environment
        document["estimate"] = guessed.as_dict(engine=environment.engine.type, environment=environment.name)
        document["summary"] += f", {document['proven']} proven from metadata"
        if engine_plan:
            found = _engine_plan(plan, opened)
            document["engine_plan"], document["engine_scans"] = redact(found.text), found.scans
        return document


def _proven(plan: Plan, opened: Resolved) -> int:
    """Gate checks that ``check`` would not read for: only of a plain scan does metadata say anything."""
    spec = plan.pipeline.sources.get(plan.last)
    if spec is None or spec.config.filters or not plain(plan.pipeline):
        return 0
    bounds, rows = metadata(opened.sources[plan.last])
    checks = with_bounds(plan.select(AuditGate)[0].checks, bounds)
    return sum(rows is not None and proven(check, rows) is not None for check in checks)


def _columns(opened: Resolved, name: str) -> list[dict[str, str]]:
    return [{"name": c.name, "type": c.type} for c in opened.schemas[name]]


def _engine_plan(plan: Plan, opened: Resolved) -> EnginePlan:
    from contextlib import nullcontext

    execution = Execution("explain", plan, opened, lambda _: nullcontext())
    execution.open_scans()
    if plan.select(PythonStep):
        return EnginePlan("a Python step is in the way: what comes after it is planned when it has run")
    for name, native in execution.natives.items():
        if native is None:
            return EnginePlan(f"source '{name}' is streamed: what comes after it is planned when it was read")
        execution.relations.scan(name, native)
    for extract in plan.select(Extract):
        as_if_spooled(execution, extract.source, numbered=extract.numbered)
    for node in plan.select(Transform):
        execution.relations.step(node.relation, node.query, inline=node.inline)
        as_if_spooled(execution, node.relation, numbered=node.numbered)
    query = plan.select(Stage)[0].query
    return opened.engine.explain(execution.relations.compile(query))
