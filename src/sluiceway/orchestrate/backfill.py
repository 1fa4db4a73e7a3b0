"""Backfills: the intervals of a range of time, each a run of its own, each once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sluiceway.errors import ConfigError
from sluiceway.ids import new_run_id
from sluiceway.orchestrate.requests import request_of, settled
from sluiceway.run.window import refuse
from sluiceway.spec.pipeline import PipelineConfig
from sluiceway.spec.project import find_pipeline
from sluiceway.spec.resolve import resolve
from sluiceway.spec.schedule import ScheduleSpec
from sluiceway.store.store import Store
from sluiceway.units import duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sluiceway.spec.model import Project

__all__ = [
    "MOST",
    "Backfill",
    "begin",
    "intervals",
    "known",
    "moment",
    "pause",
    "request",
    "rerun_failed",
    "resume",
]

MOST = 10_000
"""Runs of one backfill."""
Interval = tuple[datetime, datetime]


@dataclass(frozen=True)
class Backfill:
    """What was begun. ``queued`` runs of ``intervals``; the others had been queued by an earlier one."""

    id: str
    pipeline: str
    intervals: int
    queued: int

    def as_dict(self) -> dict[str, Any]:
        return dict(vars(self))


def intervals(
    start: datetime, end: datetime, schedule: ScheduleSpec | None, every: str | None, chunk: int = 1
) -> list[Interval]:
    """The range cut at the schedule's moments, or each ``every`` from its start; ``chunk`` of them at a time.

    Raises:
        ConfigError: an empty range, no way to cut it, or more than ``MOST`` pieces.

    >>> from datetime import UTC, datetime, timedelta
    >>> day = datetime(2026, 1, 1, tzinfo=UTC)
    >>> [(a.day, b.day) for a, b in intervals(day, day + timedelta(days=5), None, "1d", chunk=2)]
    [(1, 3), (3, 5), (5, 6)]
    """
    if start >= end:
        raise ConfigError(f"--from {start:%Y-%m-%d %H:%M} is not before --to {end:%Y-%m-%d %H:%M}")
    if every is not None:
        schedule = ScheduleSpec(every=_seconds(every), start=start.isoformat())
    if schedule is None or not schedule.timed:
        raise ConfigError(
            "the pipeline has no schedule that says how to cut the range", hint="say it: --every 1d"
        )
    cuts = [start]
    for moment in schedule.moments(start):
        if moment >= end:
            break
        cuts.append(moment)
        if len(cuts) > MOST * chunk:
            raise ConfigError(
                f"that makes more than {MOST:,} runs", hint="take a longer --every, or --chunk N"
            )
    cuts = [*cuts[::chunk], end]
    return list(pairwise(cuts))


def _seconds(every: str) -> float:
    try:
        seconds = duration(every)
    except ValueError as error:
        raise ConfigError(f"--every {every}: {error}") from None
    if seconds < 1:
        raise ConfigError("--every is one second at least")
    return seconds


def moment(text: str, timezone: str, option: str) -> datetime:
    """A bound of a range. Without a zone it is meant in the pipeline's ``timezone``, as its schedule is.

    Raises:
        ConfigError: it is no date or time.

    >>> moment("2026-07-01", "Europe/Amsterdam", "--from").isoformat()
    '2026-06-30T22:00:00+00:00'
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"{option} '{text}' is no date or time",
            hint=f"write {option} 2026-01-31 or {option} 2026-01-31T06:00:00+01:00",
        ) from None
    return (found.replace(tzinfo=ZoneInfo(timezone)) if found.tzinfo is None else found).astimezone(UTC)


def request(
    project: Project,
    environment: str,
    pipeline: str,
    start: str,
    end: str,
    *,
    every: str | None = None,
    chunk: int = 1,
    again: bool = False,
    reverse: bool = False,
    parallel: int | None = None,
) -> Backfill:
    """What ``sluiceway backfill PIPELINE --detach`` does.

    Raises:
        ConfigError: no range, or no way to cut it. PlanError: by intervals it makes no sense.
    """
    config = PipelineConfig.load(find_pipeline(project, pipeline))
    resolved = resolve(config, project, environment=environment)
    side_by_side = parallel or resolved.max_active_runs
    refuse(resolved, again=again, reverse=reverse, parallel=side_by_side)
    first, last = moment(start, resolved.timezone, "--from"), moment(end, resolved.timezone, "--to")
    cut = intervals(first, last, resolved.schedule, every, chunk)
    with Store.open(project.metadata) as store:
        return begin(
            store, environment, config, cut, datetime.now(UTC),
            again=again, reverse=reverse, parallel=side_by_side,
        )  # fmt: skip


