"""What a step is.

A step is a pydantic model whose ``compile`` gives one SELECT over the tables that it reads. Steps
know nothing of engines: they use plain SQL and the primitives of ``sluiceway.sql``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field
from sqlglot import exp

from sluiceway.errors import Where
from sluiceway.schema import Schema

__all__ = ["Step", "StepContext"]


@dataclass(frozen=True)
class StepContext:
    """What a step may look at.

    ``current`` is the relation that the step reads (``_`` in users' SQL); ``schemas`` holds every
    relation that it may name: sources, earlier named steps, and ``current``. ``variables`` are the
    bound ``:vars``. ``binds`` collects values that must never stand in SQL text (keys of ``mask``):
    ``bind(value)`` gives a placeholder expression. ``clock`` is a timestamp literal of the run's
    ``started_at``, for volatile functions.
    """

    current: str
    schemas: Mapping[str, Schema]
    where: Where
    variables: Mapping[str, Any]
    binds: dict[str, Any]
    started_at: str

    @property
    def schema(self) -> Schema:
        return self.schemas[self.current]

    def bind(self, value: Any) -> exp.Expr:
        """A named parameter ``$p0`` for a value that is handed to the engine beside the SQL."""
        name = f"p{len(self.binds)}"
        self.binds[name] = value
        placeholder = exp.Placeholder(this=name)
        placeholder.meta["sample"] = b"" if isinstance(value, bytes) else value  # for sql/typing.py
        return placeholder

    def table(self, name: str | None = None) -> exp.Table:
        return exp.table_(name or self.current, quoted=True)


class Step(BaseModel):
    """The base of every step. ``kind`` is its YAML key.

    A subclass has ``parse(value)``, which turns what stands behind the key (a string, a list or a
    mapping) into its fields, and ``compile``. ``row_wise`` says that each output row depends on one
    input row alone (filter, derive, …): only pipelines of row-wise steps can replay source rows.
    ``reads`` are other relations that it reads.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, defer_build=True)
    kind: ClassVar[str]
    row_wise: ClassVar[bool] = True

    name: str | None = Field(None, description="names the step, so that others can read it")
    from_: str | None = Field(None, alias="from", description="reads this relation, not the step before")

    @classmethod
    def parse(cls, value: Any, options: Mapping[str, Any]) -> Step:
        """The step out of ``{kind: value, **options}``. Mappings are fields as they stand."""
        fields = dict(value) if isinstance(value, dict) else {cls.shorthand(): value}
        return cls.model_validate({**fields, **options})

    @classmethod
    def shorthand(cls) -> str:
        """The field that a bare value fills."""
        raise TypeError(f"{cls.kind} takes a mapping")

    def reads(self) -> tuple[str, ...]:
        """Relations that this step names beside the one before it."""
        return ()

    def is_row_wise(self) -> bool:
        """As ``row_wise``, but looks at the step's own SQL too: a window or a subquery is not."""
        return type(self).row_wise

    def compile(self, ctx: StepContext) -> exp.Query:
        """The SELECT, columns listed where it matters. Raises PlanError with the columns there are."""
        raise NotImplementedError
