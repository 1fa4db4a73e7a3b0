"""``select``: which columns, in which order, under which names."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field, model_validator
from sqlglot import exp

from sluiceway.transforms.base import Step, StepContext
from sluiceway.transforms.common import (
    as_list,
    col,
    current,
    expression,
    looks_beyond_the_row,
    subquery_reads,
    unique_names,
)

__all__ = ["Select"]


class Select(Step):
    """Keeps the listed columns in the listed order; an entry ``{name: expression}`` computes one.
    ``exclude`` keeps all but the ones named.

    .. code-block:: yaml

        - select: [order_id, status, {net: "amount - coalesce(discount, 0)"}]
    """

    kind: ClassVar[str] = "select"

    columns: tuple[str | dict[str, str], ...] | dict[str, str] | str | None = Field(
        None, description="columns to keep: names, or {name: expression}"
    )
    exclude: tuple[str, ...] | str | None = Field(None, description="columns to leave out")

    @classmethod
    def shorthand(cls) -> str:
        return "columns"

    @model_validator(mode="after")
    def _one(self) -> Select:
        if (self.columns is None) == (self.exclude is None):
            raise ValueError("select takes columns, or exclude")
        if self.columns is not None and not self.columns:
            raise ValueError("select needs one column at least")
        return self

    def _items(self) -> list[tuple[str, str | None]]:
        """(name, expression); None where the name is a column as it is."""
        if isinstance(self.columns, dict):
            return list(self.columns.items())
        items: list[tuple[str, str | None]] = []
        for entry in [self.columns] if isinstance(self.columns, str) else self.columns or ():
            items += list(entry.items()) if isinstance(entry, dict) else [(entry, None)]
        return items

    def _texts(self) -> list[str]:
        return [text for _, text in self._items() if text is not None]

    def reads(self) -> tuple[str, ...]:
        return subquery_reads(self._texts())

    def is_row_wise(self) -> bool:
        return not looks_beyond_the_row(self._texts())

    def compile(self, ctx: StepContext) -> exp.Query:
        schema = ctx.schema
        if self.exclude is not None:
            schema.require(as_list(self.exclude), ctx.where)
            gone = {name.casefold() for name in as_list(self.exclude)}
            kept = [n for n in schema.names if n.casefold() not in gone]
            return exp.select(*[col(n) for n in kept or self._nothing_left(ctx)]).from_(current(ctx))
        chosen: list[Any] = []
        for name, text in self._items():
            if text is None:
                schema.require([name], ctx.where)
                chosen.append(col(schema[name].name))
            else:
                chosen.append(exp.alias_(expression(text, ctx), name, quoted=True))
        unique_names((name for name, _ in self._items()), ctx.where)
        return exp.select(*chosen).from_(current(ctx))

    def _nothing_left(self, ctx: StepContext) -> list[str]:
        from sluiceway.errors import PlanError

        raise PlanError("exclude leaves no column", where=ctx.where, hint="keep one column at least")
