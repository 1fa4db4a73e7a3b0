"""BigQuery's types and DuckDB's, both ways.

BigQuery has one integer, one float and two decimals (NUMERIC to 29 digits before the point and 9 behind it,
BIGNUMERIC to 38 of each), so a narrower column comes back wider. Rows travel to it in Parquet and from it in
Arrow; what has no place there travels as text, and ``server`` is what BigQuery computes for that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sluiceway.schema import Schema, family

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["BqColumn", "arrow_type", "bq_column", "bq_type", "cast_type", "encoded", "ident", "unsupported"]

_TARGET = {
    "BOOLEAN": "BOOL", "TINYINT": "INT64", "UTINYINT": "INT64", "SMALLINT": "INT64", "USMALLINT": "INT64",
    "INTEGER": "INT64", "UINTEGER": "INT64", "BIGINT": "INT64", "UBIGINT": "NUMERIC(20)",
    "FLOAT": "FLOAT64", "DOUBLE": "FLOAT64", "VARCHAR": "STRING", "BLOB": "BYTES", "DATE": "DATE",
    "TIME": "TIME", "TIMESTAMP": "DATETIME", "TIMESTAMP_S": "DATETIME", "TIMESTAMP_MS": "DATETIME",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP", "UUID": "STRING", "JSON": "JSON",
}  # fmt: skip
_REFUSED = {
    "HUGEINT": "cast it to DECIMAL(38,0) or BIGINT",
    "UHUGEINT": "cast it to DECIMAL(38,0) or BIGINT",
    "TIMESTAMP_NS": "cast it to TIMESTAMP: BigQuery keeps microseconds",
    "TIME_NS": "cast it to TIME: BigQuery keeps microseconds",
    "TIME WITH TIME ZONE": "cast it to TIME, or to TIMESTAMPTZ with a date",
    "INTERVAL": "store its length as a number, or cast it to VARCHAR",
}
_STANDARD = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL", "RECORD": "STRUCT"}
_PLAIN = {
    "INT64": "BIGINT", "FLOAT64": "DOUBLE", "BOOL": "BOOLEAN", "STRING": "VARCHAR", "BYTES": "BLOB",
    "DATE": "DATE", "TIME": "TIME", "DATETIME": "TIMESTAMP", "TIMESTAMP": "TIMESTAMP WITH TIME ZONE",
}  # fmt: skip
_WIDTH = re.compile(r"\((\d+)(?:,\s*(\d+))?\)")
# what a flexible column name of BigQuery can't have in it
_NAME = re.compile(r"[^\x00-\x1f!\"$()*,./;?@\[\\\]^`{}~]{1,300}")


def ident(name: str) -> str:
    """A quoted identifier of BigQuery's.

    >>> ident("order")
    '`order`'
    """
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


@dataclass(frozen=True)
class BqColumn:
    """A column of a table or query.

    ``spelled`` is BigQuery's type, ``type`` what we read it as. ``server``, with ``{}`` for the value, is
    what the server computes so that the value travels; ``travels`` the type that it then has.
    """

    name: str
    spelled: str
    type: str
    nullable: bool = True
    server: str = "{}"
    travels: str = ""

    @property
    def selected(self) -> str:
        """The column in a SELECT of the server, as it travels."""
        return self.server.format(ident(self.name))

    @property
    def here(self) -> str:
        """The column in a SELECT that stays on the server, as a value of the type that we read it as."""
        spelled = bq_type(self.type) or "STRING"
        if self.server == "{}" or cast_type(spelled) == cast_type(self.spelled):
            return ident(self.name)
        return self.selected


def bq_column(field: Any) -> BqColumn:
    """A ``SchemaField`` of the client's."""
    kind = _STANDARD.get(field.field_type.upper(), field.field_type.upper())
    nullable = field.mode != "REQUIRED"
    if field.mode == "REPEATED":  # a list of BigQuery's is never NULL and has no NULL in it
        return BqColumn(field.name, f"ARRAY<{kind}>", "JSON", nullable, "TO_JSON_STRING({})", "STRING")
    if kind in _PLAIN:
        return BqColumn(field.name, kind, _PLAIN[kind], nullable, travels=kind)
    if kind in ("NUMERIC", "BIGNUMERIC"):
        return _decimal(field, kind, nullable)
    if kind in ("JSON", "STRUCT"):  # of NULL it makes the word null
        whole = "CASE WHEN {0} IS NOT NULL THEN TO_JSON_STRING({0}) END"
        return BqColumn(field.name, kind, "JSON", nullable, whole, "STRING")
    # GEOGRAPHY, INTERVAL, RANGE: as BigQuery writes them
    way = "ST_ASTEXT({})" if kind == "GEOGRAPHY" else "CAST({} AS STRING)"
    return BqColumn(field.name, kind, "VARCHAR", nullable, way, "STRING")


