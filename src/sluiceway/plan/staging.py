"""The SELECT of the staging: what is published, and what stands beside it for the audit and the undo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sqlglot import exp

from sluiceway.plan.fixing import FIXED, WAS, Fixing
from sluiceway.plan.nodes import BEFORE, Stage
from sluiceway.rules.base import column
from sluiceway.rules.fuse import Check, any_bit, bit_value, mask_column, mask_expressions
from sluiceway.schema import Schema
from sluiceway.sql.primitives import call

if TYPE_CHECKING:
    from sluiceway.plan.conform import Conformed

__all__ = ["staging", "values_as_they_came"]


def staging(
    conformed: Conformed, checks: tuple[Check, ...], last: str, *, in_place: bool, fixing: Fixing | None
) -> Stage:
    """The node that materialises the result: the destination's columns, the masks of the checks that need one
    row only, values as they came where they change on the way, and which rows a fix touched.

    Args:
        last: the relation of the last step. in_place: see ``Stage``.
    """
    relation = last if fixing is None else FIXED
    select = exp.select(*conformed.select).from_(exp.table_(relation, quoted=True))
    in_pass = [check for check in checks if check.in_pass]
    losing = [c for c in checks if fixing is not None and c.id in fixing.losers]
    masks = mask_expressions(in_pass, of=checks)
    for check in losing:
        masks = _with_losers(masks, check, fixing)
    for name, mask in masks.items():
        select = select.select(exp.alias_(mask, name, quoted=True))
    was = values_as_they_came(fixing, Schema(tuple(conformed.schema)))
    for name, type_ in {**conformed.before, **was}.items():
        value = column(WAS + _as_given(fixing, name)) if name in was else exp.column(name, quoted=True)
        before = call("string_of", value, type_)
        select = select.select(exp.alias_(before, BEFORE + name, quoted=True))
    for flag in fixing.flags.values() if fixing is not None else ():
        select = select.select(exp.alias_(column(flag), flag, quoted=True))
    turned_away = [c.bit for c in (*in_pass, *losing) if c.turns_away and c.bit is not None]
    return Stage(select, any_bit(turned_away), relation, in_place)


def _with_losers(masks: Mapping[str, exp.Expr], check: Check, fixing: Fixing | None) -> dict[str, exp.Expr]:
    """The masks with the bit of ``check`` set where ``deduplicate`` takes a row away."""
    assert fixing is not None
    assert check.bit is not None
    zero, value = (exp.cast(exp.Literal.number(n), "BIGINT") for n in (0, bit_value(check.bit)))
    term = exp.Case(default=zero).when(column(fixing.losers[check.id]), value)
    name = mask_column(check.bit)
    return {**masks, name: exp.Add(this=masks[name], expression=term)}


def values_as_they_came(fixing: Fixing | None, output: Schema) -> dict[str, str]:
    """Columns of the output whose values may be put right, with the types that they came in."""
    changed = {} if fixing is None else {n.casefold(): type_ for n, type_ in fixing.columns.items()}
    return {c.name: changed[c.name.casefold()] for c in output if c.name.casefold() in changed}


def _as_given(fixing: Fixing | None, name: str) -> str:
    """How the result spells a column of the output."""
    names = fixing.columns if fixing is not None else ()
    return next(given for given in names if given.casefold() == name.casefold())
