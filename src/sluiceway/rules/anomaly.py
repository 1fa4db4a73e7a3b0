"""``anomaly``: a number about this run is like it was in the runs before."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field, field_validator, model_validator
from sqlglot import exp

from sluiceway.errors import PlanError
from sluiceway.rules.base import (
    Dimension,
    Judgement,
    Measures,
    Past,
    RuleContext,
    TableRule,
    column,
)
from sluiceway.rules.byvalue import BY_VALUE, MOST_VALUES, counts_of, mapping_of, rows_by_value
from sluiceway.rules.metrics import NUMERIC, QUANTILES, count_rows, expressions, instant, number, quantiles
from sluiceway.rules.params import TIMES, duration, require_family
from sluiceway.rules.robust import Direction, Finding, Seasonality, judge
from sluiceway.rules.training import Training, span, train

__all__ = ["Anomaly"]

Metric = Literal[
    "row_count", "freshness", "event_freshness", "schema", "null_count", "null_share", "distinct_count",
    "mean", "stddev", "sum", "min", "max", "p05", "p25", "p50", "p75", "p95",
]  # fmt: skip
_OF_TABLE = ("row_count", "schema")
_OF_TIME = ("freshness", "event_freshness")
_OF_NUMBERS = ("mean", "stddev", "sum", "min", "max", *QUANTILES)
_SPIKES = (*_OF_TIME, "null_count", "null_share")
_DIMENSIONS: dict[str, Dimension] = {
    "row_count": "completeness", "null_count": "completeness", "null_share": "completeness",
    "freshness": "timeliness", "event_freshness": "timeliness", "schema": "consistency",
}  # fmt: skip
_NEW = 0.01
"""A value that was never there is an anomaly with this share of the rows."""


class Anomaly(TableRule):
    """A metric of the rows that would be published is like it was in this pipeline's earlier runs, by
    robust statistics (modified z-score, Iglewicz and Hoaglin 1993) with seasons and trend. While fewer than
    `min_training_set_size` points are known it passes, says so, and does not count in the score.

    Families: volume (`metric: row_count`), freshness (the age of the newest value, or with `loaded` the
    mean time from an event to its arrival: `event_freshness`), columns (any other metric), dimensions
    (`dimension: status`, the rows of each value) and `metric: schema`, which asks that columns and types are
    those of the run before. Runs that the gate blocked don't train.

    >>> (rule,) = Anomaly.parse({"metric": "row_count"}, {})
    >>> from sluiceway.errors import Where
    >>> from sluiceway.schema import Schema
    >>> past = {"row_count": [(f"2026-11-{day:02}T06:00:00Z", 1000 + day % 3) for day in range(1, 23)]}
    >>> ctx = RuleContext(Schema.of({"id": "BIGINT"}), Where(), started_at="2026-11-23 06:00:00", past=past)
    >>> rule.judge({"value": 90}, ctx).message
    'row_count is 90, a drop: 995 to 1007 is usual, by 22 earlier runs'
    """

    kind: ClassVar[str] = "anomaly"
    default_dimension: ClassVar[Dimension] = "accuracy"
    of_batch: ClassVar[bool] = True
    examples: ClassVar[tuple[str, ...]] = (
        "anomaly: {metric: row_count, sensitivity: 3}",
        "anomaly: {metric: mean, column: amount, direction: both}",
        "anomaly: {metric: freshness, column: updated_at}",
        "anomaly: {dimension: status}\nseverity: warning",
        "anomaly: {metric: schema}",
    )

    metric: Metric = Field("row_count", description="what is measured")
    column: str | None = Field(
        None, description="the column measured; with row_count, the rows of each of its values, 100 at most"
    )
    loaded: str | None = Field(None, description="event_freshness: the column that says when a row arrived")
    dimension: Any = Field(
        None,
        description="the column whose rows are counted by value; or where the check counts in the score",
    )
    sensitivity: Annotated[float, Field(gt=0, le=20)] = Field(
        3.0, description="how far from usual, in robust standard deviations, is an anomaly; less finds more"
    )
    direction: Direction | None = Field(
        None, description="both, spike or drop; if absent both, and spike for freshness and NULLs"
    )
    seasonality: Seasonality = Field("auto", description="what repeats by the hour, the day or the week")
    training_period: str | None = Field(
        None, description="how far back to look, such as 90d; 60 days if absent, or 60 points if that is more"
    )
    min_training_set_size: Annotated[int, Field(ge=5, le=500)] = Field(
        14, description="with fewer points the rule passes and says so"
    )
    ignore_small_changes: Annotated[float, Field(ge=0)] = Field(
        0.0, description="a change of at most this share of what is expected is none: 0.05 or 5%"
    )
    exclude: tuple[str, ...] = Field(
        (), description="days that don't train: 2026-12-25, 2026-07-01/2026-08-31"
    )
    train_on_blocked: bool = Field(False, description="runs that the gate blocked train too")

    @model_validator(mode="before")
    @classmethod
    def _column_of_dimension(cls, value: Any) -> Any:
        """``dimension: status`` is a column, unless it is one of the score's dimensions."""
        given = value.get("dimension") if isinstance(value, dict) else None
        if given is None or given in get_args(Dimension):
            return value
        if "column" in value or value.get("metric", "row_count") != "row_count":
            raise ValueError(f"'{given}' is no dimension of the score; to count rows by it, give it alone")
        return {**{k: v for k, v in value.items() if k != "dimension"}, "column": given}

    @field_validator("exclude", mode="before")
    @classmethod
    def _days(cls, value: Any) -> Any:
        listed = (value,) if isinstance(value, str) else value
        for item in listed:
            span(item)
        return listed

    @field_validator("ignore_small_changes", mode="before")
    @classmethod
    def _share(cls, value: Any) -> Any:
        if isinstance(value, str) and value.strip().endswith("%"):
            return float(value.strip()[:-1]) / 100
        return value

    @field_validator("training_period")
    @classmethod
    def _period(cls, value: str | None) -> str | None:
        if value is not None:
            duration(value)
        return value

    @model_validator(mode="after")
    def _fits(self) -> Anomaly:
        if self.metric == "schema" and self.column is not None:
            raise ValueError("metric: schema is about all columns: remove column")
        if self.metric not in _OF_TABLE and self.column is None:
            raise ValueError(f"metric: {self.metric} needs a column")
        if (self.loaded is not None) != (self.metric == "event_freshness"):
            raise ValueError(
                "event_freshness needs loaded, the column of arrival; other metrics don't take it"
            )
        return self

    # what it is about -------------------------------------------------------------------------------

    @property
    def by_value(self) -> bool:
        return self.metric == "row_count" and self.column is not None

    @property
    def columns_used(self) -> tuple[str, ...]:
        return tuple(name for name in (self.column, self.loaded) if name is not None)

    @property
    def effective_dimension(self) -> Dimension:
        if self.dimension is not None:
            chosen: Dimension = self.dimension
            return chosen
        return _DIMENSIONS.get(self.metric, self.default_dimension)

    def default_id(self) -> str:
        return ":".join(["anomaly", self.metric, *self.columns_used])

    def remembers(self) -> tuple[tuple[str, str], ...]:
        return (self._key,)

    @property
    def _key(self) -> tuple[str, str]:
        if self.by_value:
            return BY_VALUE, self.column or ""
        return self.metric, self.column or ""

    def validate_for(self, ctx: RuleContext) -> None:
        super().validate_for(ctx)
        if ctx.phase == "source":
            raise PlanError(
                "anomaly judges the result, whose history is kept; a source has none",
                where=ctx.where,
                hint="move it to the pipeline's rules:",
            )
        if self.metric in _OF_TIME:
            for name in self.columns_used:
                require_family(self, ctx.schema[name], TIMES, ctx, "freshness is of dates and timestamps")
        elif self.metric in _OF_NUMBERS and self.column is not None:
            instead = "use null_count, null_share or distinct_count, or count rows by it: dimension: COLUMN"
            require_family(self, ctx.schema[self.column], NUMERIC, ctx, instead)
        elif self.metric == "distinct_count" and self.column is not None:
            known = {given.family for given in ctx.schema if "distinct_count" in expressions(given)}
            require_family(self, ctx.schema[self.column], known, ctx, "use null_count or null_share")

    # measuring --------------------------------------------------------------------------------------

    def measures(self, ctx: RuleContext) -> Measures:
        if self.metric == "schema":
            return Measures()
        if self.column is None:
            return Measures({"value": count_rows()})
        if self.by_value:
            return Measures(queries=(rows_by_value(ctx.schema[self.column], self.where, ctx),))
        given = ctx.schema[self.column]
        if self.metric == "freshness":
            return Measures({"newest": exp.Max(this=column(self.column))})
        if self.metric == "event_freshness":
            arrived, happened = (
                exp.Anonymous(this="epoch", expressions=[column(name)]) for name in (self.loaded, self.column)
                if name is not None
            )  # fmt: skip
            return Measures({"value": exp.Avg(this=exp.Sub(this=arrived, expression=happened))})
        if self.metric == "null_share":
            return Measures({"value": expressions(given)["null_count"], "rows": count_rows()})
        if self.metric in QUANTILES:
            return Measures({"quantile": quantiles(given, QUANTILES[self.metric])})
        return Measures({"value": expressions(given)[self.metric]})

    def _measured(self, values: Mapping[str, Any], ctx: RuleContext) -> Any:
        """The number that history has a series of; None where there is nothing to measure."""
        if self.metric == "freshness":
            newest = instant(values["newest"], ctx.timezone)
            return None if newest is None else (_now(ctx) - newest).total_seconds()
        if self.metric == "null_share":
            return None if not values["rows"] else float(values["value"]) / float(values["rows"])
        if self.metric in QUANTILES and "quantile" in values:
            found = values["quantile"]
            return None if not found else number(found[0])
        value = values["value"]
        return value if isinstance(value, int) else number(value)

    # judging ----------------------------------------------------------------------------------------

    def judge(self, values: Mapping[str, Any], ctx: RuleContext) -> Judgement:
        if self.metric == "schema":
            return self._schema(ctx)
        if self.by_value:
            return self._values(counts_of(values["counts"]), ctx)
        value = self._measured(values, ctx)
        name, named = self._key
        measured = {} if value is None else {(named, name): value}
        training = self._train(ctx.history(name, named), ctx)
        if value is None:
            return self._quiet(f"{self._what()} has no value", None, measured)
        if training.missing:
            return self._quiet(training.missing, value, measured)
        if not math.isfinite(value):
            return Judgement(1, 1, value, f"{self._what()} is {value}", metrics=measured)
        found = self._found(training, float(value), ctx)
        message = self._words(value, found) if found.anomalous else ""
        return Judgement(int(found.anomalous), 1, value, message, metrics=measured)

    def _found(self, training: Training, value: float, ctx: RuleContext, series: int = 1) -> Finding:
        """``series``: how many are judged at once, each of which could raise a false alarm."""
        return judge(
            training.points,
            _now(ctx),
            value,
            sensitivity=math.sqrt(self.sensitivity**2 + 2 * math.log(series)),
            seasonality=self.seasonality,
            direction=self.direction or ("spike" if self.metric in _SPIKES else "both"),
            ignore=self.ignore_small_changes,
        )

    def _train(self, past: Sequence[Past], ctx: RuleContext) -> Training:
        return train(
            past,
            _now(ctx),
            least=self.min_training_set_size,
            period=None if self.training_period is None else duration(self.training_period),
            exclude=tuple(span(item) for item in self.exclude),
            blocked=self.train_on_blocked,
            seasonality=self.seasonality,
        )

    def _values(self, counts: Mapping[str, int], ctx: RuleContext) -> Judgement:
        """The rows of each value: of those that history knows, and of those that are new."""
        assert self.column is not None
        measured = {(self.column, BY_VALUE): dict(counts)}
        past = [item._replace(value=mapping_of(item.value)) for item in ctx.history(BY_VALUE, self.column)]
        past = [item for item in past if item.value is not None]
        training = self._train([item._replace(value=len(item.value)) for item in past], ctx)
        if training.missing:
            return self._quiet(training.missing, len(counts), measured)
        known = {value for item in past for value in item.value}
        total = sum(counts.values())
        wrong = []
        for value in sorted(known | set(counts)):
            rows = counts.get(value, 0)
            if value not in known:
                if rows >= total * _NEW and len(known) < MOST_VALUES:
                    wrong.append(f"{value!r} is new, with {rows:,} rows")
                continue
            series = [item._replace(value=item.value.get(value, 0)) for item in past]
            found = self._found(self._train(series, ctx), float(rows), ctx, len(known))
            chance = self.sensitivity * math.sqrt(max(found.expected, 1.0))
            if found.anomalous and abs(rows - found.expected) > chance:
                wrong.append(f"{value!r} has {rows:,} rows, where {_band(found)} is usual")
        message = f"{self.column}: {'; '.join(wrong[:5])}" if wrong else ""
        return Judgement(int(bool(wrong)), 1, len(counts), message, metrics=measured)

    def _schema(self, ctx: RuleContext) -> Judgement:
        """Against the newest run that is known; one is enough."""
        now = {c.name: c.type for c in ctx.schema}
        measured = {("", "schema"): now}
        known = [
            found
            for item in ctx.history("schema")
            if (not item.blocked or self.train_on_blocked) and (found := mapping_of(item.value)) is not None
        ]
        if not known:
            return self._quiet("training: no earlier run has recorded its schema", len(now), measured)
        before = known[-1]
        wrong = [f"{name} is gone" for name in before if name not in now]
        wrong += [f"{name} is new" for name in now if name not in before]
        wrong += [
            f"{name} is {now[name]}, and was {type_}"
            for name, type_ in before.items()
            if name in now and now[name] != type_
        ]
        return Judgement(int(bool(wrong)), 1, len(now), "; ".join(wrong), metrics=measured)

    @staticmethod
    def _quiet(message: str, observed: Any, measured: Mapping[tuple[str, str], Any]) -> Judgement:
        return Judgement(0, 0, observed, message, scored=False, metrics=measured)

    def proven(self, ctx: RuleContext, rows: int) -> Judgement | None:
        if self.metric == "schema":
            return self.judge({}, ctx)
        if self.column is None:
            return self.judge({"value": rows}, ctx)
        _, newest, nulls = ctx.bounds.get(ctx.schema[self.column].name, (None, None, None))
        if nulls is not None and self.metric in ("null_count", "null_share"):
            return self.judge({"value": nulls, "rows": rows}, ctx)
        if newest is not None and self.metric == "freshness":
            try:
                return self.judge({"newest": newest}, ctx)
            except ValueError:
                return None  # a bound in a form that only the engine reads
        return None

    # words ------------------------------------------------------------------------------------------

    def _what(self) -> str:
        return self.metric if self.column is None else f"{self.metric} of {self.column}"

    def _words(self, value: Any, found: Finding) -> str:
        season = "" if found.seasonality == "none" else f" ({found.seasonality})"
        return (
            f"{self._what()} is {_short(value)}, a {found.direction}: {_band(found)} is usual{season}, "
            f"by {found.points} earlier runs"
        )

    def explanation(self) -> str:
        what = f"the rows of each value of {self.column}" if self.by_value else self._what()
        return f"{what} must be like it was in earlier runs"


def _now(ctx: RuleContext) -> datetime:
    found = instant(ctx.started_at)
    assert found is not None
    return found


def _short(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _band(found: Finding) -> str:
    """What is usual, in four digits."""
    return f"{found.low:.4g} to {found.high:.4g}"
