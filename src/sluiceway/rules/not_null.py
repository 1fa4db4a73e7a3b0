"""``not_null``: a column has a value in every row."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field
from sqlglot import exp

from sluiceway.rules.base import Dimension, RowRule, RuleContext, column

__all__ = ["NotNull"]


class NotNull(RowRule):
    """Every row has a value. A list of columns is one check each.

    >>> [r.columns_used for r in NotNull.parse(["id", "email"], {})]
    [('id',), ('email',)]
    """

    kind: ClassVar[str] = "not_null"
    default_dimension: ClassVar[Dimension] = "completeness"

    column: str = Field(description="the column")

    @classmethod
    def shorthand(cls, value: Any) -> tuple[dict[str, Any], ...]:
        names = value if isinstance(value, list) else [value]
        return tuple({"column": name} for name in names)

    @property
    def columns_used(self) -> tuple[str, ...]:
        return (self.column,)

    def failing(self, ctx: RuleContext) -> exp.Expr:
        return column(self.column).is_(exp.null())

    def explanation(self) -> str:
        return f"{self.column} must have a value"
