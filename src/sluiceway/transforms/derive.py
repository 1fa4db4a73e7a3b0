"""``derive``: computed columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field
from sqlglot import exp

from sluiceway.schema import Column, Schema
from sluiceway.transforms.base import Step, StepContext
from sluiceway.transforms.common import (
    CURRENT,
    col,
    current,
    expression,
    looks_beyond_the_row,
    mapping_fields,
    subquery_reads,
    unique_names,
)

__all__ = ["Derive"]


class Derive(Step):
    """Adds computed columns, or replaces them where the name exists. A later expression sees what the
    earlier ones made.

    .. code-block:: yaml

        - derive: {net: "amount - coalesce(discount, 0)", is_large: net > 1000}
    """

    kind: ClassVar[str] = "derive"

    columns: dict[str, str] = Field(description="column: expression")

    @classmethod
    def parse(cls, value: Any, options: Mapping[str, Any]) -> Step:
        return cls.model_validate({**mapping_fields(value, "columns", ("columns",)), **options})

    def reads(self) -> tuple[str, ...]:
        return subquery_reads(self.columns.values())

    def is_row_wise(self) -> bool:
        return not looks_beyond_the_row(self.columns.values())

    def compile(self, ctx: StepContext) -> exp.Query:
        unique_names(self.columns, ctx.where)
        names, source = list(ctx.schema.names), current(ctx)
        layer: dict[str, Any] = {}
        for name, text in self.columns.items():
            visible = Schema(tuple(Column(n, "") for n in (*names, *_new(layer, names))))
            tree = expression(text, ctx, schema=visible)
            used = {column.name.casefold() for column in tree.find_all(exp.Column)}
            if used & {made.casefold() for made in layer}:
                names, source = self._close(layer, names, source)
                layer = {}
            layer[name] = tree
        return _select(layer, names, source)

    def _close(self, layer: dict[str, Any], names: list[str], source: Any) -> tuple[list[str], Any]:
        """What was made so far becomes the relation that the next expressions read."""
        inner = _select(layer, names, source).subquery(CURRENT)
        return [*names, *_new(layer, names)], inner


def _new(layer: Mapping[str, Any], names: list[str]) -> list[str]:
    there = {n.casefold() for n in names}
    return [name for name in layer if name.casefold() not in there]


def _select(layer: Mapping[str, Any], names: list[str], source: Any) -> exp.Select:
    made = {name.casefold(): tree for name, tree in layer.items()}
    chosen: list[Any] = []
    for name in (*names, *_new(layer, names)):
        tree = made.get(name.casefold())
        chosen.append(col(name) if tree is None else exp.alias_(tree, name, quoted=True))
    return exp.select(*chosen).from_(source)
