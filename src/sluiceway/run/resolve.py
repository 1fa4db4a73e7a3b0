"""The only I/O before the plan: open engine, destination and sources; ask schemas and state."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sluiceway import plugins
from sluiceway.connectors.base import ConnectorContext
from sluiceway.errors import PlanError, Where, did_you_mean
from sluiceway.plan.build import build
from sluiceway.run.metrics import pipeline_past
from sluiceway.schema import Schema, TableName
from sluiceway.transforms.python import Python
from sluiceway.units import size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from sluiceway.connectors.base import Sink, Source
    from sluiceway.engines.base import Engine, EngineSettings
    from sluiceway.events import EventBus
    from sluiceway.exchange import Cursor
    from sluiceway.plan.nodes import Plan
    from sluiceway.spec.model import Pipeline
    from sluiceway.store.store import Store

__all__ = ["Resolved", "fits", "open_engine", "open_sink", "open_source", "resolved", "side_of"]

_ENGINE_SHARE = 0.6
"""Of a process's memory_limit that the engine's buffer gets when it has no limit of its own."""


@dataclass
class Resolved:
    """Everything that is open for one run. ``datasets``: tables of the warehouse that SQL names;
    ``state``: the marks of incremental sources, not asked for where there is none; ``owed``: who was told of
    runs that could not say themselves that they had been published, and is to hear that they are over."""

    pipeline: Pipeline
    engine: Engine
    sink: Sink
    sources: dict[str, Source]
    schemas: dict[str, Schema]
    target: Schema | None
    datasets: dict[str, Schema]
    state: tuple[Cursor, ...]
    started_at: datetime
    staging: Path
    engine_settings: EngineSettings
    fingerprints: dict[str, str | None] = field(default_factory=dict)
    owed: list[EventBus] = field(default_factory=list)

    def over(self) -> tuple[str, ...]:
        """Locks are given back: whoever waited for that acts; what could not be done is said."""
        return tuple(said for bus in self.owed for said in bus.over())

    def plan(self, *, count_reads: bool = False, store: Store | None = None, run_id: str = "") -> Plan:
        """The plan over what was found. ``store``: the metadata store, if it is open; ``run_id``: the run
        that is planned, which is no part of its own history."""
        _refuse_python(self.pipeline, self.engine)
        return build(
            self.pipeline,
            self.schemas,
            target=self.target,
            datasets=self.datasets,
            started_at=self.started_at,
            count_reads=count_reads,
            dialect=self.engine.capabilities.dialect,
            spools=self.engine.capabilities.spools,
            unsupported=self.sink.unsupported,
            in_place=self.sink.capabilities.rewrites and self.engine.capabilities.prunes,
            past=pipeline_past(
                self.pipeline, self.sink.dataset(self.pipeline.destination.table), store, run_id
            ),
        )


def _refuse_python(pipeline: Pipeline, engine: Engine) -> None:
    if engine.capabilities.python:
        return
    for declared in pipeline.steps:
        if isinstance(declared.step, Python):
            raise PlanError(
                f"the engine {engine.name} can't run a Python step: its rows would have to leave",
                where=declared.where,
                hint="use engine: duckdb or spark, or write the step in SQL",
            )


def engine_settings(pipeline: Pipeline) -> EngineSettings:
    """The environment's engine; its buffer is 60 % of the pipeline's memory_limit if not said."""
    settings = pipeline.environment.engine
    if settings.memory_limit is None and pipeline.memory_limit is not None:
        megabytes = max(64, int(pipeline.memory_limit * _ENGINE_SHARE) // 1_000_000)
        settings = replace(settings, memory_limit=f"{megabytes}MB")
    if settings.memory_limit is not None:
        size(settings.memory_limit)
    return settings


def open_engine(settings: EngineSettings, staging: Path) -> Engine:
    engine: Engine = plugins.load("engines", settings.type)()
    engine.connect(settings, staging)
    return engine


def context(pipeline: Pipeline, started_at: datetime, name: str = "") -> ConnectorContext:
    return ConnectorContext(
        project=pipeline.project.folder,
        name=name,
        started_at=started_at,
        lock_timeout=pipeline.destination.lock_timeout,
    )


def open_sink(pipeline: Pipeline, started_at: datetime) -> Sink:
    """The destination's warehouse, not yet attached anywhere."""
    destination = pipeline.destination
    if destination.connector.sink is None:
        raise PlanError(f"{destination.connector.name} can't be written to", where=destination.where)
    sink = destination.connector.sink(destination.config, context(pipeline, started_at))
    fits(sink, pipeline.environment.engine, destination.where)
    return sink


