"""How the result's columns meet the destination's: evolve, freeze, discard a row, discard a value."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from sqlglot import exp

from sluiceway.errors import PlanError, Where
from sluiceway.rules.base import (
    Dimension,
    Judgement,
    Measures,
    OnFail,
    RowRule,
    Rule,
    RuleContext,
    TableRule,
    column,
)
from sluiceway.schema import Column, Schema
from sluiceway.spec.model import DeclaredRule, SchemaContract
from sluiceway.sql.primitives import call

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["Conformed", "conform", "widens"]

_INTEGERS = ["TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"]
_DIGITS = {"TINYINT": 3, "SMALLINT": 5, "INTEGER": 10, "BIGINT": 19}
_EXACT_IN_DOUBLE = {"TINYINT", "SMALLINT", "INTEGER"}


class FrozenColumn(TableRule):
    """A column that the destination does not have while its columns are frozen: blocks."""

    kind: ClassVar[str] = "schema"
    default_dimension: ClassVar[Dimension] = "consistency"
    column: str
    expected: str

    @property
    def columns_used(self) -> tuple[str, ...]:
        return (self.column,)

    def measures(self, ctx: RuleContext) -> Measures:
        return Measures()

    def judge(self, values: Mapping[str, object], ctx: RuleContext) -> Judgement:
        return Judgement(1, 1, ctx.schema[self.column].type, self.explanation())

    def explanation(self) -> str:
        return f"{self.expected}; evolve it with schema_contract: {{columns: evolve}}, or drop the column"


class MissingColumn(TableRule):
    """A column that the destination has and the result does not: NULL in every new row."""

    kind: ClassVar[str] = "schema"
    default_dimension: ClassVar[Dimension] = "consistency"
    column: str
    of: str

    def default_id(self) -> str:
        return f"schema:{self.column}"  # no column to be judged by, but one to be named after

    def measures(self, ctx: RuleContext) -> Measures:
        return Measures()

    def judge(self, values: Mapping[str, object], ctx: RuleContext) -> Judgement:
        return Judgement(1, 1, None, self.explanation())

    def explanation(self) -> str:
        if self.effective_on_fail == "block":
            return f"{self.of} has the column {self.column} and the result has not"
        return f"the result has no column {self.column}: it becomes NULL in {self.of}"


class NewColumn(RowRule):
    """Rows with a value in a column that the destination does not have and may not get."""

    kind: ClassVar[str] = "schema"
    default_dimension: ClassVar[Dimension] = "consistency"
    column: str

    @property
    def columns_used(self) -> tuple[str, ...]:
        return (self.column,)

    def failing(self, ctx: RuleContext) -> exp.Expr:
        return exp.not_(column(self.column).is_(exp.null()))

    def explanation(self) -> str:
        return f"the destination has no column {self.column}"


class Fits(RowRule):
    """Rows whose value can't be held by the destination's type without loss."""

    kind: ClassVar[str] = "type"
    default_dimension: ClassVar[Dimension] = "consistency"
    column: str
    into: str

    @property
    def columns_used(self) -> tuple[str, ...]:
        return (self.column,)

    def failing(self, ctx: RuleContext) -> exp.Expr:
        value = column(self.column)
        there = call("try_cast", value, self.into)
        lost = exp.and_(exp.not_(value.is_(exp.null())), exp.paren(there.copy()).is_(exp.null()))
        given = ctx.schema[self.column]
        if given.family == "text" or Column("", self.into).family == "text":
            return lost
        back = call("try_cast", there.copy(), given.type)
        return exp.or_(lost, exp.NullSafeNEQ(this=back, expression=value.copy()))

    def explanation(self) -> str:
        return f"{self.column} must fit {self.into}, the destination's type"


def widens(narrow: str, wide: str) -> bool:
    """Every value of ``narrow`` is a value of ``wide``.

    >>> widens("INTEGER", "BIGINT"), widens("BIGINT", "DOUBLE"), widens("DATE", "TIMESTAMP")
    (True, False, True)
    >>> widens("INTEGER", "DECIMAL(12,2)"), widens("DECIMAL(9,2)", "DECIMAL(18,3)")
    (True, True)
    """
    narrow, wide = narrow.upper(), wide.upper()
    if narrow == wide:
        return True
    if narrow in _INTEGERS and wide in _INTEGERS:
        return _INTEGERS.index(narrow) < _INTEGERS.index(wide)
    if wide == "DOUBLE":
        return narrow == "FLOAT" or narrow in _EXACT_IN_DOUBLE
    if narrow == "DATE":
        return wide in ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS")
    to = _decimal(wide)
    if to is None:
        return False
    if narrow in _DIGITS:
        return to[0] - to[1] >= _DIGITS[narrow]
    of = _decimal(narrow)
    return of is not None and to[1] >= of[1] and to[0] - to[1] >= of[0] - of[1]


def _decimal(type_: str) -> tuple[int, int] | None:
    match = re.fullmatch(r"DECIMAL\((\d+),\s*(\d+)\)", type_)
    return (int(match[1]), int(match[2])) if match else None


@dataclass
class Conformed:
    """``select`` are the staged columns; ``rules`` the checks that the policy needs; ``before`` are
    columns whose values the destination can't hold, with their types."""

    select: list[exp.Expr] = field(default_factory=list)
    schema: list[Column] = field(default_factory=list)
    rules: list[DeclaredRule] = field(default_factory=list)
    add: dict[str, str] = field(default_factory=dict)
    widen: dict[str, str] = field(default_factory=dict)
    discards: dict[str, str] = field(default_factory=dict)
    before: dict[str, str] = field(default_factory=dict)

    def keep(self, given: Column, type_: str, name: str, value: exp.Expr | None = None) -> None:
        self.select.append(exp.alias_(value or column(given.name), name, quoted=True))
        self.schema.append(Column(name, type_))

    def judge(self, rule: Rule, where: Where) -> None:
        self.rules.append(DeclaredRule(rule, where, "implied"))