def begin(
    store: Store,
    environment: str,
    config: PipelineConfig,
    cut: Sequence[Interval],
    now: datetime,
    *,
    id: str | None = None,
    again: bool = False,
    reverse: bool = False,
    parallel: int = 1,
) -> Backfill:
    """Put the runs into the queue. The same interval of the same pipeline is never queued twice, whichever
    backfill asks: begun again after a crash, or by two people at once, it is the same runs.

    Args:
        again: run intervals that were run before too.
        reverse: the last interval first.
        parallel: so many of the pipeline's intervals are run at once, beside its ordinary runs.

    They wait behind the pipeline's ordinary runs: their priority is less by ten.
    """
    group = id or new_run_id()
    # the cuts are kept, so that one that was killed right here is put into the queue whole by ``resume``
    store.groups.begin(
        group, environment, "backfill", config.pipeline,
        {
            "from": cut[0][0].isoformat(), "to": cut[-1][1].isoformat(), "intervals": len(cut),
            "again": again, "reverse": reverse, "parallel": parallel,
            "cuts": [start.isoformat() for start, _ in cut] + [cut[-1][1].isoformat()],
        }, now,
    )  # fmt: skip
    return _put(
        store, environment, config, group, cut, now, again=again, reverse=reverse, parallel=parallel
    )  # fmt: skip


def resume(store: Store, environment: str, config: PipelineConfig, id: str, now: datetime) -> Backfill:
    """Go on with one that was paused, or killed: what is not in the queue yet is put there.

    Raises:
        ConfigError: there is none with this id, or it was cancelled.
    """
    group = known(store, id)
    if group["state"] == "cancelled":
        raise ConfigError(
            f"backfill {id} was cancelled",
            hint=f"sluiceway backfill resume {id} --rerun-failed runs the rest",
        )
    payload = group["payload"]
    cut = list(pairwise(datetime.fromisoformat(text) for text in payload["cuts"]))
    made = _put(
        store, environment, config, id, cut, now,
        again=payload["again"], reverse=payload["reverse"], parallel=payload.get("parallel", 1),
    )  # fmt: skip
    released = store.queue.release(environment, id, now)
    store.groups.set(id, now, state="running")
    return replace(made, queued=made.queued + released)


def rerun_failed(store: Store, environment: str, config: PipelineConfig, id: str, now: datetime) -> int:
    """Put the intervals whose last run failed, was blocked or cancelled into the queue again; how many.

    Asked for twice, each is queued once.
    """
    parallel = known(store, id)["payload"].get("parallel", 1)
    config = settled(config)
    last: dict[tuple[str, ...], dict[str, Any]] = {}
    for job in reversed(store.queue.jobs(environment, group_id=id, limit=None)):
        last[tuple(job["payload"]["interval"])] = job
    requests = [
        request_of(
            config, "backfill", nominal_at=datetime.fromisoformat(interval[1]), payload=job["payload"],
            once_key=f"backfill again {job['id']}", group_id=id, priority=config.priority - 10,
            parallel=parallel,
        )
        for interval, job in last.items() if job["status"] in ("failed", "blocked", "cancelled", "skipped")
    ]  # fmt: skip
    store.groups.set(id, now, state="running")
    return sum(job is not None for job in store.queue.put(environment, requests, now))


def pause(store: Store, environment: str, id: str, now: datetime) -> int:
    """Begin no more of its runs; how many wait. What runs goes on to its end.

    Raises:
        ConfigError: there is none with this id, or it is over.
    """
    group = known(store, id)
    if group["state"] not in ("running", "paused"):
        raise ConfigError(f"backfill {id} is {group['state']}", hint="see: sluiceway backfill list")
    store.groups.set(id, now, state="paused")
    return store.queue.hold(environment, id)


def known(store: Store, id: str) -> dict[str, Any]:
    """Raises ConfigError where there is none with this id."""
    group = store.groups.one(id)
    if group is None or group["kind"] != "backfill":
        raise ConfigError(f"there is no backfill '{id}'", hint="see: sluiceway backfill list")
    return group


def _put(
    store: Store,
    environment: str,
    config: PipelineConfig,
    group: str,
    cut: Sequence[Interval],
    now: datetime,
    *,
    again: bool,
    reverse: bool,
    parallel: int,
) -> Backfill:
    config = settled(config)
    mark = f" {group}" if again else ""
    requests = [
        request_of(
            config, "backfill", nominal_at=end,
            payload={"interval": [start.isoformat(), end.isoformat()]},
            once_key=f"backfill {config.pipeline} {start.isoformat()} {end.isoformat()}{mark}",
            group_id=group, priority=config.priority - 10, parallel=parallel,
        )
        for start, end in (reversed(cut) if reverse else cut)
    ]  # fmt: skip
    found = store.queue.put(environment, requests, now)
    return Backfill(group, config.pipeline, len(cut), sum(job is not None for job in found))
