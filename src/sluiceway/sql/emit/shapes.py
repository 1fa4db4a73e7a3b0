"""What the casts of all dialects share."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sluiceway.sql.emit.template import text_of

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = ["PAIRS", "listed_texts", "with_parts"]

_NUMBERS = ("integer", "decimal", "float")
_TIMES = ("date", "timestamp", "timestamptz")
PAIRS = frozenset(
    {(a, b) for a in ("boolean", *_NUMBERS) for b in _NUMBERS}
    | {(a, b) for a in _TIMES for b in _TIMES}
    | {("timestamp", "time"), ("interval", "interval"), ("json", "json"), ("nested", "nested")}
) - {("float", "decimal"), ("float", "integer"), ("nested", "nested"), ("json", "json")}
"""Families between which every engine's cast gives what DuckDB's gives, where the value fits."""


def with_parts(text: str, parts: Mapping[str, str]) -> str:
    """``text`` with every ``@name`` replaced, also in what was put in.

    >>> with_parts("@cast(:x AS @to)", {"cast": "TRY_CAST", "to": "INT"})
    'TRY_CAST(:x AS INT)'
    """
    names = "|".join(sorted(parts, key=len, reverse=True))
    pattern = re.compile(rf"@({names})")
    while (found := pattern.sub(lambda m: parts[m[1]], text)) != text:
        text = found
    return text


def listed_texts(values: exp.Expr) -> list[str]:
    """The texts of ``among``'s JSON array."""
    return [str(item) for item in json.loads(text_of(values))]
