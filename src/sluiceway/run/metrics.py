"""What a run adds to the history of its dataset: rows, age, and numbers about each column.

``basic`` takes what costs nothing: the counts of the run, what metadata proves of the columns (Parquet
footers, also those of the staging), and what the gate's checks measured. ``full`` asks for the rest in the
aggregates that share the gate's scan. Values of columns that are masked or classified are never kept:
of those there are counts alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from sqlglot import exp

from sluiceway.errors import PlanError, Where
from sluiceway.rules.base import (
    BATCH,
    Dimension,
    Judgement,
    Measures,
    RuleContext,
    TableRule,
    column,
    past_key,
)
from sluiceway.rules.byvalue import BY_VALUE
from sluiceway.rules.freshness import Freshness
from sluiceway.rules.fuse import Check
from sluiceway.rules.metrics import NUMERIC, QUANTILES, decoded, expressions, instant, quantiles
from sluiceway.rules.not_null import NotNull
from sluiceway.rules.params import TIMES
from sluiceway.sql.translate import translate

if TYPE_CHECKING:
    from sluiceway.rules.base import Rule
    from sluiceway.run.result import CheckResult
    from sluiceway.schema import Schema
    from sluiceway.spec.model import Pipeline, QualitySpec
    from sluiceway.store.store import Store

__all__ = ["MEASURED", "Measuring", "past_of", "pipeline_past"]

MEASURED = "_sluiceway_metrics"
"""The id of the check that measures; it is in no result."""
_SAFE = ("null_count", "distinct_count")
"""What may be kept of a column whose values are nobody's business."""
_KEPT = ("null_count", "distinct_count", "min", "max", "mean", "stddev")
_NEWEST = "newest"
_MOST_COLUMNS = 500
"""Columns that ``full`` measures where none are named: a statement of thousands takes long to plan."""

Bounds = Mapping[str, tuple[Any, Any, int | None]]


class _Measured(TableRule):
    """Not a rule: what ``full`` wants of the scan that table rules share."""

    kind: ClassVar[str] = MEASURED
    default_dimension: ClassVar[Dimension] = "accuracy"
    of_batch: ClassVar[bool] = True

    def measures(self, ctx: RuleContext) -> Measures:
        return Measures()

    def judge(self, values: Mapping[str, Any], ctx: RuleContext) -> Judgement:
        return Judgement(0, 0, dict(values), scored=False)

    def explanation(self) -> str:
        return "metrics"


