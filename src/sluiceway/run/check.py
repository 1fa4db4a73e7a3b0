"""Judge without loading: a pipeline's result, a dataset as it stands, or a file against a contract."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.errors import ConfigError, DataQualityError, PlanError, SluicewayError
from sluiceway.ids import new_run_id
from sluiceway.plan.build import plain
from sluiceway.plan.nodes import AuditGate, AuditSource
from sluiceway.rules.base import BATCH, RuleContext
from sluiceway.rules.fuse import Check, assign, number_checks
from sluiceway.run.audit import Audit, Sampling, with_bounds
from sluiceway.run.bind import Relations
from sluiceway.run.facts import dataset_of
from sluiceway.run.gate import decide, dimensions, score
from sluiceway.run.inplace import metadata
from sluiceway.run.metrics import Measuring, past_of
from sluiceway.run.prepared import prepared
from sluiceway.run.quarantine_rows import kept_of
from sluiceway.run.reading import reading, unchanged
from sluiceway.run.result import CheckResult, NodeResult, RunResult
from sluiceway.run.runner import run
from sluiceway.run.standing import Standing, standing
from sluiceway.run.target import bind_target
from sluiceway.spec.contract import load_contract
from sluiceway.spec.model import QualitySpec
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from sluiceway.run.telling import Progress
    from sluiceway.spec.model import ContractSpec, Pipeline, Project

__all__ = ["check_data", "check_pipeline", "metadata", "plain"]


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
        count, results = audit.in_place([*checks, *execution.measuring.check(bounds)], rows, sampling)
        unchanged(execution.opened)
        gate = _in_order(execution.measuring.take(results), checks)
        found += gate
        result.samples = {
            c.id: audit.samples(c, BATCH, sampling)
            for c in checks
            if c.bit is not None and results[c.id].failing
        }
        result.execution_time = time.monotonic() - begun
        _conclude(result, found, pipeline.quality, count, audit.scans)
        table = pipeline.destination.table
        output = dataset_of(execution.opened.sink.dataset(table), plan.output, str(table))
        metrics = execution.measuring.as_dict(count, bounds, gate)
    result.nodes = (NodeResult("audit", result.execution_time, count),)
    _record(pipeline.project, result, output, metrics, raw=pipeline.raw)
    return result


def _in_order(results: Mapping[str, CheckResult], checks: Sequence[Check]) -> list[CheckResult]:
    return [results[check.id] for check in checks]


def check_data(
    target: Any,
    contract: Path | ContractSpec,
    *,
    project: Project | None = None,
    environment: str | None = None,
    folder: Path | None = None,
    memory_limit: str | None = None,
    threads: int | None = None,
    quality: QualitySpec | None = None,
    name: str = "data",
) -> RunResult:
    """Judge what stands by a contract: whatever ``standing`` takes.

    What metadata proves is not read; the rest takes as few scans as is fastest.

    Args:
        contract: its file, or its rules where they come from elsewhere.
        folder: what file paths are relative to; the working folder if absent.
        quality: thresholds, weights, samples, and which metrics are kept.
        name: what rows that Python holds are called in the history.
    """
    begun = time.monotonic()
    output: dict[str, Any] | None = None
    metrics: dict[str, Any] = {}
    spec = load_contract(contract, project=project) if isinstance(contract, Path) else contract
    held = not isinstance(target, str | Path)
    name = name if held else str(target)
    result = RunResult(new_run_id(), f"check {name}", environment or "", table=str(name))
    opened = standing(
        target,
        project=project,
        environment=environment,
        folder=folder,
        memory_limit=memory_limit,
        threads=threads,
    )
    try:
        with opened as found:
            data = replace(found, dataset=(found.dataset[0], name)) if held else found
            result.environment = data.environment.name if data.environment is not None else ""
            output = dataset_of(data.dataset, data.schema, result.table)
            metrics = _judge(result, spec, data, quality or QualitySpec(), project)
    except SluicewayError as error:
        if isinstance(error, ConfigError):
            raise
        result.status, result.error = "failed", error
    result.execution_time = time.monotonic() - begun
    if project is not None:
        _record(project, result, output, metrics)
    return result


def _judge(
    result: RunResult, spec: ContractSpec, data: Standing, quality: QualitySpec, project: Project | None
) -> dict[str, Any]:
    rules, schema, engine = tuple(spec.rules), data.schema, data.engine
    if not rules:
        raise PlanError("the contract has no rules to check", hint="add quality: to a property or the schema")
    relations = Relations(engine.capabilities.dialect, hints=engine.capabilities.cte_hints)
    relations.scan(BATCH, data.sql, schema=schema)
    context = RuleContext(
        schema=schema,
        where=rules[0].where,
        started_at=f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}",
        bounds=data.bounds,
        past=_past(project, result, spec, data),
    )
    checks = []
    for declared in rules:
        own = replace(context, where=declared.where)
        declared.rule.validate_for(own)
        checks.append(Check("", declared.rule, declared.where, own, "gate"))
    planned = with_bounds(assign(number_checks(checks)), data.bounds)
    audit = Audit(engine, relations, {})
    begun = time.monotonic()
    hidden = frozenset(name.casefold() for name in spec.classified)
    sampling = Sampling(kept_of(schema), (), hidden, quality.samples)
    measuring = Measuring(schema, quality, context.started_at, hidden, dialect=engine.capabilities.dialect)
    everything = [*planned, *measuring.check(data.bounds)]
    count, results = audit.in_place(everything, data.rows, sampling)
    results = measuring.take(results)
    ordered = [results[check.id] for check in planned]
    result.samples = {
        r.check.id: audit.samples(r.check, BATCH, sampling)
        for r in ordered
        if r.failing and r.check.bit is not None
    }
    _conclude(result, ordered, quality, count, audit.scans)
    result.nodes = (NodeResult("audit", time.monotonic() - begun, count),)
    return measuring.as_dict(count, data.bounds, ordered)


def _past(
    project: Project | None, result: RunResult, spec: ContractSpec, data: Standing
) -> dict[str, tuple[tuple[Any, ...], ...]]:
    """What the contract's rules remember of earlier checks of the same target."""
    rules = [declared.rule for declared in spec.rules]
    if project is None or not any(rule.remembers() for rule in rules):
        return {}
    with Store.open(project.metadata) as store:
        return past_of(
            store, rules, pipeline=result.pipeline, environment=result.environment, dataset=data.dataset
        )


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


def _record(
    project: Project,
    result: RunResult,
    output: dict[str, Any] | None,
    metrics: dict[str, Any],
    raw: Mapping[str, Any] | None = None,
) -> None:
    """A check leaves its trace in the history like a run; ``output`` is the dataset that was judged."""
    from sluiceway.events import RunFinished

    with Store.open(project.metadata) as store:
        now = datetime.now(UTC)
        store.begin_run(
            run_id=result.run_id, pipeline=result.pipeline, environment=result.environment,
            started_at=now, kind="check", config_raw=None if raw is None else dict(raw),
        )  # fmt: skip
        store.record_event(
            RunFinished(
                result.run_id, result.pipeline, now,
                environment=result.environment, status=result.status, seconds=result.execution_time,
                verdict=result.verdict.outcome if result.verdict else None,
                quality_score=result.quality_score, dimensions=dict(result.dimensions),
                records=result.records.as_dict(), output=output, metrics=metrics,
                checks=tuple({**c.as_dict(), "source": c.check.source} for c in result.checks),
                error=result.error.as_dict() if result.error else None,
            )
        )  # fmt: skip
        for check_id, rows in result.samples.items():
            store.record_samples(result.run_id, check_id, rows)
