"""DuckDB's types in the words of other engines, and what those can't hold.

Plans spell types as DuckDB does. ``to_engine`` says what a column of such a type is on another engine, so
that every value of it has a place there; ``from_engine`` is the way back for what an engine reports.
"""

from __future__ import annotations

import re

from sluiceway.errors import PlanError, Where
from sluiceway.schema import family
from sluiceway.sql.emit.types import canonical, fields_of, item_of, parsed, spelled

__all__ = ["HELD", "NAMES", "from_engine", "to_engine"]

NAMES = {
    "duckdb": "DuckDB", "spark": "Spark", "postgres": "PostgreSQL", "snowflake": "Snowflake",
    "bigquery": "BigQuery", "mysql": "MySQL",
}  # fmt: skip
"""How a dialect is called in a message."""

_SPARK = {
    "BOOLEAN": "BOOLEAN", "TINYINT": "TINYINT", "SMALLINT": "SMALLINT", "INTEGER": "INT", "BIGINT": "BIGINT",
    "HUGEINT": "DECIMAL(38, 0)", "UTINYINT": "SMALLINT", "USMALLINT": "INT", "UINTEGER": "BIGINT",
    "FLOAT": "FLOAT", "DOUBLE": "DOUBLE", "VARCHAR": "STRING", "DATE": "DATE", "TIMESTAMP": "TIMESTAMP_NTZ",
    "TIMESTAMP_S": "TIMESTAMP_NTZ", "TIMESTAMP_MS": "TIMESTAMP_NTZ",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP", "UUID": "STRING", "BLOB": "BINARY", "JSON": "STRING",
    '"NULL"': "VOID",
}  # fmt: skip
_POSTGRES = {
    "BOOLEAN": "boolean", "TINYINT": "smallint", "SMALLINT": "smallint", "INTEGER": "integer",
    "BIGINT": "bigint", "HUGEINT": "numeric(38, 0)", "UTINYINT": "smallint", "USMALLINT": "integer",
    "UINTEGER": "bigint", "UBIGINT": "numeric(20, 0)", "FLOAT": "real", "DOUBLE": "double precision",
    "VARCHAR": "text", "DATE": "date", "TIME": "time", "TIME WITH TIME ZONE": "timetz",
    "TIMESTAMP": "timestamp", "TIMESTAMP_S": "timestamp", "TIMESTAMP_MS": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamptz", "INTERVAL": "interval", "UUID": "uuid", "BLOB": "bytea",
    "JSON": "json", '"NULL"': "text",
}  # fmt: skip
_SNOWFLAKE = {
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT"), "NUMBER(38, 0)"),
    **dict.fromkeys(("UTINYINT", "USMALLINT", "UINTEGER"), "NUMBER(38, 0)"),
    "UBIGINT": "NUMBER(20, 0)", "HUGEINT": "NUMBER(38, 0)", "BOOLEAN": "BOOLEAN", "DOUBLE": "FLOAT",
    "FLOAT": "FLOAT", "VARCHAR": "VARCHAR", "DATE": "DATE", "TIME": "TIME(6)",
    "TIMESTAMP": "TIMESTAMP_NTZ(6)", "TIMESTAMP_S": "TIMESTAMP_NTZ(6)", "TIMESTAMP_MS": "TIMESTAMP_NTZ(6)",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP_LTZ(6)", "BLOB": "BINARY", '"NULL"': "VARCHAR",
}  # fmt: skip
_BIGQUERY = {
    "BOOLEAN": "BOOL", "TINYINT": "INT64", "SMALLINT": "INT64", "INTEGER": "INT64", "BIGINT": "INT64",
    "HUGEINT": "INT64", "UTINYINT": "INT64", "USMALLINT": "INT64", "UINTEGER": "INT64", "UBIGINT": "NUMERIC",
    "FLOAT": "FLOAT64", "DOUBLE": "FLOAT64", "VARCHAR": "STRING", "DATE": "DATE", "TIME": "TIME",
    "TIMESTAMP": "DATETIME", "TIMESTAMP_S": "DATETIME", "TIMESTAMP_MS": "DATETIME",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP", "UUID": "STRING", "BLOB": "BYTES", "JSON": "JSON",
    '"NULL"': "STRING",
}  # fmt: skip
"""As CAST takes them, which knows no widths. A HUGEINT is what sum() gives: an INT64, which raises."""
_PLAIN = {"spark": _SPARK, "postgres": _POSTGRES, "snowflake": _SNOWFLAKE, "bigquery": _BIGQUERY}
HELD = (
    *(t for t in _POSTGRES if t != '"NULL"'), "UHUGEINT", "TIMESTAMP_NS", "BIT", "DECIMAL(18,2)",
    "ENUM('a', 'b')", "INTEGER[]", "STRUCT(a INTEGER)", "MAP(VARCHAR, INTEGER)",
)  # fmt: skip
"""DuckDB's types, for the page that says where each has its place."""
_INSTEAD = {
    "UBIGINT": "cast it to DECIMAL(20,0) in a step before",
    "UHUGEINT": "cast it to DECIMAL(38,0) in a step before",
    "BIGNUM": "cast it to VARCHAR in a step before",
    "BIT": "cast it to VARCHAR in a step before",
    "TIMESTAMP_NS": "cast it to TIMESTAMP in a step before: microseconds are kept",
    "TIME": "cast it to VARCHAR in a step before",
    "TIME WITH TIME ZONE": "cast it to VARCHAR in a step before",
    "INTERVAL": "cast it to VARCHAR, or count it as a number with epoch(…) in a step before",
}
_WIDTH = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")


