"""What the rules share: one check a column, bounds as typed literals, durations, users' conditions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from pydantic import Field
from sqlglot import exp

from sluiceway.errors import PlanError
from sluiceway.rules.base import RowRule, Rule, RuleContext, column
from sluiceway.schema import Column
from sluiceway.sql.primitives import call
from sluiceway.sql.safe import parse_expression, variables_of, with_clock

__all__ = [
    "NUMBERS",
    "TIMES",
    "ColumnRule",
    "comparable",
    "condition",
    "duration",
    "in_words",
    "listed",
    "one_of",
    "require_family",
    "typed",
    "with_variables",
]

NUMBERS = frozenset({"integer", "decimal", "float"})
TIMES = frozenset({"date", "timestamp", "timestamptz"})


class ColumnRule(RowRule):
    """A row rule about one column; a list of columns is one check each.

    ``families`` are the types that it judges (None: all); ``instead`` says what to write for others.
    """

    families: ClassVar[frozenset[str] | None] = None
    instead: ClassVar[str] = ""

    column: str = Field(description="the column; a list of columns is one check each")

    @classmethod
    def parse(cls, value: Any, options: Mapping[str, Any]) -> tuple[Rule, ...]:
        if isinstance(value, dict) and isinstance(value.get("column"), list):
            names = value["column"]
            return tuple(cls.model_validate({**value, "column": name, **options}) for name in names)
        return super().parse(value, options)

    @property
    def columns_used(self) -> tuple[str, ...]:
        return (self.column,)

    def validate_for(self, ctx: RuleContext) -> None:
        super().validate_for(ctx)
        if self.families is not None:
            require_family(self, ctx.schema[self.column], self.families, ctx, self.instead)


def require_family(
    rule: Rule, judged: Column, families: Iterable[str], ctx: RuleContext, instead: str
) -> None:
    """Raise PlanError where the column's type is none that ``rule`` judges."""
    if judged.family not in families:
        raise PlanError(
            f"{rule.kind} does not fit column '{judged.name}' of type {judged.type}",
            where=ctx.where,
            hint=instead,
        )


def typed(value: Any, judged: Column, ctx: RuleContext, key: str) -> tuple[Any, exp.Expr]:
    """A value out of YAML as the column's type: for comparing in Python, and as a literal.

    Dates and times may be text. A time with an offset is moved to UTC for columns with a zone, to
    ``ctx.timezone`` for naive ones.

    Raises:
        PlanError: the value is not of the column's type.
    """
    try:
        return _TYPED[judged.family](value, judged, ctx)
    except KeyError:
        raise PlanError(
            f"{key}: values of type {judged.type} (column '{judged.name}') can't be compared",
            where=ctx.where,
            hint="cast the column in a step before, or write an expression rule",
        ) from None
    except (ValueError, TypeError, InvalidOperation):
        raise PlanError(
            f"{key}: {value!r} is not a value of column '{judged.name}', which is {judged.type}",
            where=ctx.where,
            hint=f"write {_EXAMPLES[judged.family]}",
        ) from None


def _number(value: Any, judged: Column, ctx: RuleContext) -> tuple[Any, exp.Expr]:
    if isinstance(value, bool):
        raise TypeError
    number = Decimal(str(value).strip())
    if not number.is_finite():
        raise ValueError
    node: exp.Expr = exp.Literal.number(format(abs(number), "f"))
    node = exp.Neg(this=node) if number < 0 else node
    # a binary float only equals a literal of its own width
    return number, exp.cast(node, judged.type) if judged.family == "float" else node


def _text(value: Any, judged: Column, ctx: RuleContext) -> tuple[Any, exp.Expr]:
    if not isinstance(value, str):
        raise TypeError
    return value, exp.Literal.string(value)


def _boolean(value: Any, judged: Column, ctx: RuleContext) -> tuple[Any, exp.Expr]:
    if not isinstance(value, bool):
        raise TypeError
    return value, exp.true() if value else exp.false()


def _date(value: Any, judged: Column, ctx: RuleContext) -> tuple[Any, exp.Expr]:
    if isinstance(value, datetime) or not isinstance(value, str | date):
        raise TypeError
    day = date.fromisoformat(value) if isinstance(value, str) else value
    return day, exp.cast(exp.Literal.string(day.isoformat()), "DATE")


def _moment(value: Any) -> datetime:
    if isinstance(value, str):
        return datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime.combine(value, time())
    raise TypeError


def _timestamp(value: Any, judged: Column, ctx: RuleContext) -> tuple[Any, exp.Expr]:
    moment = _moment(value)
    if moment.tzinfo is not None:
        moment = moment.astimezone(ZoneInfo(ctx.timezone)).replace(tzinfo=None)
    return moment, exp.cast(exp.Literal.string(moment.isoformat(" ")), "TIMESTAMP")


def _timestamptz(value: Any, judged: Column, ctx: RuleContext) -> tuple[Any, exp.Expr]:
    moment = _moment(value)
    moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment, exp.cast(exp.Literal.string(moment.isoformat(" ")), "TIMESTAMPTZ")


