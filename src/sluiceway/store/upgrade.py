"""Bringing a database to the tables of this version: one look when it is up to date, else a lock.

Alembic is imported only where an older store is upgraded. A fresh one is made from ``tables`` at once,
which a test proves to be what the migrations make.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from sluiceway.errors import StoreError
from sluiceway.locks import file_lock
from sluiceway.store import jobtables
from sluiceway.store.connect import BUSY_SECONDS, sqlite_path
from sluiceway.store.tables import REVISION, SCHEMA, metadata, version

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection, Engine

__all__ = ["alembic_config", "current", "ensure", "migrate"]

_LOCK = 0x51D1CE5A
_MIGRATIONS = Path(__file__).parent / "migrations"


def ensure(engine: Engine) -> None:
    """Make or upgrade the tables where needed.

    Raises:
        StoreError: the store was written by a newer Sluiceway.
        LockTimeoutError: another process has been upgrading it for too long.
    """
    found = current(engine)
    if _fits(found):
        return
    with _alone(engine):
        found = current(engine)  # another process may have done it meanwhile
        if _fits(found):
            return
        if found is None:
            _create(engine)
        else:
            migrate(engine)


def _fits(found: str | None) -> bool:
    if found == REVISION:
        return True
    if found is not None and (not found.isdigit() or int(found) > int(REVISION)):
        raise StoreError(
            f"the metadata store has schema {found}, this version knows {REVISION}",
            hint="pip install --upgrade sluiceway",
        )
    return False


def current(engine: Engine) -> str | None:
    """The revision of the store; None where there is none yet."""
    with engine.connect().execution_options(readonly=True) as con:
        try:
            row = con.execute(select(version.c.version_num)).fetchall()
        except (OperationalError, ProgrammingError) as error:
            if _missing(error):
                return None
            raise
    return str(row[0][0]) if row else None


def _missing(error: OperationalError | ProgrammingError) -> bool:
    """Whether the version table is what is missing (SQLite has a text for it, PostgreSQL a code)."""
    return "no such table" in str(error.orig) or getattr(error.orig, "sqlstate", None) == "42P01"


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """One process at a time makes or upgrades the tables."""
    path = sqlite_path(engine)
    if path is not None:
        try:
            with file_lock(path.parent, path.name, BUSY_SECONDS, "an upgrade of the metadata store"):
                yield
        except OSError as error:
            raise StoreError(
                f"the metadata store can't be made: {error.strerror}: {path.parent}",
                hint=f"make {path.parent} writable",
            ) from None
        return
    with engine.connect() as con:
        con.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        try:
            yield
        finally:
            con.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})


def _create(engine: Engine) -> None:
    path = sqlite_path(engine)
    if path is not None:
        _prepare_file(engine, path)
    with engine.begin() as con:
        if path is None:
            con.exec_driver_sql(f'CREATE SCHEMA IF NOT EXISTS "{SCHEMA}"')
            jobtables.for_postgresql()
        metadata.create_all(con, checkfirst=False)
        version.create(con)
        con.execute(version.insert().values(version_num=REVISION))


def _prepare_file(engine: Engine, path: Path) -> None:
    """WAL, which is kept in the file; not where the file belongs to another program."""
    with engine.connect().execution_options(transaction=False) as con:
        if con.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar():
            raise StoreError(
                f"{path} holds another program's tables, not a metadata store",
                hint="name another file under metadata: in sluiceway.yml",
            )
        con.exec_driver_sql("PRAGMA journal_mode = WAL")  # it works outside transactions only


def migrate(engine: Engine, revision: str = "head") -> None:
    """Run the migrations up to ``revision``, all in one transaction."""
    from alembic import command

    with engine.begin() as con:
        if sqlite_path(engine) is None:
            con.exec_driver_sql(f'CREATE SCHEMA IF NOT EXISTS "{SCHEMA}"')
        command.upgrade(alembic_config(con), revision)


def alembic_config(con: Connection) -> Config:
    """Alembic's configuration over one open connection."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = con
    return config
