"""A server of MySQL or MariaDB as a place for working tables.

They lie in a database of their own, named by the run. A named lock of the session says that they are in
use; what a killed run left is dropped by the next one that comes.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from sluiceway.connectors.dialects import MYSQL

if TYPE_CHECKING:
    from sluiceway.connectors.myclient import MyServer

__all__ = ["WORK_DATABASE", "MyPlace"]

WORK_DATABASE = "_sluiceway_work"
_ID = 12
"""Letters of a run's working tables that tell whose they are."""
_IDLE = 31_536_000
"""Seconds that the session may be silent while others write: a year, as good as for ever."""
_PATIENCE = 10
"""Seconds to wait for whoever still uses what a killed run left."""


class MyPlace:
    """See ``sluiceway.connectors.jdbcsink.Workroom``."""

    def __init__(self, server: MyServer, errors: Callable[[], AbstractContextManager[None]]) -> None:
        self._errors = errors
        self._id = uuid.uuid4().hex[:_ID]
        self._tables: set[str] = set()
        with errors():
            self._con: Any = server.connect()
            try:
                self._enter()
            except BaseException:
                self._con.close()
                raise

    def _enter(self) -> None:
        self._run(f"SET SESSION wait_timeout = {_IDLE}")
        self._run(f"SET SESSION lock_wait_timeout = {_PATIENCE}")
        self._rows(f"SELECT GET_LOCK({_key(self._id)}, 0)")
        name = MYSQL.literal(WORK_DATABASE)
        if not self._rows(f"SELECT 1 FROM information_schema.schemata WHERE schema_name = {name}"):
            self._run(f"CREATE DATABASE IF NOT EXISTS {MYSQL.ident(WORK_DATABASE)}")
        found = self._rows(f"SELECT table_name FROM information_schema.tables WHERE table_schema = {name}")
        for owner in {table[:_ID] for (table,) in found} - {self._id}:
            if self._rows(f"SELECT GET_LOCK({_key(owner)}, 0)")[0][0] != 1:
                continue  # its run lives
            for table in (table for (table,) in found if table.startswith(owner)):
                self._run(f"DROP TABLE IF EXISTS {MYSQL.relation(WORK_DATABASE, table)}")
            self._rows(f"SELECT RELEASE_LOCK({_key(owner)})")

    def _run(self, sql: str) -> None:
        with self._con.cursor() as cursor:
            cursor.execute(sql)

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self._con.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        with self._errors():
            return self._rows(sql)

    def blank(self, name: str, columns: Sequence[tuple[str, str]]) -> str:
        listed = ", ".join(f"{MYSQL.ident(n)} {t}" for n, t in columns)
        with self._errors():
            # of an engine with transactions, whatever the server's default is
            self._run(f"CREATE TABLE {self._table(name)} ({listed}) ENGINE = InnoDB")
        self._tables.add(name)
        return self._table(name)

    def sealed(self, name: str, timeout: float) -> str:
        sealed = f"{name}_sealed"
        with self._errors():
            self._run(f"SET SESSION lock_wait_timeout = {max(1, round(timeout))}")
            self._run(f"RENAME TABLE {self._table(name)} TO {self._table(sealed)}")
        self._tables = self._tables - {name} | {sealed}
        return self._table(sealed)

    def distinct(self, name: str) -> str:
        once = f"{name}_once"
        with self._errors():
            sealed = self._table(f"{name}_sealed")
            self._run(f"CREATE TABLE {self._table(once)} ENGINE = InnoDB AS SELECT DISTINCT * FROM {sealed}")
        self._tables.add(once)
        return self._table(once)

    def leave(self) -> None:
        try:
            if self._con.open:
                with self._errors():
                    for name in self._tables:
                        self._run(f"DROP TABLE IF EXISTS {self._table(name)}")
        finally:
            if self._con.open:
                self._con.close()

    def _table(self, name: str) -> str:
        return MYSQL.relation(WORK_DATABASE, f"{self._id}_{name}")


def _key(owner: str) -> str:
    return MYSQL.literal(f"sluiceway work {owner}")
