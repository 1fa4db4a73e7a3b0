"""What every rewrite has at hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from sluiceway.errors import PlanError, Where
from sluiceway.schema import family
from sluiceway.sql.emit import postgres_cast, snowflake_cast, spark_cast
from sluiceway.sql.emit.template import fill
from sluiceway.sql.scopes import TYPE, type_of
from sluiceway.sql.types import NAMES, to_engine

__all__ = ["Context", "Rewrite", "line_of"]

Rewrite = Callable[["Context", Any], Any]
"""From a node whose children are written for the engine already, to what stands in its place."""

_CASTS: dict[str, Callable[..., exp.Expr]] = {
    "spark": spark_cast.cast,
    "postgres": postgres_cast.cast,
    "snowflake": snowflake_cast.cast,
}


@dataclass(frozen=True)
class Context:
    """The engine, and where the user wrote what is being translated."""

    dialect: str
    where: Where | None = None

    def fill(
        self, spark: str, postgres: str | None = None, snowflake: str | None = None, /, **holes: exp.Expr
    ) -> Any:
        """The template of this engine; one template for all where they agree.

        Raises:
            PlanError: these differ, and there is none for this one.
        """
        texts = {"spark": spark, "postgres": postgres or spark}
        text = texts.get(self.dialect, snowflake if self.dialect == "snowflake" else None)
        if text is None and postgres is None:
            text = spark
        if text is None:
            raise self.refuse(
                next(iter(holes.values())), "what is done with it can't be made the same on",
                "docs/dialects.md lists what can; or run this pipeline on DuckDB",
            )  # fmt: skip
        return fill(self.dialect, text, **holes)

    def refuse(self, node: Any, why: str, hint: str) -> PlanError:
        """Names the expression as the user wrote it, its line in the SQL, and the engine."""
        line = line_of(node)
        place = f" in line {line} of the SQL" if line and line > 1 else ""
        shown = str(node.meta.get("sluiceway_text") or node.sql("duckdb"))
        shown = shown if len(shown) <= 80 else shown[:77] + "…"
        return PlanError(f"{shown}{place}: {why} {NAMES[self.dialect]}", where=self.where, hint=hint)

    def type(self, node: Any) -> str:
        """DuckDB's type of an operand.

        Raises:
            PlanError: it is not known, so nothing can be said of what the engine would do.
        """
        found = type_of(node)
        if found is None:
            raise self.refuse(
                node,
                "its type can't be told here, so it can't be made the same on",
                "cast it: CAST(… AS TYPE)",
            )
        return found

    def family(self, node: Any) -> str:
        """``null`` for a bare NULL."""
        found = self.type(node)
        return "null" if found == '"NULL"' else family(found)

    def typed(self, node: Any, type_: str) -> Any:
        """``node``, which has this type of DuckDB's."""
        node.meta[TYPE] = type_
        return node

    def cast(self, node: Any, to: str, *, safe: bool = False) -> Any:
        """``node`` as DuckDB's type ``to``, by DuckDB's rules.

        Raises:
            PlanError: that can't be said on this engine.
        """
        of = self.type(node)
        if of == to:
            return node
        if of == '"NULL"':
            return self.typed(self.fill(f"CAST(NULL AS {self.spelled(to)})"), to)
        try:
            return self.typed(_CASTS[self.dialect](node, of, to, safe=safe), to)
        except PlanError as error:
            raise self.refuse(node, f"{error.message};", error.hint or "") from None

    def spelled(self, type_: str) -> str:
        """A type in the engine's words, as templates want it."""
        return to_engine(type_, self.dialect, self.where).upper()

    def bare(self, type_: str) -> exp.DataType:
        """The same as a tree."""
        return exp.DataType.build(to_engine(type_, self.dialect, self.where), dialect=self.dialect)

    def collated(self, node: Any) -> Any:
        """A text that is about to be ordered: PostgreSQL goes by the database's language."""
        if self.dialect != "postgres" or self.family(node) not in ("text", "json"):
            return node
        return self.typed(self.fill(':x COLLATE "C"', x=node), self.type(node))


def line_of(node: Any) -> int | None:
    """The line, from 1, on which ``node`` starts, if the parser kept it."""
    lines = [n.meta["line"] for n in node.walk() if "line" in n.meta]
    return min(lines) if lines else None
