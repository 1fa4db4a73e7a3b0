"""``PipelineOrchestrator`` and ``DataPipelineMonitor``: the Python doors. Thin: the logic is beside them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.errors import ConfigError
from sluiceway.orchestrate.index import scheduled
from sluiceway.spec.pipeline import PipelineConfig
from sluiceway.spec.project import find_pipeline, load_project
from sluiceway.spec.resolve import environment_of
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sluiceway.orchestrate.backfill import Backfill
    from sluiceway.orchestrate.health import HealthResult
    from sluiceway.orchestrate.watch import Execution
    from sluiceway.spec.model import Project

__all__ = ["DataPipelineMonitor", "PipelineAlert", "PipelineOrchestrator", "ScheduleResult"]


@dataclass(frozen=True)
class ScheduleResult:
    """A pipeline's schedule. ``next_at`` in UTC; None where the clock is not its reason, or it is paused."""

    pipeline: str
    environment: str
    paused: bool
    next_at: datetime | None


@dataclass(frozen=True)
class PipelineAlert:
    """An open alert of a pipeline: raised ``count`` times from ``first_at`` to ``last_at``, in UTC."""

    pipeline: str
    kind: str
    severity: str
    title: str
    message: str
    run_id: str | None
    count: int
    first_at: datetime
    last_at: datetime


class _Door:
    def __init__(self, project: Project | str | Path | None = None, environment: str | None = None) -> None:
        """
        Args:
            project: a project or its folder; the working folder's if absent.

        Raises:
            SpecError: there is none. PlanError: it has no such environment.
        """
        folder = Path(project) if isinstance(project, str | Path) else project
        self.project = load_project(folder) if folder is None or isinstance(folder, Path) else folder
        self.environment = environment_of(self.project, environment).name


class PipelineOrchestrator(_Door):
    """When pipelines run, and how their runs go.

    >>> import asyncio
    >>> async def now_and_wait(folder):
    ...     orchestrator = PipelineOrchestrator(folder)
    ...     run_id = await orchestrator.trigger_pipeline("orders")
    ...     await orchestrator.work()
    ...     return (await orchestrator.monitor_pipeline_execution(run_id)).status
    """

    async def schedule_pipeline(
        self, pipeline: str, *, paused: bool = False, reason: str | None = None
    ) -> ScheduleResult:
        """Pause or resume the schedule that the pipeline's file declares.

        Raises:
            ConfigError: there is no such pipeline, or its file declares no schedule.
        """
        return await asyncio.to_thread(self._schedule, pipeline, paused, reason)

    def _schedule(self, pipeline: str, paused: bool, reason: str | None) -> ScheduleResult:
        config = PipelineConfig.load(find_pipeline(self.project, pipeline))
        spec = scheduled(config)
        if spec is None:
            raise ConfigError(f"{pipeline} has no schedule", hint='write one: schedule: "0 6 * * *"')
        now = datetime.now(UTC)
        with Store.open(self.project.metadata) as store:
            store.schedules.pause(self.environment, config.pipeline, paused, reason, now)
        next_at = spec.next(now) if spec.timed and not paused else None
        return ScheduleResult(config.pipeline, self.environment, paused, next_at)

    async def trigger_pipeline(
        self,
        pipeline: str,
        *,
        at: datetime | None = None,
        variables: Mapping[str, Any] | None = None,
        full_refresh: bool = False,
    ) -> str:
        """Put one run into the queue; gives its id. A naive ``at`` is UTC."""
        from sluiceway.orchestrate.requests import trigger

        return await asyncio.to_thread(
            trigger, self.project, self.environment, pipeline,
            at=at, variables=variables, full_refresh=full_refresh,
        )  # fmt: skip

    async def backfill_pipeline(
        self,
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
        """Put a run of each interval from ``start`` up to ``end`` into the queue, each once; ``work`` or
        workers run them, ``parallel`` at once (``max_active_runs`` if absent). Times without a zone are meant
        in the pipeline's ``timezone``.

        Raises:
            ConfigError: no range, or no way to cut it. PlanError: by intervals it makes no sense.
        """
        from sluiceway.orchestrate.backfill import request

        return await asyncio.to_thread(
            request, self.project, self.environment, pipeline, start, end,
            every=every, chunk=chunk, again=again, reverse=reverse, parallel=parallel,
        )  # fmt: skip

    async def work(self, slots: int | None = None) -> None:
        """Run what the queue holds, until it is empty."""
        from sluiceway.orchestrate.worker import Worker

        worker = Worker(self.project, self.environment, slots=slots)
        await asyncio.to_thread(worker.run, "idle")

    async def cancel_run(self, run_id: str) -> bool:
        """Take a run out of the queue, or tell it to stop; False where the queue has none that goes on."""
        return await asyncio.to_thread(self._cancel, run_id)

    def _cancel(self, run_id: str) -> bool:
        with Store.open(self.project.metadata) as store:
            return any(store.queue.cancel(self.environment, datetime.now(UTC), run_id=run_id))

    async def monitor_pipeline_execution(self, run_id: str) -> Execution:
        """How a run of the queue goes: its node, its time beside what is usual, its memory.

        Raises:
            StoreError: the queue has no such run.
        """
        from sluiceway.orchestrate.watch import monitor_pipeline_execution

        return await asyncio.to_thread(monitor_pipeline_execution, run_id, self.project)


class DataPipelineMonitor(_Door):
    """How pipelines fare."""

    async def monitor_pipeline_health(self, pipeline: str, window: timedelta | None = None) -> HealthResult:
        """The health score of 0 to 100 with its parts and issues; it is kept as history.

        Raises:
            ConfigError: there is no such pipeline.
        """
        from sluiceway.orchestrate.health import monitor_pipeline_health

        return await asyncio.to_thread(
            monitor_pipeline_health, pipeline, self.project, self.environment, window=window
        )

    async def health_history(self, pipeline: str, limit: int = 100) -> list[dict[str, Any]]:
        """The last points, newest first: ``{at, score, parts, issues}``."""

        def look() -> list[dict[str, Any]]:
            with Store.open(self.project.metadata) as store:
                return store.health.history(self.environment, pipeline, limit)

        return await asyncio.to_thread(look)

    async def pipeline_alerts(self, pipeline: str | None = None) -> tuple[PipelineAlert, ...]:
        """Open alerts of one pipeline, or of all: what failed, is late or long, or fares badly."""
        return await asyncio.to_thread(self._alerts, pipeline)

    def _alerts(self, pipeline: str | None) -> tuple[PipelineAlert, ...]:
        with Store.open(self.project.metadata) as store:
            found = store.alerts.alerts(self.environment, limit=None)
        return tuple(
            PipelineAlert(
                a["pipeline"], a["kind"], a["severity"], a["title"], a["message"], a["run_id"], a["count"],
                datetime.fromisoformat(a["first_at"]), datetime.fromisoformat(a["last_at"]),
            )
            for a in found
            if a["pipeline"] is not None and pipeline in (None, a["pipeline"])
        )  # fmt: skip
