"""Types between DuckDB and Spark: what crosses as it is, what is cast on the way, what can't."""

from __future__ import annotations

from typing import Any

from sluiceway.errors import PlanError
from sluiceway.schema import Schema

__all__ = ["crossing", "spark_schema"]

_CAST = {
    "HUGEINT": "DECIMAL(38,0)",
    "UHUGEINT": "DECIMAL(38,0)",
    "UBIGINT": "DECIMAL(20,0)",
    "UUID": "VARCHAR",
    "TIME": "VARCHAR",
    "TIMESTAMP_S": "TIMESTAMP",
    "TIMESTAMP_MS": "TIMESTAMP",
    "JSON": "VARCHAR",
}
_REFUSED = {
    "TIMESTAMP_NS": "Spark counts microseconds",
    "TIME WITH TIME ZONE": "Spark has no such type",
    "TIME_NS": "Spark has no such type",
    "INTERVAL": "Spark tells months and days apart in types",
    "BIT": "Spark has no such type",
    "UNION": "Spark has no such type",
    "BIGNUM": "Spark's integers have 38 digits at most",
}


def crossing(schema: Schema) -> dict[str, str]:
    """Columns that Spark gets as another type: name -> DuckDB's type to cast to before they cross.

    >>> crossing(Schema.of({"a": "INTEGER", "b": "UUID", "e": "ENUM('x', 'y')"}))
    {'b': 'VARCHAR', 'e': 'VARCHAR'}

    Raises:
        PlanError: a column that Spark can't hold.
    """
    out = {}
    for column in schema:
        type_ = column.type
        bare = type_.split("(")[0]
        refused = _REFUSED.get(type_) or _REFUSED.get(bare)
        if refused or any(f"{word}[" in type_ or f" {word}" in type_ for word in _REFUSED if word != "UNION"):
            raise PlanError(
                f"Spark can't hold column '{column.name}' of type {type_}: {refused or 'it holds one'}",
                hint=f"cast it in the source: query: or columns: {{{column.name}: VARCHAR}}",
            )
        if bare == "ENUM":
            out[column.name] = "VARCHAR"
        elif type_ in _CAST:
            out[column.name] = _CAST[type_]
    return out


def spark_schema(schema: Schema) -> Any:
    """The StructType of ``schema`` after ``crossing``."""
    from pyspark.sql.pandas.types import from_arrow_schema

    from sluiceway.sql.typing import arrow_schema

    cast = crossing(schema)
    crossed = Schema.of({c.name: cast.get(c.name, c.type) for c in schema})
    return from_arrow_schema(arrow_schema(crossed), prefer_timestamp_ntz=True)
