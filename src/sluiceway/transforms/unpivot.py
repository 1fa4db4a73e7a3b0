"""``unpivot``: columns become rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field
from sqlglot import exp

from sluiceway.errors import PlanError
from sluiceway.transforms.base import Step, StepContext
from sluiceway.transforms.common import CURRENT, as_list, col, current, unique_names

__all__ = ["Unpivot"]

_NAMES = "_names"
_NUMERIC = frozenset({"integer", "decimal", "float"})


class Unpivot(Step):
    """One row for each of the listed columns, with its name and its value; the other columns repeat.
    Rows whose value is NULL stay unless ``include_nulls: false``. Inside the mapping ``name`` is the
    column that holds the names.

    .. code-block:: yaml

        - unpivot: {columns: [q1, q2, q3, q4], name: quarter, value: revenue}
    """

    kind: ClassVar[str] = "unpivot"

    columns: tuple[str, ...] | str = Field(description="the columns that become rows")
    name_to: str = Field("name", description="the column that holds the names; written as name")
    value: str = Field("value", description="the column that holds the values")
    include_nulls: bool = Field(True, description="keep rows whose value is NULL")

    @classmethod
    def parse(cls, value: Any, options: Mapping[str, Any]) -> Step:
        if not isinstance(value, dict):
            raise TypeError("unpivot takes a mapping")
        fields = {"name_to" if key == "name" else key: item for key, item in value.items()}
        return cls.model_validate({**fields, **options})

    def compile(self, ctx: StepContext) -> exp.Query:
        schema, columns = ctx.schema, as_list(self.columns)
        schema.require(columns, ctx.where)
        self._same_family(ctx, columns)
        gone = {name.casefold() for name in columns}
        kept = [n for n in schema.names if n.casefold() not in gone]
        unique_names([*kept, self.name_to, self.value], ctx.where)
        # a CASE over the list of names: one scan, and plain SQL on every engine
        name = exp.column("n", _NAMES)
        case = exp.Case()
        for column in columns:
            label = exp.Literal.string(schema[column].name)
            case = case.when(exp.EQ(this=name.copy(), expression=label), col(schema[column].name))
        rows = [exp.Tuple(expressions=[exp.Literal.string(schema[c].name)]) for c in columns]
        names = exp.Values(
            expressions=rows,
            alias=exp.TableAlias(this=exp.to_identifier(_NAMES), columns=[exp.to_identifier("n")]),
        )
        query = (
            exp.select(
                *[col(n) for n in kept],
                exp.alias_(name, self.name_to, quoted=True),
                exp.alias_(case, self.value, quoted=True),
            )
            .from_(current(ctx))
            .join(names, join_type="cross")
        )
        if self.include_nulls:
            return query
        outer = exp.select(*[col(n) for n in (*kept, self.name_to, self.value)])
        return outer.from_(query.subquery(CURRENT)).where(exp.not_(col(self.value).is_(exp.null())))

    def _same_family(self, ctx: StepContext, columns: list[str]) -> None:
        """DuckDB would make text of a number and a text without a word."""
        families = {ctx.schema[c].family: c for c in columns}
        if len(families) > 1 and not set(families) <= _NUMERIC:
            shown = ", ".join(f"{c} {ctx.schema[c].type}" for c in columns)
            raise PlanError(
                f"the columns have no type in common: {shown}",
                where=ctx.where,
                hint="cast them to one type first: - cast: {COLUMN: VARCHAR}",
            )
