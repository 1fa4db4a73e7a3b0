"""Secrets are masked at the source: a value that is registered here is cut out of every text that
leaves the process (logs, errors, events, the metadata store, explain)."""

from __future__ import annotations

import re
import threading
from typing import Any

__all__ = ["MASK", "redact", "redact_tree", "register_secret", "registered"]

MASK = "***"
_lock = threading.Lock()
_values: set[str] = set()
_URL_PASSWORD = re.compile(r"(?<=://)([^:/@\s]*):([^@/\s]+)(?=@)")
_KEYED = re.compile(
    r"(?i)\b(password|passwd|pwd|secret|token|api_?key|access_?key)(\s*[=:]\s*)('[^']*'|\"[^\"]*\"|[^\s,;)'\"]+)"
)


def register_secret(value: str | None) -> None:
    """From now on ``value`` is masked. Values of fewer than 4 characters are not: masking them
    would shred ordinary text."""
    if value and len(value) >= 4:
        with _lock:
            _values.add(value)


def registered() -> frozenset[str]:
    """All that is masked, for another process that masks what this one says."""
    with _lock:
        return frozenset(_values)


def redact(text: str) -> str:
    """``text`` without registered secrets, passwords in URLs, and ``password=…`` pairs.

    >>> redact("postgresql://bob:hunter2@db/x password=abc")
    'postgresql://bob:***@db/x password=***'
    """
    with _lock:
        values = sorted(_values, key=len, reverse=True)
    for value in values:
        text = text.replace(value, MASK)
    text = _URL_PASSWORD.sub(rf"\1:{MASK}", text)
    return _KEYED.sub(rf"\1\2{MASK}", text)


def redact_tree(value: Any) -> Any:
    """``redact`` over every string of a JSON-like value."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {key: redact_tree(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact_tree(item) for item in value]
    return value
