"""Types of the Open Data Contract Standard, spelled as DuckDB spells them, and the other way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sluiceway.schema import family

__all__ = ["column_type", "property_type"]

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
    "UHUGEINT": "uhugeint uint128",
    "FLOAT": "float4 real float32",
    "DOUBLE": "double float8 double_precision float64 float",
    "BOOLEAN": "bool boolean",
    "DATE": "date",
    "TIME": "time",
    "TIMESTAMP": "timestamp datetime timestamp_ntz timestampntz timestamp_without_time_zone datetime2",
    "TIMESTAMP WITH TIME ZONE": "timestamptz timestamp_tz timestamp_ltz timestamp_with_time_zone",
    "TIMESTAMP_S": "timestamp_s",
    "TIMESTAMP_MS": "timestamp_ms",
    "TIMESTAMP_NS": "timestamp_ns",
    "TIME WITH TIME ZONE": "timetz time_with_time_zone",
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
_FORMATS = {type_: format_ for format_, type_ in _INTEGERS.items()}
_BY_FAMILY = {
    "decimal": "number", "float": "number", "text": "string", "boolean": "boolean", "date": "date",
    "time": "time", "timestamp": "timestamp", "timestamptz": "timestamp", "uuid": "string", "blob": "string",
    "json": "object",
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
    options = declared.get("logicalTypeOptions")
    options = options if isinstance(options, Mapping) else {}  # whoever reads the contract refuses others
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
    listed = re.fullmatch(r"(.+)(\[[0-9]*\])", text, re.DOTALL)
    if listed:
        inner = _physical(listed[1])
        return f"{inner}{listed[2]}" if inner else ""
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


def property_type(type_: str) -> dict[str, Any]:
    """What a property of this type says: ``column_type`` reads it back as the same type.

    ``physicalType`` is DuckDB's name of the type; an interval has no logical type in the standard.

    >>> property_type("BIGINT")
    {'logicalType': 'integer', 'logicalTypeOptions': {'format': 'i64'}, 'physicalType': 'BIGINT'}
    >>> property_type("VARCHAR[]")["items"]
    {'logicalType': 'string', 'physicalType': 'VARCHAR'}
    """
    if not type_:
        return {}
    group = family(type_)
    if group == "nested":
        return _nested(type_)
    found: dict[str, Any] = {}
    if group == "integer":
        found = {"logicalType": "integer", "logicalTypeOptions": {"format": _FORMATS[type_.upper()]}}
    elif group in _BY_FAMILY:
        found = {"logicalType": _BY_FAMILY[group]}
        if group == "timestamptz":
            found["logicalTypeOptions"] = {"timezone": True}
    # a FLOAT of other systems has eight bytes, and is read so; REAL has four in all of them
    return {**found, "physicalType": "REAL" if type_.upper() == "FLOAT" else type_}


def _nested(type_: str) -> dict[str, Any]:
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    listed = re.fullmatch(r"(.+)(\[[0-9]*\])", type_, re.DOTALL)
    if listed:
        items = property_type(listed[1])
        return {"logicalType": "array", "physicalType": f"{items['physicalType']}{listed[2]}", "items": items}
    found: dict[str, Any] = {"logicalType": "object", "physicalType": type_}
    if not type_.upper().startswith("STRUCT("):
        return found
    try:
        fields = exp.DataType.build(type_, dialect="duckdb").expressions
    except SqlglotError:
        return found
    if all(isinstance(field, exp.ColumnDef) and field.args.get("kind") for field in fields):
        found["properties"] = [
            {"name": field.name, **property_type(field.args["kind"].sql("duckdb"))} for field in fields
        ]
    return found
