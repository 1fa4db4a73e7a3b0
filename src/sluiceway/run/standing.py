"""Data as it stands, opened to be looked at: a file, a table, a dataset, rows that Python holds.

Whoever looks at data outside a run, such as ``check``, begins here, so that all take the same things and
open them the same way: read-only, in a sealed engine.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway import plugins
from sluiceway.connectors.base import ConnectorContext, Read
from sluiceway.connectors.memory import MemoryConfig, memory_connector
from sluiceway.engines.base import EngineSettings
from sluiceway.errors import EngineError, PlanError, SourceError, did_you_mean
from sluiceway.run.inplace import metadata
from sluiceway.run.reach import Reach
from sluiceway.run.resolve import fits, open_engine, side_of
from sluiceway.run.warehouse import sink_of
from sluiceway.schema import Schema, TableName
from sluiceway.spec.resolve import environment_of, warehouse_config

if TYPE_CHECKING:
    from sluiceway.connectors.base import Sink, Source
    from sluiceway.engines.base import Engine
    from sluiceway.spec.model import EnvironmentSpec, Project

__all__ = ["Bounds", "Standing", "kind_of_file", "standing"]

Bounds = Mapping[str, tuple[Any, Any, int | None]]
"""Column -> (least, greatest, NULLs), as metadata proves it."""

_BY_SUFFIX = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json",
    ".parquet": "parquet",
}  # fmt: skip
_PACKED = (".gz", ".zst", ".bz2")


@dataclass(frozen=True)
class Standing:
    """Something that can be queried. ``sql`` is a SELECT in the engine's dialect; ``rows`` and ``bounds``
    are what its metadata proves, if any; ``dataset`` is OpenLineage's (namespace, name)."""

    name: str
    schema: Schema
    sql: str
    engine: Engine
    dataset: tuple[str, str]
    rows: int | None = None
    bounds: Bounds = field(default_factory=dict)
    environment: EnvironmentSpec | None = None


def kind_of_file(target: str) -> str | None:
    """The connector for a file's name; None where it is none that Sluiceway knows.

    >>> kind_of_file("data/a.csv.gz"), kind_of_file("mart.orders")
    ('csv', None)
    """
    path = Path(target)
    if path.suffix.lower() in _PACKED:
        path = path.with_suffix("")
    return _BY_SUFFIX.get(path.suffix.lower())


@contextmanager
def standing(
    target: Any,
    *,
    project: Project | None = None,
    environment: str | None = None,
    folder: Path | None = None,
    memory_limit: str | None = None,
    threads: int | None = None,
    snapshot: int | None = None,
) -> Iterator[Standing]:
    """Open ``target`` for reading.

    Args:
        target: a file or glob (CSV, JSON, Parquet); ``NAMESPACE.NAME``, a dataset of the environment's
            warehouse; ``CONNECTION:TABLE``, a table of one of the project's connections; or rows: an Arrow
            table, a pandas or Polars frame, a list of dicts.
        folder: what file paths are relative to; the working folder if absent.
        snapshot: a dataset as of this snapshot of its warehouse.

    Raises:
        PlanError: no such thing, or a snapshot of what has none. SourceError, EngineError: it can't be read.
    """
    env = None if project is None else environment_of(project, environment)
    settings = env.engine if env is not None and isinstance(target, str) else EngineSettings()
    settings = replace(
        settings, memory_limit=memory_limit or settings.memory_limit, threads=threads or settings.threads
    )
    with ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="sluiceway-"))
        engine = open_engine(settings, Path(scratch))
        stack.callback(engine.close)
        if isinstance(target, Path):
            target = str(target)
        if snapshot is not None:
            opened = _snapshot(target, snapshot, project, env, engine)
        elif not isinstance(target, str):
            connector = memory_connector(target)
            opened = _source(connector.source, MemoryConfig(type="memory"), "data", folder, engine)
        elif kind_of_file(target) is not None:
            opened = _file(target, folder, engine)
        elif ":" in target:
            opened = _connection(target, project, env, engine)
        else:
            opened = _dataset(target, project, env, engine)
        yield replace(stack.enter_context(opened), environment=env)


