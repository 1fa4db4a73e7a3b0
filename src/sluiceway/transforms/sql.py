"""``sql``: one SELECT of the user's."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field
from sqlglot import exp

from sluiceway.errors import PlanError, Where
from sluiceway.sql.names import bind_tables, cte_of, tables_of
from sluiceway.sql.safe import parse_select, with_clock
from sluiceway.transforms.base import Step, StepContext
from sluiceway.transforms.common import CURRENT, bind_variables, is_aggregate

__all__ = ["SqlStep"]


class SqlStep(Step):
    """One SELECT in DuckDB's SQL. ``_`` is the step before; sources, named steps and datasets of the
    warehouse go by their names. WITH, UNION and subqueries are fine; ``:vars`` come from ``--vars``.

    .. code-block:: yaml

        - sql: SELECT customer_id, sum(amount) AS total FROM _ GROUP BY customer_id
    """

    kind: ClassVar[str] = "sql"
    row_wise: ClassVar[bool] = False

    query: str = Field(description="the SELECT")

    @classmethod
    def shorthand(cls) -> str:
        return "query"

    def reads(self) -> tuple[str, ...]:
        try:
            tree = parse_select(self.query, Where())
        except PlanError:  # compile refuses it, and knows the place
            return ()
        return tuple(name for name in tables_of(tree) if name != CURRENT)

    def is_row_wise(self) -> bool:
        """One plain SELECT over ``_`` alone."""
        tree: Any = parse_select(self.query, Where())
        plain = ("joins", "group", "having", "qualify", "distinct", "limit", "offset", "with_", "laterals")
        if not isinstance(tree, exp.Select) or any(tree.args.get(key) for key in plain):
            return False
        beyond = (exp.Window, exp.Subquery, exp.Exists, exp.SetOperation)
        if any(isinstance(node, beyond) or is_aggregate(node) for node in tree.walk()):
            return False
        tables = list(tree.find_all(exp.Table))
        return [table.name for table in tables] == [CURRENT] and cte_of(tables[0]) is None

    def compile(self, ctx: StepContext) -> exp.Query:
        tree = bind_tables(parse_select(self.query, ctx.where), ctx.schemas, ctx.where, current=ctx.current)
        query: exp.Query = bind_variables(with_clock(tree, ctx.started_at), ctx)
        return query
