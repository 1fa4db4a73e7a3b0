"""Types of the Open Data Contract Standard, spelled as DuckDB spells them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["column_type"]

_PHYSICAL = {
    "VARCHAR": "varchar char character nvarchar nchar text string clob bpchar character_varying",
    "TINYINT": "tinyint int8_t byte",
    "SMALLINT": "smallint int2 int16 short",
    "INTEGER": "int integer int4 int32 mediumint",
    "BIGINT": "bigint int8 int64 long",
    "HUGEINT": "hugeint int128",
    "UTINYINT": "utinyint uint8",
    "USMALLINT": "usmallint uint16",
    "UINTEGER": "uinteger uint32",
    "UBIGINT": "ubigint uint64",
    "FLOAT": "float4 real float32",
    "DOUBLE": "double float8 double_precision float64 float",
    "BOOLEAN": "bool boolean",
    "DATE": "date",
    "TIME": "time",
    "TIMESTAMP": "timestamp datetime timestamp_ntz timestampntz timestamp_without_time_zone datetime2",
    "TIMESTAMP WITH TIME ZONE": "timestamptz timestamp_tz timestamp_ltz timestamp_with_time_zone",
    "INTERVAL": "interval",
    "UUID": "uuid uniqueidentifier",
    "BLOB": "blob bytea binary varbinary bytes",
    "JSON": "json jsonb variant",
}
_BY_PHYSICAL = {name: type_ for type_, names in _PHYSICAL.items() for name in names.split()}
_DECIMAL = re.compile(r"(?:decimal|numeric|number)\s*\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)", re.IGNORECASE)
_INTEGERS = {
    "i8": "TINYINT", "i16": "SMALLINT", "i32": "INTEGER", "i64": "BIGINT", "i128": "HUGEINT",
    "u8": "UTINYINT", "u16": "USMALLINT", "u32": "UINTEGER", "u64": "UBIGINT", "u128": "UHUGEINT",
}  # fmt: skip
_LOGICAL = {
    "string": "VARCHAR", "date": "DATE", "time": "TIME", "timestamp": "TIMESTAMP", "number": "DOUBLE",
    "integer": "BIGINT", "boolean": "BOOLEAN", "object": "JSON",
}  # fmt: skip


def column_type(declared: Mapping[str, Any]) -> str:
    """The type of a property; ``""`` where the contract leaves it open.

    The physical type wins where it is known, since it is the narrower of the two.

    >>> column_type({"logicalType": "integer", "logicalTypeOptions": {"format": "u16"}})
    'USMALLINT'
    >>> column_type({"logicalType": "number", "physicalType": "NUMBER(10,2)"})
    'DECIMAL(10,2)'
    >>> column_type({"logicalType": "array", "items": {"logicalType": "string"}})
    'VARCHAR[]'
    """
    options = declared.get("logicalTypeOptions") or {}
    zoned = declared.get("logicalType") == "timestamp" and options.get("timezone") is True
    physical = declared.get("physicalType")
    found = _physical(physical) if isinstance(physical, str) else ""
    if zoned and found in ("", "TIMESTAMP"):
        return "TIMESTAMP WITH TIME ZONE"
    if found and not (found == "JSON" and declared.get("properties")):
        return found
    return _logical(declared, options)


def _physical(text: str) -> str:
    text = text.strip()
    if text.endswith("[]"):
        inner = _physical(text[:-2])
        return f"{inner}[]" if inner else ""
    if text.upper().startswith(("STRUCT(", "MAP(")):
        return text
    decimal = _DECIMAL.fullmatch(text)
    if decimal:
        width, scale = int(decimal[1]), int(decimal[2] or 0)
        return f"DECIMAL({width},{scale})" if 0 < width <= 38 and scale <= width else ""
    plain = re.sub(r"\s*\([\d\s,]*\)", "", text).strip().lower()
    return _BY_PHYSICAL.get(re.sub(r"\s+", "_", plain), "")


def _logical(declared: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    logical = declared.get("logicalType")
    if logical == "integer":
        return _INTEGERS.get(str(options.get("format")), "BIGINT")
    if logical == "number" and options.get("format") == "f32":
        return "FLOAT"
    if logical == "array":
        items = declared.get("items")
        inner = column_type(items) if isinstance(items, Mapping) else ""
        return f"{inner}[]" if inner else ""
    if logical == "object" and isinstance(declared.get("properties"), list):
        return _struct(declared["properties"])
    return _LOGICAL.get(str(logical), "")


def _struct(properties: list[Any]) -> str:
    fields = []
    for item in properties:
        type_ = column_type(item) if isinstance(item, Mapping) else ""
        if not type_:
            return ""
        name = str(item.get("physicalName") or item.get("name")).replace('"', '""')
        fields.append(f'"{name}" {type_}')
    return f"STRUCT({', '.join(fields)})" if fields else "JSON"
