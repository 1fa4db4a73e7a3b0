"""MySQL's and MariaDB's types and DuckDB's, both ways.

Measured with DuckDB 1.5.5's scanner on MariaDB 10.11: decimals of more than 38 digits are read as
DOUBLE, zero dates as NULL, incomplete dates as an error, TIME as text (it goes from -838 to 838 hours),
and conditions on text follow the column's collation, where 'a' = 'A' and 'a' < 'B'.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sluiceway.duck import ident
from sluiceway.schema import Schema, family

__all__ = ["MyColumn", "describe_sql", "index_prefixes", "my_column", "my_type", "unsupported"]

_INTEGERS = {
    "tinyint": "TINYINT", "smallint": "SMALLINT", "mediumint": "INTEGER", "int": "INTEGER",
    "bigint": "BIGINT",
}  # fmt: skip
_TEXT = ("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set", "inet4", "inet6")
_PLAIN = {
    "float": "FLOAT", "double": "DOUBLE", "date": "DATE", "datetime": "TIMESTAMP", "year": "INTEGER",
    "time": "VARCHAR", "uuid": "UUID", "json": "JSON",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
} | dict.fromkeys(_TEXT, "VARCHAR")  # fmt: skip
_TARGET = {
    "BOOLEAN": "tinyint(1)", "TINYINT": "tinyint", "UTINYINT": "tinyint unsigned", "SMALLINT": "smallint",
    "USMALLINT": "smallint unsigned", "INTEGER": "int", "UINTEGER": "int unsigned", "BIGINT": "bigint",
    "UBIGINT": "bigint unsigned", "FLOAT": "float", "DOUBLE": "double", "BLOB": "longblob", "DATE": "date",
    "TIME": "time(6)", "TIMESTAMP": "datetime(6)", "TIMESTAMP_S": "datetime(6)",
    "TIMESTAMP_MS": "datetime(6)", "TIMESTAMP WITH TIME ZONE": "timestamp(6) NULL DEFAULT NULL",
    "JSON": "json",
}  # fmt: skip
_REFUSED = {
    "HUGEINT": "cast it to DECIMAL(38,0) or BIGINT",
    "UHUGEINT": "cast it to DECIMAL(38,0) or BIGINT",
    "TIME WITH TIME ZONE": "cast it to TIME",
    "INTERVAL": "store its length as a number, or cast it to VARCHAR",
    "TIMESTAMP_NS": "cast it to TIMESTAMP: MySQL keeps microseconds",
    "TIME_NS": "cast it to TIME: MySQL keeps microseconds",
}


@dataclass(frozen=True)
class MyColumn:
    """``expression`` makes of what the scanner reads (``{}``) a value of ``type``; None: nothing to do.

    ``zero``: may hold a zero date. ``flag``: tinyint(1) that is read as a boolean. ``refused``: why it
    can't be read.
    """

    name: str
    spelled: str
    type: str
    nullable: bool = True
    collation: str | None = None
    expression: str | None = None
    zero: bool = False
    flag: bool = False
    refused: str | None = None


def describe_sql(database: str, table: str, *, mariadb: bool) -> str:
    """One row a column for ``my_column``. ``database`` and ``table`` are quoted literals."""
    # MariaDB's json is longtext with a check, by which it is known again
    is_json = (
        "EXISTS (SELECT 1 FROM information_schema.check_constraints k WHERE "
        "k.constraint_schema = c.table_schema AND k.table_name = c.table_name "
        "AND k.constraint_name = c.column_name AND k.check_clause LIKE 'json_valid(%')"
        if mariadb
        else "FALSE"
    )
    return (
        f"SELECT c.column_name, c.column_type, c.is_nullable = 'YES', c.collation_name, {is_json} "
        f"FROM information_schema.columns c WHERE c.table_schema = {database} AND c.table_name = {table} "
        "ORDER BY c.ordinal_position"
    )


def my_column(row: tuple[Any, ...], *, booleans: bool, times: bool = False) -> MyColumn:
    """A row of ``describe_sql``.

    Args:
        booleans: tinyint(1) is a BOOLEAN.
        times: TIME is a time of day; else it is read as text.
    """
    name, spelled, nullable, collation, is_json = row
    text = spelled.lower()
    base = re.split(r"[ (]", text, maxsplit=1)[0]
    made: dict[str, Any] = {"type": "VARCHAR"}
    if is_json:
        made = {"type": "JSON", "expression": "CAST({} AS JSON)"}
    elif text.startswith("tinyint(1)") and booleans and "unsigned" not in text:
        made = {"type": "BOOLEAN", "expression": "CAST({} AS BOOLEAN)", "flag": True}
    elif base in _INTEGERS:
        unsigned = "unsigned" in text
        made = {"type": ("U" if unsigned else "") + _INTEGERS[base]}
    elif base == "decimal":
        made = _decimal(text)
    elif base == "bit":
        made = {"type": "BOOLEAN" if text == "bit(1)" else "BLOB"}
    elif base in _PLAIN:
        made = _plain(base, times=times)
    elif base.endswith(("blob", "binary")) or collation is None:
        made = {"type": "BLOB"}  # and geometry, as the server writes it
    return MyColumn(name=name, spelled=spelled, nullable=bool(nullable), collation=collation, **made)


def _plain(base: str, *, times: bool) -> dict[str, Any]:
    made: dict[str, Any] = {"type": _PLAIN[base]}
    if base in _TEXT:
        # an expression keeps conditions on text away from the server and its collations
        made["expression"] = "({} || '')"
    elif base == "timestamp":
        made["expression"] = "CAST({} AS TIMESTAMP WITH TIME ZONE)"
    elif base in ("uuid", "json"):
        made["expression"] = f"CAST({{}} AS {_PLAIN[base]})"
    elif base == "time" and times:
        made = {"type": "TIME", "expression": "CAST({} AS TIME)"}
    if base in ("date", "datetime", "timestamp"):
        made["zero"] = True
    return made


def _decimal(text: str) -> dict[str, Any]:
    width = re.search(r"\((\d+),(\d+)\)", text)
    precision, scale = (int(width[1]), int(width[2])) if width else (10, 0)
    if precision > 38:
        return {"type": "VARCHAR", "refused": f"is decimal({precision},{scale}), and 38 digits are the most"}
    return {"type": f"DECIMAL({precision},{scale})"}


# towards MySQL ---------------------------------------------------------------------------------------


def my_type(type_: str, *, mariadb: bool, key: bool) -> str | None:
    """The column type for DuckDB's ``type_``; None where nothing keeps it exactly.

    Text compares byte by byte and trailing spaces count, as they do in DuckDB.

    >>> my_type("DECIMAL(18,2)", mariadb=True, key=False), my_type("INTERVAL", mariadb=True, key=False)
    ('decimal(18,2)', None)
    """
    upper = type_.upper()
    collation = "utf8mb4_nopad_bin" if mariadb else "utf8mb4_0900_bin"
    if upper == "VARCHAR" or upper.startswith("ENUM("):
        return f"{'varchar(700)' if key else 'longtext'} CHARACTER SET utf8mb4 COLLATE {collation}"
    if upper == "UUID":
        return "uuid" if mariadb else "char(36) CHARACTER SET ascii COLLATE ascii_bin"
    if upper == "BLOB" and key:
        return "varbinary(3000)"
    if upper in _TARGET:
        return _TARGET[upper]
    if upper.startswith("DECIMAL("):
        width = re.search(r"\((\d+),\s*(\d+)\)", upper)
        return f"decimal({width[1]},{width[2]})" if width and int(width[2]) <= 30 else None
    if family(upper) == "nested" and not upper.startswith("UNION("):
        return "json"
    return None


def index_prefixes(spelled: Sequence[str]) -> list[str]:
    """How much of each column an index over all of them takes: InnoDB indexes 3072 bytes.

    >>> index_prefixes(["bigint(20)", "varchar(700) COLLATE utf8mb4_bin", "longtext"])
    ['', '(256)', '(256)']
    >>> index_prefixes(["varchar(700)"])
    ['']
    """
    room = 3072 // len(spelled)
    return [_prefix(text.lower(), room) for text in spelled]


def _prefix(text: str, room: int) -> str:
    sized = re.match(r"(?:var)?(char|binary)\((\d+)\)", text)
    if sized:
        most = room // 4 if sized[1] == "char" else room
        return "" if int(sized[2]) <= most else f"({most})"
    if re.match(r"tiny(text|blob)", text):
        return f"({min(63, room // 4)})"
    return f"({room // 4})" if re.match(r"(medium|long)?(text|blob)|json", text) else ""


def unsupported(schema: Schema, *, mariadb: bool) -> dict[str, str]:
    """Columns that MySQL can't keep -> what to do.

    >>> unsupported(Schema.of({"a": "BIGINT", "n": "INTERVAL"}), mariadb=True)
    {'n': 'store its length as a number, or cast it to VARCHAR'}
    """
    found = {}
    for column in schema:
        if len(column.name.encode()) > 64:
            found[column.name] = "rename it: MySQL's names have 64 characters at most"
        elif my_type(column.type, mariadb=mariadb, key=False) is None:
            found[column.name] = _REFUSED.get(column.type.upper(), "cast it to VARCHAR")
    return found


def encode(column: MyColumn) -> tuple[str, str]:
    """DuckDB's expression of what LOAD DATA takes for a column, and MySQL's that restores it."""
    base = re.split(r"[ (]", column.spelled.lower(), maxsplit=1)[0]
    if column.type == "BOOLEAN":
        return "CAST(CAST({} AS BOOLEAN) AS TINYINT)", "{}"
    if column.type == "BLOB":
        return "hex(CAST({} AS BLOB))", "unhex({})"
    if column.type == "JSON":
        return "CAST(CAST({} AS JSON) AS VARCHAR)", "{}"
    if base == "timestamp":
        return "CAST(CAST({} AS TIMESTAMP WITH TIME ZONE) AS TIMESTAMP)", "{}"
    return f"CAST({{}} AS {column.type})", "{}"


def quoted(column: MyColumn) -> str:
    """The column in DuckDB, as a value of its type."""
    name = ident(column.name)
    return name if column.expression is None else f"{column.expression.format(name)} AS {name}"
