"""A table or a query of MySQL or MariaDB for an engine that reads it over JDBC.

MySQL hands no snapshot from session to session, so there is one part: one statement of one session, which
InnoDB answers as of one moment. A task that is run again would ask at another, so what was read is staged
before anything else looks at it (``Location.once``). Texts, dates and decimals travel as the server writes
them, whole numbers as BIGINT: what a driver makes of TINYINT(1), YEAR or zones is never asked.

By MariaDB's Connector/J, 3 or newer. Under the scheme of MySQL, which Spark knows the quotes of.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sluiceway.connectors.dialects import MYSQL
from sluiceway.connectors.jdbcsink import Landing
from sluiceway.connectors.mytypes import my_type
from sluiceway.exchange import Location
from sluiceway.schema import Column, Schema, family

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sluiceway.connectors.myclient import MyServer
    from sluiceway.connectors.mytypes import MyColumn

__all__ = ["jdbc_target", "landing", "located"]

_BYTES = re.compile(r"(?:tiny|medium|long)?blob|(?:var)?binary")
_BASES = ("bit", "time", "geometry", "point", "linestring", "polygon", "multi", "inet", "uuid")
"""Beginnings of types that are not asked for this way; timestamp is."""


def _address(server: MyServer) -> dict[str, Any] | None:
    """``driver jar url properties init`` of a Location; None with TLS, whose certificates the executors do
    not have."""
    if server.ssl_mode not in (None, "disabled") or server.ssl_ca:
        return None
    return {
        "driver": "org.mariadb.jdbc.Driver",
        "jar": "mariadb-java-client",
        "url": f"jdbc:mysql://{server.name}:{server.port}/{server.database}?permitMysqlScheme"
        f"&connectTimeout={server.timeout * 1000}",
        "properties": {"user": server.user, "password": server.password},
        # as the embedded reader's session: its zone, and the collation that literals have
        "init": "SET time_zone = '+00:00', NAMES utf8mb4",
    }


def located(server: MyServer, of: str, columns: Sequence[MyColumn], where: str | None) -> Location | None:
    """None where the server or a type is not one for which that is known to be right.

    Args:
        of: what stands in FROM.
        where: which rows are wanted, in MySQL's SQL; None for all.
    """
    address = _address(server)
    if address is None or not all(map(_fits, columns)):
        return None
    listed = ", ".join(f"{_encoded(c)} AS {MYSQL.ident(c.name)}" for c in columns)
    rows = f"SELECT {listed} FROM {of}" + (f" WHERE {where}" if where else "")
    return Location(
        "jdbc",
        Schema(tuple(Column(c.name, c.type, c.nullable) for c in columns)),
        options={**address, "table": f"({rows}) AS _located", "parts": ("1 = 1",)},
        once=True,
    )


def _encoded(column: MyColumn) -> str:
    name, group = MYSQL.ident(column.name), family(column.type)
    if group == "blob":
        return name
    if group == "float":
        return f"CAST({name} AS DOUBLE)"  # a FLOAT as text has six digits
    if group == "boolean" or (group == "integer" and column.type != "UBIGINT"):
        return f"CAST({name} AS SIGNED)"
    return f"CAST({name} AS CHAR)"


def _fits(column: MyColumn) -> bool:
    spelled = column.spelled.lower()
    if column.refused or (spelled.startswith(_BASES) and not spelled.startswith("timestamp")):
        return False
    group = family(column.type)
    if group == "blob":  # a query's is spelled BLOB, and may be a bit or a geometry
        return _BYTES.match(column.spelled) is not None
    return group in ("boolean", "integer", "float", "text", "decimal", "date", "timestamp", "timestamptz")


# towards MySQL ---------------------------------------------------------------------------------------

_LANDINGS = {
    "boolean": ("BIGINT", "bigint", "{0}"),
    "integer": ("BIGINT", "bigint", "{0}"),
    "float": ("VARCHAR", "", "CAST({0} AS DOUBLE)"),
    "decimal": ("", "", "{0}"),
    "text": ("VARCHAR", "", "{0}"),
    "uuid": ("VARCHAR", "", "{0}"),
    "json": ("VARCHAR", "", "{0}"),
    "time": ("VARCHAR", "", "CAST({0} AS TIME(6))"),
    "blob": ("BLOB", "longblob", "{0}"),
    "date": ("VARCHAR", "", "CAST({0} AS DATE)"),
    "timestamp": ("VARCHAR", "", "CAST({0} AS DATETIME(6))"),
    "timestamptz": ("VARCHAR", "", "CAST({0} AS DATETIME(6))"),
}
"""By family: how it travels, the working column ('' is text), the value made of it."""


def jdbc_target(server: MyServer) -> dict[str, Any] | None:
    """``driver jar url properties`` of a Location to write to; None where executors can't."""
    address = _address(server)
    if address is None:
        return None
    strict = "&sessionVariables=sql_mode='STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'"
    return {**address, "url": address["url"] + strict}


def landing(type_: str, *, mariadb: bool) -> Landing | None:
    """How values of DuckDB's ``type_`` get into MySQL by a JDBC driver; None where they may not arrive
    exactly. Whatever a driver could change, and floats, which may be NaN, travel as texts.

    >>> landing("DATE", mariadb=True).restored, landing("INTEGER[]", mariadb=True)
    ('CAST({0} AS DATE)', None)
    """
    spelled, text = my_type(type_, mariadb=mariadb, key=False), my_type("VARCHAR", mariadb=mariadb, key=False)
    if spelled is None or text is None:
        return None
    group = family(type_)
    if group not in _LANDINGS or (group == "time" and type_.upper() != "TIME"):
        return None
    if type_.upper() == "UBIGINT":
        return Landing("DECIMAL(20,0)", "decimal(20,0)")
    travels, working, restored = _LANDINGS[group]
    if group == "decimal":
        return Landing(type_, spelled)
    return Landing(travels, working or text, restored)
