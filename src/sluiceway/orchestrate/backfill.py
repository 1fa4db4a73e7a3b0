"""Backfills: the intervals of a range of time, each a run of its own, each once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from sluiceway.errors import ConfigError
from sluiceway.ids import new_run_id
from sluiceway.orchestrate.requests import request_of
from sluiceway.spec.schedule import ScheduleSpec
from sluiceway.units import duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sluiceway.spec.pipeline import PipelineConfig
    from sluiceway.store.store import Store

__all__ = ["MOST", "Backfill", "begin", "intervals"]

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


def begin(
    store: Store,
    environment: str,
    config: PipelineConfig,
    cut: Sequence[Interval],
    now: datetime,
    *,
    id: str | None = None,
    again: bool = False,
) -> Backfill:
    """Put the runs into the queue. The same range of the same pipeline is never queued twice, whichever
    backfill asks: begun again after a crash, or by two people at once, it is the same runs.

    Args:
        again: run intervals that were run before too.

    They wait behind the pipeline's ordinary runs: their priority is less by ten.
    """
    group = id or new_run_id()
    store.groups.begin(
        group, environment, "backfill", config.pipeline,
        {"from": cut[0][0].isoformat(), "to": cut[-1][1].isoformat(), "intervals": len(cut)}, now,
    )  # fmt: skip
    mark = f" {group}" if again else ""
    requests = [
        request_of(
            config, "backfill", nominal_at=end,
            payload={"interval": [start.isoformat(), end.isoformat()]},
            once_key=f"backfill {config.pipeline} {start.isoformat()} {end.isoformat()}{mark}",
            group_id=group, priority=config.priority - 10,
        )
        for start, end in cut
    ]  # fmt: skip
    found = store.queue.put(environment, requests, now)
    return Backfill(group, config.pipeline, len(cut), sum(job is not None for job in found))
