"""Connections to PostgreSQL: by psycopg for statements, by DuckDB's scanner for rows; errors as ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from sluiceway.duck import ident, literal, load_extension
from sluiceway.errors import MissingExtraError, RunError, SourceError, SpecError, Where, did_you_mean
from sluiceway.secrets import redact, register_secret

if TYPE_CHECKING:
    import duckdb
    import psycopg

__all__ = ["PgServer", "PostgresKeys", "pg_errors", "scan_failure"]

MAX_NAME = 63
"""Bytes of an identifier; PostgreSQL cuts longer ones off with no more than a notice."""


class PostgresKeys(BaseModel):
    """How to reach the server: ``url``, or its parts. What is absent is libpq's default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: SecretStr | None = Field(None, description="postgresql://user:password@host:port/database")
    host: str | None = Field(None, description="the server's name or address")
    port: int | None = Field(None, ge=1, le=65535, description="its port, 5432 if absent")
    database: str | None = Field(None, description="the database")
    user: str | None = Field(None, description="the role to log in as")
    password: SecretStr | None = Field(None, description="its password")
    sslmode: str | None = Field(
        None,
        pattern="^(disable|allow|prefer|require|verify-ca|verify-full)$",
        description="disable, allow, prefer, require, verify-ca or verify-full",
    )
    connect_timeout: int = Field(10, ge=1, description="seconds to wait for a connection")


@dataclass(frozen=True)
class PgServer:
    """An address. ``parameters`` are libpq's keywords; they hold the password and are never shown."""

    parameters: dict[str, str]
    where: Where | None = None

    def __repr__(self) -> str:
        return f"PgServer({self})"

    @classmethod
    def of(cls, keys: PostgresKeys, where: Where | None = None) -> PgServer:
        """Raises SpecError where the URL can't be read, MissingExtraError without psycopg."""
        try:
            from psycopg import ProgrammingError
            from psycopg.conninfo import conninfo_to_dict
        except ImportError as error:
            raise MissingExtraError.of("postgres", "The postgres connector") from error

        given: dict[str, Any] = {}
        if keys.url is not None:
            url = keys.url.get_secret_value()
            try:
                given = dict(conninfo_to_dict(url))
            except ProgrammingError:  # its text repeats the URL, so it is not passed on
                raise SpecError(
                    "the url of the connection can't be read",
                    where=where,
                    hint="write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with special characters "
                    "of the password percent-encoded",
                ) from None
        parts = {
            "host": keys.host, "port": keys.port, "dbname": keys.database, "user": keys.user,
            "password": None if keys.password is None else keys.password.get_secret_value(),
            "sslmode": keys.sslmode,
        }  # fmt: skip
        given.update({name: value for name, value in parts.items() if value is not None})
        given.setdefault("connect_timeout", keys.connect_timeout)
        register_secret(given.get("password"))
        return cls({name: str(value) for name, value in given.items()}, where)

    @property
    def host(self) -> str:
        return f"{self.parameters.get('host', 'localhost')}:{self.parameters.get('port', '5432')}"

    @property
    def database(self) -> str:
        return self.parameters.get("dbname") or self.parameters.get("user") or "postgres"

    def __str__(self) -> str:
        return f"{self.host}/{self.database}"

    def connect(self, name: str, *, autocommit: bool = True) -> psycopg.Connection[Any]:
        """A session in UTC. ``name`` is its application_name, which tells others who we are."""
        import psycopg

        con = psycopg.connect(
            **self.parameters,  # type: ignore[arg-type]  # libpq's keywords, all text
            autocommit=autocommit,
            application_name=name[:MAX_NAME],
        )
        con.execute("SET TIME ZONE 'UTC'")
        # the server's own messages are shown to people and looked at for their class, not their words
        con.execute("SET client_min_messages = warning")
        return con

    def attach(self, con: duckdb.DuckDBPyConnection, alias: str, schema: str | None = None) -> None:
        """Attach read-only to DuckDB as ``alias``.

        The password travels in a secret that is dropped at once: in the text of ATTACH it would stand
        in DuckDB's messages and in duckdb_databases(). The attached catalog keeps what it needs: it
        opens new connections after its server cut the old ones, and after the instance is sealed
        (enable_external_access = false), which only keeps *new* databases from being attached.
        """
        load_extension(con, "postgres_scanner")
        secret = ident(f"{alias}_secret")
        fields = {
            "host": "HOST",
            "port": "PORT",
            "dbname": "DATABASE",
            "user": "USER",
            "password": "PASSWORD",
        }
        listed = [
            f"{fields[name]} {literal(value)}" for name, value in self.parameters.items() if name in fields
        ]
        rest = {name: value for name, value in self.parameters.items() if name not in fields}
        rest |= {"application_name": "sluiceway", "options": "-c TimeZone=UTC"}
        text = " ".join(f"{name}={_libpq(value)}" for name, value in rest.items())
        options = ["TYPE postgres", "READ_ONLY", f"SECRET {secret}"]
        if schema is not None:
            options.append(f"SCHEMA {literal(schema)}")
        con.execute(f"CREATE OR REPLACE TEMPORARY SECRET {secret} (TYPE postgres, {', '.join(listed)})")
        try:
            con.execute(f"ATTACH IF NOT EXISTS {literal(text)} AS {ident(alias)} ({', '.join(options)})")
        finally:
            con.execute(f"DROP TEMPORARY SECRET IF EXISTS {secret}")


