"""Stretches of time as people write them: ``30d``, ``12w``, ``24h``, ``30d..7d``, dates."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sluiceway.errors import ConfigError
from sluiceway.units import duration

__all__ = ["TimeRange", "parse_range"]

_HINT = "write 30d, 12w, 24h, 30d..7d, 2026-01-31, or 2026-01-01..2026-01-31"
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class TimeRange:
    """``start <= t < end``, aware times in UTC; ``text`` is what was written."""

    start: datetime
    end: datetime
    text: str

    def __str__(self) -> str:
        return f"{_shown(self.start)} to {_shown(self.end)}"


def parse_range(text: str, now: datetime | None = None) -> TimeRange:
    """A range; ages count back from ``now``, days are whole and in UTC, and an end day belongs to it.

    >>> at = datetime(2026, 3, 31, 12, tzinfo=UTC)
    >>> str(parse_range("30d", at)), str(parse_range("2026-03-01..2026-03-02", at))
    ('2026-03-01 12:00 to 2026-03-31 12:00', '2026-03-01 to 2026-03-03')

    Raises:
        ConfigError: it is no range, it is empty, or it lies before the year 1.
    """
    now = (now or datetime.now(UTC)).astimezone(UTC)
    first, dots, second = (part.strip() for part in text.partition(".."))
    if not dots and _DATE.fullmatch(first):
        second = first
    try:
        start = _moment(first, now, end=False)
        end = _moment(second, now, end=True) if second else now
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"'{text}' is no range of time: {error}", hint=_HINT) from None
    if start >= end:
        raise ConfigError(f"the range '{text}' ends before it begins", hint=_HINT)
    return TimeRange(start, end, text)


def _moment(text: str, now: datetime, *, end: bool) -> datetime:
    """An age before ``now``, a day (its end, where it ends a range), or a time."""
    if re.match(r"\d{4}-", text):
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        return moment + timedelta(days=1) if end and _DATE.fullmatch(text) else moment
    if not re.search(r"[a-z]$", text.lower()):
        raise ValueError("expected a duration such as '30d', or a date such as '2026-01-31'")
    return now - timedelta(seconds=duration(text))


def _shown(moment: datetime) -> str:
    text = moment.replace(tzinfo=None).isoformat(sep=" ", timespec="minutes")
    return text.removesuffix(" 00:00")
