"""``join``: columns of another relation."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, Field, model_validator
from sqlglot import exp

from sluiceway.errors import PlanError, did_you_mean
from sluiceway.schema import Schema
from sluiceway.transforms.base import Step, StepContext
from sluiceway.transforms.common import as_list, col, current

__all__ = ["Join"]

_OTHER = "_other"


class Join(Step):
    """Adds columns of another relation to every row that matches. A row that matches several rows comes
    out several times; NULL matches nothing. ``on`` is a column of both sides, a list of them, or
    ``{mine: theirs}``.

    .. code-block:: yaml

        - join: {with: airports, on: {origin: iata}, columns: {name: origin_name}}
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    kind: ClassVar[str] = "join"

    with_: str = Field(alias="with", description="the source, step or dataset to join")
    on: str | tuple[str, ...] | dict[str, str] = Field(
        description="the key: a column, a list, or {mine: theirs}"
    )
    type: Literal["left", "inner", "semi", "anti"] = Field(
        "left", description="left keeps rows without a match, inner drops them, semi and anti only filter"
    )
    columns: tuple[str, ...] | dict[str, str] | str | None = Field(
        None, description="columns of the other side, or {column: new name}; all but the key if absent"
    )

    @model_validator(mode="after")
    def _fits(self) -> Join:
        if not self.on:
            raise ValueError("join needs on")
        if self.type in ("semi", "anti") and self.columns is not None:
            raise ValueError(f"a {self.type} join adds no columns")
        return self

    def reads(self) -> tuple[str, ...]:
        return (self.with_,)

    def _pairs(self) -> dict[str, str]:
        """mine -> theirs"""
        return self.on if isinstance(self.on, dict) else {name: name for name in as_list(self.on)}

    def compile(self, ctx: StepContext) -> exp.Query:
        other = next((n for n in ctx.schemas if n.casefold() == self.with_.casefold()), None)
        if other is None:
            shown = [n for n in ctx.schemas if not n.startswith("_step_")]
            raise PlanError(
                f"there is no source, step or dataset '{self.with_}'",
                where=ctx.where,
                hint=did_you_mean(self.with_, shown),
            )
        theirs, pairs = ctx.schemas[other], self._pairs()
        ctx.schema.require(pairs, ctx.where)
        theirs.require(pairs.values(), ctx.where, other)
        chosen: list[Any] = [col(n) for n in ctx.schema.names]
        for name, new in self._added(theirs, other, ctx).items():
            column = col(name, _OTHER)
            chosen.append(column if name == new else exp.alias_(column, new, quoted=True))
        on = exp.and_(
            *[exp.EQ(this=col(mine), expression=col(their, _OTHER)) for mine, their in pairs.items()]
        )
        side = {"side": "LEFT"} if self.type == "left" else {}
        kind = {} if self.type == "left" else {"kind": self.type.upper()}
        table = exp.alias_(ctx.table(other), _OTHER, table=True)
        return exp.select(*chosen).from_(current(ctx)).join(exp.Join(this=table, on=on, **side, **kind))

    def _added(self, theirs: Schema, other: str, ctx: StepContext) -> dict[str, str]:
        """Their column -> its name in the result."""
        if self.type in ("semi", "anti"):
            return {}
        if self.columns is None:
            key = {name.casefold() for name in self._pairs().values()}
            added = {n: n for n in theirs.names if n.casefold() not in key}
        elif isinstance(self.columns, dict):
            added = self.columns
        else:
            added = {name: name for name in as_list(self.columns)}
        theirs.require(added, ctx.where, other)
        seen = {n.casefold() for n in ctx.schema.names}
        for name, new in added.items():
            if new.casefold() in seen:
                raise PlanError(
                    f"'{new}' of {other} clashes with a column that is there already",
                    where=ctx.where,
                    hint=f"rename it: columns: {{{name}: {other}_{name}}}",
                )
            seen.add(new.casefold())
        return {theirs[name].name: new for name, new in added.items()}
