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
    "DataQualityError",
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
    "LoadResult",
    "LockTimeoutError",
    "MissingExtraError",
    "PipelineConfig",
    "PipelineResult",
    "PlanError",
    "QualityResult",
    "RunError",
    "RunResult",
    "SluicewayError",
    "SourceError",
    "SpecError",
    "StoreError",
    "TransformResult",
    "ValidationResult",
    "__version__",
    "load_project",
]

_HOME = {
    "DataPipeline": "run.doors",
    "ETLConfig": "run.etl",
    "ETLProcessor": "run.etl",
    "ETLResult": "run.etl",
    "ExtractResult": "run.doors",
    "LoadResult": "run.doors",
    "PipelineConfig": "spec.pipeline",
    "PipelineResult": "run.doors",
    "QualityResult": "run.doors",
    "RunResult": "run.result",
    "TransformResult": "run.doors",
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
