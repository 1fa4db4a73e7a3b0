"""``aggregate``: one row a group."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field, model_validator
from sqlglot import exp

from sluiceway.transforms.base import Step, StepContext
from sluiceway.transforms.common import as_list, col, current, expression, subquery_reads, unique_names

__all__ = ["Aggregate"]


class Aggregate(Step):
    """One row for every group of equal values; without ``group_by`` one row in all. NULL is a group.

    .. code-block:: yaml

        - aggregate:
            group_by: [country, status]
            measures: {orders: count(*), revenue: sum(amount)}
    """

    kind: ClassVar[str] = "aggregate"
    row_wise: ClassVar[bool] = False

    group_by: tuple[str, ...] | str | None = Field(None, description="columns that make a group")
    measures: dict[str, str] = Field(default_factory=dict, description="column: aggregate expression")

    @model_validator(mode="after")
    def _something(self) -> Aggregate:
        if not self.measures and not self.group_by:
            raise ValueError("aggregate needs measures or group_by")
        return self

    def reads(self) -> tuple[str, ...]:
        return subquery_reads(self.measures.values())

    def compile(self, ctx: StepContext) -> exp.Query:
        group = as_list(self.group_by)
        ctx.schema.require(group, ctx.where)
        unique_names([*group, *self.measures], ctx.where)
        keys: list[Any] = [col(ctx.schema[n].name) for n in group]
        measures = [
            exp.alias_(expression(text, ctx), name, quoted=True) for name, text in self.measures.items()
        ]
        query = exp.select(*keys, *measures).from_(current(ctx))
        return query.group_by(*[k.copy() for k in keys]) if keys else query
