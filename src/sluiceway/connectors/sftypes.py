"""Snowflake's names and types and DuckDB's, both ways.

**Names.** What nobody quotes Snowflake keeps in capitals. A plain name in lower case, ``order_id``, stands
here for that ``ORDER_ID``; every other name stands for itself, quoted.

**Types.** Snowflake has one integer, NUMBER(38,0), so integers are read as BIGINT (one that does not fit is
an error, never another number) and kept as that. It has no UUID and no FLOAT of four bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sluiceway.schema import Schema, family

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "SfColumn",
    "arrow_type",
    "carried",
    "quote",
    "sf_column",
    "sf_ident",
    "sf_literal",
    "sf_relation",
    "sf_type",
    "shown",
    "stored",
    "unsupported",
]

MAX_NAME = 255
_MOST_BYTES = "8388608)"
"""What BINARY has where nobody says how much."""
_LOWER = re.compile(r"[a-z_][a-z0-9_$]*")
_UPPER = re.compile(r"[A-Z_][A-Z0-9_$]*")
_INTEGERS = ("TINYINT", "UTINYINT", "SMALLINT", "USMALLINT", "INTEGER", "UINTEGER", "BIGINT")
_TARGET = {
    **dict.fromkeys(_INTEGERS, "NUMBER(38,0)"), "UBIGINT": "NUMBER(20,0)", "BOOLEAN": "BOOLEAN",
    "FLOAT": "FLOAT", "DOUBLE": "FLOAT", "VARCHAR": "VARCHAR", "BLOB": "BINARY", "DATE": "DATE",
    "TIME": "TIME(6)", "TIMESTAMP": "TIMESTAMP_NTZ(6)", "TIMESTAMP_S": "TIMESTAMP_NTZ(6)",
    "TIMESTAMP_MS": "TIMESTAMP_NTZ(6)", "TIMESTAMP WITH TIME ZONE": "TIMESTAMP_LTZ(6)", '"NULL"': "VARCHAR",
}  # fmt: skip
_REFUSED = {
    "HUGEINT": "cast it to DECIMAL(38,0) or BIGINT",
    "UHUGEINT": "cast it to DECIMAL(38,0) or BIGINT",
    "UUID": "cast it to VARCHAR: Snowflake has no UUID",
    "JSON": "cast it to VARCHAR: a VARIANT orders the keys and writes the numbers anew",
    "TIME WITH TIME ZONE": "cast it to TIME",
    "INTERVAL": "store its length as a number, or cast it to VARCHAR",
    "TIMESTAMP_NS": "cast it to TIMESTAMP: microseconds are kept",
    "TIME_NS": "cast it to TIME: microseconds are kept",
}
_PLAIN = {
    "BOOLEAN": "BOOLEAN", "FLOAT": "DOUBLE", "DOUBLE": "DOUBLE", "REAL": "DOUBLE", "DATE": "DATE",
    "TIME": "TIME", "TIMESTAMP_NTZ": "TIMESTAMP", "TIMESTAMP_LTZ": "TIMESTAMP WITH TIME ZONE",
    "TIMESTAMP_TZ": "TIMESTAMP WITH TIME ZONE", "VARCHAR": "VARCHAR", "CHAR": "VARCHAR", "STRING": "VARCHAR",
    "TEXT": "VARCHAR", "BINARY": "BLOB", "VARBINARY": "BLOB", "VARIANT": "JSON", "OBJECT": "JSON",
    "ARRAY": "JSON",
    **dict.fromkeys(("INTEGER", "INT", "BIGINT", "SMALLINT", "TINYINT", "BYTEINT"), "BIGINT"),
}  # fmt: skip


def stored(name: str) -> str:
    """A name of ours as Snowflake keeps it.

    >>> stored("order_id"), stored("Order Id"), stored("ID")
    ('ORDER_ID', 'Order Id', 'ID')
    """
    return name.upper() if _LOWER.fullmatch(name) else name


def shown(name: str) -> str:
    """The other way.

    >>> shown("ORDER_ID"), shown("Order Id")
    ('order_id', 'Order Id')
    """
    return name.lower() if _UPPER.fullmatch(name) else name


def quote(name: str) -> str:
    """A name as Snowflake keeps it, in SQL.

    >>> quote('a"b')
    '"a""b"'
    """
    return '"' + name.replace('"', '""') + '"'


def sf_ident(name: str) -> str:
    """A name of ours in Snowflake's SQL.

    >>> sf_ident("order_id"), sf_ident("a b")
    ('"ORDER_ID"', '"a b"')
    """
    return quote(stored(name))


def sf_relation(*parts: str) -> str:
    return ".".join(map(sf_ident, parts))


def sf_literal(text: str) -> str:
    r"""A text in SQL, where a backslash escapes what follows.

    >>> print(sf_literal("it's a \\"))
    'it''s a \\'
    """
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


@dataclass(frozen=True)
class SfColumn:
    """``kept``: its name in Snowflake; ``spelled``: its type there; ``type``: DuckDB's."""

    name: str
    kept: str
    spelled: str
    type: str
    nullable: bool = True
    refused: str | None = None


