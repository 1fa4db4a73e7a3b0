"""What a rule is, and the one place where NULL is decided.

A **row rule** says by ``failing`` which rows are wrong; its count, its samples and its quarantine all
come from that one expression. A predicate that gives NULL passes: ``violation`` below turns
``failing`` into a condition that is TRUE or FALSE and never NULL, and nobody else does.

A **table rule** gives ``measures`` (aggregates that share the gate's scan, or a query of their own)
and ``judge``; where single rows can be blamed, ``bad_rows`` is a predicate over the batch.

Relations that a rule may name in SQL: ``_batch`` (the rows judged), ``_target`` (the destination's
rows that stay beside the batch after the publish; only where ``ctx.has_target``), and the parents in
``ctx.relations`` by their name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from sqlglot import exp

from sluiceway.errors import Where
from sluiceway.schema import Schema

if TYPE_CHECKING:
    from sluiceway.rules.fixes.base import Fix

__all__ = [
    "BATCH",
    "TARGET",
    "Dimension",
    "Judgement",
    "Lifecycle",
    "Measures",
    "OnFail",
    "Past",
    "RowRule",
    "Rule",
    "RuleContext",
    "Severity",
    "TableRule",
    "Tolerance",
    "column",
    "past_key",
    "violation",
]

BATCH = "_batch"
TARGET = "_target"
Dimension = Literal["completeness", "accuracy", "consistency", "timeliness", "uniqueness"]
Severity = Literal["info", "warning", "error", "critical"]
OnFail = Literal["warn", "quarantine", "fix", "block"]
Lifecycle = Literal["shadow", "enforced"]


def column(name: str) -> exp.Column:
    """A quoted column reference.

    >>> column("order").sql("duckdb")
    '"order"'
    """
    return exp.column(exp.to_identifier(name, quoted=True))


def violation(failing: exp.Expr) -> exp.Expr:
    """``failing`` with NULL decided: unknown is not a failure.

    >>> violation(exp.column("a") > 1).sql("duckdb")
    'COALESCE(a > 1, FALSE)'
    """
    return exp.func("COALESCE", failing.copy(), exp.false())


@dataclass(frozen=True)
class Tolerance:
    """How much may fail before the run is blocked.

    >>> Tolerance.parse("0.5%").exceeded(6, 1000), Tolerance.parse(5).exceeded(5, 10)
    (True, False)
    """

    rows: int | None = None
    percent: float | None = None

    @classmethod
    def parse(cls, value: Any) -> Tolerance:
        if isinstance(value, Tolerance):
            return value
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ValueError("expected a number of rows, or a share such as '0.5%'")
        if isinstance(value, int):
            if value < 0:
                raise ValueError("a tolerance can't be negative")
            return cls(rows=value)
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(%?)\s*", value)
        if not match or (not match[2] and "." in match[1]):
            raise ValueError("expected a number of rows, or a share such as '0.5%'")
        if match[2]:
            if float(match[1]) > 100:
                raise ValueError("a share can't be above 100%")
            return cls(percent=float(match[1]))
        return cls(rows=int(match[1]))

    def exceeded(self, failing: int, total: int) -> bool:
        if self.rows is not None:
            return failing > self.rows
        if self.percent is not None:
            return failing * 100 > self.percent * total
        return False

    def __str__(self) -> str:
        return f"{self.rows} rows" if self.rows is not None else f"{self.percent:g}%"


@dataclass(frozen=True)
class RuleContext:
    """What a rule may look at. ``relations`` are possible parents: name -> schema.

    ``started_at`` is UTC, as ``2026-11-23 05:06:07.000000``: rules never ask the engine's clock.
    ``bounds`` holds what metadata proves about the batch: column -> (min, max, null_count).
    """

    schema: Schema
    where: Where
    phase: Literal["source", "gate"] = "gate"
    started_at: str = "1970-01-01 00:00:00"
    relations: Mapping[str, Schema] = field(default_factory=dict)
    has_target: bool = False
    mode: str = "append"
    key: tuple[str, ...] = ()
    timezone: str = "UTC"
    variables: Mapping[str, Any] = field(default_factory=dict)
    destination: str = ""
    """The table that the batch goes to, as NAMESPACE.NAME: parents of that name include the batch."""
    bounds: Mapping[str, tuple[Any, Any, int | None]] = field(default_factory=dict)
    past: Mapping[str, Sequence[Sequence[Any]]] = field(default_factory=dict)
    """What the metadata store has of what rules ``remember``: key -> the fields of each ``Past``."""

    def history(self, metric: str, column: str = "") -> list[Past]:
        """A metric in the runs before this one, oldest first. Empty where nothing was recorded.

        >>> ctx = RuleContext(Schema.of({}), Where(), past={"mean:amount": [("2026-11-22T06:00:00Z", 3.5)]})
        >>> ctx.history("mean", "amount")[0].value, ctx.history("row_count")
        (3.5, [])
        """
        return [Past(*fields) for fields in self.past.get(past_key(metric, column), ())]


class Past(NamedTuple):
    """A metric of an earlier run: ``at`` is when it started, ISO 8601 in UTC. ``value`` is a number, or
    text. ``blocked``: the gate let nothing of that run through."""

    at: str
    value: Any
    blocked: bool = False
    run_id: str = ""


def past_key(metric: str, column: str) -> str:
    """
    >>> past_key("row_count", ""), past_key("mean", "amount")
    ('row_count', 'mean:amount')
    """
    return f"{metric}:{column}" if column else metric


class Rule(BaseModel):
    """Options that every rule has. ``kind`` is the YAML key, ``default_dimension`` its dimension."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, defer_build=True)
    kind: ClassVar[str]
    default_dimension: ClassVar[Dimension]
    of_batch: ClassVar[bool] = False
    """Judges what a run brings even where it brings nothing; others look at the table as it stands then."""
    examples: ClassVar[tuple[str, ...]] = ()
    """Entries of ``rules:`` in YAML; they stand in the documentation and are parsed by a test."""

    name: str | None = Field(None, description="the check's id; made from rule and columns if absent")
    description: str | None = Field(None, description="said in reports")
    severity: Severity = Field("error", description="info, warning, error or critical")
    on_fail: OnFail | None = Field(None, description="warn, quarantine, fix or block; by severity if absent")
    tolerance: Tolerance | None = Field(
        None, description="failing rows allowed before the run is blocked: a number, or '0.5%'"
    )
    where: str | None = Field(None, description="judge only the rows that match this condition")
    scope: Literal["table", "batch"] | None = Field(
        None, description="what unique looks at: the table as it would stand, or the batch alone"
    )
    dimension: Dimension | None = Field(None, description="where the check counts in the score")
    fix: Any = Field(
        None,
        description="what on_fail: fix does: a fix, or a list of them; the rule's own if absent",
    )
    status: Lifecycle = Field(
        "enforced",
        description="shadow: judged and recorded in every run, but blocks nothing, turns no row away and "
        "does not count in the score",
    )

    @field_validator("tolerance", mode="before")
    @classmethod
    def _tolerance(cls, value: Any) -> Any:
        return None if value is None else Tolerance.parse(value)

    @field_validator("fix", mode="before")
    @classmethod
    def _fixes(cls, value: Any) -> Any:
        from sluiceway.rules.fixes.registry import parse_fixes

        return None if value is None else parse_fixes(value)

    @model_validator(mode="after")
    def _fix_is_wanted(self) -> Rule:
        if self.fix is not None and self.on_fail != "fix":
            raise ValueError("fix: does nothing without on_fail: fix")
        return self

    @classmethod
    def parse(cls, value: Any, options: Mapping[str, Any]) -> tuple[Rule, ...]:
        """The rules out of ``{kind: value, **options}``; some make one rule a column."""
        if isinstance(value, dict):
            return (cls.model_validate({**value, **options}),)
        return tuple(cls.model_validate({**f, **options}) for f in cls.shorthand(value))

    @classmethod
    def shorthand(cls, value: Any) -> tuple[dict[str, Any], ...]:
        """The fields that a bare value (a string or a list) stands for; one dict a rule."""
        raise ValueError(f"{cls.kind} takes a mapping")

    @property
    def columns_used(self) -> tuple[str, ...]:
        """The columns judged, in order; they name the check and its samples."""
        return ()

    @property
    def shadow(self) -> bool:
        """Judged and recorded, and of no consequence."""
        return self.status == "shadow"

    @property
    def effective_on_fail(self) -> OnFail:
        """What a failure does. In shadow it does nothing but be seen, whatever is declared."""
        return "warn" if self.shadow else self.declared_on_fail

    @property
    def declared_on_fail(self) -> OnFail:
        """What a failure does once the rule is enforced."""
        if self.on_fail is not None:
            return self.on_fail
        return "warn" if self.severity in ("info", "warning") else "block"

    @property
    def fixes(self) -> tuple[Fix, ...]:
        """What puts a failing row right: the fixes that are named, else the rule's own; maybe none."""
        given: tuple[Fix, ...] = self.own_fixes() if self.fix is None else self.fix
        return given

    def own_fixes(self) -> tuple[Fix, ...]:
        """What puts a failing row right where the rule names no fix; empty where that is no safe guess."""
        return ()

    @property
    def effective_dimension(self) -> Dimension:
        return self.dimension or self.default_dimension

    def default_id(self) -> str:
        """``rule:col,col``; the planner appends ``#2`` where that repeats."""
        columns = ",".join(self.columns_used)
        return f"{self.kind}:{columns}" if columns else self.kind

    def validate_for(self, ctx: RuleContext) -> None:
        """Raise PlanError where a column is missing or its type does not fit this rule."""
        ctx.schema.require(self.columns_used, ctx.where)

    def reads(self) -> tuple[str, ...]:
        """Relations that the rule names beside the batch: sources, steps or tables of the warehouse."""
        return ()

    def remembers(self) -> tuple[tuple[str, str], ...]:
        """What ``ctx.history`` must know: metric and column ("" for the dataset as a whole)."""
        return ()

    def proven(self, ctx: RuleContext, rows: int) -> Judgement | None:
        """The judgement that ``ctx.bounds`` and the number of rows prove without reading; else None.

        Never asked for a rule with ``where``.
        """
        return None

    def explanation(self) -> str:
        """What a row or table must be like, in one plain sentence; the gate's message uses it."""
        raise NotImplementedError


