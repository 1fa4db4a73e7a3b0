"""Ranges of time as people write them, and what is none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from sluiceway.errors import ConfigError
from sluiceway.quality.ranges import parse_range

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("30d", "2026-03-01T12:00", "2026-03-31T12:00"),
        ("12w", "2026-01-06T12:00", "2026-03-31T12:00"),
        ("24h", "2026-03-30T12:00", "2026-03-31T12:00"),
        ("30d..7d", "2026-03-01T12:00", "2026-03-24T12:00"),
        ("2026-03-01", "2026-03-01T00:00", "2026-03-02T00:00"),
        ("2026-03-01 .. 2026-03-31", "2026-03-01T00:00", "2026-04-01T00:00"),
        ("2026-03-01T06:00..2026-03-01T07:30", "2026-03-01T06:00", "2026-03-01T07:30"),
        ("2026-03-01T06:00+02:00..2026-03-02", "2026-03-01T04:00", "2026-03-03T00:00"),
        ("2026-03-01..", "2026-03-01T00:00", "2026-03-31T12:00"),
        ("2026-03-01..1d", "2026-03-01T00:00", "2026-03-30T12:00"),
    ],
)
def test_a_range(text: str, start: str, end: str) -> None:
    found = parse_range(text, NOW)
    moments = [
        moment.replace(tzinfo=None).isoformat(timespec="minutes") for moment in (found.start, found.end)
    ]
    assert moments == [start, end]


@pytest.mark.parametrize(
    "text",
    ["", "30", "3x", "d", "..", "30d..60d", "2026-02-30", "2026-13-01", "yesterday", "-5d", "99999999w",
             "2026-03-02..2026-03-01", "0d"],
)  # fmt: skip
def test_no_range(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_range(text, NOW)
    assert "30d" in str(caught.value.hint)


def test_now_may_be_of_any_zone() -> None:
    there = NOW.astimezone(timezone(timedelta(hours=5)))
    assert parse_range("1d", there).end == NOW
