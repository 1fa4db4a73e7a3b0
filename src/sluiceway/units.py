"""Durations and sizes as people write them."""

from __future__ import annotations

import math
import re
from typing import Any

__all__ = ["duration", "size", "spoken"]

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)\s*")
_BYTES = {"": 1, "K": 1000, "M": 1000**2, "G": 1000**3, "T": 1000**4}
_BINARY = {"K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?", re.IGNORECASE)


def duration(value: Any) -> float:
    """Seconds out of ``30s``, ``15m``, ``1h30m``, ``26h``, ``2d``, or a bare number of seconds.

    >>> duration("1h30m"), duration("250ms"), duration(5)
    (5400.0, 0.25, 5.0)

    Raises:
        ValueError: anything else.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        if value < 0 or not math.isfinite(value):
            raise ValueError("a duration can't be negative or endless")
        return float(value)
    text = value.strip().lower() if isinstance(value, str) else ""
    parts = _DURATION.findall(text)
    if not parts or _DURATION.sub("", text):
        raise ValueError("expected a duration such as '30s', '15m', '1h' or '2d'")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def size(value: Any) -> int:
    """Bytes out of ``4GB`` (1000s), ``512MiB`` (1024s), or a bare number of bytes.

    >>> size("4GB"), size("1.5KiB"), size(100)
    (4000000000, 1536, 100)

    Raises:
        ValueError: anything else, and zero.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or (match[3] and not match[2]):
        raise ValueError("expected a size such as '4GB' or '512MiB'")
    table = _BINARY if match[3] else _BYTES
    result = int(float(match[1]) * table[match[2].upper()])
    if result <= 0:
        raise ValueError("a size must be more than nothing")
    return result


def spoken(amount: float) -> str:
    """Bytes as a person says them, in 1000s.

    >>> spoken(512), spoken(1_500_000), spoken(40_000_000_000)
    ('512 B', '1.5 MB', '40.0 GB')
    """
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if amount < 1000 or unit == "TB":
            break
        amount /= 1000
    return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"
