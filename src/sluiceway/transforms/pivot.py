"""``pivot``: values of a column become columns."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field, model_validator
from sqlglot import exp

from sluiceway.errors import PlanError
from sluiceway.transforms.base import Step, StepContext
from sluiceway.transforms.common import (
    as_list,
    col,
    current,
    expression,
    is_aggregate,
    unique_names,
)

__all__ = ["Pivot"]

Scalar = str | int | float | bool | None


class Pivot(Step):
    """One column for each of the listed values of ``on``, filled by the aggregate ``using``. The values
    are listed, so that the columns do not depend on the data. A mapping names the columns.

    .. code-block:: yaml

        - pivot: {on: status, values: [paid, open], using: sum(amount), group_by: country}
    """

    kind: ClassVar[str] = "pivot"
    row_wise: ClassVar[bool] = False

    on: str = Field(description="the column whose values become columns")
    values: tuple[Scalar, ...] | dict[Scalar, str] = Field(description="the values, or {value: column}")
    using: str = Field(description="the aggregate that fills the columns")
    group_by: tuple[str, ...] | str | None = Field(None, description="columns that make a row; none: one row")

    @model_validator(mode="after")
    def _some(self) -> Pivot:
        if not self.values:
            raise ValueError("pivot needs values: a list, so that the columns are known before the run")
        return self

    def compile(self, ctx: StepContext) -> exp.Query:
        group = as_list(self.group_by)
        ctx.schema.require([self.on, *group], ctx.where)
        named = self._names()
        unique_names([*group, *(name for _, name in named)], ctx.where)
        keys: list[Any] = [col(ctx.schema[n].name) for n in group]
        cells = [exp.alias_(self._cell(ctx, value), name, quoted=True) for value, name in named]
        query = exp.select(*keys, *cells).from_(current(ctx))
        return query.group_by(*[k.copy() for k in keys]) if keys else query

    def _names(self) -> list[tuple[Scalar, str]]:
        if isinstance(self.values, dict):
            return list(self.values.items())
        return [(value, "null" if value is None else str(value)) for value in self.values]

    def _cell(self, ctx: StepContext, value: Scalar) -> Any:
        """``using`` with every aggregate in it limited to the rows of ``value``."""
        tree = expression(self.using, ctx)
        calls = [n for n in tree.walk() if is_aggregate(n) and not _inside_aggregate(n)]
        if not calls:
            raise PlanError(
                f"'{self.using}' is not an aggregate", where=ctx.where, hint="write one, such as sum(amount)"
            )
        column = col(ctx.schema[self.on].name)
        match = exp.NullSafeEQ(this=column, expression=exp.convert(value))
        for node in calls:
            target = node.parent if isinstance(node.parent, exp.WithinGroup | exp.IgnoreNulls) else node
            own = target.parent if isinstance(target.parent, exp.Filter) else None
            if own is not None:
                own.expression.set("this", exp.and_(match.copy(), own.expression.this))
                continue
            limited = exp.Filter(this=target.copy(), expression=exp.Where(this=match.copy()))
            if target is tree:
                tree = limited
            else:
                target.replace(limited)
        return tree


def _inside_aggregate(node: Any) -> bool:
    parent = node.parent
    while parent is not None:
        if is_aggregate(parent):
            return True
        parent = parent.parent
    return False