def sf_column(name: str, spelled: str, nullable: bool, wanted: Mapping[str, str] | None = None) -> SfColumn:
    """A row of DESCRIBE TABLE.

    Args:
        wanted: DuckDB's types of columns, by their names here in lower case, that are known better.

    >>> sf_column("ID", "NUMBER(38,0)", False).type, sf_column("p", "NUMBER(9,2)", True).type
    ('BIGINT', 'DECIMAL(9,2)')
    """
    base, _, width = spelled.upper().partition("(")
    base = base.strip()
    known = (wanted or {}).get(shown(name).casefold())
    refused = None
    if known is not None:
        type_ = known
    elif base in ("NUMBER", "DECIMAL", "NUMERIC"):
        digits, _, scale = width.rstrip(")").partition(",")
        type_ = _number(int(digits or 38), int(scale or 0))
    elif base in _PLAIN:
        type_ = _PLAIN[base]
        if width == _MOST_BYTES:
            spelled = "BINARY"
    else:
        type_, refused = "VARCHAR", f"is {spelled}, which can't be read"
    return SfColumn(shown(name), name, spelled, type_, nullable, refused)


def _number(digits: int, scale: int) -> str:
    """NUMBER(38,0) is what Snowflake makes of INTEGER and BIGINT."""
    if scale == 0 and (digits <= 18 or digits == 38):
        return "BIGINT"
    return f"DECIMAL({digits},{scale})"


def sf_type(type_: str) -> str | None:
    """The column type for DuckDB's ``type_``; None where nothing keeps it exactly.

    >>> sf_type("DECIMAL(18,2)"), sf_type("INTEGER"), sf_type("INTEGER[]")
    ('NUMBER(18,2)', 'NUMBER(38,0)', None)
    """
    upper = type_.upper()
    if upper.startswith("DECIMAL("):
        return "NUMBER" + upper.removeprefix("DECIMAL").replace(" ", "")
    if upper.startswith("ENUM("):
        return "VARCHAR"
    return _TARGET.get(upper)


def unsupported(schema: Schema) -> dict[str, str]:
    """Columns that Snowflake can't keep -> what to do.

    >>> unsupported(Schema.of({"a": "BIGINT", "n": "INTERVAL"}))
    {'n': 'store its length as a number, or cast it to VARCHAR'}
    """
    found = {}
    for column in schema:
        if len(column.name) > MAX_NAME:
            found[column.name] = f"rename it: Snowflake's names have {MAX_NAME} characters at most"
        elif sf_type(column.type) is None:
            nested = family(column.type) == "nested"
            hint = "flatten it, or cast it to VARCHAR" if nested else "cast it to VARCHAR"
            found[column.name] = _REFUSED.get(column.type.upper(), hint)
    return found


def carried(column: SfColumn, value: str | None = None) -> str:
    """What a SELECT of Snowflake's gives of a column so that Arrow loses nothing on the way: moments as
    microseconds since 1970, since in nanoseconds Arrow holds those from 1677 to 2262 alone."""
    name = value or quote(column.kept)
    if column.type in ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE"):
        return f"DATE_PART(EPOCH_MICROSECOND, {name})"
    if column.type == "TIME":
        return f"CAST({name} AS TIME(6))"
    if column.type == "JSON":
        return f"TO_JSON({name})"
    return name


def arrow_type(type_: str) -> tuple[pa.DataType, pa.DataType]:
    """What ``carried`` makes of a column of DuckDB's ``type_`` on the way, and what it becomes of that."""
    import pyarrow as pa

    match type_:
        case "TIMESTAMP":
            return pa.int64(), pa.timestamp("us")
        case "TIMESTAMP WITH TIME ZONE":
            return pa.int64(), pa.timestamp("us", "UTC")
        case "TIME":
            return pa.time64("us"), pa.time64("us")
    if type_.startswith("DECIMAL("):
        digits, scale = type_.removeprefix("DECIMAL(").rstrip(")").split(",")
        both = pa.decimal128(int(digits), int(scale))
        return both, both
    plain = {
        "BIGINT": pa.int64(), "DOUBLE": pa.float64(), "BOOLEAN": pa.bool_(), "DATE": pa.date32(),
        "BLOB": pa.binary(),
    }.get(type_, pa.string())  # fmt: skip
    return plain, plain
