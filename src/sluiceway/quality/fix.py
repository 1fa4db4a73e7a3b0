"""Fixes for people: what could be put right and how, and, only when asked to, the doing of it.

``propose_pipeline`` changes nothing: it says which rules have a fix, how many of the failing rows it puts
right, and the commonest changes. ``apply_pipeline`` runs the pipeline once with these fixes on. For data
that stands, a file or a dataset, there is ``mending``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sluiceway.errors import PlanError, did_you_mean
from sluiceway.rules.fuse import Check, require_fixes
from sluiceway.run.prepared import prepared
from sluiceway.run.runner import run

if TYPE_CHECKING:
    from sluiceway.run.result import FixedValues, RunResult
    from sluiceway.run.telling import Progress
    from sluiceway.spec.model import Pipeline

__all__ = [
    "Proposal",
    "apply_pipeline",
    "fixing_checks",
    "mended_pipeline",
    "propose_pipeline",
]


@dataclass(frozen=True)
class Proposal:
    """What could be put right in ``target``.

    Attributes:
        fixes: a check that has a fix, with its numbers and the commonest changes.
        without: check -> why it has none, or none that would be safe.
        run: the run that judged a pipeline's result, or that applied the fixes.
        applied: they were.
        output: the file that was written.
        left: failing rows that no fix puts right, by check, added up.
    """

    target: str
    rows: int
    fixes: tuple[FixedValues, ...]
    without: dict[str, str] = field(default_factory=dict)
    run: RunResult | None = None
    applied: bool = False
    output: str | None = None
    left: int = 0

    @property
    def fixable(self) -> int:
        """Changes that would be made; a row may have several."""
        return sum(fix.fixed for fix in self.fixes)

    def as_dict(self) -> dict[str, Any]:
        """The document of ``fix --json``."""
        return {
            "target": self.target,
            "rows": self.rows,
            "fixes": [{**vars(fix), "values": list(fix.values)} for fix in self.fixes],
            "without": dict(self.without),
            "applied": self.applied,
            "output": self.output,
            "left": self.left,
            "run": self.run.as_dict() if self.run is not None else None,
        }


def fixing_checks(
    checks: Sequence[Check], chosen: Collection[str] = (), *, refused: dict[str, str] | None = None
) -> list[Check]:
    """``checks`` with every fix switched on that is safe: those that a rule names or has as its own.

    Args:
        chosen: only these ids; all if empty.
        refused: is told why a check has no fix.

    Raises:
        PlanError: an id that is none, or one whose check can't be fixed.
    """
    known = [check.id for check in checks]
    for id_ in chosen:
        if id_ not in known:
            raise PlanError(f"there is no check '{id_}'", hint=did_you_mean(id_, known))
    out = []
    for check in checks:
        candidate = replace(check, rule=check.rule.model_copy(update={"on_fail": "fix"}))
        wanted = not chosen or check.id in chosen
        reason = None
        if candidate.bit is None:
            reason = "it judges the table as a whole"
            if wanted and chosen:
                raise PlanError(f"{check.id} has no fix: {reason}", where=check.where)
        elif wanted:
            try:
                require_fixes(candidate)
            except PlanError as error:
                if chosen:
                    raise
                reason = error.message
        if reason is not None and refused is not None:
            refused[check.id] = reason
        out.append(candidate if wanted and reason is None else check)
    return out


def mended_pipeline(pipeline: Pipeline, chosen: Collection[str] = ()) -> tuple[Pipeline, dict[str, str]]:
    """The pipeline with every safe fix of its gate switched on, and why the other checks have none. A
    rule that the load mode implies stays as it is."""
    with prepared(pipeline) as (plan, _):
        checks = {id(check.rule): check for check in plan.checks() if check.phase == "gate"}
    refused: dict[str, str] = {}
    own = [checks[id(d.rule)] for d in pipeline.rules if d.origin != "implied" and id(d.rule) in checks]
    pairs = zip(own, fixing_checks(own, chosen, refused=refused), strict=True)
    switched = {id(before.rule): after for before, after in pairs}
    rules = tuple(
        replace(d, rule=switched[id(d.rule)].rule) if id(d.rule) in switched else d for d in pipeline.rules
    )
    return replace(pipeline, rules=rules), refused


def propose_pipeline(
    pipeline: Pipeline, *, chosen: Collection[str] = (), progress: Progress | None = None
) -> Proposal:
    """What fixes would do to the pipeline's result as it is now. Nothing is published.

    Raises:
        PlanError: the pipeline can't be planned, or ``chosen`` names what is no check.
    """
    mended, refused = mended_pipeline(pipeline, chosen)
    return _of(mended, refused, run(mended, dry_run=True, progress=progress), applied=False)


def apply_pipeline(
    pipeline: Pipeline, *, chosen: Collection[str] = (), progress: Progress | None = None
) -> Proposal:
    """Run the pipeline once with its safe fixes on: through the gate, with before-images for an undo."""
    mended, refused = mended_pipeline(pipeline, chosen)
    result = run(mended, progress=progress)
    return _of(mended, refused, result, applied=result.success)


def _of(pipeline: Pipeline, refused: dict[str, str], result: RunResult, *, applied: bool) -> Proposal:
    left = sum(fix.failing - fix.fixed for fix in result.fixes)
    return Proposal(
        pipeline.name, result.records.staged, result.fixes, refused, result, applied=applied, left=left
    )
