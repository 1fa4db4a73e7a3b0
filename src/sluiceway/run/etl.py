"""``ETLProcessor``: several sources in parallel, combined by name, through the same gate."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from sluiceway.errors import ConfigError, ETLException, GateError, SluicewayError
from sluiceway.run.doors import DataPipeline, ExtractResult, LoadResult, TransformResult
from sluiceway.spec.pipeline import PipelineConfig

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping
    from pathlib import Path

    from sluiceway.spec.model import Project

__all__ = ["ETLConfig", "ETLProcessor", "ETLResult"]


T = TypeVar("T")


class ETLConfig(BaseModel):
    """What an ETL process reads, does and loads. The keys mean what they mean in a pipeline file."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field("etl", description="the pipeline's name in history and lineage")
    sources: list[dict[str, Any]] | dict[str, dict[str, Any]] = Field(description="connectors' keys")
    destination: dict[str, Any] | str = Field(description="the table, and how it is loaded")
    validation_rules: list[dict[str, Any]] = Field(default_factory=list, description="rules of every source")
    transformation_rules: list[dict[str, Any]] = Field(default_factory=list, description="steps")
    rules: list[dict[str, Any]] = Field(default_factory=list, description="rules of the gate")
    quality_thresholds: dict[str, float] = Field(default_factory=dict, description="least scores")
    batch_size: int | None = Field(None, ge=1, description="rows a batch, when streamed")
    load_batch_size: int | None = Field(None, ge=1, description="rows a batch, where the sink takes batches")

    def as_pipeline(self) -> PipelineConfig:
        """The same as a pipeline; several sources are one by UNION ALL BY NAME."""
        named = self.sources
        if isinstance(named, list):
            named = {str(s.get("name", f"source_{n}")): dict(s) for n, s in enumerate(named, 1)}
        sources = {}
        for name, given in named.items():
            own = {key: value for key, value in given.items() if key != "name"}
            if self.validation_rules:
                own["rules"] = [*own.get("rules", []), *self.validation_rules]
            if self.batch_size is not None:
                own.setdefault("batch_size", self.batch_size)
            sources[name] = own
        steps = list(self.transformation_rules)
        if len(sources) > 1:
            quoted = [f'SELECT * FROM "{name.replace(chr(34), chr(34) * 2)}"' for name in sources]
            steps.insert(0, {"sql": " UNION ALL BY NAME ".join(quoted), "name": "combined"})
        destination = {"table": self.destination} if isinstance(self.destination, str) else self.destination
        if self.load_batch_size is not None:
            destination = {**destination, "load_batch_size": self.load_batch_size}
        return PipelineConfig(
            pipeline=self.name,
            sources=sources,
            transform=steps,
            rules=self.rules,
            quality={"thresholds": self.quality_thresholds},
            destination=destination,
        )


@dataclass(frozen=True)
class ETLResult:
    """Rows read, staged and published; ``execution_time`` in seconds."""

    extract_records: int
    transform_records: int
    load_records: int
    execution_time: float
    success: bool = True
    quality_score: float | None = None
    run_id: str = ""


class ETLProcessor:
    """Extract, transform, load in one call; the load goes through the gate like any other.

    Raises:
        DataValidationError, DataQualityError: the gate said no.
        ETLException: a phase failed; its cause is the error itself.
    """

    def __init__(
        self,
        config: ETLConfig,
        *,
        project: Project | Path | str | None = None,
        environment: str | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        self.config = config
        self.door = DataPipeline(config.as_pipeline(), project=project, environment=environment, data=data)

    async def execute_etl_process(self) -> ETLResult:
        return await asyncio.to_thread(self._execute)

    def _execute(self) -> ETLResult:
        begun = time.monotonic()
        try:
            result = self.door.run(count_reads=True)
        except (GateError, ConfigError):
            raise
        except SluicewayError as error:
            raise ETLException(f"the ETL process failed: {error.message}", hint=error.hint) from error
        records = result.run.records
        return ETLResult(
            extract_records=records.read or 0,
            transform_records=records.staged,
            load_records=records.published,
            execution_time=time.monotonic() - begun,
            success=result.success,
            quality_score=result.quality_score,
            run_id=result.run_id,
        )

    async def extract_phase(self) -> ExtractResult:
        return await self._phase(self.door.extract_data())

    async def transform_phase(self, data: Any = None) -> TransformResult:
        return await self._phase(self.door.transform_data(data))

    async def load_phase(self, data: Any) -> LoadResult:
        """Through the gate: a block raises DataQualityError and loads nothing."""
        return await self._phase(self.door.load_data(data))

    async def _phase(self, work: Awaitable[T]) -> T:
        try:
            return await work
        except (GateError, ConfigError):
            raise
        except SluicewayError as error:
            raise ETLException(error.message, hint=error.hint) from error
