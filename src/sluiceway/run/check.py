"""Judge without loading: a pipeline's result, a dataset as it stands, or a file against a contract."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway import plugins
from sluiceway.connectors.base import ConnectorContext, Read
from sluiceway.engines.base import EngineSettings
from sluiceway.errors import ConfigError, DataQualityError, EngineError, PlanError, SluicewayError
from sluiceway.ids import new_run_id
from sluiceway.plan.build import plain
from sluiceway.plan.nodes import AuditGate, AuditSource
from sluiceway.rules.base import BATCH, RuleContext
from sluiceway.rules.fuse import Check, assign, number_checks
from sluiceway.run.audit import Audit, Sampling, with_bounds
from sluiceway.run.bind import Relations
from sluiceway.run.gate import decide, dimensions, score
from sluiceway.run.inplace import metadata
from sluiceway.run.prepared import prepared
from sluiceway.run.quarantine_rows import kept_of
from sluiceway.run.reach import Reach
from sluiceway.run.reading import reading, unchanged
from sluiceway.run.resolve import fits, open_engine, side_of
from sluiceway.run.result import CheckResult, NodeResult, RunResult
from sluiceway.run.runner import Progress, run
from sluiceway.run.target import bind_target
from sluiceway.run.warehouse import sink_of
from sluiceway.schema import Schema, TableName
from sluiceway.spec.contract import load_contract
from sluiceway.spec.model import DeclaredRule, QualitySpec
from sluiceway.spec.resolve import environment_of
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from sluiceway.connectors.base import Sink, Source
    from sluiceway.engines.base import Engine
    from sluiceway.spec.model import EnvironmentSpec, Pipeline, Project

__all__ = ["check_data", "check_pipeline", "metadata", "plain"]

_BY_SUFFIX = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json",
    ".parquet": "parquet",
}  # fmt: skip


def check_pipeline(pipeline: Pipeline, *, progress: Progress | None = None) -> RunResult:
    """Compute the pipeline's result and judge it, without loading and without touching its state.

    A result that is a plain scan is judged where it lies; else it is staged once, like in a run.
    """
    if plain(pipeline):
        return _check_scan(pipeline)
    return run(pipeline, dry_run=True, progress=progress)


def _check_scan(pipeline: Pipeline) -> RunResult:
    begun = time.monotonic()
    result = RunResult(
        new_run_id(), pipeline.name, pipeline.environment.name, table=str(pipeline.destination.table)
    )
    with prepared(pipeline) as (plan, execution), reading(execution.opened):
        audit = execution.audit
        found: list[CheckResult] = []
        for node in plan.select(AuditSource):
            execution.judge_in_place_of(node.source)
            found += _in_order(audit.in_place(node.checks)[1], node.checks)
        spec = pipeline.sources[plan.last]
        bounds, rows = ({}, None) if spec.config.filters else metadata(execution.opened.sources[plan.last])
        checks = with_bounds(plan.select(AuditGate)[0].checks, bounds)
        execution.judge_in_place_of(plan.last)
        bind_target(execution)
        hidden = plan.hidden.get("gate", frozenset())
        kept = kept_of(plan.relations[plan.last])
        sampling = Sampling(kept, pipeline.destination.key, hidden, pipeline.quality.samples)
        count, results = audit.in_place(checks, rows, sampling)
        unchanged(execution.opened)
        found += _in_order(results, checks)
        result.samples = {
            c.id: audit.samples(c, BATCH, sampling)
            for c in checks
            if c.bit is not None and results[c.id].failing
        }
        result.execution_time = time.monotonic() - begun
        _conclude(result, found, pipeline.quality, count, audit.scans)
    result.nodes = (NodeResult("audit", result.execution_time, count),)
    _record(pipeline.project, result)
    return result


def _in_order(results: Mapping[str, CheckResult], checks: Sequence[Check]) -> list[CheckResult]:
    return [results[check.id] for check in checks]


def check_data(
    target: str,
    contract: Path,
    *,
    project: Project | None = None,
    environment: str | None = None,
    folder: Path | None = None,
    memory_limit: str | None = None,
    threads: int | None = None,
) -> RunResult:
    """Judge what stands: a file (glob) or a dataset ``namespace.name`` of the warehouse.

    What metadata proves is not read; the rest takes as few scans as is fastest.

    Args:
        folder: what file paths are relative to; the working folder if absent.
    """
    begun = time.monotonic()
    spec = load_contract(contract, project=project)
    rules = tuple(spec.rules)
    result = RunResult(new_run_id(), f"check {target}", environment or "", table=target)
    with tempfile.TemporaryDirectory(prefix="sluiceway-") as scratch:
        env = _environment(project, environment)
        settings = env.engine if env is not None else EngineSettings()
        settings = replace(
            settings,
            memory_limit=memory_limit or settings.memory_limit,
            threads=threads or settings.threads,
        )
        engine = open_engine(settings, Path(scratch))
        try:
            with _target(target, project, env, engine, folder or Path.cwd()) as (schema, sql, bounds, rows):
                _judge(
                    result, rules, spec.raw, schema, sql, bounds, rows, engine, QualitySpec(), spec.classified
                )
        except SluicewayError as error:
            if isinstance(error, ConfigError):
                raise
            result.status, result.error = "failed", error
        finally:
            engine.close()
    result.execution_time = time.monotonic() - begun
    result.environment = env.name if env is not None else ""
    if project is not None:
        _record(project, result)
    return result


def _environment(project: Project | None, name: str | None) -> EnvironmentSpec | None:
    if project is None:
        return None
    return environment_of(project, name)


Target = tuple[Schema, str, Mapping[str, tuple[Any, Any, int | None]], int | None]


@contextmanager
def _target(
    target: str, project: Project | None, env: EnvironmentSpec | None, engine: Engine, folder: Path
) -> Iterator[Target]:
    kind = _BY_SUFFIX.get(Path(target).suffix.lower())
    if kind is not None:
        connector = plugins.load("connectors", kind)
        config = connector.source_config.model_validate({"type": kind, "path": target})
        source: Source = connector.source(config, ConnectorContext(project=folder, name=target))
        try:
            schema = source.schema()
            reach = Reach(engine)
            sql = reach.scan(target, source, Read())
            if sql is None:
                _, sql = reach.fetch(target, source, Read())
            bounds, rows = metadata(source)
            engine.seal(source.folders())
            try:
                yield schema, sql, bounds, rows
            except EngineError as error:
                told = source.failure(error)
                if told is None:
                    raise
                raise told from error
        finally:
            source.close()
        return
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
        yield found, Reach(engine).table(sink, table), {}, None
    finally:
        sink.close()


def _judge(
    result: RunResult,
    rules: tuple[DeclaredRule, ...],
    raw: Mapping[str, Any],
    schema: Schema,
    sql: str,
    bounds: Mapping[str, tuple[Any, Any, int | None]],
    rows: int | None,
    engine: Engine,
    quality: QualitySpec,
    classified: frozenset[str],
) -> None:
    if not rules:
        raise PlanError("the contract has no rules to check", hint="add quality: to a property or the schema")
    relations = Relations(engine.capabilities.dialect, hints=engine.capabilities.cte_hints)
    relations.scan(BATCH, sql, schema=schema)
    context = RuleContext(
        schema=schema,
        where=rules[0].where,
        started_at=f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}",
        bounds=bounds,
    )
    checks = []
    for declared in rules:
        own = replace(context, where=declared.where)
        declared.rule.validate_for(own)
        checks.append(Check("", declared.rule, declared.where, own, "gate"))
    planned = with_bounds(assign(number_checks(checks)), bounds)
    audit = Audit(engine, relations, {})
    begun = time.monotonic()
    hidden = frozenset(name.casefold() for name in classified)
    sampling = Sampling(kept_of(schema), (), hidden, quality.samples)
    count, results = audit.in_place(planned, rows, sampling)
    ordered = [results[check.id] for check in planned]
    result.samples = {
        r.check.id: audit.samples(r.check, BATCH, sampling)
        for r in ordered
        if r.failing and r.check.bit is not None
    }
    _conclude(result, ordered, quality, count, audit.scans)
    result.nodes = (NodeResult("audit", time.monotonic() - begun, count),)


def _conclude(
    result: RunResult, ordered: list[CheckResult], quality: QualitySpec, rows: int, scans: int
) -> None:
    verdict = decide(
        ordered,
        quality,
        run_id=result.run_id,
        staging_id="",
        published=rows,
        turned_away=0,
        replace_empty=False,
    )
    result.checks, result.verdict, result.scans = tuple(ordered), verdict, scans
    result.records.read = result.records.staged = rows
    result.dimensions = dimensions(ordered)
    result.quality_score = score(result.dimensions, quality.weights)
    if verdict.outcome == "block":
        result.status = "blocked"
        result.error = DataQualityError(f"{result.table} does not pass: {'; '.join(verdict.reasons[:3])}")
        result.error.result = result
    else:
        result.status = "succeeded"


def _record(project: Project, result: RunResult) -> None:
    """A check leaves its trace in the history like a run."""
    from sluiceway.events import RunFinished

    with Store.open(project.metadata) as store:
        now = datetime.now(UTC)
        store.begin_run(
            run_id=result.run_id, pipeline=result.pipeline, environment=result.environment,
            started_at=now, kind="check",
        )  # fmt: skip
        store.record_event(
            RunFinished(
                result.run_id, result.pipeline, now,
                environment=result.environment, status=result.status, seconds=result.execution_time,
                records=result.records.as_dict(), checks=tuple(c.as_dict() for c in result.checks),
                error=result.error.as_dict() if result.error else None,
            )
        )  # fmt: skip
        for check_id, rows in result.samples.items():
            store.record_samples(result.run_id, check_id, rows)
