"""The small set of functions that rules and declarative steps are built from.

A primitive is a neutral call, ``SW_NAME(args)``, in a plan's trees. ``lower`` replaces it by what a
dialect says; a dialect without an emitter for it is an error at plan time, never a guess. Plain SQL
that means the same everywhere (comparisons, AND/OR/NOT, CASE, COALESCE, COUNT, SUM, MIN, MAX, IN)
needs no primitive. Nothing here subclasses sqlglot: its compiled build forbids that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from sluiceway.errors import PlanError

__all__ = ["PRIMITIVES", "Primitive", "call", "lower", "support"]

Emitter = Callable[..., exp.Expr]
_PREFIX = "SW_"


@dataclass(frozen=True)
class Primitive:
    """``emitters`` is the declared table of support: dialect -> how it is written there."""

    name: str
    doc: str
    emitters: Mapping[str, Emitter]


def _fn(name: str) -> Emitter:
    return lambda *args: exp.Anonymous(this=name, expressions=list(args))


PRIMITIVES: dict[str, Primitive] = {
    p.name: p
    for p in (
        Primitive(
            "matches",
            "matches(text, pattern): the whole text matches the RE2 pattern",
            {"duckdb": _fn("regexp_full_match")},
        ),
        Primitive("length", "length(text): number of code points", {"duckdb": _fn("length")}),
        Primitive(
            "try_cast",
            "try_cast(value, 'TYPE'): NULL where it does not fit",
            {"duckdb": lambda v, t: exp.TryCast(this=v, to=exp.DataType.build(t.name, "duckdb"))},
        ),
        Primitive(
            "count_if",
            "count_if(condition): rows where it is TRUE",
            {
                "duckdb": lambda c: exp.Filter(
                    this=exp.Count(this=exp.Star()), expression=exp.Where(this=c)
                )
            },
        ),
        Primitive(
            "divide",
            "divide(a, b): NULL where b is 0",
            {
                "duckdb": lambda a, b: exp.Div(
                    this=exp.paren(a), expression=exp.func("NULLIF", b, exp.Literal.number(0))
                )
            },
        ),
    )
}


def call(name: str, *args: Any) -> exp.Expr:
    """A neutral call of primitive ``name``; plain Python values become literals.

    >>> lower(call("matches", exp.column("email"), ".+@.+"), "duckdb").sql("duckdb")
    "REGEXP_FULL_MATCH(email, '.+@.+')"
    """
    if name not in PRIMITIVES:
        raise KeyError(f"no primitive {name}")
    args_ = [a if isinstance(a, exp.Expr) else exp.convert(a) for a in args]
    return exp.Anonymous(this=_PREFIX + name.upper(), expressions=args_)


def lower(tree: exp.Expr, dialect: str) -> exp.Expr:
    """A copy of ``tree`` with every primitive written in ``dialect``.

    Raises:
        PlanError: the dialect has no emitter for one of them.
    """

    def rewrite(node: Any) -> Any:
        if isinstance(node, exp.Anonymous) and node.name.startswith(_PREFIX):
            name = node.name.removeprefix(_PREFIX).lower()
            emitter = PRIMITIVES[name].emitters.get(dialect)
            if emitter is None:
                raise PlanError(f"{name} can't be written for {dialect}")
            return emitter(*[lower(arg, dialect) for arg in node.expressions])
        return node

    return tree.transform(rewrite)


def support() -> dict[str, tuple[str, ...]]:
    """primitive -> dialects, for the docs and for explain."""
    return {name: tuple(sorted(p.emitters)) for name, p in sorted(PRIMITIVES.items())}