@dataclass
class Measuring:
    """The metrics of one gate. ``cursor`` is the column whose newest value is the data's age, if no rule
    and no setting says so; ``hidden`` are columns, in lower case, whose values are not kept."""

    schema: Schema
    quality: QualitySpec
    started_at: str
    hidden: frozenset[str] = frozenset()
    cursor: str | None = None
    dialect: str = "duckdb"
    found: dict[str, Any] = field(default_factory=dict)

    def check(self, bounds: Bounds) -> list[Check]:
        """The check that takes part in the gate's scan; none where nothing is to be read."""
        wanted = self._wanted(bounds) if self.quality.metrics != "off" else {}
        if not wanted:
            return []
        rule = _Measured(severity="info", on_fail="warn")
        context = RuleContext(self.schema, Where(), started_at=self.started_at)
        return [Check(MEASURED, rule, Where(), context, "gate", measures=Measures(wanted))]

    def take(self, results: dict[str, CheckResult]) -> dict[str, CheckResult]:
        """The results without the one that measured, which is kept here."""
        measured = results.pop(MEASURED, None)
        if measured is not None:
            self.found = dict(measured.observed)
        return results

    def as_dict(self, rows: int, bounds: Bounds, results: Iterable[CheckResult] = ()) -> dict[str, Any]:
        """The metrics of ``RunFinished``: ``{row_count, freshness, columns: {name: {…}}}``.

        Args:
            rows: those that would be published.
            bounds: what metadata proves of the rows.
            results: of the gate's checks; what they measured is part of the history.
        """
        gate = [r for r in results if r.check.phase == "gate"]
        whole: dict[str, Any] = {"row_count": rows}
        columns: dict[str, dict[str, Any]] = {}
        if self.quality.metrics != "off":
            age = self._age(bounds, gate)
            if age is not None:
                whole["freshness"] = age
            for given in self._columns():
                kept = self._of_column(given.name, given.family, bounds, gate)
                if kept:
                    columns[given.name] = kept
        for result in gate:
            for (name, metric), value in result.metrics.items():
                place = columns.setdefault(self.schema[name].name, {}) if name else whole
                if not name or metric in _SAFE or not self._hides(name, metric):
                    place[metric] = value
        return {**whole, "columns": columns}

    # ------------------------------------------------------------------------------------------------

    def _columns(self) -> list[Any]:
        chosen = {name.casefold() for name in self.quality.columns}
        return [c for c in self.schema if not chosen or c.name.casefold() in chosen]

    def _hides(self, name: str, metric: str = "") -> bool:
        return name.casefold() in self.hidden and (metric == BY_VALUE or metric not in ("null_share",))

    def _wanted(self, bounds: Bounds) -> dict[str, exp.Expr]:
        """Aggregates by name: a place and a metric. What the engine can't say is left out."""
        wanted: dict[str, exp.Expr] = {}
        newest = self._newest_column()
        named = self.quality.freshness_column is not None
        if named and newest is not None and bounds.get(newest, (None, None, None))[1] is None:
            wanted[_NEWEST] = exp.Max(this=column(newest))
        if self.quality.metrics != "full":
            return wanted
        for given in self._columns()[: None if self.quality.columns else _MOST_COLUMNS]:
            place = self.schema.columns.index(given)
            low, _, nulls = bounds.get(given.name, (None, None, None))
            proven = {"null_count"} if nulls is not None else set()
            proven |= {"min", "max"} if low is not None else set()
            for name, expression in expressions(given).items():
                allowed = name in _SAFE or given.name.casefold() not in self.hidden
                if name in _KEPT and name not in proven and allowed and self._sayable(expression):
                    wanted[f"{place}_{name}"] = expression
            if given.family in NUMERIC and self.dialect == "duckdb" and not self._hides(given.name):
                wanted[f"{place}_q"] = quantiles(given, *QUANTILES.values())
        return wanted

    def _sayable(self, expression: exp.Expr) -> bool:
        if self.dialect == "duckdb":
            return True
        query = exp.select(exp.alias_(expression.copy(), "v")).from_(exp.table_(BATCH, quoted=True))
        try:
            translate(query, self.dialect, schemas={BATCH: self.schema})
        except PlanError:
            return False
        return True

    def _of_column(
        self, name: str, family: str, bounds: Bounds, gate: Sequence[CheckResult]
    ) -> dict[str, Any]:
        low, high, nulls = bounds.get(name, (None, None, None))
        if nulls is None:
            nulls = _nulls_counted(name, gate)
        kept: dict[str, Any] = {} if nulls is None else {"null_count": nulls}
        if low is not None and not self._hides(name):
            kept |= {"min": low, "max": high}
        place = self.schema.columns.index(self.schema[name])
        for metric in _KEPT:
            value = self.found.get(f"{place}_{metric}")
            if value is not None:
                kept[metric] = _plain(value, family) if metric in ("min", "max") else value
        return kept | decoded(self.found, f"{place}_q")

    def _newest_column(self) -> str | None:
        """The column by which the data has an age, as the schema spells it."""
        for name in (self.quality.freshness_column, self.cursor):
            given = None if name is None else self.schema.get(name)
            if given is not None and given.family in TIMES:
                return given.name
        return None

    def _age(self, bounds: Bounds, gate: Sequence[CheckResult]) -> float | None:
        """Seconds between the newest value and the run's start."""
        newest: Any = self.found.get(_NEWEST)
        name = self._newest_column()
        if newest is None and name is not None:
            newest = bounds.get(name, (None, None, None))[1]
        if newest is None:
            told = [
                r.observed for r in gate if isinstance(r.check.rule, Freshness) and not r.check.rule.where
            ]
            newest = next((observed for observed in told if observed), None)
        try:
            moment, start = instant(newest), instant(self.started_at)
        except ValueError:
            return None  # a bound in a form that only the engine reads
        return None if moment is None or start is None else (start - moment).total_seconds()


def _nulls_counted(name: str, gate: Sequence[CheckResult]) -> int | None:
    """A ``not_null`` without ``where`` has counted the NULLs."""
    for result in gate:
        rule = result.check.rule
        if isinstance(rule, NotNull) and rule.where is None and rule.column.casefold() == name.casefold():
            return result.failing
    return None


def _plain(value: Any, family: str) -> Any:
    return value if family in NUMERIC else str(value)


def past_of(
    store: Store,
    rules: Iterable[Rule],
    *,
    pipeline: str,
    environment: str,
    dataset: tuple[str, str],
    run_id: str = "",
) -> dict[str, tuple[tuple[Any, ...], ...]]:
    """What rules remember of earlier runs, as ``RuleContext.past`` has it; ``run_id`` is left out."""
    wanted = dict.fromkeys(key for rule in rules for key in rule.remembers())
    if not wanted:
        return {}
    found = store.past(dataset, tuple(wanted), pipeline=pipeline, environment=environment, but=run_id)
    return {past_key(*key): points for key, points in found.items()}


def pipeline_past(
    pipeline: Pipeline, dataset: tuple[str, str], store: Store | None = None, run_id: str = ""
) -> dict[str, tuple[tuple[Any, ...], ...]]:
    """``past_of`` a pipeline's gate. Without ``store`` the project's is opened, if a rule remembers."""
    rules = [declared.rule for declared in pipeline.rules]
    if not any(rule.remembers() for rule in rules):
        return {}
    if store is None:
        from sluiceway.store.store import Store as _Store

        with _Store.open(pipeline.project.metadata) as opened:
            return pipeline_past(pipeline, dataset, opened, run_id)
    return past_of(
        store, rules, pipeline=pipeline.name, environment=pipeline.environment.name,
        dataset=dataset, run_id=run_id,
    )  # fmt: skip
