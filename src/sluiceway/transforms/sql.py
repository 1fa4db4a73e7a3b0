"""``sql``: one SELECT of the user's."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field
from sqlglot import exp

from sluiceway.errors import PlanError, Where
from sluiceway.schema import Schema
from sluiceway.sql.names import bind_tables, cte_of, tables_of
from sluiceway.sql.safe import parse_select, with_clock
from sluiceway.sql.translate import DIALECT
from sluiceway.sql.types import NAMES
from sluiceway.sql.typing import canonical
from sluiceway.transforms.base import Step, StepContext
from sluiceway.transforms.common import CURRENT, bind_variables, is_aggregate

__all__ = ["SqlStep"]


class SqlStep(Step):
    """One SELECT in DuckDB's SQL, which is translated for another engine, or refused where it can't be
    made the same there. ``_`` is the step before; sources, named steps and datasets of the
    warehouse go by their names. WITH, UNION and subqueries are fine; ``:vars`` come from ``--vars``.

    .. code-block:: yaml

        - sql: SELECT customer_id, sum(amount) AS total FROM _ GROUP BY customer_id
    """

    kind: ClassVar[str] = "sql"
    row_wise: ClassVar[bool] = False

    query: str = Field(description="the SELECT")
    dialect: Literal["duckdb", "spark", "postgres"] = Field(
        "duckdb", description="whose SQL it is; another's runs on that engine alone and needs columns"
    )
    columns: dict[str, str] | None = Field(
        None, description="the columns that it gives: name and type; only with the dialect of another engine"
    )

    @classmethod
    def shorthand(cls) -> str:
        return "query"

    def reads(self) -> tuple[str, ...]:
        try:
            tree = parse_select(self.query, Where(), dialect=self.dialect)
        except PlanError:  # compile refuses it, and knows the place
            return ()
        return tuple(name for name in tables_of(tree) if name != CURRENT)

    def is_row_wise(self) -> bool:
        """One plain SELECT over ``_`` alone."""
        if self.dialect != "duckdb":
            return False  # what its functions look at is not known here
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
        parsed = parse_select(self.query, ctx.where, dialect=self.dialect)
        tree = bind_tables(parsed, ctx.schemas, ctx.where, current=ctx.current)
        query: exp.Query = bind_variables(with_clock(tree, ctx.started_at), ctx)
        if self.dialect != "duckdb":
            query.meta[DIALECT] = self.dialect
        return query

    def declared(self, where: Where) -> Schema | None:
        """The schema of a step that DuckDB's binder can't be asked about; None where it can.

        Raises:
            PlanError: ``columns`` are missing, or stand where they are not wanted.
        """
        if self.dialect == "duckdb":
            if self.columns is not None:
                raise PlanError(
                    "columns are found out by themselves for a step in DuckDB's SQL",
                    where=where,
                    hint="leave columns out, or use a cast step",
                )
            return None
        if not self.columns:
            raise PlanError(
                f"a step in the SQL of {NAMES[self.dialect]} must say what it gives",
                where=where,
                hint="declare it: columns: {NAME: TYPE}",
            )
        return Schema.of({name: canonical(type_, where) for name, type_ in self.columns.items()})