def _file(target: str, folder: Path | None, engine: Engine) -> Any:
    kind = kind_of_file(target)
    assert kind is not None
    connector = plugins.load("connectors", kind)
    config = connector.source_config.model_validate({"type": kind, "path": target})
    return _source(connector.source, config, target, folder, engine)


def _connection(target: str, project: Project | None, env: EnvironmentSpec | None, engine: Engine) -> Any:
    """``CONNECTION:TABLE``."""
    name, _, table = target.partition(":")
    if project is None or env is None:
        raise PlanError(
            f"'{target}' names a connection, and there is no project to look it up in",
            hint="pass --project DIR",
        )
    if name not in env.connections:
        raise PlanError(f"there is no connection '{name}'", hint=did_you_mean(name, list(env.connections)))
    declared = dict(env.connections[name])
    connector = plugins.load("connectors", str(declared.get("type")))
    if connector.source is None or connector.source_config is None:
        raise PlanError(f"{connector.name} can't be read from")
    config = connector.source_config.model_validate({**declared, "table": table})
    return _source(connector.source, config, target, project.folder, engine)


@contextmanager
def _snapshot(
    target: Any, snapshot: int, project: Project | None, env: EnvironmentSpec | None, engine: Engine
) -> Iterator[Standing]:
    """A dataset as it was: what the warehouse's own connector reads ``version`` of."""
    if not isinstance(target, str) or kind_of_file(target) is not None or ":" in target:
        raise PlanError(f"{target if isinstance(target, str) else 'data'} keeps no snapshots",
                        hint="name a dataset of the warehouse, NAMESPACE.NAME")  # fmt: skip
    if project is None or env is None:
        raise PlanError(f"there is no project to look for {target} in", hint="pass --project DIR")
    connector, config = warehouse_config(project, env)
    if connector.source_config is None or "version" not in connector.source_config.model_fields:
        raise PlanError(
            f"the warehouse of environment {env.name} is {connector.name}, which keeps no snapshots",
            hint="compare two ranges of a time column, or two files",
        )
    given = {k: v for k, v in dict(config).items() if k in connector.source_config.model_fields}
    table = str(TableName.parse(target))
    source = connector.source_config.model_validate({**given, "table": table, "version": snapshot})
    with ExitStack() as stack:
        try:
            opened = stack.enter_context(_source(connector.source, source, table, project.folder, engine))
        except SourceError as error:
            if "o snapshot found" not in error.message and "does not exist" not in error.message:
                raise
            raise PlanError(
                f"there is no {table} at snapshot {snapshot} of the warehouse",
                hint="which run made which: sluiceway runs list --json",
            ) from error
        yield opened


@contextmanager
def _source(make: Any, config: Any, name: str, folder: Path | None, engine: Engine) -> Iterator[Standing]:
    source: Source = make(config, ConnectorContext(project=folder or Path.cwd(), name=name, engine=engine))
    try:
        schema = source.schema()
        reach = Reach(engine)
        sql = reach.scan(name, source, Read())
        if sql is None:
            _, sql = reach.fetch(name, source, Read())
        bounds, rows = metadata(source)
        engine.seal(source.folders())
        try:
            yield Standing(name, schema, sql, engine, source.dataset(), rows, bounds)
        except EngineError as error:
            told = source.failure(error)
            if told is None:
                raise
            raise told from error
    finally:
        source.close()


@contextmanager
def _dataset(
    target: str, project: Project | None, env: EnvironmentSpec | None, engine: Engine
) -> Iterator[Standing]:
    if project is None or env is None:
        raise PlanError(
            f"'{target}' is no file that Sluiceway knows, and there is no project to look for a dataset in",
            hint="name a .csv, .json, .jsonl or .parquet file, or pass --project",
        )
    sink: Sink = sink_of(project, env)
    try:
        fits(sink, env.engine)
        sink.open(side_of(engine, sink))
        table = TableName.parse(target)
        found = sink.columns(table)
        if found is None:
            raise PlanError(f"there is no table {table} in the warehouse of environment {env.name}")
        engine.seal(sink.folders())
        yield Standing(target, found, Reach(engine).table(sink, table), engine, sink.dataset(table))
    finally:
        sink.close()
