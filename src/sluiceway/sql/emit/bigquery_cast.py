"""Casts in BigQuery's SQL that are known to give what DuckDB's give."""

from __future__ import annotations

import re
from typing import Any

from sluiceway.errors import PlanError
from sluiceway.schema import family
from sluiceway.sql.emit.template import fill
from sluiceway.sql.types import to_engine

__all__ = ["cast"]

_BITS = {
    "TINYINT": (-128, 127), "SMALLINT": (-32768, 32767), "INTEGER": (-2147483648, 2147483647),
    "UTINYINT": (0, 255), "USMALLINT": (0, 65535), "UINTEGER": (0, 4294967295),
}  # fmt: skip
_TIMES = {
    ("date", "timestamp"): "CAST(:x AS DATETIME)",
    ("timestamp", "date"): "CAST(:x AS DATE)",
    ("timestamp", "timestamptz"): "timestamp(:x, 'UTC')",
    ("date", "timestamptz"): "timestamp(CAST(:x AS DATETIME), 'UTC')",
    ("timestamptz", "timestamp"): "datetime(:x, 'UTC')",
    ("timestamptz", "date"): "date(:x, 'UTC')",
}


def cast(value: Any, of: str, to: str) -> Any:
    """``value`` of DuckDB's type ``of`` as ``to``; None where that is not known to be the same."""
    pair = (family(of), family(to))
    if pair in _TIMES:
        return fill("bigquery", _TIMES[pair], x=value)
    match pair:
        case ("integer", "integer"):
            return _into(value, of, to)
        case ("boolean", "integer"):
            return fill("bigquery", "CAST(:x AS INT64)", x=value)
        case ("integer", "boolean"):
            return fill("bigquery", "CAST(:x AS BOOL)", x=value)
        case ("integer" | "decimal", "float"):
            return fill("bigquery", "CAST(:x AS FLOAT64)", x=value) if to == "DOUBLE" else None
        case ("float", "float"):
            return value if to == "DOUBLE" else None
        case ("integer" | "decimal", "decimal"):
            return _decimal(value, to)
        case ("decimal", "integer"):
            return _into(fill("bigquery", "CAST(:x AS INT64)", x=value), "BIGINT", to)
        case ("timestamp", "timestamp") | ("uuid", "text"):
            return value
        case (_, "text") if to == "VARCHAR":
            return _text(value, of)
    return None


def _text(value: Any, of: str) -> Any:
    from sluiceway.sql.primitives import call, lower

    try:
        return lower(call("string_of", value, of, "exact"), "bigquery")
    except PlanError:
        return None


def _into(value: Any, of: str, to: str) -> Any:
    """DuckDB raises where the number does not fit, and so does this."""
    wide = _BITS.get(of.upper())
    narrow = _BITS.get(to.upper())
    if to.upper() in ("UBIGINT", "HUGEINT", "UHUGEINT") or of.upper() in ("UBIGINT", "HUGEINT", "UHUGEINT"):
        return (
            value
            if to.upper() in ("HUGEINT", "BIGINT") and of.upper() in ("HUGEINT", *_BITS, "BIGINT")
            else None
        )
    if narrow is None or (wide is not None and wide[0] >= narrow[0] and wide[1] <= narrow[1]):
        return value
    return fill(
        "bigquery",
        f"CASE WHEN :x IS NULL OR :x BETWEEN {narrow[0]} AND {narrow[1]} THEN :x "
        f"ELSE CAST(error(concat(CAST(:x AS STRING), ' does not fit {to.upper()}')) AS INT64) END",
        x=value,
    )


def _decimal(value: Any, to: str) -> Any:
    precision, scale = (int(part) for part in re.findall(r"\d+", to)[:2])
    kind = to_engine(to, "bigquery")
    rounded = f"round(CAST(:x AS {kind}), {scale})"
    limit = f"CAST('1{'0' * (precision - scale)}' AS {kind})"
    if kind == "BIGNUMERIC" and precision - scale >= 38:
        return fill("bigquery", rounded, x=value)
    if kind == "NUMERIC" and precision - scale >= 29:
        return fill("bigquery", rounded, x=value)
    return fill(
        "bigquery",
        f"CASE WHEN abs({rounded}) >= {limit} THEN CAST(error('a number does not fit {to}') AS {kind}) "
        f"ELSE {rounded} END",
        x=value,
    )
