"""Types between DuckDB and Spark: what crosses as it is, what is cast on the way, what can't."""

from __future__ import annotations

from typing import Any

from sluiceway.duck import ident
from sluiceway.errors import PlanError
from sluiceway.schema import Schema

__all__ = ["crossing", "spark_schema"]

_SAME = frozenset(
    {
        "boolean", "tinyint", "smallint", "integer", "bigint", "float", "double", "decimal", "varchar",
        "blob", "date", "timestamp", "timestamp with time zone",
    }
)  # fmt: skip
_CAST = {
    "utinyint": "SMALLINT",
    "usmallint": "INTEGER",
    "uinteger": "BIGINT",
    "ubigint": "DECIMAL(20,0)",
    "hugeint": "DECIMAL(38,0)",
    "uhugeint": "DECIMAL(38,0)",
    "uuid": "VARCHAR",
    "enum": "VARCHAR",
    "time": "VARCHAR",
    "timestamp_s": "TIMESTAMP",
    "timestamp_ms": "TIMESTAMP",
}
_REFUSED = {
    "timestamp_ns": "Spark counts microseconds",
    "interval": "Spark tells months and days apart in types",
    "bignum": "Spark's integers have 38 digits at most",
}


def crossing(schema: Schema) -> dict[str, str]:
    """Columns that Spark gets as another type: name -> DuckDB's type to cast to before they cross.

    >>> crossing(Schema.of({"a": "INTEGER", "b": "UUID", "e": "ENUM('x', 'y')", "l": "UTINYINT[]"}))
    {'b': 'VARCHAR', 'e': 'VARCHAR', 'l': 'SMALLINT[]'}

    Raises:
        PlanError: a column that Spark can't hold.
    """
    import duckdb

    out = {}
    for column in schema:
        try:
            crossed = _crossed(duckdb.type(column.type))
        except (ValueError, duckdb.Error) as error:
            raise PlanError(
                f"Spark can't hold column '{column.name}' of type {column.type}: {error}",
                hint=f"cast it in the source: query: or columns: {{{column.name}: VARCHAR}}",
            ) from error
        if crossed is not None:
            out[column.name] = crossed
    return out


def _crossed(type_: Any) -> str | None:
    """The type to cast to; None where it crosses as it is. ValueError says why Spark can't hold it."""
    kind = str(type_.id)
    if kind in ("list", "array"):
        ((_, child), *_size) = type_.children
        crossed = _crossed(child)
        return None if crossed is None and kind == "list" else f"{crossed or child}[]"
    if kind in ("struct", "map"):
        parts = [(name, child, _crossed(child)) for name, child in type_.children]
        if all(crossed is None for _, _, crossed in parts):
            return None
        if kind == "map":
            return f"MAP({', '.join(str(crossed or child) for _, child, crossed in parts)})"
        return f"STRUCT({', '.join(f'{ident(name)} {crossed or child}' for name, child, crossed in parts)})"
    if str(type_) == "JSON":
        return "VARCHAR"
    if kind in _SAME:
        return None
    if kind not in _CAST:
        raise ValueError(_REFUSED.get(kind, "it has no such type"))
    return _CAST[kind]


def spark_schema(schema: Schema) -> Any:
    """The StructType of ``schema`` after ``crossing``."""
    from pyspark.sql.pandas.types import from_arrow_schema

    from sluiceway.sql.typing import arrow_schema

    cast = crossing(schema)
    crossed = Schema.of({c.name: cast.get(c.name, c.type) for c in schema})
    return from_arrow_schema(arrow_schema(crossed), prefer_timestamp_ntz=True)
