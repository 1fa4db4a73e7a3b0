"""Judge rows that were staged: counts by their masks, then what looks at rows beside one another, then
aggregates; with samples, and quarantine SELECTs of what is turned away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sluiceway.plan.nodes import BEFORE, Plan
from sluiceway.rules.base import BATCH
from sluiceway.run.audit import ALL, GOOD, Audit, Sampling, mask_names, split, with_bounds
from sluiceway.run.bind import Relations
from sluiceway.run.fixing import count_fixes
from sluiceway.run.metrics import Measuring
from sluiceway.run.quarantine_rows import Facts, Kept, kept_of, quarantined_rows
from sluiceway.run.reach import Reach
from sluiceway.sql.names import quoted

if TYPE_CHECKING:
    from sluiceway.engines.base import Stage
    from sluiceway.rules.fuse import Check
    from sluiceway.run.resolve import Resolved
    from sluiceway.run.result import CheckResult, FixedValues

__all__ = ["Judged", "Judging"]

NodeTimer = Callable[[str], AbstractContextManager[Any]]


@dataclass
class Judged:
    """A staging after its audit. ``parted`` holds the good rows apart: the staging itself, or the one
    made of it when rows were found that only rows beside one another show; ``turned_away`` are
    quarantine SELECTs."""

    stage: Stage
    parted: Stage
    rows: int
    good_rows: int
    results: dict[str, CheckResult]
    turned_away: list[str] = field(default_factory=list)
    relation_of: dict[str, str] = field(default_factory=dict)


@dataclass
class Judging:
    """A plan on an opened engine, and what was found of its rows."""

    run_id: str
    plan: Plan
    opened: Resolved
    timer: NodeTimer
    samples: dict[str, list[dict[str, Any]]] = field(default_factory=dict, kw_only=True)
    fixes: list[FixedValues] = field(default_factory=list, kw_only=True)

    def __post_init__(self) -> None:
        self.engine = self.opened.engine
        self.reach = Reach(self.engine)
        self.dialect = self.engine.capabilities.dialect
        hints = self.engine.capabilities.cte_hints
        self.relations = Relations(self.dialect, hints=hints, schemas=self.plan.relations)
        self.audit = Audit(self.engine, self.relations, self.plan.binds)
        self.results: list[CheckResult] = []
        marked = (s.incremental.cursor for s in self.plan.pipeline.sources.values() if s.incremental)
        self.measuring = Measuring(
            self.plan.output,
            self.plan.pipeline.quality,
            f"{self.opened.started_at:%Y-%m-%d %H:%M:%S.%f}",
            self.plan.hidden.get("gate", frozenset()),
            next(marked, None),
            self.dialect,
        )

    def select_all(self, name: str) -> str:
        """A SELECT of a bound relation."""
        return f"SELECT * FROM {self.quoted(name)}"

    def judge_in_place_of(self, name: str) -> None:
        """The rows judged are those of a bound relation, as it is."""
        schema = self.plan.relations[name]
        self.relations.scan(BATCH, self.select_all(name), reads=(name,), schema=schema)

    def quoted(self, name: str) -> str:
        return quoted(name, self.dialect)

    def judge(
        self, stage: Stage, checks: Sequence[Check], kept: Sequence[Kept], *, phase: str, source: str
    ) -> Judged:
        """Counts by the masks, then what looks at rows beside one another, then the aggregates."""
        masks = mask_names(checks, stage.schema)
        told = with_bounds(checks, stage.bounds)
        self.relations.scan(ALL, f"SELECT * FROM {stage.relation} AS _all_rows", schema=stage.schema)
        self.relations.scan(BATCH, f"SELECT * FROM {stage.good} AS _good_rows", schema=stage.schema)
        results = self.audit.masked(told, stage.rows)
        good_rows = stage.rows - stage.bad_rows
        results.update(self.audit.beside(told, good_rows))
        judged = Judged(stage, stage, stage.rows, good_rows, results)
        judged.relation_of = {c.id: ALL if c.in_pass else BATCH for c in told}
        turning = [c for c in told if c.bit is not None and c.turns_away]
        if stage.bad_rows:
            judged.turned_away.append(self._turned_away(turning, kept, stage, self.facts(phase, source)))
        blamed = [c for c in turning if not c.in_pass and results[c.id].failing]
        samples = self._samples(told, judged, source or "gate", kept)
        if blamed:
            again = split(
                self.engine, self.relations, stage, masks, blamed, self.plan.binds, f"{stage.name}_split"
            )
            facts = self.facts(phase, source, tag="s")
            judged.turned_away.append(self._turned_away(turning, kept, again, facts))
            judged.parted = again
            judged.good_rows = again.rows - again.bad_rows
        if phase == "gate":
            count_fixes(self, judged, told)
        self._aggregates(told, judged, source)
        self.samples.update(samples)
        ordered = {check.id: judged.results[check.id] for check in told}
        judged.results = ordered
        self.results += ordered.values()
        return judged

    def _turned_away(self, checks: Sequence[Check], kept: Sequence[Kept], stage: Stage, facts: Facts) -> str:
        near = self.engine.handoff(stage)
        return quarantined_rows(checks, kept, near.bad, facts, self.reach.publisher.capabilities.dialect)

    def _aggregates(self, checks: Sequence[Check], judged: Judged, source: str) -> None:
        """Aggregates judge what would be published; where an incremental run brought nothing, the table
        as it stands."""
        opened = self.opened
        table = self.plan.pipeline.destination.table
        incremental = any(s.incremental for s in self.plan.pipeline.sources.values())
        stands = not source and incremental and judged.rows == 0 and opened.target is not None
        extra = [] if source else self.measuring.check(judged.stage.bounds)
        good = f"SELECT * FROM {judged.parted.good} AS _good_rows"
        self.relations.scan(GOOD, good, schema=judged.stage.schema)
        of_batch = [*(c for c in checks if c.rule.of_batch), *extra] if stands else [*checks, *extra]
        found = self.audit.aggregates(of_batch, judged.good_rows, GOOD)
        if stands:
            self.relations.scan(GOOD, self.reach.table(opened.sink, table), schema=opened.target)
            others = [c for c in checks if not c.rule.of_batch]
            found |= self.audit.aggregates(others, judged.good_rows, GOOD)
        judged.results.update(found if source else self.measuring.take(found))

    def _samples(
        self, checks: Sequence[Check], judged: Judged, phase: str, kept: Sequence[Kept]
    ) -> dict[str, list[dict[str, Any]]]:
        found = {}
        sampling = self.sampling(phase, kept)
        for check in checks:
            result = judged.results.get(check.id)
            if result is not None and result.failing and check.bit is not None:
                rows = self.audit.samples(check, judged.relation_of[check.id], sampling)
                if rows:
                    found[check.id] = rows
        return found

    def sampling(self, phase: str, kept: Sequence[Kept]) -> Sampling:
        pipeline = self.plan.pipeline
        hidden = self.plan.hidden.get(phase, frozenset())
        return Sampling(kept, pipeline.destination.key, hidden, pipeline.quality.samples)

    def kept(self) -> tuple[Kept, ...]:
        """The columns of a quarantined row of the gate: as published, but as they were before where the
        destination could not hold them."""
        plan = self.plan
        published = [k for k in kept_of(plan.output) if k.name not in plan.before]
        before = (Kept(name, type_, BEFORE + name, "VARCHAR") for name, type_ in plan.before.items())
        return (*published, *before)

    def facts(self, phase: str, source: str, *, tag: str = "") -> Facts:
        pipeline = self.plan.pipeline
        started_at = f"{self.opened.started_at:%Y-%m-%d %H:%M:%S.%f}"
        table = str(pipeline.destination.table)
        return Facts(self.run_id, pipeline.name, table, started_at, phase, source, tag)

    def metrics(self, judged: Judged) -> dict[str, Any]:
        """What the run adds to the history of its dataset."""
        return self.measuring.as_dict(judged.good_rows, judged.stage.bounds, judged.results.values())
