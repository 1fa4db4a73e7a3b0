"""The names that a reader of the mission looks for, each where it was promised."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import fields

import pytest

import sluiceway

ROWS = [{"id": 1, "v": 10}, {"id": 2, "v": None}]


@pytest.mark.parametrize(
    "name",
    [
        "DataPipeline", "PipelineConfig", "PipelineResult", "ETLProcessor", "ETLConfig", "ETLResult",
        "ETLException", "DevelopmentException", "DataValidationError", "DataQualityError", "ExtractResult",
        "TransformResult", "LoadResult", "ValidationResult", "QualityResult", "SluicewayError",
        "DataQualityManager", "DataQualityWorkflow", "DataQualityAnalytics", "QualityConfig", "QualityAlert",
        "MonitoringResult", "QualityWorkflowResult", "TrendAnalysis", "PipelineOrchestrator",
        "ScheduleResult", "DataPipelineMonitor",
        "HealthResult", "PipelineAlert",
    ],
)  # fmt: skip
def test_a_promised_name_is_there(name):
    assert getattr(sluiceway, name).__name__ == name


@pytest.mark.parametrize(
    ("owner", "methods"),
    [
        (
            "DataPipeline",
            ["execute_pipeline", "extract_data", "validate_data", "transform_data", "check_data_quality",
             "load_data", "update_metadata"],
        ),
        ("ETLProcessor", ["execute_etl_process", "extract_phase", "transform_phase", "load_phase"]),
        (
            "DataQualityManager",
            ["profile_data", "validate_data", "monitor_data_quality", "detect_quality_degradation",
             "alert_quality_issues"],
        ),
        ("DataQualityWorkflow", ["execute_quality_workflow"]),
        ("DataQualityAnalytics", ["analyze_quality_trends"]),
        (
            "PipelineOrchestrator",
            ["schedule_pipeline", "trigger_pipeline", "backfill_pipeline", "work", "cancel_run",
             "monitor_pipeline_execution"],
        ),
        ("DataPipelineMonitor", ["monitor_pipeline_health", "health_history", "pipeline_alerts"]),
    ],
)  # fmt: skip
def test_its_methods_are_coroutines(owner, methods):
    for method in methods:
        assert inspect.iscoroutinefunction(getattr(getattr(sluiceway, owner), method)), method


def test_results_carry_their_fields():
    assert {"success", "records_processed", "quality_score", "execution_time"} <= {
        f.name for f in fields(sluiceway.PipelineResult)
    }
    assert {"extract_records", "transform_records", "load_records", "execution_time"} <= {
        f.name for f in fields(sluiceway.ETLResult)
    }
    assert {"success", "dataset_id", "quality_score", "issues_count", "report_url"} <= {
        f.name for f in fields(sluiceway.QualityWorkflowResult)
    }
    assert {"trends", "anomalies", "insights", "recommendations"} <= {
        f.name for f in fields(sluiceway.TrendAnalysis)
    }
    for name in ("passed", "is_valid", "errors", "results", "summary", "issues", "has_issues"):
        assert hasattr(sluiceway.ValidationResult(()), name), name
    for name in ("passes_threshold", "issues", "score"):
        assert hasattr(sluiceway.QualityResult(()), name), name


@pytest.fixture
def door(tmp_path):
    config = sluiceway.PipelineConfig(
        pipeline="orders",
        sources={"orders": {"type": "csv", "path": "orders.csv", "rules": [{"not_null": "id"}]}},
        transformation_rules=[{"derive": {"w": "v * 2"}}],
        rules=[{"not_null": "v", "on_fail": "quarantine"}],
        quality_thresholds={"score": 0.2},
        destination_table="mart.orders",
        load_mode="append",
    )
    (tmp_path / "orders.csv").write_text("id,v\n1,10\n2,\n")
    return sluiceway.DataPipeline(config, project=tmp_path)


def test_the_phases_one_by_one(door):
    async def phases():
        extracted = await door.extract_data()
        validated = await door.validate_data(extracted)
        transformed = await door.transform_data(extracted)
        quality = await door.check_data_quality(transformed.data)
        loaded = await door.load_data(transformed.data)
        return extracted, validated, transformed, quality, loaded, await door.update_metadata(loaded)

    extracted, validated, transformed, quality, loaded, metadata = asyncio.run(phases())
    assert extracted.records == 2
    assert validated.passed
    assert transformed.data.column("w").to_pylist() == [20, None]
    assert quality.has_issues
    assert (quality.score, quality.passes_threshold) == (0.5, True)
    assert (loaded.records, loaded.quarantined) == (1, 1)
    assert metadata["run_id"] == loaded.run.run_id


def test_load_data_is_no_door_round_the_gate(tmp_path):
    config = sluiceway.PipelineConfig(
        pipeline="orders",
        sources={"orders": {"type": "csv", "path": "orders.csv"}},
        rules=[{"not_null": "v"}],
        destination={"table": "mart.orders"},
    )
    (tmp_path / "orders.csv").write_text("id,v\n1,10\n")
    door = sluiceway.DataPipeline(config, project=tmp_path)
    with pytest.raises(sluiceway.DataQualityError):
        asyncio.run(door.load_data(ROWS))
    result = asyncio.run(door.execute_pipeline())
    assert result.records_processed == 1


def test_an_etl_process_combines_its_sources_by_name(tmp_path):
    (tmp_path / "a.csv").write_text("id,v\n1,x\n")
    (tmp_path / "b.csv").write_text("v,id,extra\ny,2,z\n")
    config = sluiceway.ETLConfig(
        sources=[{"type": "csv", "path": "a.csv"}, {"type": "csv", "path": "b.csv"}],
        destination={"table": "mart.both"},
    )
    result = asyncio.run(sluiceway.ETLProcessor(config, project=tmp_path).execute_etl_process())
    assert (result.extract_records, result.transform_records, result.load_records) == (2, 2, 2)


def test_an_etl_failure_is_an_etl_exception(tmp_path):
    config = sluiceway.ETLConfig(
        sources=[{"type": "csv", "path": "missing.csv"}], destination={"table": "mart.t"}
    )
    with pytest.raises(sluiceway.ETLException):
        asyncio.run(sluiceway.ETLProcessor(config, project=tmp_path).execute_etl_process())