class RowRule(Rule):
    """A rule about single rows."""

    def failing(self, ctx: RuleContext) -> exp.Expr:
        """TRUE for a wrong row; NULL counts as right. ``where`` is applied by the caller."""
        raise NotImplementedError


@dataclass(frozen=True)
class Measures:
    """What a table rule wants to know.

    ``aggregates``: name -> aggregate expression over the publishable rows of the batch; they share
    one scan. ``queries``: one-row SELECTs of their own over ``_batch``, ``_target`` and parents; their
    column names are the names of the values.
    """

    aggregates: Mapping[str, exp.Expr] = field(default_factory=dict)
    queries: tuple[exp.Query, ...] = ()


@dataclass(frozen=True)
class Judgement:
    """``failing`` of ``total``; a rule about the whole table is 0 or 1 of 1.

    ``exact=False`` says: something fails, count it by ``bad_rows``. ``observed`` is the number that a
    person wants to see. ``scored=False``: it was not able to judge, and is left out of the score.
    ``metrics`` join those of the run: (column, metric) -> value, column "" for the dataset as a whole.
    """

    failing: int
    total: int
    observed: Any = None
    message: str = ""
    exact: bool = True
    scored: bool = True
    metrics: Mapping[tuple[str, str], Any] = field(default_factory=dict)


class TableRule(Rule):
    """A rule about the table as a whole, or about rows beside one another."""

    def measures(self, ctx: RuleContext) -> Measures:
        raise NotImplementedError

    def judge(self, values: Mapping[str, Any], ctx: RuleContext) -> Judgement:
        raise NotImplementedError

    def bad_rows(self, ctx: RuleContext) -> exp.Expr | None:
        """A predicate over ``_batch`` that is TRUE for the rows to blame; None where none can be."""
        return None
