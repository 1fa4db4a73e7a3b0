"""Connections to Snowflake by its own connector, and its errors in our words."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from sluiceway.errors import MissingExtraError, RunError, SourceError, SpecError, Where
from sluiceway.secrets import redact, register_secret

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SfServer", "SnowflakeKeys", "connector", "sf_errors"]

_SESSION: Mapping[str, Any] = {
    "TIMEZONE": "UTC",
    "TIMESTAMP_TYPE_MAPPING": "TIMESTAMP_NTZ",
    "WEEK_START": 1,
    "BINARY_INPUT_FORMAT": "HEX",
    "BINARY_OUTPUT_FORMAT": "HEX",
    "QUOTED_IDENTIFIERS_IGNORE_CASE": False,
    "LOCK_TIMEOUT": 600,
    "CLIENT_TELEMETRY_ENABLED": False,
}
"""What a session must be told first, so that statements mean what they say."""


class SnowflakeKeys(BaseModel):
    """How to reach an account."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    account: str = Field(description="the account's identifier: ORGANIZATION-ACCOUNT")
    user: str = Field(description="the user to log in as")
    password: SecretStr | None = Field(None, description="its password, or a programmatic access token")
    private_key_file: str | None = Field(None, description="file with its private key (PEM) instead")
    private_key_passphrase: SecretStr | None = Field(None, description="what the key file is locked with")
    authenticator: str | None = Field(None, description="how to log in, if not by password or key")
    role: str | None = Field(None, description="the role to take; the user's default if absent")
    warehouse: str | None = Field(None, description="the virtual warehouse that computes")
    database: str = Field(description="the database")
    schema_: str = Field("PUBLIC", alias="schema", description="the schema that a name without one is in")
    host: str | None = Field(None, description="the server's name, where it is not the account's own")
    port: int | None = Field(None, ge=1, le=65535, description="its port, 443 if absent")
    protocol: Literal["https", "http"] = Field("https", description="https, or http for an emulator")
    connect_timeout: int = Field(30, ge=1, description="seconds to wait for a login")
    network_timeout: int = Field(
        300, ge=1, description="seconds in which a request that fails on the way is sent again"
    )


@dataclass(frozen=True)
class SfServer:
    """An address. Its secrets are never shown."""

    options: Mapping[str, Any] = field(repr=False)
    account: str
    database: str
    schema: str
    where: Where | None = None

    @classmethod
    def of(cls, keys: SnowflakeKeys, where: Where | None = None, project: Path | None = None) -> SfServer:
        """Raises SpecError without a way to log in, MissingExtraError without the connector."""
        connector()
        secrets = {"password": keys.password, "private_key_file_pwd": keys.private_key_passphrase}
        given = {name: s.get_secret_value() for name, s in secrets.items() if s is not None}
        for secret in given.values():
            register_secret(secret)
        if keys.private_key_file is not None:
            file = Path(keys.private_key_file)
            given["private_key_file"] = str(file if file.is_absolute() else (project or Path()) / file)
        if not given and keys.authenticator is None:
            raise SpecError(
                "nothing says how to log in to Snowflake",
                where=where,
                hint="add password: ${SNOWFLAKE_PASSWORD}, or private_key_file: PATH",
            )
        named = {
            "account": keys.account, "user": keys.user, "role": keys.role, "warehouse": keys.warehouse,
            "host": keys.host, "port": keys.port, "authenticator": keys.authenticator,
        }  # fmt: skip
        options = {
            **given, **{k: v for k, v in named.items() if v is not None}, "protocol": keys.protocol,
            "database": keys.database, "schema": keys.schema_, "login_timeout": keys.connect_timeout,
            "network_timeout": keys.network_timeout,
        }  # fmt: skip
        return cls(options, keys.account, keys.database, keys.schema_, where)

    def __str__(self) -> str:
        return f"{self.account}/{self.database}"

    def connect(self, tag: str) -> Any:
        """A connection in UTC. Values are bound by the server; ``tag`` stands in its query history."""
        return connector().connect(
            **self.options, paramstyle="qmark", autocommit=True, arrow_number_to_decimal=True,
            application="sluiceway",
            session_parameters={**_SESSION, "QUERY_TAG": tag[:2000]},
        )  # fmt: skip


def connector() -> Any:
    with warnings.catch_warnings():
        # it names the Arrow that its pandas extra wants; what is used here of Arrow is tested here
        warnings.filterwarnings("ignore", message="You have an incompatible version of 'pyarrow'")
        try:
            from snowflake import connector
        except ImportError as error:
            raise MissingExtraError.of("snowflake", "The snowflake connector") from error
    logging.getLogger("snowflake.connector").setLevel(logging.CRITICAL)  # its errors are told by ours
    return connector


@contextmanager
def sf_errors(server: SfServer, kind: type[RunError] = SourceError, *, what: str = "") -> Iterator[None]:
    """The connector's and DuckDB's errors as ``kind``: what failed, where, what to do."""
    errors = connector().errors
    import duckdb

    try:
        yield
    except errors.Error as error:
        raise _explained(server, kind, what, error) from error
    except duckdb.Error as error:
        text = redact(" ".join(str(error).split("\n")[0].split()))
        raise kind(f"{what or server}: {text}", where=server.where, details={"final": True}) from error


def _explained(server: SfServer, kind: type[RunError], what: str, error: Any) -> RunError:
    said = redact(" ".join(str(error.msg or error).split()))[:400]
    code = error.errno if isinstance(error.errno, int) else 0

    def made(text: str, hint: str | None, *, lost: bool = False) -> RunError:
        details: dict[str, Any] = {"connection": True} if lost else {"final": True}
        return kind(f"{what or server}: {text}", where=server.where, hint=hint, details=details)

    if code in (390100, 390102, 390144, 394304, 390186, 390189):
        return made(
            f"Snowflake's account {server.account} does not let this user in: {said}",
            "look at user, password, private_key_file and role of the connection",
        )
    if code in (606, 57014):
        return made(f"no virtual warehouse computes: {said}", "add warehouse: NAME to the connection")
    if code in (2003, 2043) and "exist" in said:
        return made(
            f"Snowflake at {server} knows no such thing, or does not show it to this role: {said}",
            "look at the name, and at the role of the connection: GRANT … TO ROLE …",
        )
    if code == 3001:
        return made(
            f"the role may not do this at {server}: {said}",
            "type as an administrator: GRANT … TO ROLE …",
        )
    network = (250001, 250002, 250003, 250004, 251001, 261000, 390111, 390112, 390114, 500, 502, 503, 504)
    if code in network or type(error).__name__ in ("OperationalError", "InterfaceError"):
        return made(
            f"can't reach Snowflake at {server}, or the connection was lost: {said}",
            "look at account, host and port of the connection; run it again: nothing was published",
            lost=True,
        )
    if code in _VALUES:
        return made(
            f"Snowflake refused a value: {said}",
            "cast the column in the transform so that its values fit; nothing was published",
        )
    return made(f"Snowflake at {server} answered: {said}", None)


_VALUES = (100035, 100038, 100040, 100046, 100051, 100069, 100072, 100078, 100132, 100183)
