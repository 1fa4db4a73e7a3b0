"""Run steps on a real DuckDB, the way a plan does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sluiceway import plugins
from sluiceway.duck import ident, open_duckdb
from sluiceway.errors import Where
from sluiceway.schema import Schema
from sluiceway.sql.primitives import lower
from sluiceway.sql.safe import check_supported, tables_of
from sluiceway.sql.typing import describe
from sluiceway.transforms.base import Step, StepContext

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HERE = Where("pipelines/p.yml", 7, "transform[0]")
CLOCK = "2026-11-23 05:06:07.000000"


class Bench:
    """Tables out of lists of rows; ``run`` compiles a step and gives columns and rows."""

    def __init__(self) -> None:
        self.con = open_duckdb(threads=1)
        self.schemas: dict[str, Schema] = {}
        self.binds: dict[str, Any] = {}

    def table(self, name: str, types: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> None:
        columns = ", ".join(f"{ident(n)} {t}" for n, t in types.items())
        self.con.execute(f"CREATE TABLE {ident(name)} ({columns})")
        if rows:
            marks = ", ".join("?" * len(types))
            self.con.executemany(f"INSERT INTO {ident(name)} VALUES ({marks})", [list(r) for r in rows])
        self.schemas[name] = Schema.of(dict(types))

    def context(self, current: str = "t", variables: Mapping[str, Any] | None = None) -> StepContext:
        return StepContext(current, self.schemas, HERE, variables or {}, self.binds, CLOCK)

    def rows(self, query: Any) -> list[tuple[Any, ...]]:
        check_supported(query, "duckdb", HERE)
        sql = lower(query, "duckdb").sql("duckdb")
        used = {name: value for name, value in self.binds.items() if f"${name}" in sql}
        return self.con.execute(sql, used or None).fetchall()

    def run(
        self,
        kind: str,
        value: Any,
        current: str = "t",
        variables: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        step = parse(kind, value, **options)
        query = step.compile(self.context(current, variables))
        schema = describe(query, {n: self.schemas[n] for n in tables_of(query)}, HERE)
        return schema.names, self.rows(query)


def parse(kind: str, value: Any, **options: Any) -> Step:
    step: Step = plugins.load("transforms", kind).parse(value, options)
    return step
