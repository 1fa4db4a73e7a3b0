"""A database of Snowflake as a place to work in, for the pushed-down engine.

Working tables are transient and lie in a schema of their own, named by the run. What a killed run left is
dropped by one that comes a day later.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from sluiceway.connectors.sfclient import SfServer, sf_errors
from sluiceway.connectors.sfsession import SfSession, spooled
from sluiceway.connectors.sftypes import (
    SfColumn,
    carried,
    quote,
    sf_literal,
    sf_relation,
    sf_type,
    stored,
    unsupported,
)
from sluiceway.duck import ident as duck_ident
from sluiceway.errors import DestinationError, PlanError
from sluiceway.exchange import SYSTEM_SCHEMA
from sluiceway.schema import Column, Schema

if TYPE_CHECKING:
    from pathlib import Path

    from sluiceway.engines.base import Engine, Stage

__all__ = ["WORK_SCHEMA", "SfPlace"]

WORK_SCHEMA = "_sluiceway_work"
_HOLE = re.compile(r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"]|\"\")*\"|(?<!:):([A-Za-z_][A-Za-z0-9_]*)", re.S)


class SfPlace:
    """See ``sluiceway.engines.warehouse.Workplace``."""

    dialect = "snowflake"
    cte_hints = False

    def __init__(self, server: SfServer, folder: Path) -> None:
        self.server = server
        self._folder = folder
        self._id = uuid.uuid4().hex[:12]
        self._tables: dict[str, str] = {}
        self._types: dict[str, dict[str, str]] = {}
        self._wanted: dict[str, str] = {}
        with self._errors("the working tables"):
            self._session = SfSession(server, "sluiceway: engine")
            for schema in (SYSTEM_SCHEMA, WORK_SCHEMA):
                there = "SELECT 1 FROM information_schema.schemata WHERE schema_name = "
                if not self._session.rows(there + sf_literal(stored(schema))):
                    self._session.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(stored(schema))}")
            self._clear_left_over()

    def _errors(self, what: str) -> AbstractContextManager[None]:
        return sf_errors(self.server, DestinationError, what=what)

    def _clear_left_over(self) -> None:
        rows = self._session.rows(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = "
            f"{sf_literal(stored(WORK_SCHEMA))} AND created < DATEADD(day, -1, CURRENT_TIMESTAMP())"
        )
        for (name,) in rows:
            self._session.execute(f"DROP TABLE IF EXISTS {quote(stored(WORK_SCHEMA))}.{quote(name)}")

    # statements -------------------------------------------------------------------------------------

    def run(self, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
        with self._errors("the engine"):
            self._session.run(*_bound(sql, parameters)).close()

    def ask(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        with self._errors("the engine"):
            return self._session.rows(*_bound(sql, parameters))

    def names(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[str]:
        with self._errors("the engine"):
            return self._session.names(*_bound(sql, parameters))

    # tables -----------------------------------------------------------------------------------------

    def spelled(self, schema: Schema) -> dict[str, str]:
        refused = unsupported(schema)
        if refused:
            column, hint = next(iter(refused.items()))
            raise PlanError(f"Snowflake can't keep '{column}' ({schema[column].type})", hint=hint)
        self._wanted = {c.name.casefold(): c.type for c in schema}
        return {c.name: sf_type(c.type) or "VARCHAR" for c in schema}

    def make(
        self, name: str, select: str, parameters: Mapping[str, Any] | None, schema: Schema | None = None
    ) -> str:
        table, wanted = self._table(name), self._wanted
        self._wanted = {}
        with self._errors(f"the working table of {name}"):
            self._session.run(*_bound(f"CREATE OR REPLACE TRANSIENT TABLE {table} AS {select}", parameters))
        self._types[table] = wanted
        return table

    def fill(self, name: str, engine: Engine, stage: Stage) -> str:
        table, spelled = self._table(name), self.spelled(stage.schema)
        listed = ", ".join(f"{quote(n)} {t}" for n, t in spelled.items())
        values = ", ".join(
            f"CAST({duck_ident(c.name)} AS {c.type}) AS {duck_ident(c.name)}" for c in stage.schema
        )
        with self._errors(f"the working table of {name}"):
            self._session.execute(f"CREATE OR REPLACE TRANSIENT TABLE {table} ({listed})")
            sql = f"SELECT {values} FROM {stage.relation} AS _filled"
            taken = self._session.load(table, engine.connection, sql, self._folder)
        self._types[table], self._wanted = self._wanted, {}
        if taken != stage.rows:
            raise DestinationError(f"{name}: of {stage.rows} rows Snowflake took {taken}")
        return table

    def _table(self, name: str) -> str:
        if name not in self._tables:
            self._tables[name] = sf_relation(WORK_SCHEMA, f"run_{self._id}_{name}")
        return self._tables[name]

    def shape(self, relation: str) -> Schema:
        with self._errors("the engine"):
            return Schema(tuple(Column(c.name, c.type) for c in self._columns(relation)))

    def _columns(self, relation: str) -> list[SfColumn]:
        found = self._session.described(relation) or []
        types = self._types.get(relation, {})
        # working tables have our names as they are
        return [
            SfColumn(c.kept, c.kept, c.spelled, types.get(c.kept.casefold(), c.type), c.nullable)
            for c in found
        ]

    def pull(self, sql: str) -> str:
        """Only for what leaves: answers of Python's doors."""
        with self._errors("the engine"):
            table = self.make(f"pulled_{uuid.uuid4().hex[:8]}", sql, None)
            columns = self._session.described(table) or []
            columns = [SfColumn(c.kept, c.kept, c.spelled, c.type) for c in columns]
            listed = ", ".join(f"{carried(c)} AS {quote(c.kept)}" for c in columns)
            return spooled(self._session, f"SELECT {listed} FROM {table}", columns, self._folder)

    def drop(self, name: str) -> None:
        table = self._tables.pop(name, None)
        if table is not None:
            self.run(f"DROP TABLE IF EXISTS {table}")

    def leave(self) -> None:
        try:
            if not self._session.lost:
                for name in list(self._tables):
                    self.drop(name)
        finally:
            self._session.close()


def _bound(sql: str, parameters: Mapping[str, Any] | None) -> tuple[str, list[Any]]:
    """``:name`` as question marks, with the values in their order; never within quotes.

    >>> _bound("SELECT ':a', :a, :b, x::INT", {"a": 1})
    ("SELECT ':a', ?, :b, x::INT", [1])
    """
    values: list[Any] = []

    def mark(found: re.Match[str]) -> str:
        if found[1] is None or found[1] not in (parameters or {}):
            return found[0]
        values.append((parameters or {})[found[1]])
        return "?"

    return _HOLE.sub(mark, sql), values