def _decimal(field: Any, kind: str, nullable: bool) -> BqColumn:
    precision, scale = field.precision, field.scale or 0
    spelled = kind if precision is None else f"{kind}({precision}, {scale})"
    if kind == "NUMERIC":
        type_ = "DECIMAL(38,9)" if precision is None else f"DECIMAL({precision},{scale})"
        return BqColumn(field.name, spelled, type_, nullable, travels="NUMERIC")
    # 76 digits in Arrow, which DuckDB does not read
    type_ = f"DECIMAL({precision},{scale})" if precision is not None and precision <= 38 else "VARCHAR"
    return BqColumn(field.name, spelled, type_, nullable, "CAST({} AS STRING)", "STRING")


def bq_type(type_: str) -> str | None:
    """The column type for DuckDB's ``type_``; None where nothing keeps it exactly.

    >>> bq_type("DECIMAL(18,2)"), bq_type("DECIMAL(38,10)"), bq_type("INTEGER[]"), bq_type("HUGEINT")
    ('NUMERIC(18, 2)', 'BIGNUMERIC(38, 10)', 'JSON', None)
    """
    upper = type_.upper()
    if upper in _TARGET:
        return _TARGET[upper]
    width = _WIDTH.search(upper)
    if upper.startswith("DECIMAL(") and width:
        precision, scale = int(width[1]), int(width[2] or 0)
        small = scale <= 9 and precision - scale <= 29
        return f"{'NUMERIC' if small else 'BIGNUMERIC'}({precision}, {scale})"
    if upper.startswith("ENUM("):
        return "STRING"
    if family(upper) == "nested" and not upper.startswith("UNION("):
        return "JSON"
    return None


def cast_type(spelled: str) -> str:
    """``spelled`` as CAST takes it, which knows no widths.

    >>> cast_type("NUMERIC(18, 2)"), cast_type("STRING")
    ('NUMERIC', 'STRING')
    """
    return spelled.partition("(")[0]


def unsupported(schema: Schema) -> dict[str, str]:
    """Columns that BigQuery can't keep -> what to do.

    >>> unsupported(Schema.of({"a": "BIGINT", "n": "HUGEINT", "d.q": "DATE"}))["n"]
    'cast it to DECIMAL(38,0) or BIGINT'
    """
    found = {}
    for column in schema:
        if not _NAME.fullmatch(column.name):
            found[column.name] = "rename it: BigQuery's names hold letters, digits, blanks, _ and -"
        elif bq_type(column.type) is None:
            found[column.name] = _REFUSED.get(column.type.upper(), "cast it to VARCHAR")
    return found


def encoded(type_: str, value: str) -> tuple[str, str, str]:
    """How a value of DuckDB's ``type_`` gets into BigQuery.

    Returns:
        DuckDB's expression of what goes into Parquet, the type of that in a load job, and BigQuery's
        expression, with ``{}``, of the column's value.
    """
    spelled = cast_type(bq_type(type_) or "STRING")
    if spelled == "JSON":  # what its numbers can't hold is an error, not another number
        return f"CAST(CAST({value} AS JSON) AS VARCHAR)", "STRING", "PARSE_JSON({})"
    if spelled == "BYTES":  # the emulator takes no bytes in Parquet
        return f"base64(CAST({value} AS BLOB))", "STRING", "FROM_BASE64({})"
    if spelled == "BIGNUMERIC":
        return f"CAST({value} AS VARCHAR)", "STRING", "CAST({} AS BIGNUMERIC)"
    into = {
        "INT64": "BIGINT", "FLOAT64": "DOUBLE", "STRING": "VARCHAR", "DATETIME": "TIMESTAMP",
        "TIMESTAMP": "TIMESTAMP WITH TIME ZONE", "BOOL": "BOOLEAN",
    }.get(spelled, spelled)  # fmt: skip
    if spelled == "NUMERIC":
        width = _WIDTH.search(bq_type(type_) or "")
        into = f"DECIMAL({width[1]},{width[2] or 0})" if width else "DECIMAL(38,9)"
    return f"CAST({value} AS {into})", spelled, "{}"


def arrow_type(travels: str) -> pa.DataType:
    """The Arrow type in which a column comes."""
    import pyarrow as pa

    return {
        "INT64": pa.int64(), "FLOAT64": pa.float64(), "BOOL": pa.bool_(), "STRING": pa.string(),
        "BYTES": pa.binary(), "DATE": pa.date32(), "TIME": pa.time64("us"), "DATETIME": pa.timestamp("us"),
        "TIMESTAMP": pa.timestamp("us", tz="UTC"), "NUMERIC": pa.decimal128(38, 9),
    }[travels]  # fmt: skip