def _libpq(value: str) -> str:
    r"""A value of a libpq connection string: ``'it\'s'``."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


@contextmanager
def pg_errors(
    server: PgServer,
    kind: type[RunError] = SourceError,
    *,
    what: str = "",
    tables: bool = True,
) -> Iterator[None]:
    """psycopg's and the scanner's errors as ``kind``: what failed, where, what to do.

    Args:
        what: what was being done or read, such as the table.
        tables: look for the nearest table where one is missing.
    """
    import duckdb
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        raise _explained(server, kind, what, str(error), error.sqlstate, tables=tables) from error
    except duckdb.Error as error:
        raise _explained(server, kind, what, str(error), None, tables=tables) from error


def scan_failure(
    server: PgServer, what: str, error: BaseException, table: str | None = None
) -> SourceError | None:
    """The engine's error as ours, where it came of scanning this server: that went away, refused a query,
    or has no ``table`` any more. None where it is about something else."""
    text = str(error.__cause__ or error)
    signs = [*_LOST, *_UNREACHABLE, *_SCANNER]
    if table is not None:
        signs.append(f"table with name {table.lower()} does not exist!")
    if not any(sign in text.lower() for sign in signs):
        return None
    text = text.rpartition("ERROR:")[2]  # before it stands a query that the user did not write
    found = _explained(server, SourceError, what, text, None, tables=False)
    return found if isinstance(found, SourceError) else None


def _explained(
    server: PgServer, kind: type[RunError], what: str, text: str, state: str | None, *, tables: bool
) -> RunError:
    said = redact(" ".join(text.split("\nLINE ", maxsplit=1)[0].split()))[:500]
    prefix = f"{what}: " if what else ""
    user = server.parameters.get("user", "")
    lower = said.lower()

    def made(message: str, hint: str | None, *, final: bool = False) -> RunError:
        return kind(
            f"{prefix}{message}", where=server.where, hint=hint, details={"final": True} if final else None
        )

    if "password authentication failed" in lower or "no password supplied" in lower:
        return made(
            f"PostgreSQL at {server.host} does not take the password of user '{user}'",
            "look at user and password of the connection",
            final=True,
        )
    if state == "3D000" or ("database" in lower and "does not exist" in lower and "connection" in lower):
        return made(
            f"PostgreSQL at {server.host} has no database '{server.database}'",
            "look at database of the connection",
            final=True,
        )
    if state == "42501" or "permission denied" in lower:
        return made(
            f"user '{user}' may not do this at {server}: {said}",
            f"type in psql, as the owner: GRANT SELECT ON … TO {user}",
            final=True,
        )
    if state in ("42P01", "3F000") or "does not exist!" in said or _NO_RELATION.match(said):
        hint = did_you_mean(what, _tables(server)) if tables else None
        return made(f"there is no such table at {server}", hint, final=True)
    if any(sign in lower for sign in _UNREACHABLE):
        return made(
            f"can't reach PostgreSQL at {server.host}: {said}",
            "look at host and port of the connection, and whether the server runs",
        )
    if any(sign in lower for sign in _LOST):
        return made(
            f"the connection to PostgreSQL at {server} was lost: {said}",
            "run it again; nothing was published",
        )
    return made(f"PostgreSQL at {server} answered: {said}", None)


_UNREACHABLE = (
    "connection refused", "could not translate host name", "timeout expired", "no route to host",
    "connection timed out", "failed to resolve host", "network is unreachable", "connection timeout",
    "is the server running", "unable to connect",
)  # fmt: skip
_NO_RELATION = re.compile(r'relation ".*" does not exist')
_SCANNER = ("failed to prepare query", "failed to execute query", "for copy: ", "prepare copy")
_LOST = (
    "server closed the connection", "terminating connection", "connection reset", "broken pipe",
    "the connection is lost", "connection is closed", "consuming input failed", "no connection to the server",
    "the database system is", "ssl connection has been closed", "connection not open",
)  # fmt: skip


def _tables(server: PgServer) -> list[str]:
    """What the user may read, for a did-you-mean; none where even that fails."""
    import psycopg

    sql = (
        "SELECT table_schema || '.' || table_name FROM information_schema.tables "
        "WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1 LIMIT 1000"
    )
    try:
        with server.connect("sluiceway") as con:
            return [row[0] for row in con.execute(sql).fetchall()]
    except psycopg.Error:  # the first error is the one to tell
        return []
