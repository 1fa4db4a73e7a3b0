"""Many expressions in one query an engine, and the answer of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp
from tests.conformance.dialects import edge
from tests.conformance.dialects.engines import Duck, Engine, plain

from sluiceway.errors import Where
from sluiceway.schema import Schema
from sluiceway.sql.primitives import lower
from sluiceway.sql.safe import parse_expression, parse_select
from sluiceway.sql.translate import translate

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["HERE", "SCHEMAS", "Answers", "rows_of", "same_rows", "written"]

HERE = Where("pipelines/p.yml", 7, "transform[0].sql")
SCHEMAS = {"edge": Schema.of({name: type_ for name, (type_, _) in {**edge.COLUMNS, **edge.STRUCTS}.items()})}


def select(expressions: Sequence[Any]) -> exp.Query:
    """The key and each expression, by its number."""
    chosen = [exp.alias_(e.copy(), f"v{i}") for i, e in enumerate(expressions)]
    return exp.select("k", *chosen).from_("edge")


def written(tree: exp.Expr, dialect: str) -> str:
    text: str = translate(tree, dialect, schemas=SCHEMAS, where=HERE).sql(dialect)
    return text


class Answers:
    """Asks in batches, and halves a batch that fails until it is one expression."""

    def __init__(self, duck: Duck) -> None:
        self.duck = duck
        self._kept: dict[tuple[str, str], Any] = {}

    def of(self, engine: Engine, text: str, batch: Sequence[str]) -> tuple[list[Any], list[Any]]:
        """The reference's column and the engine's, in plain values; raises what the engine raised."""
        if (engine.dialect, text) not in self._kept:
            trees = {t: parse_expression(t, HERE) for t in batch}
            self._ask(engine, trees)
            self._ask(self.duck, trees)
        mine, theirs = self._kept[self.duck.dialect, text], self._kept[engine.dialect, text]
        for answer in (mine, theirs):
            if isinstance(answer, Exception):
                raise answer
        return mine, theirs

    def _ask(self, engine: Engine | Duck, trees: dict[str, Any]) -> None:
        todo = {t: tree for t, tree in trees.items() if (engine.dialect, t) not in self._kept}
        if not todo:
            return
        try:
            rows = sorted(
                engine.rows(written(select(list(todo.values())), engine.dialect)), key=lambda r: r[0]
            )
        except Exception as error:  # noqa: BLE001  # whatever it is, the test of that expression shows it
            if len(todo) > 1:
                names = list(todo)
                self._ask(engine, {t: todo[t] for t in names[: len(names) // 2]})
                self._ask(engine, {t: todo[t] for t in names[len(names) // 2 :]})
            else:
                self._kept[engine.dialect, next(iter(todo))] = error
            return
        for i, text in enumerate(todo, 1):
            self._kept[engine.dialect, text] = [plain(row[i]) for row in rows]


def rows_of(engine: Engine | Duck, text: str) -> list[tuple[Any, ...]]:
    """The rows of a query, in no order."""
    tree = parse_select(text, HERE)
    sql = lower(tree, "duckdb").sql("duckdb") if engine.dialect == "duckdb" else written(tree, engine.dialect)
    return [tuple(plain(v) for v in row) for row in engine.rows(sql)]


def same_rows(left: list[Any], right: list[Any], *, ordered: bool = False) -> bool:
    return left == right if ordered else sorted(left, key=repr) == sorted(right, key=repr)
