"""A pipeline's jobs as the queue wants them."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sluiceway.ids import new_run_id
from sluiceway.spec.pipeline import PipelineConfig, build_config
from sluiceway.spec.project import find_pipeline
from sluiceway.spec.variables import has_variable, substitute
from sluiceway.store.queue import JobRequest
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sluiceway.spec.model import Project
    from sluiceway.store.queue import Trigger

__all__ = ["once_key", "request_of", "settled", "trigger", "version_file"]

_SETTLED = ("schedule", "timezone", "sla", "pool", "priority", "retry", "max_active_runs", "depends_on")


def request_of(
    config: PipelineConfig,
    trigger: Trigger,
    *,
    nominal_at: datetime | None = None,
    payload: Mapping[str, Any] | None = None,
    once_key: str | None = None,
    dedup_key: str | None = None,
    group_id: str | None = None,
    priority: int | None = None,
    due_at: datetime | None = None,
    text: str | None = None,
    parallel: int = 1,
    after: tuple[str, ...] = (),
) -> JobRequest:
    """A run of this pipeline. One at a time, unless ``max_active_runs`` says more and its runs read from no
    cursor: the next one begins where the last one ended.

    Args:
        after: pipelines whose last run it waits for.
        parallel: of an interval of a backfill: how many of the pipeline's are run at once.
        due_at: when it may begin; now if absent.
        text: what it reads in place of the pipeline's file, which broke since.
    """
    if any(map(has_variable, (config.pool, config.priority, config.retry.attempts, config.max_active_runs))):
        config = settled(config)
    payload = {**(payload or {}), **({} if text is None else {"text": text})}
    key, at_once = f"pipeline {config.pipeline}", 1
    if parallel > 1:  # beside the ordinary runs, whose cursors they leave alone
        key, at_once = f"intervals {config.pipeline}", parallel
    elif trigger != "backfill" and not _moves_cursors(config):
        at_once = config.max_active_runs
    return JobRequest(
        config.pipeline, trigger, payload, due_at=due_at, nominal_at=nominal_at, once_key=once_key,
        dedup_key=dedup_key, concurrency_key=key, concurrency=at_once, pool=config.pool,
        priority=config.priority if priority is None else priority, attempts=config.retry.attempts,
        group_id=group_id, after=after,
    )  # fmt: skip


def _moves_cursors(config: PipelineConfig) -> bool:
    return any(isinstance(source, dict) and source.get("incremental") for source in config.sources.values())


def once_key(pipeline: str, moment: datetime) -> str:
    """The key of a schedule's moment: the queue takes it once.

    >>> once_key("orders", datetime(2026, 1, 1, 6, tzinfo=UTC))
    'schedule orders 2026-01-01T06:00:00+00:00'
    """
    return f"schedule {pipeline} {moment.isoformat()}"


def settled(config: PipelineConfig) -> PipelineConfig:
    """With the variables put in of what schedulers and queues look at; of the rest only runs are to know.

    Raises:
        SpecError: a variable is not defined, or what it holds is not what the key takes; with the place.
    """
    written = config.declared()
    values = {key: written[key] for key in ("pipeline", *_SETTLED) if key in written}
    put_in = substitute(values, config.where)
    if put_in == values:
        return config
    found = build_config(PipelineConfig, put_in, config.where)
    return config.model_copy(update={key: getattr(found, key) for key in values})


def trigger(
    project: Project,
    environment: str,
    pipeline: str,
    *,
    at: datetime | None = None,
    variables: Mapping[str, Any] | None = None,
    full_refresh: bool = False,
) -> str:
    """Put one run of a pipeline into the queue now; gives the run's id.

    Raises:
        SpecError: there is no such pipeline, or its file can't be read.
    """
    config = PipelineConfig.load(find_pipeline(project, pipeline))
    payload = {"vars": dict(variables or {}), "full_refresh": full_refresh}
    request = request_of(config, "manual", nominal_at=at, payload=payload)
    run_id = new_run_id()
    with Store.open(project.metadata) as store:
        store.queue.put(environment, [replace(request, run_id=run_id)], datetime.now(UTC))
    return run_id


def version_file(project: Project, pipeline: str, text: str) -> Path:
    """A file with the version of a pipeline that a job brought with it: its own file broke since."""
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    file = project.folder / ".sluiceway" / "versions" / f"{pipeline}-{digest}.yml"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_suffix(f".{os.getpid()}")
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(file)
    return file
