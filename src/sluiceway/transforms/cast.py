"""``cast``: other types for columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator
from sqlglot import exp

from sluiceway.sql.primitives import call
from sluiceway.sql.typing import parse_type
from sluiceway.transforms.base import Step, StepContext
from sluiceway.transforms.common import col, current, mapping_fields

__all__ = ["Cast"]


class Cast(Step):
    """Gives columns other types, spelled as DuckDB does. A value that does not fit fails the run, or
    becomes NULL with ``on_error: null``.

    .. code-block:: yaml

        - cast: {amount: "DECIMAL(18,2)", ordered_at: TIMESTAMP}
          on_error: "null"
    """

    kind: ClassVar[str] = "cast"

    columns: dict[str, str] = Field(description="column: type")
    on_error: Literal["fail", "null"] = Field("fail", description="a value that does not fit: fail or null")

    @classmethod
    def parse(cls, value: Any, options: Mapping[str, Any]) -> Step:
        return cls.model_validate({**mapping_fields(value, "columns", ("columns", "on_error")), **options})

    @field_validator("on_error", mode="before")
    @classmethod
    def _null(cls, value: Any) -> Any:
        return "null" if value is None else value  # YAML reads a bare null as nothing

    def compile(self, ctx: StepContext) -> exp.Query:
        ctx.schema.require(self.columns, ctx.where)
        types = {name.casefold(): parse_type(text, ctx.where) for name, text in self.columns.items()}
        chosen = []
        for name in ctx.schema.names:
            type_ = types.get(name.casefold())
            chosen.append(col(name) if type_ is None else self._cast(name, type_))
        return exp.select(*chosen).from_(current(ctx))

    def _cast(self, name: str, type_: exp.DataType) -> exp.Expr:
        if self.on_error == "null":
            return exp.alias_(call("try_cast", col(name), type_.sql("duckdb")), name, quoted=True)
        return exp.alias_(exp.Cast(this=col(name), to=type_), name, quoted=True)