def fits(sink: Sink, settings: EngineSettings, where: Where | None = None) -> None:
    """Raise PlanError where another engine than the environment's must publish to this warehouse."""
    wanted = sink.capabilities.engine
    if wanted is not None and settings.type != wanted:
        kind = sink.config.type
        raise PlanError(
            f"a {kind} warehouse is written by {wanted}, and this environment's engine is {settings.type}",
            where=where,
            hint=f"write engine: {{type: {wanted}, conf: …}}: sluiceway connectors {kind} shows the settings",
        )


def side_of(engine: Engine, sink: Sink) -> Engine:
    """The engine that the sink is opened on: the one that it publishes by, else the connectors' own."""
    inside = engine.capabilities.publishes or sink.capabilities.engine == engine.name
    return engine if inside else engine.local


def open_source(
    pipeline: Pipeline,
    name: str,
    started_at: datetime,
    sink: Sink | None = None,
    engine: Engine | None = None,
) -> Source:
    spec = pipeline.sources[name]
    if spec.connector.source is None:
        raise PlanError(f"{spec.connector.name} can't be read from", where=spec.where)
    ctx = replace(context(pipeline, started_at, name), where=spec.where, sink=sink, engine=engine)
    return spec.connector.source(spec.config, ctx)


@contextmanager
def resolved(
    pipeline: Pipeline,
    *,
    started_at: datetime,
    staging: Path,
    named: Sequence[str],
    holder: str | None = None,
    lane: str | None = None,
    keep: Callable[[], bool] = lambda: False,
) -> Iterator[Resolved]:
    """Open everything, and close it whatever happens.

    Args:
        named: relations that steps and rules read and that are neither sources nor steps: tables of
            the warehouse.
        holder: who runs; the pipeline is locked in its name until everything is closed. None: no lock.
        lane: of the pipeline, where its runs may go side by side; only this is locked.
        keep: asked at the end whether the staging folder stays.
    """
    with ExitStack() as stack:
        settings = engine_settings(pipeline)
        engine = open_engine(settings, staging)
        stack.callback(_clear, engine, staging, keep)
        sink = open_sink(pipeline, started_at)
        stack.callback(sink.close)
        sink.open(side_of(engine, sink))
        if holder is not None:
            name = f"pipeline {pipeline.name}" + (f" {lane}" if lane else "")
            stack.enter_context(sink.lock(name, pipeline.destination.lock_timeout, holder))
        sources: dict[str, Source] = {}
        for name in pipeline.sources:
            sources[name] = open_source(pipeline, name, started_at, sink, engine)
            stack.callback(sources[name].close)
        incremental = any(spec.incremental is not None for spec in pipeline.sources.values())
        fingerprints = {name: source.fingerprint() for name, source in sources.items()}
        yield Resolved(
            pipeline=pipeline,
            engine=engine,
            sink=sink,
            sources=sources,
            schemas=_schemas(sources),
            target=sink.columns(pipeline.destination.table),
            datasets=_datasets(sink, named, pipeline),
            state=sink.state(pipeline.name) if incremental else (),
            started_at=started_at,
            staging=staging,
            engine_settings=settings,
            fingerprints=fingerprints,
        )


def _clear(engine: Engine, staging: Path, keep: Callable[[], bool]) -> None:
    engine.close()
    if not keep():
        for folder in {staging, engine.staging}:
            shutil.rmtree(folder, ignore_errors=True)


def _schemas(sources: Mapping[str, Source]) -> dict[str, Schema]:
    """All sources' schemas, asked side by side: most of the time is waiting."""
    if len(sources) == 1:
        return {name: source.schema() for name, source in sources.items()}
    with ThreadPoolExecutor(max_workers=4) as pool:
        futures = {name: pool.submit(source.schema) for name, source in sources.items()}
        return {name: future.result() for name, future in futures.items()}


def _datasets(sink: Sink, named: Sequence[str], pipeline: Pipeline) -> dict[str, Schema]:
    found: dict[str, Schema] = {}
    for name in named:
        schema = sink.columns(TableName.parse(name)) if name.count(".") <= 1 else None
        if schema is None and name.casefold() == str(pipeline.destination.table).casefold():
            continue  # a rule that refers to the table itself, before it exists: the batch is all there is
        if schema is None:
            there = [*pipeline.sources, *(s.step.name for s in pipeline.steps if s.step.name)]
            raise PlanError(
                f"'{name}' is neither a source, nor a step, nor a table of the warehouse",
                hint=did_you_mean(name, there),
            )
        found[name] = schema
    return found
