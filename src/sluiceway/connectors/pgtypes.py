"""PostgreSQL's types and DuckDB's, both ways, and what must be cast on which side.

Measured with DuckDB 1.5.5's scanner: ``numeric`` without precision is read as DOUBLE, NaN in a
``numeric(p,s)`` as 0, a negative scale as nonsense, domains and json as text, enums as enums. So what
it reads wrongly is cast by the server, or refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from sluiceway.duck import ident
from sluiceway.schema import Schema, family

__all__ = ["PgColumn", "carried", "describe_sql", "encode", "pg_column", "pg_type", "unsupported"]

_PLAIN = {
    "boolean": "BOOLEAN", "smallint": "SMALLINT", "integer": "INTEGER", "bigint": "BIGINT",
    "real": "FLOAT", "double precision": "DOUBLE", "text": "VARCHAR", "character varying": "VARCHAR",
    "character": "VARCHAR", '"char"': "VARCHAR", "name": "VARCHAR", "bytea": "BLOB", "date": "DATE",
    "time without time zone": "TIME", "time with time zone": "TIME WITH TIME ZONE",
    "timestamp without time zone": "TIMESTAMP", "timestamp with time zone": "TIMESTAMP WITH TIME ZONE",
    "interval": "INTERVAL", "uuid": "UUID", "json": "JSON", "jsonb": "JSON", "xml": "VARCHAR",
}  # fmt: skip
_WIDTH = re.compile(r"\((-?\d+)(?:,(-?\d+))?\)")
_TARGET = {
    "BOOLEAN": "boolean", "TINYINT": "smallint", "UTINYINT": "smallint", "SMALLINT": "smallint",
    "USMALLINT": "integer", "INTEGER": "integer", "UINTEGER": "bigint", "BIGINT": "bigint",
    "UBIGINT": "numeric(20,0)", "FLOAT": "real", "DOUBLE": "double precision", "VARCHAR": "text",
    "BLOB": "bytea", "DATE": "date", "TIME": "time", "TIME WITH TIME ZONE": "timetz",
    "TIMESTAMP": "timestamp", "TIMESTAMP_S": "timestamp", "TIMESTAMP_MS": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamptz", "INTERVAL": "interval", "UUID": "uuid", "JSON": "jsonb",
}  # fmt: skip
_REFUSED = {
    "HUGEINT": "cast it to DECIMAL(38,0) or BIGINT",
    "UHUGEINT": "cast it to DECIMAL(38,0) or BIGINT",
    "BIGNUM": "cast it to VARCHAR",
    "BIT": "cast it to VARCHAR",
    "TIMESTAMP_NS": "cast it to TIMESTAMP: PostgreSQL keeps microseconds",
    "TIME_NS": "cast it to TIME: PostgreSQL keeps microseconds",
}
_ELEMENTS = {
    "BOOLEAN", "SMALLINT", "INTEGER", "BIGINT", "FLOAT", "DOUBLE", "VARCHAR", "DATE", "TIMESTAMP",
    "TIMESTAMP WITH TIME ZONE", "UUID",
}  # fmt: skip


@dataclass(frozen=True)
class PgColumn:
    """A column of a table or query.

    ``spelled`` is PostgreSQL's type, ``type`` what we read it as. ``server`` is what the server must
    compute for that, None where the scanner reads it right; ``cast`` says that DuckDB still casts.
    ``binary``: a value cast to ``type`` is what a binary COPY into the column takes. ``refused`` says
    why it can't be read. ``nan``: the scanner would read NaN in it as 0.
    """

    name: str
    spelled: str
    type: str
    nullable: bool = True
    server: str | None = None
    cast: bool = False
    binary: bool = True
    refused: str | None = None
    nan: bool = False

    @property
    def holds_nan(self) -> str:
        """PostgreSQL's condition that the value is NaN, or has an element that is; NULL for NULL."""
        value = ident(self.name)
        return f"'NaN' = ANY ({value})" if self.spelled.endswith("[]") else f"{value} = 'NaN'"


