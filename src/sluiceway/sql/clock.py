"""The run's clock instead of the engine's: a rerun must say the same time."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlglot import exp

from sluiceway.sql.support import CLOCK

__all__ = ["clock_name", "with_clock"]

_NODES = {
    "CurrentTimestamp": "now",
    "CurrentDate": "today",
    "CurrentTime": "get_current_time",
    "Localtime": "current_localtime",
    "Localtimestamp": "current_localtimestamp",
}


def with_clock(tree: exp.Expr, started_at: str | datetime) -> Any:
    """A copy of ``tree`` whose clock functions say ``started_at`` (UTC).

    >>> with_clock(exp.Anonymous(this="today"), "2026-11-23 05:06:07").sql("duckdb")
    "CAST('2026-11-23' AS DATE)"
    """
    stamp = str(started_at).replace("T", " ").removesuffix("+00:00").removesuffix("Z").strip()

    def rewrite(node: Any) -> Any:
        name = clock_name(node)
        return _value(node, name, stamp) if name else node

    return tree.copy().transform(rewrite, copy=False)


def clock_name(node: Any) -> str:
    """The function if ``node`` asks the clock, else ''. ``age(x)`` counts from today."""
    if isinstance(node, exp.Anonymous):
        name = str(node.name).lower()
        return name if name in CLOCK or (name == "age" and len(node.expressions) == 1) else ""
    return _NODES.get(type(node).__name__, "")


def _value(node: Any, name: str, stamp: str) -> Any:
    if name == "ago":
        return exp.paren(
            exp.Sub(this=_cast(stamp + "+00", "TIMESTAMPTZ"), expression=exp.paren(node.expressions[0]))
        )
    if name == "age":
        return exp.Anonymous(this="age", expressions=[_cast(stamp[:10], "TIMESTAMP"), *node.expressions])
    if name == "today":
        return _cast(stamp[:10], "DATE")
    if name == "current_localtimestamp":
        return _cast(stamp, "TIMESTAMP")
    if name == "current_localtime":
        return _cast(stamp[11:], "TIME")
    if name == "get_current_time":
        return _cast(stamp[11:] + "+00", "TIMETZ")
    return _cast(stamp + "+00", "TIMESTAMPTZ")


def _cast(text: str, type_: str) -> Any:
    return exp.cast(exp.Literal.string(text), type_, dialect="duckdb")
