"""``schema``: the columns that there are, and their types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator
from sqlglot import exp
from sqlglot.errors import ParseError

from sluiceway.errors import PlanError
from sluiceway.rules.base import Dimension, Judgement, Measures, RuleContext, TableRule
from sluiceway.schema import Column, family

__all__ = ["SchemaRule"]

_WORDS: dict[str, frozenset[str]] = {
    word: frozenset({word})
    for word in (
        "integer", "decimal", "float", "text", "boolean", "date", "time", "timestamp", "timestamptz",
        "interval", "uuid", "blob", "json", "nested",
    )
}  # fmt: skip
_WORDS["string"] = _WORDS["text"]
_WORDS["number"] = frozenset({"integer", "decimal", "float"})


class SchemaRule(TableRule):
    """The columns are there, with their types; nothing is read for it. A type is a word for a family
    (``integer``, whatever its width; also ``number decimal float text boolean date time timestamp
    timestamptz interval uuid blob json nested``) or an exact type of DuckDB (``BIGINT``,
    ``DECIMAL(18,2)``). A list of names asks for the columns alone.

    >>> (rule,) = SchemaRule.parse({"columns": {"id": "integer", "name": "text"}, "extra": "forbid"}, {})
    >>> from sluiceway.errors import Where
    >>> from sluiceway.schema import Schema
    >>> ctx = RuleContext(Schema.of({"id": "VARCHAR", "x": "DATE"}), Where())
    >>> rule.judge({}, ctx).message
    'id is VARCHAR, not integer; name is missing; x is not declared'
    """

    kind: ClassVar[str] = "schema"
    default_dimension: ClassVar[Dimension] = "consistency"
    examples: ClassVar[tuple[str, ...]] = (
        "schema: {columns: {order_id: integer, amount: 'DECIMAL(18,2)', note: text}, extra: forbid}",
        "schema: [order_id, amount]",
    )

    columns: dict[str, str | None] = Field(
        min_length=1, description="column -> type, or a list of columns whose types don't matter"
    )
    order: bool = Field(False, description="the declared columns stand in this order")
    extra: Literal["allow", "forbid"] = Field("allow", description="whether other columns may be there")

    @classmethod
    def shorthand(cls, value: Any) -> tuple[dict[str, Any], ...]:
        if not isinstance(value, list):
            raise ValueError("schema takes a list of columns, or {columns: …}")
        return ({"columns": value},)

    @field_validator("columns", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return dict.fromkeys(value) if isinstance(value, list) else value

    def validate_for(self, ctx: RuleContext) -> None:
        for name, wanted in self.columns.items():
            if wanted is not None and wanted.lower() not in _WORDS and _canonical(wanted) is None:
                raise PlanError(
                    f"'{wanted}', the type of column '{name}', is no type",
                    where=ctx.where,
                    hint=f"write an exact type such as BIGINT, or one of: {', '.join(sorted(_WORDS))}",
                )

    def measures(self, ctx: RuleContext) -> Measures:
        return Measures()

    def judge(self, values: Mapping[str, Any], ctx: RuleContext) -> Judgement:
        wrong = []
        for name, wanted in self.columns.items():
            there = ctx.schema.get(name)
            if there is None:
                wrong.append(f"{name} is missing")
            elif wanted is not None and not _fits(there, wanted):
                wrong.append(f"{name} is {there.type}, not {wanted}")
        declared = [name.casefold() for name in self.columns]
        found = [column.name.casefold() for column in ctx.schema]
        if self.extra == "forbid":
            wrong += [f"{c.name} is not declared" for c in ctx.schema if c.name.casefold() not in declared]
        present = [name for name in declared if name in found]
        if self.order and [name for name in found if name in declared] != present:
            wrong.append(f"the order is not {', '.join(self.columns)}")
        return Judgement(int(bool(wrong)), 1, len(wrong), "; ".join(wrong))

    def proven(self, ctx: RuleContext, rows: int) -> Judgement | None:
        return self.judge({}, ctx)

    def explanation(self) -> str:
        others = ", and no others" if self.extra == "forbid" else ""
        typed = [name if wanted is None else f"{name} {wanted}" for name, wanted in self.columns.items()]
        return f"there must be the columns {', '.join(typed)}{others}"


def _canonical(type_: str) -> str | None:
    """DuckDB's spelling of a type, None where it is none."""
    try:
        built = exp.DataType.build(type_, dialect="duckdb")
    except (ParseError, ValueError):
        return None
    if family(type_) == "unknown" and built.is_type(exp.DType.USERDEFINED):
        return None
    return built.sql("duckdb").upper()


def _fits(there: Column, wanted: str) -> bool:
    if wanted.lower() in _WORDS:
        return there.family in _WORDS[wanted.lower()]
    return _canonical(there.type) == _canonical(wanted)