def describe_sql(relation: str) -> str:
    """One row a column: name, spelled type of its base, kind (pg_type.typtype), element's kind, not null,
    is a domain. Bind: the relation's quoted name."""
    return (
        "SELECT a.attname, "
        "CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) "
        "ELSE format_type(a.atttypid, a.atttypmod) END, "
        "b.typtype, e.typtype, a.attnotnull, t.typtype = 'd' "
        "FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid "
        "JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END "
        "LEFT JOIN pg_type e ON e.oid = b.typelem AND b.typcategory = 'A' "
        f"WHERE a.attrelid = {relation}::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
    )


def pg_column(row: tuple[Any, ...], numeric: str | None = None) -> PgColumn:
    """A row of ``describe_sql``.

    Args:
        numeric: what ``numeric`` without precision is read as; None refuses it.
    """
    name, spelled, kind, element, not_null, domain = row
    made = _mapped(name, spelled, kind or "b", element, numeric)
    return PgColumn(**{**made, "name": name, "spelled": spelled, "nullable": not not_null,
                       "cast": made.get("cast", False) or bool(domain)})  # fmt: skip


def _mapped(name: str, spelled: str, kind: str, element: str | None, numeric: str | None) -> dict[str, Any]:
    quoted = ident(name)
    base = _WIDTH.sub("", spelled, count=1).replace("  ", " ")
    if spelled.endswith("[]"):
        return _array(name, spelled, element, numeric)
    if kind == "e":
        return {"type": "VARCHAR", "cast": True}
    if kind == "c":  # a row type: the scanner's STRUCT would lose what its fields can't hold
        return {"type": "JSON", "server": f"to_jsonb({quoted})", "cast": True, "binary": False}
    if base in _PLAIN:
        return {"type": _PLAIN[base], "cast": base in ("json", "jsonb")}
    if base == "numeric":
        return _numeric(quoted, spelled, numeric)
    if base == "money":  # its text has a currency sign and follows the server's locale
        return {"type": "DECIMAL(19,2)", "server": f"{quoted}::numeric::numeric(19,2)", "binary": False}
    if base == "oid":
        return {"type": "BIGINT", "server": f"{quoted}::bigint", "binary": False}
    # inet, ranges, bit strings, geometry, types of extensions: as PostgreSQL writes them
    return {"type": "VARCHAR", "server": f"{quoted}::text", "binary": False}


def _numeric(quoted: str, spelled: str, numeric: str | None) -> dict[str, Any]:
    width = _WIDTH.search(spelled)
    if width:
        precision, scale = int(width[1]), int(width[2] or 0)
        if 0 <= scale <= precision <= 38:
            return {"type": f"DECIMAL({precision},{scale})", "nan": True}
    return free_numeric(quoted, spelled, numeric)


def free_numeric(quoted: str, spelled: str, wanted: str | None) -> dict[str, Any]:
    """A numeric that no DECIMAL holds by itself, read as ``wanted``."""
    if wanted is None:
        return {
            "type": "VARCHAR",
            "binary": False,
            "refused": f"is {spelled}, which has no fixed number of digits",
        }
    kind = family(wanted)
    if kind == "text":
        return {"type": "VARCHAR", "server": f"{quoted}::text", "binary": False}
    if kind == "float":
        return {"type": "DOUBLE", "server": f"{quoted}::double precision", "binary": False}
    width = _WIDTH.search(wanted)
    scale = int(width[2] or 0) if width else 3
    precision = int(width[1]) if width else 18
    # digits are never rounded away in silence: a value with more of them, or NaN, is an error
    text = (
        f"CASE WHEN {quoted} = round({quoted}, {scale}) AND {quoted} <> 'NaN' "
        f"THEN {quoted}::numeric({precision},{scale}) "
        f"ELSE ({quoted}::text || ' does not fit numeric({precision},{scale})')::numeric END"
    )
    # a DECIMAL is what a binary COPY into numeric takes
    return {"type": f"DECIMAL({precision},{scale})", "server": f"({text})::numeric({precision},{scale})"}


