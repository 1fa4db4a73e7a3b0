"""Names of relations -> SQL of one engine.

Plans name relations; where their rows lie (a file, an attached database, a staging folder) is only
known while running. ``Relations`` puts what a query reads in front of it as common table expressions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sluiceway.sql.names import quoted
from sluiceway.sql.safe import tables_of
from sluiceway.sql.translate import translate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlglot import exp

    from sluiceway.schema import Schema

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

    def __init__(
        self, dialect: str, *, hints: bool = True, schemas: Mapping[str, Schema] | None = None
    ) -> None:
        self.dialect, self.hints = dialect, hints
        self._schemas = {name.casefold(): (name, schema) for name, schema in (schemas or {}).items()}
        self._bound: dict[str, _Bound] = {}

    def scan(self, name: str, sql: str, reads: tuple[str, ...] = (), schema: Schema | None = None) -> None:
        """Bind a name to a SELECT in the engine's own dialect; binding again replaces. ``schema``: where
        it is not the one that the plan has for the name."""
        if schema is not None:
            self._schemas[name.casefold()] = (name, schema)
        self._bound[name.casefold()] = _Bound(name, sql, reads, True)

    def step(self, name: str, query: exp.Query, *, inline: bool = False) -> None:
        """Bind a name to a tree that reads bound names; ``inline``: each reader computes it again."""
        text = self.text(query)
        self._bound[name.casefold()] = _Bound(name, text, tuple(tables_of(query)), inline)

    def text(self, tree: exp.Expr, over: str | None = None) -> str:
        """A tree in the engine's dialect. ``over``: it is an expression over this relation."""
        names = [*tables_of(tree), *filter(None, [over])]
        found = [self._schemas.get(name.casefold()) for name in names]
        schemas = {known[0]: known[1] for known in found if known is not None}
        return str(translate(tree, self.dialect, schemas=schemas, over=over).sql(self.dialect))

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
        text = self.text(query)
        prefix = self.prefix(tables_of(query))
        if prefix and query.args.get("with_"):
            text = f"SELECT * FROM ({text}) AS _q"
        return prefix + text
