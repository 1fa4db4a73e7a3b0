"""``DataPipeline``: the Python door. Thin: it resolves, calls ``runner`` and names the numbers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sluiceway.connectors.memory import MemoryConfig, as_arrow, memory_connector
from sluiceway.errors import Where
from sluiceway.plan.nodes import AuditGate, AuditSource, PythonStep, Transform
from sluiceway.run.gate import dimensions, score
from sluiceway.run.prepared import prepared
from sluiceway.run.runner import run
from sluiceway.run.target import bind_target
from sluiceway.spec.model import Pipeline, Project, SourceSpec
from sluiceway.spec.project import default_project, load_project
from sluiceway.spec.resolve import resolve
from sluiceway.store.store import Store

if TYPE_CHECKING:
    import pyarrow as pa

    from sluiceway.run.execute import Execution
    from sluiceway.run.result import CheckResult, RunResult
    from sluiceway.run.telling import Progress
    from sluiceway.spec.pipeline import PipelineConfig

__all__ = [
    "DataPipeline",
    "ExtractResult",
    "LoadResult",
    "PipelineResult",
    "QualityResult",
    "TransformResult",
    "ValidationResult",
]


@dataclass(frozen=True)
class PipelineResult:
    """``records_processed``: rows published. ``execution_time`` in seconds. ``run`` has everything."""

    success: bool
    records_processed: int
    quality_score: float | None
    execution_time: float
    run: RunResult

    @property
    def run_id(self) -> str:
        return self.run.run_id

    @property
    def status(self) -> str:
        return self.run.status

    @property
    def checks(self) -> tuple[CheckResult, ...]:
        return self.run.checks


@dataclass(frozen=True)
class ExtractResult:
    """``data``: source -> Arrow table."""

    data: Mapping[str, pa.Table]
    records: int
    execution_time: float


@dataclass(frozen=True)
class TransformResult:
    data: pa.Table
    records: int
    execution_time: float


@dataclass(frozen=True)
class LoadResult:
    """``records``: rows published. ``quarantined`` were turned away at the gate."""

    success: bool
    records: int
    quarantined: int
    execution_time: float
    run: RunResult


@dataclass(frozen=True)
class ValidationResult:
    """``passed`` is what the tolerances say; ``issues`` are the checks that found something."""

    results: tuple[CheckResult, ...]

    @property
    def passed(self) -> bool:
        return not any(result.exceeded for result in self.results)

    @property
    def is_valid(self) -> bool:
        return self.passed

    @property
    def issues(self) -> tuple[CheckResult, ...]:
        return tuple(result for result in self.results if not result.passed)

    @property
    def has_issues(self) -> bool:
        return bool(self.issues)

    @property
    def errors(self) -> tuple[str, ...]:
        return tuple(f"{r.check.id}: {r.message}" for r in self.results if r.exceeded)

    @property
    def summary(self) -> dict[str, int]:
        return {
            "checks": len(self.results),
            "passed": sum(result.passed for result in self.results),
            "failed": len(self.issues),
        }


@dataclass(frozen=True)
class QualityResult(ValidationResult):
    """With the score, and whether it and the dimensions reach the thresholds."""

    score: float | None = None
    dimensions: Mapping[str, float] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)

    @property
    def passes_threshold(self) -> bool:
        known = {**self.dimensions, **({"score": self.score} if self.score is not None else {})}
        return self.passed and all(known[n] >= least for n, least in self.thresholds.items() if n in known)


class DataPipeline:
    """A pipeline in Python, with the same words as its file.

    Args:
        project: the project, or its folder; found upward from the working folder if absent. Without
            one: a lake under ``.sluiceway/lake`` of the working folder.
        data: rows that stand in for sources: a list of dicts, Arrow, pandas or Polars by source name.

    >>> import tempfile, os
    >>> from sluiceway import PipelineConfig
    >>> os.chdir(tempfile.mkdtemp())
    >>> config = PipelineConfig(
    ...     pipeline="orders",
    ...     sources={"orders": {"type": "memory"}},
    ...     rules=[{"not_null": "id"}],
    ...     destination={"table": "mart.orders"},
    ... )
    >>> result = DataPipeline(config, data={"orders": [{"id": 1}, {"id": 2}]}).run()
    >>> result.success, result.records_processed, result.quality_score
    (True, 2, 1.0)
    """

    def __init__(
        self,
        config: PipelineConfig,
        *,
        project: Project | Path | str | None = None,
        environment: str | None = None,
        variables: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        self.config = config
        self._project, self._environment = project, environment
        self._variables, self._data = variables, dict(data or {})
        self._pipeline: Pipeline | None = None

    @property
    def pipeline(self) -> Pipeline:
        """The resolved pipeline."""
        if self._pipeline is None:
            project = self._project
            if not isinstance(project, Project):
                folder = Path(project) if project is not None else None
                start = folder or (self.config.file.parent if self.config.file else None)
                project = load_project(start) if _has_project(start) else default_project(start or Path.cwd())
            pipeline = resolve(self.config, project, self._environment, self._variables)
            self._pipeline = _with_data(pipeline, self._data)
        return self._pipeline

    def run(
        self,
        *,
        full_refresh: bool = False,
        progress: Progress | None = None,
        count_reads: bool = False,
    ) -> PipelineResult:
        """Run once. ``count_reads`` counts the rows read even where that costs a spool.

        Raises:
            DataValidationError: a source's rules blocked the run.
            DataQualityError: the gate blocked it.
            SluicewayError: what else went wrong.
        """
        result = run(
            self.pipeline, full_refresh=full_refresh, progress=progress, count_reads=count_reads
        ).raise_for_status()
        return PipelineResult(
            success=result.success,
            records_processed=result.records.published,
            quality_score=result.quality_score,
            execution_time=result.execution_time,
            run=result,
        )

    async def execute_pipeline(self) -> PipelineResult:
        """``run`` in a thread; raises what it raises."""
        return await asyncio.to_thread(self.run)

    async def extract_data(self) -> ExtractResult:
        """Every source as an Arrow table."""
        return await asyncio.to_thread(self._extract)

    async def validate_data(self, data: Any = None) -> ValidationResult:
        """The sources' rules, over ``data`` (of the first source, or by source name) or the sources."""
        return await asyncio.to_thread(self._validate, data)

    async def transform_data(self, data: Any = None) -> TransformResult:
        """The steps' result, over ``data`` (of the first source, or by source name) or the sources."""
        return await asyncio.to_thread(self._transform, data)

    async def check_data_quality(self, data: Any) -> QualityResult:
        """The gate's rules over a result; loads nothing."""
        return await asyncio.to_thread(self._quality, data)

    async def load_data(self, data: Any) -> LoadResult:
        """Publish a result through the gate: there is no way to load round it."""
        return await asyncio.to_thread(self._load, data)

    async def update_metadata(self, result: PipelineResult | LoadResult) -> dict[str, Any]:
        """What the metadata store keeps of a run; the run itself has written it."""
        with Store.open(self.pipeline.project.metadata) as store:
            return dict(store.run(result.run.run_id) or {})

    # what the doors do ------------------------------------------------------------------------------

    def _extract(self) -> ExtractResult:
        begun = time.monotonic()
        with prepared(self.pipeline) as (plan, execution):
            tables = {name: _table(execution, name) for name in plan.pipeline.sources}
        return ExtractResult(tables, sum(t.num_rows for t in tables.values()), time.monotonic() - begun)

    def _validate(self, data: Any) -> ValidationResult:
        with prepared(self._given(data)) as (plan, execution):
            for audit in plan.select(AuditSource):
                execution.judge_in_place_of(audit.source)
                _, results = execution.audit.in_place(audit.checks)
                execution.results += [results[check.id] for check in audit.checks]
        return ValidationResult(tuple(execution.results))

    def _transform(self, data: Any) -> TransformResult:
        begun = time.monotonic()
        with prepared(self._given(data)) as (plan, execution):
            for node in plan.nodes:
                if isinstance(node, Transform | PythonStep):
                    execution.transform(node)
            table = _table(execution, plan.last)
        return TransformResult(table, table.num_rows, time.monotonic() - begun)

    def _quality(self, data: Any) -> QualityResult:
        quality = self.pipeline.quality
        with prepared(self._result(data)) as (plan, execution):
            gate: AuditGate = plan.select(AuditGate)[0]
            execution.judge_in_place_of(plan.last)
            bind_target(execution)
            _, results = execution.audit.in_place(gate.checks)
        found = tuple(results[check.id] for check in gate.checks)
        parts = dimensions(found)
        return QualityResult(found, score(parts, quality.weights), parts, quality.thresholds)

    def _load(self, data: Any) -> LoadResult:
        result = run(self._result(data)).raise_for_status()
        return LoadResult(
            result.success,
            result.records.published,
            result.records.quarantined,
            result.execution_time,
            result,
        )

    def _given(self, data: Any) -> Pipeline:
        """The pipeline with ``data`` in place of its sources."""
        if data is None:
            return self.pipeline
        if isinstance(data, ExtractResult):
            data = data.data
        if not isinstance(data, Mapping):
            data = {next(iter(self.pipeline.sources)): data}
        return _with_data(self.pipeline, data)

    def _result(self, data: Any) -> Pipeline:
        """The pipeline's gate and destination behind ``data``; its sources stay as parents."""
        rows = data.data if isinstance(data, TransformResult) else data
        first = _memory_source("result_to_load", rows)
        return replace(self.pipeline, sources={first.name: first, **self.pipeline.sources}, steps=())


def _has_project(folder: Path | None) -> bool:
    here = (folder or Path.cwd()).absolute()
    return any((parent / "sluiceway.yml").exists() for parent in (here, *here.parents))


def _memory_source(name: str, data: Any) -> SourceSpec:
    return SourceSpec(name, memory_connector(as_arrow(data)), MemoryConfig(type="memory"), Where(key=name))


def _with_data(pipeline: Pipeline, data: Mapping[str, Any]) -> Pipeline:
    sources = dict(pipeline.sources)
    for name, rows in data.items():
        given = _memory_source(name, rows)
        old = sources.get(name)
        sources[name] = replace(given, rules=old.rules) if old is not None else given
    return replace(pipeline, sources=sources)


def _table(execution: Execution, name: str) -> pa.Table:
    query = exp.select("*").from_(exp.table_(name, quoted=True))
    sql = execution.relations.compile(query)
    return execution.engine.batches(sql, 122_880, execution.plan.binds).read_all()
