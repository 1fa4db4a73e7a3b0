"""What a run gives back: the document of ``run --json``, as an object."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from sluiceway.secrets import redact, redact_tree

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sluiceway.errors import SluicewayError
    from sluiceway.exchange import Verdict
    from sluiceway.rules.fuse import Check

__all__ = ["CheckResult", "FixedValues", "NodeResult", "Records", "RunResult", "Status"]

Status = Literal["queued", "running", "succeeded", "blocked", "failed", "cancelled", "skipped"]


@dataclass(frozen=True)
class CheckResult:
    """One evaluation of a rule, with its numbers. ``exceeded``: more fails than is tolerated.

    ``scored=False``: the rule was not able to judge yet. ``metrics`` are what it measured.
    Of a rule with ``on_fail: fix``: ``failing`` rows as they came, of which ``fixed`` are published put right
    and ``unfixable`` fail still; they, and those that another rule turns away, lie in quarantine.
    """

    check: Check
    failing: int
    total: int
    observed: Any = None
    message: str = ""
    proven: bool = False
    scored: bool = True
    metrics: Mapping[tuple[str, str], Any] = field(default_factory=dict)
    fixed: int = 0
    unfixable: int = 0

    @property
    def exceeded(self) -> bool:
        """Block-worthy: by the tolerance, or any failure where a blocking rule has none."""
        rule = self.check.rule
        if self.failing == 0 or rule.effective_on_fail == "warn":
            return False
        if rule.tolerance is not None:
            return rule.tolerance.exceeded(self.failing, self.total)
        return rule.effective_on_fail == "block"

    @property
    def passed(self) -> bool:
        tolerance = self.check.rule.tolerance
        if self.failing == 0:
            return True
        return tolerance is not None and not tolerance.exceeded(self.failing, self.total)

    def as_dict(self) -> dict[str, Any]:
        rule = self.check.rule
        fixes = {"fixed": self.fixed, "unfixable": self.unfixable} if self.check.fixes else {}
        return {
            "id": self.check.id,
            "rule": rule.kind,
            "phase": self.check.phase,
            "columns": list(rule.columns_used),
            "dimension": rule.effective_dimension,
            "severity": rule.severity,
            "on_fail": rule.effective_on_fail,
            "failing": self.failing,
            "total": self.total,
            "passed": self.passed,
            "observed": _plain(self.observed),
            "proven": self.proven,
            "shadow": rule.shadow,
            "message": redact(self.message),
            **fixes,
        }


def _plain(value: Any) -> Any:
    """JSON has no decimals, dates or bytes; text keeps them exact."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else str(value)
    return str(value)


@dataclass(frozen=True)
class NodeResult:
    """``seconds`` of wall time."""

    name: str
    seconds: float
    rows: int | None = None


@dataclass
class Records:
    """Batch rows. ``staged = published + quarantined`` for every published run.

    ``read`` is None where it can't be counted without cost; ``rejected`` were turned away at sources;
    ``late`` are published rows that lost to a newer version.
    """

    read: int | None = None
    rejected: int = 0
    staged: int = 0
    published: int = 0
    quarantined: int = 0
    late: int = 0

    def as_dict(self) -> dict[str, int | None]:
        return dict(vars(self))


@dataclass(frozen=True)
class FixedValues:
    """What a check's fixes changed in one run. ``values``: the changes that most rows had, as ``{before,
    after, count, key}``, masked where the column is; ``key`` is that of one of these rows."""

    check_id: str
    fix: str
    column: str
    failing: int
    fixed: int
    unfixable: int
    values: tuple[dict[str, Any], ...] = ()


@dataclass
class RunResult:
    """``execution_time`` in seconds; ``dimensions`` and ``quality_score`` 0..1, None without checks."""

    run_id: str
    pipeline: str
    environment: str
    status: Status = "running"
    verdict: Verdict | None = None
    records: Records = field(default_factory=Records)
    quality_score: float | None = None
    dimensions: Mapping[str, float] = field(default_factory=dict)
    checks: tuple[CheckResult, ...] = ()
    nodes: tuple[NodeResult, ...] = ()
    execution_time: float = 0.0
    snapshot: str | None = None
    error: SluicewayError | None = None
    table: str = ""
    scans: int = 0
    samples: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    fixes: tuple[FixedValues, ...] = ()

    @property
    def success(self) -> bool:
        return self.status == "succeeded"

    @property
    def proven(self) -> int:
        """Checks that metadata decided without reading."""
        return sum(check.proven for check in self.checks)

    def as_dict(self) -> dict[str, Any]:
        """The document of ``run --json``."""
        document = {
            "run_id": self.run_id,
            "pipeline": self.pipeline,
            "environment": self.environment,
            "status": self.status,
            "success": self.success,
            "verdict": self.verdict.outcome if self.verdict else None,
            "records": self.records.as_dict(),
            "quality_score": self.quality_score,
            "dimensions": dict(self.dimensions),
            "checks": [check.as_dict() for check in self.checks],
            "nodes": [vars(node) for node in self.nodes],
            "execution_time": round(self.execution_time, 6),
            "snapshot": self.snapshot,
            "error": redact_tree(self.error.as_dict()) if self.error else None,
        }
        if self.notes:
            document["notes"] = list(self.notes)
        return document

    def raise_for_status(self) -> RunResult:
        """Itself, or the error that ended the run, with this result as its ``result``."""
        if self.error is not None:
            self.error.__dict__["result"] = self
            raise self.error
        return self
