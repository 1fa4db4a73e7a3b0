"""A table or a query of PostgreSQL for an engine that reads it over JDBC, as of one moment.

The parts of a table are ranges of pages, so every row is in exactly one, whatever its keys; and every
connection reads the same snapshot, which a session of ours holds open meanwhile. A query has no pages, and
no order that two runs of it are bound to keep, so it is one part. What JDBC drivers change on the way (old
dates, times in the zone of the JVM, scales) travels as a number or a text instead.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from sluiceway.connectors.jdbcsink import Landing
from sluiceway.connectors.pgtypes import pg_type
from sluiceway.duck import ident, literal, relation
from sluiceway.exchange import Location
from sluiceway.schema import Column, Schema, family

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from sluiceway.connectors.pgclient import PgServer
    from sluiceway.connectors.pgtypes import PgColumn

__all__ = ["jdbc_target", "landing", "located", "located_query"]

_PART = 256
"""Pages of a part at least: 2 MB. A table of less than two of them is not worth a connection each."""
_PARTS = 32
_KNOWN = {"host", "port", "dbname", "user", "password", "sslmode", "connect_timeout"}
_PLAIN = {"integer", "float", "text", "boolean", "blob"}
_TEXTS = ("character varying", "text", "name")
_MICROS = (
    f"CASE {{0}} WHEN 'infinity' THEN {2**63 - 1} WHEN '-infinity' THEN {1 - 2**63} "
    "ELSE (extract(epoch FROM {0}) * 1000000)::bigint END"
)
_DAYS = (
    f"CASE {{0}} WHEN 'infinity' THEN {2**31 - 1} WHEN '-infinity' THEN {1 - 2**31} "
    "ELSE {0} - DATE '1970-01-01' END"
)
_ENCODED = {"decimal": "{0}::text", "date": _DAYS, "timestamp": _MICROS, "timestamptz": _MICROS}
"""Infinite moments as the numbers that DuckDB has for them."""
_NAN = (
    "CASE WHEN {holds} THEN ({name}::text || ' can''t be read as {type}')::{spelled}::text "
    "ELSE {name}::text END"
)
"""The server's error says it: NaN is no numeric with these words behind it."""


def _address(server: PgServer) -> dict[str, Any] | None:
    """``driver jar url properties`` of a Location; None where the driver would not reach the same server in
    the same way, such as by a socket."""
    parameters = server.parameters
    host = parameters.get("host", "localhost")
    if set(parameters) - _KNOWN or host.startswith("/") or "," in host:
        return None
    return {
        "driver": "org.postgresql.Driver",
        "jar": "postgresql",
        "url": f"jdbc:postgresql://{host}:{parameters.get('port', '5432')}/{server.database}",
        "properties": {k: parameters[k] for k in ("user", "password", "sslmode") if k in parameters},
    }


def located(
    con: psycopg.Connection[Any],
    server: PgServer,
    table: tuple[str, str],
    columns: Sequence[PgColumn],
    where: str | None,
) -> Location | None:
    """None where the server, the table or a type is not one for which that is known to be right.

    Args:
        con: a session that is kept open until the rows are read; its snapshot is what is read.
        where: which rows are wanted, in PostgreSQL's SQL; None for all.
    """
    address = _address(server)
    if address is None or not all(map(_fits, columns)):
        return None
    _begin(con)
    place = relation(*table)
    kind, children, pages = con.execute(
        "SELECT relkind::text, relhassubclass, pg_relation_size(oid) / current_setting('block_size')::int "
        f"FROM pg_class WHERE oid = {literal(place)}::regclass"
    ).fetchall()[0]
    if kind != "r" or children or pages < 2 * _PART:
        return None
    rows = f"SELECT {_listed(columns)}, ctid AS _page FROM ONLY {place} AS _rows{_where(where)}"
    return _location(con, address, rows, columns, _parts(int(pages)))


def located_query(
    con: psycopg.Connection[Any],
    server: PgServer,
    query: str,
    columns: Sequence[PgColumn],
    where: str | None,
) -> Location | None:
    """The same of a query: one part, and ``once``, since a query may say ``random()``."""
    address = _address(server)
    if address is None or not all(map(_fits, columns)):
        return None
    _begin(con)
    rows = f"SELECT {_listed(columns)} FROM ({query}) AS _rows{_where(where)}"
    return _location(con, address, rows, columns, ("TRUE",), once=True)


def _begin(con: psycopg.Connection[Any]) -> None:
    con.execute("SET idle_in_transaction_session_timeout = 0")
    con.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")


def _listed(columns: Sequence[PgColumn]) -> str:
    return ", ".join(f"{_encoded(column)} AS {ident(column.name)}" for column in columns)


