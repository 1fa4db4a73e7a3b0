"""Names of relations -> SQL of one engine.

Plans name relations; where their rows lie (a file, an attached database, a staging folder) is only
known while running. ``Relations`` puts what a query reads in front of it as common table expressions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sluiceway.sql.names import quoted
from sluiceway.sql.primitives import render
from sluiceway.sql.safe import tables_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlglot import exp

__all__ = ["Relations"]


@dataclass(frozen=True)
class _Bound:
    name: str
    sql: str
    reads: tuple[str, ...]
    inline: bool


class Relations:
    """
    >>> from sqlglot import exp
    >>> r = Relations("duckdb")
    >>> r.scan("orders", "SELECT 1 AS id")
    >>> r.step("_step_1", exp.select("id").from_("orders"))
    >>> r.compile(exp.select("*").from_("_step_1"))  # doctest: +NORMALIZE_WHITESPACE
    'WITH "orders" AS NOT MATERIALIZED (SELECT 1 AS id), "_step_1" AS (SELECT id FROM orders)
    SELECT * FROM _step_1'
    """

    def __init__(self, dialect: str, *, hints: bool = True) -> None:
        self.dialect, self.hints = dialect, hints
        self._bound: dict[str, _Bound] = {}

    def scan(self, name: str, sql: str, reads: tuple[str, ...] = ()) -> None:
        """Bind a name to a SELECT in the engine's own dialect; binding again replaces."""
        self._bound[name.casefold()] = _Bound(name, sql, reads, True)

    def step(self, name: str, query: exp.Query, *, inline: bool = False) -> None:
        """Bind a name to a tree that reads bound names; ``inline``: each reader computes it again."""
        text = render(query, self.dialect)
        self._bound[name.casefold()] = _Bound(name, text, tuple(tables_of(query)), inline)

    def __contains__(self, name: str) -> bool:
        return name.casefold() in self._bound

    def prefix(self, reads: Iterable[str]) -> str:
        """``WITH …`` for everything that these names read, in an order that works; empty if nothing."""
        needed: dict[str, _Bound] = {}

        def visit(name: str) -> None:
            bound = self._bound.get(name.casefold())
            if bound is None or bound.name in needed:
                return
            for read in bound.reads:
                visit(read)
            needed[bound.name] = bound

        for name in reads:
            visit(name)
        if not needed:
            return ""
        hint = "NOT MATERIALIZED " if self.hints else ""
        # a scan that is read twice is scanned twice: keeping 10M rows in memory would cost more
        parts = [
            f"{quoted(b.name, self.dialect)} AS {hint if b.inline else ''}({b.sql})" for b in needed.values()
        ]
        return f"WITH {', '.join(parts)} "

    def compile(self, query: exp.Query) -> str:
        """The whole statement, in the engine's dialect."""
        text = render(query, self.dialect)
        prefix = self.prefix(tables_of(query))
        if prefix and query.args.get("with_"):
            text = f"SELECT * FROM ({text}) AS _q"
        return prefix + text
