"""When a pipeline runs: cron and its nights of a changed clock, intervals, wrong texts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise, takewhile
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluiceway.errors import SpecError
from sluiceway.spec.pipeline import PipelineConfig
from sluiceway.spec.schedule import ScheduleConfig, ScheduleSpec, schedule_of

if TYPE_CHECKING:
    from pathlib import Path

BEGIN, END = datetime.fromisoformat("2020-01-01"), datetime.fromisoformat("2030-01-01")
AMSTERDAM, NEW_YORK, LORD_HOWE = "Europe/Amsterdam", "America/New_York", "Australia/Lord_Howe"


def local(cron: str, zone: str, start: str, count: int) -> list[str]:
    spec = ScheduleSpec(crons=(cron,), timezone=zone)
    found = islice(
        spec.moments(datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)), count
    )
    return [m.astimezone(ZoneInfo(zone)).strftime("%d %H:%M%z") for m in found]


@pytest.mark.parametrize(
    ("cron", "zone", "start", "expected"),
    [
        # the hour that is left out: what was due in it runs once, right after it
        ("30 2 * * *", AMSTERDAM, "2026-03-28T12:00", ["29 03:00+0200", "30 02:30+0200"]),
        ("30 2 * * *", NEW_YORK, "2026-03-07T12:00", ["08 03:00-0400", "09 02:30-0400"]),
        # the hour that comes twice: what names an hour runs once
        ("30 2 * * *", AMSTERDAM, "2026-10-24T12:00", ["25 02:30+0200", "26 02:30+0100"]),
        ("30 1 * * *", NEW_YORK, "2026-10-31T12:00", ["01 01:30-0400", "02 01:30-0500"]),
        # what runs each hour runs by real time, three times in these four
        ("0 * * * *", AMSTERDAM, "2026-03-29T00:30",
         ["29 01:00+0100", "29 03:00+0200", "29 04:00+0200"]),
        ("0 * * * *", AMSTERDAM, "2026-10-25T01:30",
         ["25 02:00+0200", "25 02:00+0100", "25 03:00+0100"]),
        # half an hour, as nowhere else
        ("*/30 * * * *", LORD_HOWE, "2026-10-04T01:15", ["04 01:30+1030", "04 02:30+1100"]),
    ],
)  # fmt: skip
def test_nights_of_a_changed_clock(cron: str, zone: str, start: str, expected: list[str]) -> None:
    assert local(cron, zone, start, len(expected)) == expected


@settings(max_examples=60, deadline=None)
@given(
    st.datetimes(BEGIN, END, timezones=st.just(UTC)),
    st.sampled_from([AMSTERDAM, NEW_YORK, LORD_HOWE, "UTC", "Asia/Kolkata"]),
    st.sampled_from([0, 7, 30, 59]),
)
def test_each_hour_is_each_real_hour(start: datetime, zone: str, minute: int) -> None:
    """Against a naive walk over every minute: those whose local minute is the one."""
    spec = ScheduleSpec(crons=(f"{minute} * * * *",), timezone=zone)
    begin = start.replace(second=0, microsecond=0)
    walked = (begin + timedelta(minutes=n) for n in range(1, 24 * 60))
    naive = [m for m in walked if m.astimezone(ZoneInfo(zone)).minute == minute]
    found = []
    for moment in spec.moments(begin):
        if moment > naive[-1]:
            break
        found.append(moment)
    if zone != LORD_HOWE:  # its clock moves by half an hour: cron's hour and the real one part there
        assert found == naive
    assert found == sorted(set(found))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 100_000),
    st.datetimes(BEGIN, END, timezones=st.just(UTC)),
)
def test_intervals_are_the_same_wherever_one_begins_to_look(seconds: int, start: datetime) -> None:
    spec = ScheduleSpec(every=float(seconds))
    found = list(islice(spec.moments(start), 6))
    assert all(b - a == timedelta(seconds=seconds) for a, b in pairwise(found))
    assert found[0] > start
    assert found[0] - start <= timedelta(seconds=seconds)
    assert list(islice(spec.moments(found[2]), 3)) == found[3:]


def test_several_reasons_are_one_row_of_moments_each_once() -> None:
    spec = ScheduleSpec(crons=("0 * * * *", "*/30 * * * *"), every=1800.0)
    found = list(islice(spec.moments(datetime(2026, 1, 1, tzinfo=UTC)), 4))
    assert [f"{m:%H:%M}" for m in found] == ["00:30", "01:00", "01:30", "02:00"]


def test_start_and_end_bound_it() -> None:
    spec = ScheduleSpec(crons=("0 0 * * *",), start="2026-02-01", end="2026-02-03")
    found = list(spec.moments(datetime(2020, 1, 1, tzinfo=UTC)))
    assert [f"{m:%m-%d}" for m in found] == ["02-01", "02-02", "02-03"]
    assert spec.next(datetime(2026, 2, 3, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        ("0 25 * * *", "bad hour"),
        ("0 6 * *", "4 fields"),
        ("* * * * * *", "6 fields"),
        ("0 0 31 2 *", "bad day"),
        ("@fortnightly", "1 fields"),
        ("every soon", "duration"),
        ("every 10ms", "one second"),
        ({"cron": "0 6 * * *", "evry": "5m"}, "evry"),
        ({"catchup": "all"}, "needs one of"),
        ({"every": "1h", "catchup": "some"}, "latest"),
        ({"every": "1h", "start": "tomorrow"}, "2026-01-31"),
        ({"files": "a/*.csv", "when": "never"}, "any"),
        ({"files": "s3://bucket/*.csv"}, "every: 5m"),
        ({"cron": "0 6 * * *", "jitter": "soon"}, "duration"),
    ],
)
def test_what_is_no_schedule_says_where_and_what_to_write(
    tmp_path: Path, declared: object, says: str
) -> None:
    file = tmp_path / "p.yml"
    file.write_text(f"pipeline: p\nschedule: {declared!r}\n", encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        PipelineConfig.load(file)
    assert says in str(caught.value)
    assert caught.value.where is not None
    assert caught.value.where.line == 2
    assert "schedule" in str(caught.value.where.key)


def test_a_text_and_a_mapping_say_the_same() -> None:
    text = schedule_of("0 6 * * 1-5", AMSTERDAM)
    assert text == schedule_of(ScheduleConfig(cron=["0  6 * * 1-5"]), AMSTERDAM)
    assert schedule_of(None) is None


CRONS = st.sampled_from(
    ["30 2 * * *", "0 0 * * *", "15 1-3 * * *", "5 0,12 1 * *", "*/15 * * * *", "10 * * * 1-5", "0 3 29 2 *"]
)
ZONES = st.sampled_from(
    [AMSTERDAM, NEW_YORK, "UTC", "Asia/Kolkata", "Africa/Cairo", "America/Santiago", "Pacific/Chatham"]
)


@settings(max_examples=150, deadline=None)
@given(CRONS, ZONES, st.datetimes(BEGIN, END, timezones=st.just(UTC)), st.integers(1, 60 * 24 * 10))
def test_the_last_moment_is_found_from_behind(cron: str, zone: str, after: datetime, minutes: int) -> None:
    spec = ScheduleSpec(crons=(cron,), timezone=zone)
    until = after + timedelta(minutes=minutes)
    forward = list(takewhile(lambda m: m <= until, spec.moments(after)))
    assert spec.latest(after, until) == (forward[-1] if forward else None)


@settings(max_examples=150, deadline=None)
@given(CRONS, ZONES, st.datetimes(BEGIN, END, timezones=st.just(UTC)), st.integers(0, 3 * 24 * 60))
def test_where_one_begins_to_look_changes_no_moment(
    cron: str, zone: str, after: datetime, minutes: int
) -> None:
    """Else two schedulers with different memories would queue different moments."""
    spec = ScheduleSpec(crons=(cron,), timezone=zone)
    later = after + timedelta(minutes=minutes)
    whole = list(takewhile(lambda m: m <= later + timedelta(days=2), spec.moments(after)))
    assert [m for m in whole if m > later] == list(
        takewhile(lambda m: m <= later + timedelta(days=2), spec.moments(later))
    )


@settings(max_examples=100, deadline=None)
@given(
    ZONES,
    st.datetimes(BEGIN, END, timezones=st.just(UTC)),
    st.integers(0, 23),
    st.integers(0, 59),
)
def test_what_names_an_hour_runs_once_each_local_day(
    zone: str, start: datetime, hour: int, minute: int
) -> None:
    """Against a naive walk over days: at its local time, the first of two, or at the end of a gap."""
    tz = ZoneInfo(zone)
    spec = ScheduleSpec(crons=(f"{minute} {hour} * * *",), timezone=zone)
    first = start.astimezone(tz).date() + timedelta(days=1)
    expected = []
    for n in range(400):
        wanted = datetime.combine(first + timedelta(days=n), datetime.min.time().replace(hour, minute))
        moment = wanted.replace(tzinfo=tz).astimezone(UTC)
        if moment.astimezone(tz).replace(tzinfo=None) != wanted:  # it is left out: walk to the gap's end
            moment = moment.replace(second=0)
            while (moment - timedelta(minutes=1)).astimezone(tz).replace(tzinfo=None) > wanted:
                moment -= timedelta(minutes=1)
        expected.append(moment)
    begin = datetime.combine(first, datetime.min.time(), tz).astimezone(UTC) - timedelta(microseconds=1)
    assert list(islice(spec.moments(begin), 400)) == expected


def test_variables_are_checked_when_they_have_their_value(tmp_path: Path) -> None:
    file = tmp_path / "p.yml"
    file.write_text("pipeline: p\nschedule: {cron: '${CRON}', start: '${START}'}\n", encoding="utf-8")
    assert PipelineConfig.load(file).schedule is not None