def _where(condition: str | None) -> str:
    return f" WHERE {condition}" if condition else ""


def _location(
    con: psycopg.Connection[Any],
    address: dict[str, Any],
    rows: str,
    columns: Sequence[PgColumn],
    parts: tuple[str, ...],
    *,
    once: bool = False,
) -> Location:
    (snapshot,) = con.execute("SELECT pg_export_snapshot()").fetchall()[0]
    return Location(
        "jdbc",
        Schema(tuple(Column(c.name, c.type, c.nullable) for c in columns)),
        options={
            **address,
            "table": f"({rows}) AS _located",
            "parts": parts,
            "init": "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; "
            f"SET TRANSACTION SNAPSHOT {literal(snapshot)}",
        },
        once=once,
    )


def _encoded(column: PgColumn) -> str:
    name = ident(column.name)
    if column.nan:
        return _NAN.format(holds=column.holds_nan, name=name, type=column.type, spelled=column.spelled)
    return _ENCODED.get(family(column.type), "{}").format(name)


def _fits(column: PgColumn) -> bool:
    if column.cast or column.refused or (column.server and not column.nan):
        return False
    group = family(column.type)
    if group == "text" and not column.spelled.startswith(_TEXTS):
        return False  # enums, padded texts and what the server writes of types of its own
    return group in _PLAIN or group in _ENCODED


def _parts(pages: int) -> tuple[str, ...]:
    """Conditions that every row fulfils exactly one of.

    >>> _parts(600)
    ("_page < '(300,0)'::tid", "_page >= '(300,0)'::tid")
    """
    count = min(_PARTS, max(1, pages // _PART))
    edges = [f"'({pages * n // count},0)'::tid" for n in range(1, count)]
    if not edges:
        return ("TRUE",)
    middle = [f"_page >= {low} AND _page < {high}" for low, high in pairwise(edges)]
    return (f"_page < {edges[0]}", *middle, f"_page >= {edges[-1]}")


# towards PostgreSQL ---------------------------------------------------------------------------------

_DAY = 86_400_000_000
_MOMENT = (
    f"CASE {{0}} WHEN {2**63 - 1} THEN 'infinity' WHEN {1 - 2**63} THEN '-infinity' "
    f"ELSE {{type}} 'epoch' + ({{0}} / {_DAY}) * INTERVAL '1 day' "
    f"+ ({{0}} % {_DAY}) * INTERVAL '1 microsecond' END"
)
"""In two steps, each exact in the DOUBLE that an interval is multiplied by."""
_DATE = (
    f"CASE {{0}} WHEN {2**31 - 1} THEN 'infinity' WHEN {1 - 2**31} THEN '-infinity' "
    "ELSE DATE '1970-01-01' + {0}::integer END"
)

_LANDINGS = {
    "boolean": ("BIGINT", "bigint", "({0} = 1)"),
    "integer": ("BIGINT", "bigint", "{0}::{type}"),
    "float": ("DOUBLE", "double precision", "{0}::{type}"),
    "decimal": ("", "", "{0}"),
    "text": ("VARCHAR", "text", "{0}"),
    "uuid": ("VARCHAR", "text", "{0}::{type}"),
    "json": ("VARCHAR", "text", "{0}::{type}"),
    "time": ("VARCHAR", "text", "{0}::{type}"),
    "blob": ("BLOB", "bytea", "{0}"),
    "date": ("BIGINT", "bigint", _DATE),
    "timestamp": ("BIGINT", "bigint", _MOMENT),
    "timestamptz": ("BIGINT", "bigint", _MOMENT),
}
"""By family: how it travels, the working column, the value made of it; '' is the type itself."""


def jdbc_target(server: PgServer) -> dict[str, Any] | None:
    """``driver jar url properties`` of a Location to write to; None where the driver would not reach the
    same server in the same way."""
    address = _address(server)
    if address is None:
        return None
    return {**address, "properties": {**address["properties"], "reWriteBatchedInserts": "true"}}


def landing(type_: str) -> Landing | None:
    """How values of DuckDB's ``type_`` get into PostgreSQL by a JDBC driver; None where they may not arrive
    exactly. Drivers change dates, times and the text of small floats, so those travel as something else.

    >>> landing("INTEGER"), landing("INTERVAL")
    (Landing(travels='BIGINT', spelled='bigint', restored='{0}::integer'), None)
    """
    group, spelled = family(type_), pg_type(type_)
    if spelled is None or group not in _LANDINGS or (group == "time" and spelled != "time"):
        return None
    if type_.upper() == "UBIGINT":
        return Landing("DECIMAL(20,0)", spelled)
    travels, working, restored = _LANDINGS[group]
    return Landing(travels or type_, working or spelled, restored.replace("{type}", spelled))
