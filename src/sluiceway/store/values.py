"""Between Python values and what a database and JSON can hold; the way in is where secrets end."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from sluiceway.secrets import MASK, redact, redact_tree

__all__ = ["clean_config", "config_hash", "metric", "outgoing", "plain", "text"]

_SECRET_KEY = re.compile(r"(?i)(^|_)(password|passwd|pwd|secret|token|hmac|(api|access|private)_?key)$")
_EXACT = 2**53


def text(value: str) -> str:
    """``value`` without secrets and without what PostgreSQL can't hold: NUL and lone surrogates.

    >>> text("a\\x00b password=hunter2")
    'a\\\\x00b password=***'
    """
    return redact(value).replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()


def plain(value: Any) -> Any:
    """``value`` as JSON can hold it, redacted: what is no JSON becomes text, which keeps it exact.

    >>> from decimal import Decimal
    >>> plain({"a": Decimal("1.10"), 2: (float("nan"), None)})
    {'a': '1.10', '2': ['nan', None]}
    """
    return _plain(redact_tree(value))


def _plain(value: Any) -> Any:
    match value:
        case None | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case str():
            return text(value)
        case datetime():
            return outgoing(value) if value.tzinfo else value.isoformat(sep=" ")
        case date():
            return value.isoformat()
        case bytes():
            return text(value.hex())
        case Mapping():
            return {text(str(key)): _plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(item) for item in value]
    return text(str(value))


def clean_config(raw: Any) -> Any:
    """A configuration snapshot: ``${VAR}`` stays, a literal behind a key that names a secret goes.

    >>> clean_config({"url": "postgres://bob:hunter2@db/x", "password": "abc", "token": "${TOKEN}"})
    {'url': 'postgres://bob:***@db/x', 'password': '***', 'token': '${TOKEN}'}
    """
    return plain(_hide(raw))


def _hide(value: Any, secret: bool = False) -> Any:
    if isinstance(value, Mapping):
        return {key: _hide(item, bool(_SECRET_KEY.search(str(key)))) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_hide(item, secret) for item in value]
    if not secret or value is None or isinstance(value, bool):
        return value
    return value if isinstance(value, str) and re.fullmatch(r"\$\{\w+\}", value) else MASK


def config_hash(pipeline: str, raw: Any) -> str:
    """The same for the same content, in whatever order its keys stand."""
    return hashlib.sha256(json.dumps([pipeline, raw], sort_keys=True).encode()).hexdigest()


def metric(value: Any) -> tuple[float | None, str | None]:
    """(number, text) of a metric; text where a double does not hold it.

    >>> metric(3), metric("b"), metric(2**53 + 1), metric(None)
    ((3.0, None), (None, 'b'), (9007199254740992.0, '9007199254740993'), (None, None))
    """
    if value is None:
        return None, None
    if isinstance(value, int):
        if abs(value) < 2**1023:
            return float(value), None if abs(value) <= _EXACT else str(value)
        return None, str(value)
    if isinstance(value, float) and math.isfinite(value):
        return value, None
    shown = plain(value)
    return None, shown if isinstance(shown, str) else json.dumps(shown)


def outgoing(value: Any) -> Any:
    """A column's value as it stands in a JSON document: times as ISO 8601 in UTC.

    >>> outgoing(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    '2026-01-02T03:04:05.000000Z'
    """
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    return value
