"""``filter``: keep the rows for which a condition is true."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field
from sqlglot import exp

from sluiceway.transforms.base import Step, StepContext
from sluiceway.transforms.common import (
    as_list,
    col,
    current,
    expression,
    looks_beyond_the_row,
    subquery_reads,
)

__all__ = ["Filter"]


class Filter(Step):
    """Keeps the rows for which the condition is true; false and NULL go. Several are joined by AND.

    .. code-block:: yaml

        - filter: status <> 'draft'
    """

    kind: ClassVar[str] = "filter"

    condition: str | tuple[str, ...] = Field(description="the condition, or a list of them")

    @classmethod
    def shorthand(cls) -> str:
        return "condition"

    def reads(self) -> tuple[str, ...]:
        return subquery_reads(as_list(self.condition))

    def is_row_wise(self) -> bool:
        return not looks_beyond_the_row(as_list(self.condition))

    def compile(self, ctx: StepContext) -> exp.Query:
        conditions: list[Any] = [expression(text, ctx) for text in as_list(self.condition)]
        query: exp.Query = exp.select(*[col(n) for n in ctx.schema.names]).from_(current(ctx))
        return query.where(*[exp.paren(c) for c in conditions]) if conditions else query
