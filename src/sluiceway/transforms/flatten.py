"""``flatten``: nested columns become plain ones."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator
from sqlglot import exp

from sluiceway.errors import PlanError
from sluiceway.sql.primitives import call
from sluiceway.sql.typing import parse_type
from sluiceway.transforms.base import Step, StepContext
from sluiceway.transforms.common import col, current, unique_names

__all__ = ["Flatten"]


class Flatten(Step):
    """A struct's fields become columns; a list's elements become rows. ``kind`` is seen from the type.
    A row whose list is empty or NULL stays, with NULL, unless ``keep_empty: false``.

    .. code-block:: yaml

        - flatten: {column: address, prefix: address_}
    """

    kind: ClassVar[str] = "flatten"

    column: str = Field(description="the nested column")
    as_: Literal["struct", "list"] | None = Field(
        None, alias="kind", description="struct or list; by the column's type if absent"
    )
    prefix: str | None = Field(None, description="before a field's name; the column's name and _ if absent")
    keep: bool = Field(False, description="keep the nested column too")
    keep_empty: bool = Field(True, description="list: keep rows whose list is empty or NULL")
    to: str | None = Field(None, description="list: the element's column; the list's name if absent")
    position: str | None = Field(None, description="list: a column for the element's number, from 1")

    @classmethod
    def shorthand(cls) -> str:
        return "column"

    @model_validator(mode="after")
    def _fits(self) -> Flatten:
        if self.as_ == "struct" and (self.to or self.position):
            raise ValueError("to and position belong to a list")
        if self.as_ == "list" and self.prefix is not None:
            raise ValueError("prefix belongs to a struct")
        return self

    def compile(self, ctx: StepContext) -> exp.Query:
        ctx.schema.require([self.column], ctx.where)
        column = ctx.schema[self.column]
        kind = _kind(column.type)
        if kind is None or (self.as_ is not None and self.as_ != kind):
            raise PlanError(
                f"{column.name} is {column.type}, not a {self.as_ or 'struct or list'}",
                where=ctx.where,
                hint=_hint(column.type, column.name),
            )
        return self._struct(ctx, column.name) if kind == "struct" else self._list(ctx, column.name)

    def _struct(self, ctx: StepContext, name: str) -> exp.Query:
        prefix = f"{name}_" if self.prefix is None else self.prefix
        chosen: list[Any] = []
        for other in ctx.schema.names:
            if other != name or self.keep:
                chosen.append(col(other))
            if other == name:
                for field in _fields(ctx.schema[name].type, ctx):
                    value = exp.Dot(this=col(name), expression=exp.to_identifier(field, quoted=True))
                    chosen.append(exp.alias_(value, prefix + field, quoted=True))
        unique_names((item.alias_or_name for item in chosen), ctx.where)
        return exp.select(*chosen).from_(current(ctx))

    def _list(self, ctx: StepContext, name: str) -> exp.Query:
        to = self.to or name
        if self.keep and to.casefold() == name.casefold():
            raise PlanError(
                "keep needs another name for the element", where=ctx.where, hint=f"to: {name}_item"
            )
        elements = self._elements(ctx, name)
        keep = exp.true() if self.keep_empty else exp.false()
        chosen: list[Any] = []
        for other in ctx.schema.names:
            if other != name or self.keep:
                chosen.append(col(other))
            if other == name:
                chosen.append(exp.alias_(call("unnest_item", elements, keep), to, quoted=True))
        if self.position:
            number = call("unnest_number", elements.copy(), keep.copy())
            chosen.append(exp.alias_(number, self.position, quoted=True))
        unique_names((item.alias_or_name for item in chosen), ctx.where)
        return exp.select(*chosen).from_(current(ctx))

    def _elements(self, ctx: StepContext, name: str) -> Any:
        """The list to unnest."""
        type_ = ctx.schema[name].type
        if type_.endswith("[]"):
            return col(name)
        # an array of fixed size
        return exp.Cast(this=col(name), to=parse_type(type_[: type_.rindex("[")] + "[]", ctx.where))


def _kind(type_: str) -> str | None:
    if type_.endswith("]"):
        return "list"
    return "struct" if type_.upper().startswith("STRUCT(") else None


def _fields(type_: str, ctx: StepContext) -> list[str]:
    return [field.name for field in parse_type(type_, ctx.where).expressions]


def _hint(type_: str, name: str) -> str:
    if type_ == "JSON":
        return f"give it a type first: - cast: {{{name}: 'STRUCT(a INTEGER, b VARCHAR)'}}"
    if type_.upper().startswith("MAP("):
        return f"make a list of it first: - derive: {{{name}: map_entries({name})}}"
    return "flatten takes a STRUCT or a list"
