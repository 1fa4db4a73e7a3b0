"""``rename``: other names for columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field
from sqlglot import exp

from sluiceway.transforms.base import Step, StepContext
from sluiceway.transforms.common import col, current, mapping_fields, unique_names

__all__ = ["Rename"]


class Rename(Step):
    """Gives columns other names: ``{old: new}``. The order stays; two columns may swap names.

    .. code-block:: yaml

        - rename: {cust: customer, "Order Date": order_date}
    """

    kind: ClassVar[str] = "rename"

    columns: dict[str, str] = Field(description="old name: new name")

    @classmethod
    def parse(cls, value: Any, options: Mapping[str, Any]) -> Step:
        return cls.model_validate({**mapping_fields(value, "columns", ("columns",)), **options})

    def compile(self, ctx: StepContext) -> exp.Query:
        ctx.schema.require(self.columns, ctx.where)
        new = {old.casefold(): name for old, name in self.columns.items()}
        pairs = [(n, new.get(n.casefold(), n)) for n in ctx.schema.names]
        unique_names((name for _, name in pairs), ctx.where)
        chosen = [col(old) if old == name else exp.alias_(col(old), name, quoted=True) for old, name in pairs]
        return exp.select(*chosen).from_(current(ctx))
