"""Which types a warehouse can't keep exactly, seen before a row is written."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sluiceway.schema import Schema

__all__ = ["leaves", "unsupported"]

_TOKEN = re.compile(r'"(?:[^"]|"")*"|\'(?:[^\']|\'\')*\'|[(),]|\[\d*\]|[^\s"\'(),\[\]]+|\s+')
_CAST_TEXT = "cast it to VARCHAR"
_NUMBER = "cast it to DECIMAL(38,0) or BIGINT"

_LAKE = {
    "HUGEINT": _NUMBER,
    "UHUGEINT": _NUMBER,
    "BIGNUM": _CAST_TEXT,
    "TIME WITH TIME ZONE": "cast it to TIME, or to TIMESTAMPTZ with a date",
    "TIME_NS": "cast it to TIME",
    "INTERVAL": "store its length as a number, or cast it to VARCHAR",
    "ENUM": _CAST_TEXT,
    "BIT": _CAST_TEXT,
    "UNION": _CAST_TEXT,
    "ARRAY": "cast it to a list, such as INTEGER[]",
}
_SQLITE = {
    **{name: hint for name, hint in _LAKE.items() if name not in ("HUGEINT", "UHUGEINT")},
    "STRUCT": "cast it to JSON or flatten it",
    "MAP": "cast it to JSON or flatten it",
    "LIST": "cast it to JSON or flatten it",
    "ARRAY": "cast it to JSON or flatten it",
}
_REFUSED: dict[str, dict[str, str]] = {"ducklake": _LAKE, "duckdb": {}, "sqlite": _SQLITE}


def leaves(type_: str) -> Iterator[str]:
    """Every type that ``type_`` is made of, without widths: STRUCT, LIST, ARRAY and what they hold.

    >>> sorted(leaves('STRUCT(a INTEGER[3], "bit" MAP(VARCHAR, DECIMAL(3,1)))[]'))
    ['ARRAY', 'DECIMAL', 'INTEGER', 'LIST', 'MAP', 'STRUCT', 'VARCHAR']
    """
    text = type_.strip()
    while text.endswith("]"):
        head, _, size = text.rpartition("[")
        yield "ARRAY" if size.strip("]") else "LIST"
        text = head.strip()
    name, bracket, rest = text.partition("(")
    upper = name.strip().upper()
    if not bracket:
        yield upper
        return
    # TIMESTAMP(3) WITH TIME ZONE never appears in DuckDB's spelling, so what follows ')' is nothing
    yield upper
    if upper not in ("STRUCT", "MAP", "UNION"):
        return
    for part in _split(rest.rsplit(")", 1)[0]):
        inner = part if upper == "MAP" else _after_name(part)
        yield from leaves(inner)


def _split(text: str) -> Iterator[str]:
    """The parts between top-level commas."""
    depth, part = 0, ""
    for piece in _TOKEN.findall(text):
        depth += {"(": 1, ")": -1}.get(piece, 0)
        if piece == "," and depth == 0:
            yield part.strip()
            part = ""
        else:
            part += piece
    if part.strip():
        yield part.strip()


def _after_name(field: str) -> str:
    """``"a b" INTEGER`` -> ``INTEGER``."""
    return "".join(_TOKEN.findall(field)[1:]).strip()


def unsupported(schema: Schema, system: str) -> dict[str, str]:
    """Columns that ``system`` can't keep exactly -> what to do.

    >>> unsupported(Schema.of({"a": "BIGINT", "n": "HUGEINT"}), "ducklake")
    {'n': 'cast it to DECIMAL(38,0) or BIGINT'}
    """
    refused = _REFUSED.get(system, {})
    found = {}
    for column in schema:
        wrong = next((leaf for leaf in leaves(column.type) if leaf in refused), None)
        if wrong is not None:
            found[column.name] = refused[wrong]
    return found