def _time(value: Any, judged: Column, ctx: RuleContext) -> tuple[Any, exp.Expr]:
    moment = time.fromisoformat(value) if isinstance(value, str) else value
    if judged.type.upper() != "TIME" or not isinstance(moment, time) or moment.tzinfo:
        raise TypeError
    return moment, exp.cast(exp.Literal.string(moment.isoformat()), "TIME")


def _uuid(value: Any, judged: Column, ctx: RuleContext) -> tuple[Any, exp.Expr]:
    from uuid import UUID

    found = UUID(value)
    return found, exp.cast(exp.Literal.string(str(found)), "UUID")


_TYPED = {
    "integer": _number, "decimal": _number, "float": _number, "text": _text, "boolean": _boolean,
    "date": _date, "timestamp": _timestamp, "timestamptz": _timestamptz, "time": _time, "uuid": _uuid,
}  # fmt: skip
_EXAMPLES = {
    "integer": "a number",
    "decimal": "a number",
    "float": "a number",
    "text": "text, in quotes where it looks like a number",
    "boolean": "true or false",
    "date": "a date such as '2024-01-31'",
    "timestamp": "a time such as '2024-01-31 06:00:00'",
    "timestamptz": "a time such as '2024-01-31T06:00:00Z'",
    "time": "a time of day such as '06:00'",
    "uuid": "a UUID in its text form",
}

_FEW = 16


def one_of(values: Iterable[Any], judged: Column, ctx: RuleContext) -> exp.Expr:
    """The column equals one of ``values``: a list of literals where they are few, else one literal that
    the engine turns into a table, so that neither plan nor comparison grows with the list.

    Raises:
        PlanError: a value is not of the column's type.
    """
    pairs = [typed(value, judged, ctx, "values") for value in values]
    if len(pairs) <= _FEW:
        return exp.In(this=column(judged.name), expressions=[literal for _, literal in pairs])
    # an enumeration refuses a cast of text that it lacks: compare as text
    type_ = "VARCHAR" if judged.family == "text" else judged.type
    texts = json.dumps([_as_text(value) for value, _ in pairs], ensure_ascii=False)
    return call("among", column(judged.name), texts, type_)


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return format(value, "f") if isinstance(value, Decimal) else str(value)


_GROUPS = ({"integer", "decimal", "float"}, {"date", "timestamp"}, {"text"})


def comparable(left: str, right: str) -> bool:
    """Can values of these two families be equal without anyone guessing a cast?

    >>> comparable("integer", "decimal"), comparable("integer", "text")
    (True, False)
    """
    return left == right or any(left in group and right in group for group in _GROUPS)


_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)")
_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def duration(text: str) -> timedelta:
    """``26h``, ``30m``, ``2d`` or several of them in a row.

    >>> duration("1d12h")
    datetime.timedelta(days=1, seconds=43200)

    Raises:
        ValueError: anything else, or nothing.
    """
    compact = text.strip().lower()
    parts = _PART.findall(compact)
    if not parts or _PART.sub("", compact).strip():
        raise ValueError(f"'{text}' is not a duration; write 30m, 26h or 2d")
    return sum((timedelta(**{_UNITS[unit]: float(number)}) for number, unit in parts), timedelta())


def with_variables(tree: exp.Expr, ctx: RuleContext) -> exp.Expr:
    """``:vars`` as literals (nodes, so their text can't become SQL), and the clock as the run's.

    Raises:
        PlanError: a variable that was not given.
    """

    for name in variables_of(tree):
        if name not in ctx.variables:
            raise PlanError(
                f"variable ':{name}' has no value", where=ctx.where, hint=f"give it: --vars {name}=VALUE"
            )

    def rewrite(node: Any) -> Any:
        return exp.convert(ctx.variables[node.name]) if isinstance(node, exp.Placeholder) else node

    clocked: exp.Expr = with_clock(tree, ctx.started_at)
    given: exp.Expr = clocked.transform(rewrite)
    return given


def condition(text: str, ctx: RuleContext) -> exp.Expr:
    """A user's condition, checked, with its variables and its clock, in parentheses. ``_.x`` is the
    column ``x``: where the rows stand under another name, so does their column."""
    tree = with_variables(parse_expression(text, ctx.where), ctx)
    for found in tree.find_all(exp.Column):
        if found.table == "_" and not found.db:
            found.set("table", None)
    return exp.paren(tree)


def listed(values: Iterable[Any], most: int = 5) -> str:
    """
    >>> listed(["a", "b"]), listed(range(9), 2)
    ("'a', 'b'", '0, 1 and 7 more')
    """
    all_ = [repr(value) for value in values]
    rest = f" and {len(all_) - most} more" if len(all_) > most else ""
    return ", ".join(all_[:most]) + rest


def in_words(
    *,
    minimum: Any = None,
    maximum: Any = None,
    above: Any = None,
    below: Any = None,
    equals: Any = None,
) -> str:
    """
    >>> in_words(minimum=1, below=5)
    'at least 1 and below 5'
    """
    words = {"exactly": equals, "at least": minimum, "above": above, "at most": maximum, "below": below}
    return " and ".join(f"{word} {value}" for word, value in words.items() if value is not None)
