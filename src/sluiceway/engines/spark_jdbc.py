"""Tables of databases that executors read over JDBC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sluiceway.engines.spark_types import spark_schema
from sluiceway.sql.names import quoted

if TYPE_CHECKING:
    from sluiceway.exchange import Location

__all__ = ["has_driver", "jdbc_frame"]

_ROWS = 10_000
_TEXTS = ("string", "varchar", "char")
_JARS = ("spark.jars", "spark.jars.packages", "spark.driver.extraClassPath")


def has_driver(session: Any, jar: str) -> bool:
    """Whether the user gave Spark a jar of the driver's name; it comes with none."""
    return any(jar in str(session.conf.get(key, "")) for key in _JARS)


def jdbc_frame(session: Any, location: Location) -> Any:
    """A frame of the location's rows, a task a part.

    What travels: dates are days and timestamps microseconds since 1970, or both are texts, as decimals are.
    """
    given = location.options
    properties = {
        **given["properties"],
        "driver": given["driver"],
        "fetchsize": str(_ROWS),  # without it the driver fetches all rows at once, outside a transaction
        "sessionInitStatement": given["init"],
    }
    frame = session.read.jdbc(
        given["url"], given["table"], predicates=list(given["parts"]), properties=properties
    )
    travelled = {field.name: field.dataType.typeName() for field in frame.schema.fields}
    fields = spark_schema(location.schema).fields
    return frame.selectExpr(*(_decoded(field, text=travelled[field.name] in _TEXTS) for field in fields))


def _decoded(field: Any, *, text: bool) -> str:
    name, kind = quoted(field.name, "spark"), field.dataType.simpleString()
    if kind == "date" and not text:
        return f"date_from_unix_date(CAST({name} AS INT)) AS {name}"
    if kind in ("timestamp", "timestamp_ntz") and not text:
        return f"CAST(timestamp_micros({name}) AS {kind}) AS {name}"
    return f"CAST({name} AS {kind}) AS {name}"
