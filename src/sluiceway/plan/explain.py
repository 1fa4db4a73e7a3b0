"""What a run would do, said from the very nodes that it would walk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sluiceway.plan.nodes import (
    AuditGate,
    AuditSource,
    Extract,
    Plan,
    Publish,
    PythonStep,
    Quarantine,
    Stage,
    Transform,
)
from sluiceway.rules.base import BATCH, TARGET
from sluiceway.secrets import redact
from sluiceway.sql.translate import translate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlglot import exp

    from sluiceway.rules.fuse import Check
    from sluiceway.schema import Schema

__all__ = ["describe_plan", "scans_of"]


def describe_plan(plan: Plan, dialect: str = "duckdb") -> dict[str, Any]:
    """A JSON document: nodes in order with their SQL, checks with their predicates, and the scans."""
    checks = plan.checks()
    scans = sum(scans_of(n.checks) for n in plan.nodes if isinstance(n, AuditSource | AuditGate))
    return {
        "pipeline": plan.pipeline.name,
        "environment": plan.pipeline.environment.name,
        "engine": plan.pipeline.environment.engine.type,
        "destination": str(plan.pipeline.destination.table),
        "columns": [{"name": c.name, "type": c.type} for c in plan.output],
        "nodes": [_node(node, plan, dialect) for node in plan.nodes],
        "checks": len(checks),
        "scans": scans,
        "summary": f"{len(checks)} checks: {scans} scans",
    }


def scans_of(checks: tuple[Check, ...]) -> int:
    """Scans of a staging: one over the masks, one for the aggregates, one a query of its own."""
    masked = any(check.in_pass for check in checks)
    totals = any(check.in_pass and check.rule.where is not None for check in checks)
    aggregates = any(check.measures.aggregates for check in checks)
    own = sum(len(check.measures.queries) for check in checks)
    return masked + totals + aggregates + own


def _node(node: Any, plan: Plan, dialect: str) -> dict[str, Any]:
    schemas = plan.relations
    out: dict[str, Any] = {"node": node.name, "kind": type(node).__name__}
    match node:
        case Extract():
            out["how"] = f"spooled: {node.spool}" if node.spool else "scanned in place"
        case AuditSource() | AuditGate():
            out["checks"] = [_check(check, plan, dialect) for check in node.checks]
        case Transform():
            out |= {"step": node.kind, "reads": list(node.reads), "sql": _sql(node.query, dialect, schemas)}
            if node.spool:
                out["how"] = f"spooled: {node.spool}"
        case PythonStep():
            out |= {"step": "python", "reads": [node.reads], "function": node.step.function}
        case Stage():
            how = {"how": "nothing is written: judged and copied where it lies"} if node.in_place else {}
            apart = None if node.bad is None else redact(node.bad.sql(dialect))
            out |= {**how, "sql": _sql(node.query, dialect, schemas), "set_apart": apart}
        case Quarantine():
            turned = [c.id for c in node.checks if c.turns_away]
            out["checks"] = turned
        case Publish():
            out |= {
                "mode": node.mode,
                "add_columns": dict(node.add_columns),
                "widen_columns": dict(node.widen_columns),
            }
    return out


def _sql(query: exp.Expr, dialect: str, schemas: Mapping[str, Schema], over: str | None = None) -> str:
    translated = translate(query, dialect, schemas=schemas, over=over)
    return redact(translated.sql(dialect, pretty=True))


def _check(check: Check, plan: Plan, dialect: str) -> dict[str, Any]:
    schemas = {**plan.relations, BATCH: check.context.schema, TARGET: plan.output}
    rule = check.rule
    blame = check.blame()
    if check.in_pass:
        how = "while staging"
    elif check.measures.aggregates:
        how = "with the aggregates"
    else:
        how = "a query of its own"
    return {
        "id": check.id,
        "rule": rule.kind,
        "on_fail": rule.effective_on_fail,
        "shadow": rule.shadow,
        "how": how,
        "fails_where": _sql(blame, dialect, schemas, BATCH) if blame is not None else None,
        "queries": [_sql(query, dialect, schemas) for query in check.measures.queries],
    }
