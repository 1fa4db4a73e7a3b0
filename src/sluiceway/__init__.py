"""Sluiceway: declare a data pipeline once; nothing reaches a destination without a verdict.

Everything here is imported when it is first used, so that ``import sluiceway`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sluiceway.errors import (
        CancelledError,
        ConfigError,
        DataQualityError,
        DataValidationError,
        DestinationError,
        DevelopmentException,
        EngineError,
        ETLException,
        GateError,
        LockTimeoutError,
        MissingExtraError,
        PlanError,
        RunError,
        SluicewayError,
        SourceError,
        SpecError,
        StoreError,
    )
    from sluiceway.orchestrate.doors import (
        DataPipelineMonitor,
        PipelineAlert,
        PipelineOrchestrator,
        ScheduleResult,
    )
    from sluiceway.orchestrate.health import HealthResult
    from sluiceway.quality.analytics import DataQualityAnalytics
    from sluiceway.quality.doorconfig import QualityAlert, QualityConfig, QualityWorkflowResult
    from sluiceway.quality.doors import DataQualityManager, DataQualityWorkflow
    from sluiceway.quality.monitor import MonitoringResult
    from sluiceway.quality.trendmodel import TrendAnalysis
    from sluiceway.run.doors import (
        DataPipeline,
        ExtractResult,
        LoadResult,
        PipelineResult,
        QualityResult,
        TransformResult,
        ValidationResult,
    )
    from sluiceway.run.etl import ETLConfig, ETLProcessor, ETLResult
    from sluiceway.run.result import RunResult
    from sluiceway.spec.pipeline import PipelineConfig
    from sluiceway.spec.project import load_project

__version__ = "0.1.0"

__all__ = [
    "CancelledError",
    "ConfigError",
    "DataPipeline",
    "DataPipelineMonitor",
    "DataQualityAnalytics",
    "DataQualityError",
    "DataQualityManager",
    "DataQualityWorkflow",
    "DataValidationError",
    "DestinationError",
    "DevelopmentException",
    "ETLConfig",
    "ETLException",
    "ETLProcessor",
    "ETLResult",
    "EngineError",
    "ExtractResult",
    "GateError",
    "HealthResult",
    "LoadResult",
    "LockTimeoutError",
    "MissingExtraError",
    "MonitoringResult",
    "PipelineAlert",
    "PipelineConfig",
    "PipelineOrchestrator",
    "PipelineResult",
    "PlanError",
    "QualityAlert",
    "QualityConfig",
    "QualityResult",
    "QualityWorkflowResult",
    "RunError",
    "RunResult",
    "ScheduleResult",
    "SluicewayError",
    "SourceError",
    "SpecError",
    "StoreError",
    "TransformResult",
    "TrendAnalysis",
    "ValidationResult",
    "__version__",
    "load_project",
]

_HOME = {
    "DataPipeline": "run.doors",
    "DataPipelineMonitor": "orchestrate.doors",
    "DataQualityAnalytics": "quality.analytics",
    "DataQualityManager": "quality.doors",
    "DataQualityWorkflow": "quality.doors",
    "ETLConfig": "run.etl",
    "ETLProcessor": "run.etl",
    "ETLResult": "run.etl",
    "ExtractResult": "run.doors",
    "HealthResult": "orchestrate.health",
    "LoadResult": "run.doors",
    "MonitoringResult": "quality.monitor",
    "PipelineAlert": "orchestrate.doors",
    "PipelineConfig": "spec.pipeline",
    "PipelineOrchestrator": "orchestrate.doors",
    "PipelineResult": "run.doors",
    "QualityAlert": "quality.doorconfig",
    "QualityConfig": "quality.doorconfig",
    "QualityResult": "run.doors",
    "QualityWorkflowResult": "quality.doorconfig",
    "RunResult": "run.result",
    "ScheduleResult": "orchestrate.doors",
    "TransformResult": "run.doors",
    "TrendAnalysis": "quality.trendmodel",
    "ValidationResult": "run.doors",
    "load_project": "spec.project",
}
"""Where a name lives; those that are not here are errors."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'sluiceway' has no attribute '{name}'")
    value = getattr(import_module(f"sluiceway.{_HOME.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
