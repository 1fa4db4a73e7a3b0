"""The history that ``anomaly`` trains on: which points, how many, and what to say while they are few."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any

from sluiceway.rules.metrics import finite

if TYPE_CHECKING:
    from sluiceway.rules.base import Past
    from sluiceway.rules.robust import Point, Seasonality

__all__ = ["Training", "moment", "span", "train"]

PERIOD = timedelta(days=60)
_LEAST = 60
_MOST = 500
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Training:
    """``points`` are in order of time. ``missing`` says why they do not suffice; '' where they do."""

    points: tuple[Point, ...]
    missing: str = ""


def moment(text: str) -> datetime:
    """
    >>> moment("2026-11-23T05:00:00.000000Z").hour
    5
    """
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def train(
    past: Sequence[Past],
    at: datetime,
    *,
    least: int,
    period: timedelta | None = None,
    exclude: Sequence[tuple[date, date]] = (),
    blocked: bool = False,
    seasonality: Seasonality = "auto",
) -> Training:
    """The points before ``at`` that count.

    Left out: those at or after it (a clock that jumped), what is no finite number, runs that the gate
    blocked, and days in ``exclude``. Without ``period`` the last 60 days are taken, or the newest 60
    points where those days hold fewer; never more than 500.

    >>> from sluiceway.rules.base import Past
    >>> start = datetime(2026, 11, 1, tzinfo=UTC)
    >>> past = [Past((start + timedelta(days=n)).isoformat(), 5.0) for n in range(4)]
    >>> train(past, start + timedelta(days=3), least=14).missing
    'training: 3 of 14 points'
    """
    found = []
    for item in past:
        when, value = moment(item.at), finite(item.value)
        day = when.date()
        if value is None or when >= at or (item.blocked and not blocked):
            continue
        if not any(first <= day <= last for first, last in exclude):
            found.append((when, value))
    found.sort()
    recent = [point for point in found if point[0] >= at - (period or PERIOD)]
    if period is None and len(recent) < _LEAST:
        recent = found[-_LEAST:]
    points = tuple(recent[-_MOST:])
    return Training(points, _missing(points, least, seasonality))


def _missing(points: Sequence[Point], least: int, seasonality: Seasonality) -> str:
    if len(points) < least:
        return f"training: {len(points)} of {least} points"
    if seasonality == "none" or len(points) < 2:
        return ""
    usual = timedelta(seconds=median((b[0] - a[0]).total_seconds() for a, b in itertools.pairwise(points)))
    covered = points[-1][0] - points[0][0]
    if timedelta(minutes=30) <= usual < _DAY / 2 and covered < 2 * _DAY - usual:
        hours = math.floor(covered.total_seconds() / 3600)
        return f"training: {hours} hours, and two days show whether there is a pattern by the hour"
    return ""


def span(text: Any) -> tuple[date, date]:
    """A day, or two with a slash between them.

    >>> span("2026-07-01/2026-08-31")
    (datetime.date(2026, 7, 1), datetime.date(2026, 8, 31))
    """
    first, _, last = str(text).partition("/")
    try:
        return date.fromisoformat(first.strip()), date.fromisoformat((last or first).strip())
    except ValueError:
        raise ValueError(f"'{text}' is no day; write 2026-12-25 or 2026-07-01/2026-08-31") from None