def to_engine(type_: str, dialect: str, where: Where | None = None) -> str:
    """``type_`` (DuckDB's spelling) as ``dialect`` (duckdb, spark, postgres or snowflake) spells its own.

    >>> to_engine("TIMESTAMP", "spark"), to_engine("DOUBLE[]", "spark"), to_engine("HUGEINT", "postgres")
    ('TIMESTAMP_NTZ', 'ARRAY<DOUBLE>', 'numeric(38, 0)')

    Raises:
        PlanError: the engine has no type for it.
    """
    if dialect == "duckdb":
        return type_
    upper = type_.upper()
    found = _PLAIN[dialect].get(upper)
    if found is not None:
        return found
    width = _WIDTH.fullmatch(upper)
    if dialect == "bigquery" and width:
        small = int(width[2]) <= 9 and int(width[1]) - int(width[2]) <= 29
        return "NUMERIC" if small else "BIGNUMERIC"
    if width:
        made = upper.replace(",", ", ") if ", " not in upper else upper
        return made.replace("DECIMAL", "NUMBER") if dialect == "snowflake" else made
    if upper.startswith("ENUM("):
        return to_engine("VARCHAR", dialect)
    if dialect == "spark" and upper.endswith("]"):
        return f"ARRAY<{to_engine(item_of(type_), dialect, where)}>"
    if dialect == "spark" and upper.startswith("STRUCT("):
        fields = [f"`{n.replace('`', '``')}`: {to_engine(t, dialect, where)}" for n, t in fields_of(type_)]
        return f"STRUCT<{', '.join(fields)}>"
    if dialect == "spark" and upper.startswith("MAP("):
        key, value = (spelled(part) for part in parsed(type_).expressions)
        return f"MAP<{to_engine(key, dialect, where)}, {to_engine(value, dialect, where)}>"
    if dialect == "postgres" and upper.endswith("[]") and not item_of(upper).endswith("]"):
        return f"{to_engine(item_of(type_), dialect, where)}[]"
    if family(upper) == "unknown" and (known := canonical(type_, where)).upper() != upper:
        return to_engine(known, dialect, where)  # another name for a type
    raise PlanError(
        f"{NAMES[dialect]} has no type that holds a {type_}",
        where=where,
        hint=_INSTEAD.get(upper, "flatten the column, or cast it to VARCHAR, in a step before"),
    )


_FROM_SPARK = {
    "boolean": "BOOLEAN", "tinyint": "TINYINT", "smallint": "SMALLINT", "int": "INTEGER", "bigint": "BIGINT",
    "float": "FLOAT", "double": "DOUBLE", "string": "VARCHAR", "date": "DATE", "timestamp_ntz": "TIMESTAMP",
    "timestamp": "TIMESTAMP WITH TIME ZONE", "binary": "BLOB", "void": "VARCHAR",
}  # fmt: skip
_FROM_POSTGRES = {
    "boolean": "BOOLEAN", "smallint": "SMALLINT", "integer": "INTEGER", "bigint": "BIGINT", "real": "FLOAT",
    "double precision": "DOUBLE", "text": "VARCHAR", "character varying": "VARCHAR", "date": "DATE",
    "time without time zone": "TIME", "timestamp without time zone": "TIMESTAMP",
    "timestamp with time zone": "TIMESTAMP WITH TIME ZONE", "interval": "INTERVAL", "uuid": "UUID",
    "bytea": "BLOB", "json": "JSON", "jsonb": "JSON",
}  # fmt: skip
_FROM = {"spark": _FROM_SPARK, "postgres": _FROM_POSTGRES}
_DECIMAL = re.compile(r"(?:decimal|numeric)\((\d+),\s*(\d+)\)")
_NESTED = re.compile(r"(array|map|struct)<(.*)>", re.S)


def from_engine(type_: str, dialect: str, where: Where | None = None) -> str:
    """What ``dialect`` reports as a column's type, in DuckDB's spelling.

    >>> from_engine("array<struct<a:int,b c:string>>", "spark"), from_engine("numeric(9,2)", "postgres")
    ('STRUCT("a" INTEGER, "b c" VARCHAR)[]', 'DECIMAL(9,2)')

    Raises:
        PlanError: a type that DuckDB's spelling has no word for.
    """
    if dialect == "duckdb":
        return type_
    lower = type_.strip().lower()
    found = _FROM[dialect].get(lower)
    if found is not None:
        return found
    width = _DECIMAL.fullmatch(lower)
    if width and int(width[1]) <= 38:
        return f"DECIMAL({width[1]},{width[2]})"
    if dialect == "postgres" and lower.endswith("[]"):
        return f"{from_engine(lower[:-2], dialect, where)}[]"
    nested = _NESTED.fullmatch(type_.strip()) if dialect == "spark" else None
    if nested is None:
        raise PlanError(
            f"the type {type_} of {NAMES[dialect]} can't be used in a pipeline",
            where=where,
            hint="cast the column to a type such as VARCHAR where it is read",
        )
    parts = _split(nested[2])
    if nested[1] == "array":
        return f"{from_engine(nested[2], dialect, where)}[]"
    if nested[1] == "map":
        return f"MAP({', '.join(from_engine(part, dialect, where) for part in parts)})"
    fields = [part.partition(":") for part in parts]
    shown = ", ".join(
        '"' + n.strip().strip("`").replace('"', '""') + f'" {from_engine(t, dialect, where)}'
        for n, _, t in fields
    )
    return f"STRUCT({shown})"


def _split(text: str) -> list[str]:
    """At the commas that stand within no bracket."""
    parts, depth, start = [], 0, 0
    for i, letter in enumerate(text):
        depth += (letter in "<(") - (letter in ">)")
        if letter == "," and not depth:
            parts.append(text[start:i])
            start = i + 1
    return [*parts, text[start:]]
