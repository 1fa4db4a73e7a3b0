"""Opening the database: pragmas, the schema on PostgreSQL, and errors that a user can act on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from sluiceway.errors import MissingExtraError, StoreError
from sluiceway.secrets import redact, register_secret
from sluiceway.store.tables import SCHEMA

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine, Table

__all__ = ["connect", "guard", "insert_into", "sqlite_path"]

BUSY_SECONDS = 30
_HINT = (
    "write it as sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE, "
    "under metadata: in sluiceway.yml"
)


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise StoreError(f"'{redact(url)}' is not a database URL", hint=_HINT) from None
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise StoreError(f"the metadata store can't live in {parsed.get_backend_name()}", hint=_HINT)
    register_secret(parsed.password)
    return parsed


def sqlite_path(engine: Engine) -> Path | None:
    """The file of a SQLite store; None on PostgreSQL."""
    if engine.dialect.name != "sqlite":
        return None
    return Path(engine.url.database or "")


def connect(url: str) -> Engine:
    """An engine for ``url``; the folder of a SQLite file is made. Nothing is connected yet.

    Raises:
        StoreError: not a URL, another database, a folder that can't be made, a memory database.
        MissingExtraError: psycopg is not installed.
    """
    parsed = _parse(url)
    sqlite = parsed.get_backend_name() == "sqlite"
    if sqlite:
        _make_folder(parsed)
    try:
        engine = create_engine(
            parsed,
            json_serializer=partial(json.dumps, ensure_ascii=False, allow_nan=False),
            connect_args={"timeout": BUSY_SECONDS}
            if sqlite
            else {"connect_timeout": 10, "application_name": "sluiceway store"},
            pool_pre_ping=not sqlite,
        )
    except NoSuchModuleError:
        raise StoreError(f"there is no driver {parsed.drivername}", hint=_HINT) from None
    except ModuleNotFoundError:
        raise MissingExtraError.of("postgres", "A metadata store in PostgreSQL") from None
    if sqlite:
        event.listen(engine, "connect", _sqlite_connect)
        event.listen(engine, "begin", _sqlite_begin)
    else:
        event.listen(engine, "begin", _postgres_begin)
    return engine


def _make_folder(url: URL) -> None:
    if url.database in (None, "", ":memory:"):
        raise StoreError("the metadata store needs a file", hint=_HINT)
    folder = Path(str(url.database)).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"the folder of the metadata store can't be made: {error.strerror}: {folder}",
            hint="make it writable, or name another place under metadata: in sluiceway.yml",
        ) from None


def _sqlite_connect(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun below, not guessed by the driver
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = NORMAL")


def _sqlite_begin(connection: Connection) -> None:
    """Writers take the lock at once: one that read first would fail, not wait, where another wrote."""
    options = connection.get_execution_options()
    if options.get("transaction", True):
        connection.exec_driver_sql("BEGIN" if options.get("readonly") else "BEGIN IMMEDIATE")


def _postgres_begin(connection: Connection) -> None:
    """By transaction, so that it holds behind a pooler too."""
    connection.exec_driver_sql(f'SET LOCAL search_path = "{SCHEMA}"')


def insert_into(con: Connection, table: Table) -> Any:
    """An INSERT that knows ``on_conflict_do_update``: both dialects have it, under two classes.

    Only the one in use is imported: PostgreSQL's brings asyncio along.
    """
    if con.dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert

        return insert(table)
    from sqlalchemy.dialects.postgresql import insert as pg_insert

    return pg_insert(table)


@contextmanager
def guard(engine: Engine) -> Iterator[None]:
    """Turns what the database says into StoreError, without secrets.

    The driver's own words are kept, its statement and parameters are not: those hold users' values.
    """
    try:
        yield
    except DBAPIError as error:
        raise _explain(engine, str(error.orig)) from None
    except SQLAlchemyError as error:
        raise StoreError(redact(f"the metadata store failed: {error}")) from error


def _explain(engine: Engine, said: str) -> StoreError:
    said = redact(" ".join(said.split()))
    place = redact(engine.url.render_as_string(hide_password=True))
    path = sqlite_path(engine)
    if path is None:
        hint = "check that the server runs and that metadata: in sluiceway.yml names it"
    elif "not a database" in said or "malformed" in said:
        hint = f"the file is damaged or something else: move it away (mv {path} {path}.bad) and run again"
    elif "readonly" in said or "unable to open" in said:
        hint = f"make {path.parent} and what lies in it writable"
    elif "locked" in said:
        hint = f"another process held it for {BUSY_SECONDS} s; run again when it is done"
    elif "full" in said:
        hint = f"free some space where {path} lies"
    else:
        hint = "run `sluiceway doctor`"
    return StoreError(f"the metadata store at {place} failed: {said}", hint=hint)
