"""Connections to MySQL and MariaDB: by pymysql for statements, by DuckDB's scanner for rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from sluiceway.duck import ident, literal, load_extension
from sluiceway.errors import MissingExtraError, RunError, SourceError, SpecError, Where, did_you_mean
from sluiceway.secrets import redact, register_secret

if TYPE_CHECKING:
    import duckdb

__all__ = ["MyServer", "MysqlKeys", "my_errors", "scan_failure"]

MAX_NAME = 64
"""Characters of an identifier; bytes are counted, which is on the safe side."""


class MysqlKeys(BaseModel):
    """How to reach the server: ``url``, or its parts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: SecretStr | None = Field(None, description="mysql://user:password@host:port/database")
    host: str | None = Field(None, description="the server's name or address, 127.0.0.1 if absent")
    port: int | None = Field(None, ge=1, le=65535, description="its port, 3306 if absent")
    database: str | None = Field(None, description="the database that a table without one is in")
    user: str | None = Field(None, description="the user to log in as")
    password: SecretStr | None = Field(None, description="its password")
    ssl_mode: Literal["disabled", "preferred", "required", "verify_ca", "verify_identity"] | None = Field(
        None, description="disabled, preferred, required, verify_ca or verify_identity"
    )
    ssl_ca: str | None = Field(None, description="file with the certificates to trust")
    connect_timeout: int = Field(10, ge=1, description="seconds to wait for a connection")


@dataclass(frozen=True)
class MyServer:
    """An address. Its password is never shown."""

    name: str
    port: int
    database: str
    user: str
    password: str
    timeout: int
    ssl_mode: str | None = None
    ssl_ca: str | None = None
    where: Where | None = None

    def __repr__(self) -> str:
        return f"MyServer({self})"

    @classmethod
    def of(cls, keys: MysqlKeys, where: Where | None = None) -> MyServer:
        """Raises SpecError where the URL can't be read, MissingExtraError without pymysql."""
        try:
            import pymysql  # noqa: F401 asked here, so that its absence is said before anything is opened
        except ImportError as error:
            raise MissingExtraError.of("mysql", "The mysql connector") from error
        given: dict[str, Any] = {}
        if keys.url is not None:
            given = _parts(keys.url.get_secret_value(), where)
        password = None if keys.password is None else keys.password.get_secret_value()
        named = {
            "name": keys.host, "port": keys.port, "database": keys.database, "user": keys.user,
            "password": password,
        }  # fmt: skip
        given.update({key: value for key, value in named.items() if value is not None})
        register_secret(given.get("password"))
        return cls(
            name=given.get("name") or "127.0.0.1", port=given.get("port") or 3306,
            database=given.get("database") or "", user=given.get("user") or "root",
            password=given.get("password") or "", timeout=keys.connect_timeout,
            ssl_mode=keys.ssl_mode, ssl_ca=keys.ssl_ca, where=where,
        )  # fmt: skip

    @property
    def host(self) -> str:
        return f"{self.name}:{self.port}"

    def __str__(self) -> str:
        return f"{self.host}/{self.database}" if self.database else self.host

    def connect(self, *, local_infile: bool = False) -> Any:
        """A pymysql connection in UTC with strict types.

        Args:
            local_infile: a server may then ask this process for any file, so only the publish sets it.
        """
        import pymysql

        tls: dict[str, Any] = {}
        if self.ssl_mode == "disabled":
            tls["ssl_disabled"] = True
        elif self.ssl_mode in ("required", "verify_ca", "verify_identity") or self.ssl_ca:
            tls = {
                "ssl_ca": self.ssl_ca,
                "ssl_verify_cert": self.ssl_mode != "required",
                "ssl_verify_identity": self.ssl_mode == "verify_identity",
            }
        return pymysql.connect(
            host=self.name, port=self.port, user=self.user, password=self.password,
            database=self.database or None, autocommit=True, charset="utf8mb4",
            connect_timeout=self.timeout, local_infile=local_infile, write_timeout=_WRITE_TIMEOUT,
            init_command="SET time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
            program_name="sluiceway", **tls,
        )  # fmt: skip

    def attach(self, con: duckdb.DuckDBPyConnection, alias: str) -> None:
        """Attach read-only to DuckDB as ``alias``, with nothing computed by the server's rules.

        Aggregates and ORDER BY handed to the server would follow its collations ('a' = 'A') and its
        decimals, so both stay in DuckDB. What the scanner calls a query's time limit is five minutes,
        which a big table takes. The zone makes TIMESTAMP columns come in UTC. The password travels in a
        secret that is dropped at once; new connections after the instance is sealed work all the same.
        """
        load_extension(con, "mysql_scanner")
        for name, value in _SETTINGS.items():
            if con.execute("SELECT current_setting(?)", [name]).fetchall()[0][0] != value:
                con.execute(f"SET GLOBAL {name} = {literal(value) if isinstance(value, str) else value}")
        secret = ident(f"{alias}_secret")
        fields = {
            "HOST": self.name, "PORT": str(self.port), "USER": self.user, "PASSWORD": self.password,
            "DATABASE": self.database, "SSL_MODE": self.ssl_mode, "SSL_CA": self.ssl_ca,
        }  # fmt: skip
        listed = ", ".join(f"{key} {literal(value)}" for key, value in fields.items() if value)
        con.execute(f"CREATE OR REPLACE TEMPORARY SECRET {secret} (TYPE mysql, {listed})")
        try:
            con.execute(f"ATTACH IF NOT EXISTS '' AS {ident(alias)} (TYPE mysql, READ_ONLY, SECRET {secret})")
        finally:
            con.execute(f"DROP TEMPORARY SECRET IF EXISTS {secret}")