def _array(name: str, spelled: str, element: str | None, numeric: str | None) -> dict[str, Any]:
    inner = _mapped(name, spelled[:-2], element or "b", None, None)
    if inner.get("refused"):
        if numeric is not None and family(numeric) == "text":
            return {"type": "VARCHAR[]", "server": f"{ident(name)}::text[]", "binary": False}
        return {
            "type": "VARCHAR",
            "binary": False,
            "refused": f"is {spelled}, of no fixed digits",
        }
    if inner.get("server") or inner["type"] == "JSON":
        return {"type": "VARCHAR[]", "server": f"{ident(name)}::text[]", "binary": False}
    # the elements of a list of texts, as DuckDB writes it, are varchar: no other array takes them
    texts = inner["type"] == "VARCHAR" and not spelled.startswith("character varying")
    return {
        "type": inner["type"] + "[]",
        "cast": inner.get("cast", False),
        "binary": not inner.get("cast", False) and not texts,
        "nan": inner.get("nan", False),
    }


# towards PostgreSQL ---------------------------------------------------------------------------------


def pg_type(type_: str) -> str | None:
    """The column type for DuckDB's ``type_``; None where nothing keeps it exactly.

    >>> pg_type("DECIMAL(18,2)"), pg_type("INTEGER[]"), pg_type("STRUCT(a INTEGER)"), pg_type("HUGEINT")
    ('numeric(18,2)', 'integer[]', 'jsonb', None)
    """
    upper = type_.upper()
    if upper in _TARGET:
        return _TARGET[upper]
    if upper.startswith("DECIMAL("):
        return upper.replace("DECIMAL", "numeric").replace(" ", "")
    if upper.startswith("ENUM("):
        return "text"
    if upper.endswith("[]") and _is_list_element(upper[:-2]):
        return f"{pg_type(upper[:-2])}[]"
    if family(upper) == "nested" and not upper.startswith("UNION("):
        return "jsonb"
    return None


def _is_list_element(type_: str) -> bool:
    """A list of these is an array; of others (lists, structs, bytes that JSON would hide) jsonb."""
    return type_ in _ELEMENTS or type_.startswith("DECIMAL(")


def unsupported(schema: Schema) -> dict[str, str]:
    """Columns that PostgreSQL can't keep -> what to do.

    >>> unsupported(Schema.of({"a": "BIGINT", "n": "HUGEINT"}))
    {'n': 'cast it to DECIMAL(38,0) or BIGINT'}
    """
    found = {}
    for column in schema:
        if len(column.name.encode()) > 63:
            found[column.name] = "rename it: PostgreSQL's names have 63 bytes at most"
        elif pg_type(column.type) is None:
            found[column.name] = _REFUSED.get(column.type.upper(), "cast it to VARCHAR")
    return found


def carried(column: PgColumn) -> str:
    """The type of the column that a binary COPY goes into, where it can't go into the column itself."""
    if column.binary:
        return column.spelled
    return "varchar[]" if column.type == "VARCHAR[]" else "text"


def encode(column: PgColumn, value: str) -> str:
    """``value`` in DuckDB as what a binary COPY takes (``carried``)."""
    if not column.binary:
        return f"CAST({value} AS VARCHAR[])" if column.type == "VARCHAR[]" else f"CAST({value} AS VARCHAR)"
    if column.spelled == "jsonb":
        # binary jsonb is a version byte and the text
        return f"encode(chr(1) || CAST(CAST({value} AS JSON) AS VARCHAR))"
    if column.spelled == "json":
        return f"CAST(CAST({value} AS JSON) AS VARCHAR)"
    return f"CAST({value} AS {column.type})"
