"""``schedule:``: when a pipeline runs. A cron expression, an interval, or what it waits for.

Cron is read by ``cronsim``, whose answers in the nights of a changed clock are Debian's: what is due in the
hour that is left out runs right after it; what names an hour runs once in the night that has it twice; what
runs each hour or each quarter runs by real time.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from sluiceway.spec.fields import Duration, Names, Strict, as_list
from sluiceway.spec.variables import has_variable
from sluiceway.units import duration

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ScheduleConfig", "ScheduleSpec", "schedule_of"]

Catchup = Literal["none", "latest", "all"]
_NICKNAMES = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}  # fmt: skip
_EVERY = re.compile(r"every\s+(.+)", re.IGNORECASE)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ScheduleConfig(Strict):
    """When a pipeline runs; several of these together are several reasons to run."""

    cron: Names | None = Field(None, description="cron expressions of five fields, in `timezone`")
    every: Duration | None = Field(None, description="an interval, counted from `start` or from 1970")
    datasets: Names | None = Field(None, description="run when these were published")
    when: Literal["any", "all"] = Field("any", description="any of the datasets, or all of them")
    files: Names | None = Field(None, description="run when files of these patterns come or change")
    catchup: Catchup = Field(
        "latest", description="moments that were missed: none, the latest of them, or all"
    )
    start: str | None = Field(None, description="the first moment, a date or a time in ISO 8601")
    end: str | None = Field(None, description="no moment after this one")
    jitter: Duration = Field(
        0, description="runs by the clock begin up to so much later, each pipeline by its own part of it"
    )

    @field_validator("cron")
    @classmethod
    def _cron(cls, value: Names | None) -> Names | None:
        for text in as_list(value) or []:
            if not has_variable(text):
                _crons(text)
        return value

    @field_validator("files")
    @classmethod
    def _files(cls, value: Names | None) -> Names | None:
        for pattern in as_list(value) or []:
            if not pattern.strip() or "://" in pattern:
                raise ValueError(
                    f"'{pattern}' is no pattern of local files; write one such as data/in/*.csv, and for an "
                    "object store an interval: every: 5m"
                )
        return value

    @field_validator("start", "end")
    @classmethod
    def _moment(cls, value: str | None) -> str | None:
        if value is not None and not has_variable(value):
            _time(value)
        return value

    @model_validator(mode="after")
    def _something(self) -> ScheduleConfig:
        if self.cron is None and self.every is None and self.datasets is None and self.files is None:
            raise ValueError("a schedule needs one of cron, every, datasets, files")
        if self.every is not None and not has_variable(self.every) and duration(self.every) < 1:
            raise ValueError("an interval is one second at least")
        return self


@dataclass(frozen=True)
class ScheduleSpec:
    """A schedule with its values. ``every`` and ``jitter`` in seconds; ``start`` and ``end`` as written."""

    crons: tuple[str, ...] = ()
    every: float | None = None
    datasets: tuple[str, ...] = ()
    when: Literal["any", "all"] = "any"
    files: tuple[str, ...] = ()
    catchup: Catchup = "latest"
    start: str | None = None
    end: str | None = None
    timezone: str = "UTC"
    jitter: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        return {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items()}

    @property
    def timed(self) -> bool:
        """Whether the clock is one of the reasons."""
        return bool(self.crons) or self.every is not None

    def begins(self) -> datetime | None:
        return None if self.start is None else _time(self.start, self.timezone)

    def moments(self, after: datetime) -> Iterator[datetime]:
        """Moments later than ``after``, in UTC, ascending, each once; without an end unless there is one.

        >>> spec = ScheduleSpec(crons=("30 2 * * *",), timezone="Europe/Amsterdam")
        >>> found = spec.moments(datetime(2026, 3, 28, 12, tzinfo=UTC))
        >>> [next(found).isoformat() for _ in range(2)]
        ['2026-03-29T01:00:00+00:00', '2026-03-30T00:30:00+00:00']
        """
        import heapq

        last = None if self.end is None else _time(self.end, self.timezone)
        begins = self.begins()
        if begins is not None:
            after = max(after, begins - timedelta(microseconds=1))
        streams = [_cron_moments(cron, self.timezone, after) for cron in self.crons]
        if self.every is not None:
            streams.append(_intervals(self.every, begins or _EPOCH, after))
        seen = after
        for moment in heapq.merge(*streams):
            if last is not None and moment > last:
                return
            if moment > seen:
                seen = moment
                yield moment

    def next(self, after: datetime) -> datetime | None:
        """The first moment later than ``after``; None where there is none."""
        return next(self.moments(after), None)

    def latest(self, after: datetime, until: datetime) -> datetime | None:
        """The last moment later than ``after`` and not later than ``until``; None where there is none.

        Looked for from ``until`` backwards, in windows that grow, so that a year's absence costs no more than
        an hour's.
        """
        back = timedelta(minutes=2)
        while True:
            begin = max(after, until - back)
            found = None
            for moment in self.moments(begin):
                if moment > until:
                    break
                found = moment
            if found is not None or begin == after:
                return found
            back *= 8

    def late(self, pipeline: str) -> timedelta:
        """How much later than its moment a run begins: a part of ``jitter``, always the same one.

        >>> spec = ScheduleSpec(every=3600.0, jitter=600.0)
        >>> timedelta(0) <= spec.late("orders") <= timedelta(minutes=10)
        True
        """
        if not self.jitter:
            return timedelta()
        # of the pipeline alone: the distances between its runs stay what they are
        part = int.from_bytes(hashlib.sha256(pipeline.encode()).digest()[:8], "big") / 2**64
        return timedelta(seconds=int(self.jitter * part))


def schedule_of(declared: str | ScheduleConfig | None, timezone: str = "UTC") -> ScheduleSpec | None:
    """What was declared, with its values; None where nothing was.

    Raises:
        ValueError: a text that is no schedule.

    >>> schedule_of("every 15m").every, schedule_of("@daily").crons
    (900.0, ('0 0 * * *',))
    """
    if declared is None:
        return None
    if isinstance(declared, str):
        every = _EVERY.fullmatch(declared.strip())
        if every:
            seconds = duration(every[1])
            if seconds < 1:
                raise ValueError("an interval is one second at least")
            return ScheduleSpec(every=seconds, timezone=timezone)
        return ScheduleSpec(crons=(_crons(declared),), timezone=timezone)
    return ScheduleSpec(
        crons=tuple(_crons(text) for text in as_list(declared.cron) or ()),
        every=None if declared.every is None else duration(declared.every),
        datasets=tuple(as_list(declared.datasets) or ()), when=declared.when,
        files=tuple(as_list(declared.files) or ()), catchup=declared.catchup,
        start=declared.start, end=declared.end, timezone=timezone, jitter=duration(declared.jitter),
    )  # fmt: skip


def _crons(text: str) -> str:
    """The expression, proven to be one."""
    from cronsim import CronSim, CronSimError

    expression = _NICKNAMES.get(text.strip().lower(), " ".join(text.split()))
    fields = len(expression.split())
    try:
        if fields != 5:
            raise CronSimError(f"it has {fields} fields, not five")
        CronSim(expression, _EPOCH)
    except CronSimError as error:
        said = str(error)
        raise ValueError(
            f"'{text}' is no cron expression: {said[:1].lower()}{said[1:]}; write minute hour day month "
            "weekday, such as '0 6 * * *', or '@daily', or 'every 15m'"
        ) from None
    return expression


def _cron_moments(cron: str, timezone: str, after: datetime) -> Iterator[datetime]:
    from cronsim import CronSim

    for moment in CronSim(cron, after.astimezone(ZoneInfo(timezone))):
        yield moment.astimezone(UTC)


def _intervals(seconds: float, anchor: datetime, after: datetime) -> Iterator[datetime]:
    """Multiples of the interval from the anchor, so that no restart moves them."""
    n = max(0, int((after - anchor).total_seconds() // seconds))
    while True:
        moment = anchor + timedelta(seconds=n * seconds)
        if moment > after:
            yield moment
        n += 1


def _time(text: str, timezone: str = "UTC") -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"'{text}' is no date or time; write 2026-01-31 or 2026-01-31T06:00") from None
    if found.tzinfo is None:
        found = found.replace(tzinfo=ZoneInfo(timezone))
    return found.astimezone(UTC)