_WRITE_TIMEOUT = 30
"""Seconds. MariaDB stops reading a LOAD DATA whose session was killed, and keeps its socket open."""
_SETTINGS: dict[str, str | bool] = {
    "mysql_aggregate_pushdown_enabled": False,
    "mysql_order_pushdown_enabled": False,
    "mysql_query_timeout_enabled": False,
    "mysql_tinyint1_as_boolean": False,
    "mysql_session_time_zone": "+00:00",
}


def _parts(url: str, where: Where | None) -> dict[str, Any]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("mysql", "mariadb") or not parts.hostname:
        raise SpecError(
            "the url of the connection can't be read",
            where=where,
            hint="write mysql://USER:PASSWORD@HOST:PORT/DATABASE, with special characters of the password "
            "percent-encoded",
        )
    return {
        "name": parts.hostname,
        "port": port,
        "user": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else None,
        "database": unquote(parts.path.lstrip("/")) or None,
    }


@contextmanager
def my_errors(
    server: MyServer, kind: type[RunError] = SourceError, *, what: str = "", tables: bool = True
) -> Iterator[None]:
    """pymysql's and the scanner's errors as ``kind``: what failed, where, what to do."""
    import duckdb
    import pymysql

    try:
        yield
    except pymysql.MySQLError as error:
        code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        text = str(error.args[1]) if len(error.args) > 1 else str(error)
        raise _explained(server, kind, what, text, code, tables=tables) from error
    except duckdb.Error as error:
        raise _explained(server, kind, what, str(error), 0, tables=tables) from error


def scan_failure(
    server: MyServer, what: str, error: BaseException, table: str | None = None
) -> SourceError | None:
    """The engine's error as ours, where it came of scanning this server: that went away, refused a query,
    or has no ``table`` any more. None where it is about something else."""
    text = str(error.__cause__ or error)
    signs = [sign for sign in _LOST if sign != "reading"]
    signs += ["can't connect", "failed to connect", "mysql query"]
    if table is not None:
        signs.append(f"table with name {table.lower()} does not exist!")
    if not any(sign in text.lower() for sign in signs):
        return None
    found = _explained(server, SourceError, what, text, 0, tables=False)
    return found if isinstance(found, SourceError) else None


def _explained(
    server: MyServer, kind: type[RunError], what: str, text: str, code: int, *, tables: bool
) -> RunError:
    said = redact(" ".join(text.split("\nLINE ", maxsplit=1)[0].split()))[:500]
    prefix = f"{what}: " if what else ""
    lower = said.lower()

    def made(message: str, hint: str | None, *, final: bool = False) -> RunError:
        details = {"final": True} if final else None
        return kind(f"{prefix}{message}", where=server.where, hint=hint, details=details)

    if code == 1045 or "using password" in lower:
        return made(
            f"MySQL at {server.host} does not take the password of user '{server.user}'",
            "look at user and password of the connection",
            final=True,
        )
    if code == 1049:
        return made(
            f"MySQL at {server.host} has no database '{server.database}'",
            "look at database of the connection",
            final=True,
        )
    if code in (1044, 1142, 1143, 1227):
        return made(
            f"user '{server.user}' may not do this at {server}: {said}",
            f"type in mysql, as an administrator: GRANT … TO '{server.user}'",
            final=True,
        )
    if code == 1146 or "does not exist!" in said:
        hint = did_you_mean(what, _tables(server)) if tables else None
        return made(f"there is no such table at {server}", hint, final=True)
    if code in (1148, 3948, 4166):
        return made(
            f"MySQL at {server.host} does not take LOAD DATA LOCAL, by which rows are published",
            "type in mysql, as an administrator: SET GLOBAL local_infile = 1",
            final=True,
        )
    if code in (2003, 2002, 2005) or "can't connect" in lower or "failed to connect" in lower:
        return made(
            f"can't reach MySQL at {server.host}: {said}",
            "look at host and port of the connection, and whether the server runs",
        )
    if code in (2006, 2013, 2014, 2055, 1927, 1053, 1152, 1158, 1159, 1160, 1161, 0) and any(
        sign in lower for sign in _LOST
    ):
        return made(
            f"the connection to MySQL at {server} was lost: {said}", "run it again; nothing was published"
        )
    return made(f"MySQL at {server} answered: {said}", None)


_LOST = (
    "lost connection", "gone away", "connection was killed", "shutdown in progress", "broken pipe",
    "connection reset", "packet sequence", "reading", "server has gone", "connection is closed",
    "already closed", "(0, '')", "interfaceerror", "timed out",
)  # fmt: skip


def _tables(server: MyServer) -> list[str]:
    """What the user may read, for a did-you-mean; none where even that fails."""
    import pymysql

    sql = (
        "SELECT concat(table_schema, '.', table_name) FROM information_schema.tables WHERE table_schema "
        "NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys') ORDER BY 1 LIMIT 1000"
    )
    try:
        con = server.connect()
    except pymysql.MySQLError:  # the first error is the one to tell
        return []
    with con, con.cursor() as cursor:
        cursor.execute(sql)
        found = [row[0] for row in cursor.fetchall()]
    plain = [name.partition(".")[2] for name in found if name.startswith(f"{server.database}.")]
    return found + plain
