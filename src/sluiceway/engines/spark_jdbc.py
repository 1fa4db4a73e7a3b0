"""Tables of databases that executors read and write over JDBC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sluiceway.engines.spark_errors import spark_errors
from sluiceway.engines.spark_options import driver_given
from sluiceway.engines.spark_types import spark_schema
from sluiceway.sql.names import quoted

if TYPE_CHECKING:
    from sluiceway.exchange import Location

__all__ = ["SparkDelivery", "has_driver", "jdbc_frame"]

_ROWS = 10_000
_TEXTS = ("string", "varchar", "char")
_WRITERS = 16
"""Connections at most that write into one table."""
_SPELLED = {"VARCHAR": "STRING", "BLOB": "BINARY"}


def has_driver(session: Any, jar: str) -> bool:
    """Whether the user gave Spark a jar of the driver's name."""
    return driver_given(jar, lambda key: session.conf.get(key, ""))


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


@dataclass(frozen=True)
class SparkDelivery:
    """See ``sluiceway.exchange.Delivery``.

    A number is Spark's ``monotonically_increasing_id``: the partition of the scan, and the row's place in
    it. The files are cut into partitions once, by the driver, and a task that is run again reads the same
    pieces of the same files in the same order, so its rows get the same numbers.
    """

    session: Any
    paths: tuple[str, ...]
    shape: Any

    def takes(self, jar: str) -> bool:
        return has_driver(self.session, jar)

    def write(self, to: Location) -> None:
        given = to.options
        kinds = {field.name: field.dataType.simpleString() for field in self.shape}
        values = [
            f"{_travelling(name, kinds[name], column.type)} AS {quoted(column.name, 'spark')}"
            for name, column in zip(given["names"], to.schema, strict=True)
        ]
        properties = {
            **given["properties"],
            "driver": given["driver"],
            "batchsize": str(_ROWS),
            "numPartitions": str(_WRITERS),
        }
        with spark_errors():
            frame = self.session.read.schema(self.shape).parquet(*self.paths)
            # an expression of its own, below everything that could move rows between tasks
            numbered = frame.selectExpr(*values, f"monotonically_increasing_id() AS {given['number']}")
            numbered.write.jdbc(given["url"], given["table"], mode="append", properties=properties)


def _travelling(name: str, kind: str, travels: str) -> str:
    value = quoted(name, "spark")
    if kind == "date" and travels == "BIGINT":
        return f"CAST(unix_date({value}) AS BIGINT)"
    if kind in ("timestamp", "timestamp_ntz") and travels == "BIGINT":
        return f"unix_micros(CAST({value} AS TIMESTAMP))"
    if kind == "float":
        value = f"CAST({value} AS DOUBLE)"  # exact, which its text need not be
    return f"CAST({value} AS {_SPELLED.get(travels, travels)})"