_ON_FAIL: dict[str, OnFail] = {"freeze": "block", "discard_row": "quarantine", "discard_value": "warn"}


def conform(
    result: Schema,
    target: Schema | None,
    policy: SchemaContract,
    *,
    where: Where,
    of: str,
    narrowed: Mapping[str, str] | None = None,
    filled: Collection[str] = (),
) -> Conformed:
    """Columns of ``result`` for a destination that has ``target`` (None: it does not exist yet).

    Args:
        of: what fixes the columns, for messages ("mart.orders", "the contract").
        narrowed: columns whose type the destination does not have -> the type that new ones get there;
            a value that does not fit blocks.
        filled: columns of ``target`` that the load mode fills by itself.

    Raises:
        PlanError: a type that can't evolve into another.
    """
    out = Conformed()
    for given in result:
        if narrowed and given.name in narrowed and (target is None or given.name not in target):
            _other_type(out, given, Column(given.name, narrowed[given.name]), SchemaContract(), where)
            if target is not None and policy.columns == "evolve":
                out.add[given.name] = narrowed[given.name]
            continue
        there = target.get(given.name) if target is not None else given
        if there is not None and not there.type:
            there = Column(there.name, given.type)  # a contract may leave a type open
        if there is None:
            _new_column(out, given, policy, where, of)
        elif there.type.upper() == given.type.upper():
            out.keep(given, there.type, there.name)
        elif widens(given.type, there.type):
            out.keep(
                given, there.type, there.name, exp.cast(column(given.name), there.type, dialect="duckdb")
            )
        elif policy.data_type == "evolve":
            if not widens(there.type, given.type):
                raise PlanError(
                    f"column '{given.name}' is {given.type} and can't become of one type with "
                    f"{there.type} in {of}",
                    where=where,
                    hint=f"add a step: - cast: {{{given.name}: {there.type}}}",
                )
            out.keep(given, given.type, there.name)
            out.widen[there.name] = given.type
        else:
            _other_type(out, given, there, policy, where)
    for column_ in target or ():
        if column_.name not in result and column_.name not in filled:
            frozen = policy.columns == "freeze"
            rule = MissingColumn(
                column=column_.name,
                of=of,
                severity="error" if frozen else "info",
                on_fail="block" if frozen else "warn",
            )
            out.judge(rule, where)
    return out


def _new_column(out: Conformed, given: Column, policy: SchemaContract, where: Where, of: str) -> None:
    if policy.columns == "evolve":
        out.keep(given, given.type, given.name)
        out.add[given.name] = given.type
    elif policy.columns == "freeze":
        expected = f"{of} has no column {given.name}"
        out.judge(FrozenColumn(column=given.name, expected=expected, on_fail="block"), where)
        out.keep(given, given.type, given.name)  # nothing is published; the other rules still judge it
    else:
        on_fail = _ON_FAIL[policy.columns]
        rule = NewColumn(column=given.name, severity="error", on_fail=on_fail)
        out.judge(rule, where)
        out.before[given.name] = given.type
        if policy.columns == "discard_value":
            out.discards[given.name] = rule.default_id()


def _other_type(out: Conformed, given: Column, there: Column, policy: SchemaContract, where: Where) -> None:
    out.keep(given, there.type, there.name, call("try_cast", column(given.name), there.type))
    rule = Fits(column=given.name, into=there.type, on_fail=_ON_FAIL[policy.data_type])
    out.judge(rule, where)
    out.before[given.name] = given.type
    if policy.data_type == "discard_value":
        out.discards[given.name] = rule.default_id()
