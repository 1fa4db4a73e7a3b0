"""``quality trends``: from a store that runs filled to sentences and commands."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sluiceway.cli.app import invoke
from sluiceway.errors import ConfigError, StoreError
from sluiceway.events import RunFinished, RunStarted
from sluiceway.quality.analytics import DataQualityAnalytics, analyze_quality_trends
from sluiceway.spec.project import load_project
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = datetime(2026, 6, 1, tzinfo=UTC)
INPUT = {"namespace": "file", "name": "/data/orders.csv", "source": "orders",
         "columns": [{"name": "mail", "type": "VARCHAR"}]}  # fmt: skip
OUTPUT = {"namespace": "ducklake:lake", "name": "mart.orders", "source": "mart.orders",
          "columns": [{"name": "email", "type": "VARCHAR"}]}  # fmt: skip
LINEAGE = {"email": [{"dataset": "orders", "column": "mail", "type": "DIRECT", "subtype": "IDENTITY"}]}


def record(store: Store, day: int, *, kind: str = "run", status: str = "succeeded", rows: int = 1000,
           nulls: int = 0, completeness: float = 1.0, at: datetime | None = None, failing: int = 0,
           snapshot: str | None = None, pipeline: str = "orders", **more: float) -> str:  # fmt: skip
    """A run ``day`` days before NOW's midnight, as events tell it."""
    run_id, at = f"run-{kind}-{day:03}", at or NOW - timedelta(days=day, hours=1)
    facts: dict[str, Any] = {"environment": "dev", "inputs": (INPUT,), "output": OUTPUT}
    store.begin_run(run_id, pipeline, "dev", at, kind=kind)
    store.record_event(RunStarted(run_id, pipeline, at, kind=kind, **facts))
    check = {
        "id": "pattern:email", "rule": "pattern", "phase": "gate", "columns": ["email"],
        "dimension": "accuracy", "severity": "error", "on_fail": "quarantine", "failing": failing,
        "total": rows,
        "passed": failing == 0, "observed": None, "proven": False, "message": "",
    }  # fmt: skip
    store.record_event(
        RunFinished(
            run_id,
            pipeline,
            at + timedelta(minutes=1),
            status=status,
            seconds=60.0,
            lineage=LINEAGE,
            records={"published": rows},
            dimensions={"completeness": completeness},
            checks=(check,),
            quality_score=completeness,
            snapshot=snapshot,
            metrics={"row_count": rows, "columns": {"email": {"null_count": nulls, "max": "z", **more}}},
            **facts,
        )
    )
    return run_id


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sluiceway.yml").write_text("project: t\nenvironments:\n  dev: {}\n")
    return tmp_path


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    with Store.open(load_project(folder).metadata) as opened:
        yield opened


def fallen(store: Store) -> None:
    """Forty days: nulls of email step up with the run of ten days ago."""
    draw = np.random.default_rng(0)
    for day in range(40, 0, -1):
        rows = int(draw.normal(1000, 20))
        share = (0.10 if day <= 10 else 0.01) + draw.normal(0, 0.002)
        record(
            store, day, rows=rows, nulls=int(rows * share), completeness=1 - share, snapshot=str(100 - day)
        )


def test_a_step_is_told_with_column_run_origin_and_commands(store: Store, folder: Path) -> None:
    fallen(store)
    found = analyze_quality_trends("mart.orders", "60d", project=folder, now=NOW)
    told = {(i.type, i.metric, i.column) for i in found.insights}
    assert ("quality_degradation", "null_share", "email") in told
    assert ("quality_degradation", "quality_score", None) in told
    assert not [i for i in found.insights if i.metric == "row_count"]
    step = next(i for i in found.insights if i.metric == "null_share")
    assert (step.run_id, step.severity) == ("run-run-010", "error")
    commands = [advice.command for advice in found.recommendations]
    assert "sluiceway quality drift mart.orders --from 89 --to 90" in commands
    assert "sluiceway runs show run-run-010" in commands
    assert "sluiceway lineage mart.orders.email --up" in commands
    assert any(advice.upstream == "/data/orders.csv.mail" for advice in found.recommendations)
    assert len(commands) == len(set(commands))
    json.dumps(found.as_dict(), allow_nan=False)


def test_runs_of_other_kinds_and_failed_ones_are_no_history(store: Store, folder: Path) -> None:
    for day in range(20, 0, -1):
        record(store, day)
    record(store, 5, kind="replay", rows=3, nulls=3, completeness=0.0)
    record(store, 6, kind="rollback", rows=1)
    record(store, 90, status="failed", at=NOW - timedelta(days=3), completeness=0.0, rows=1, nulls=1)
    record(store, 91, status="blocked", at=NOW - timedelta(days=2), completeness=0.5)
    found = analyze_quality_trends("mart.orders", project=folder, now=NOW)
    runs = {a.run_id for a in found.anomalies}
    assert runs == {"run-run-091"}  # what the gate turned away is part of the story
    assert next(t for t in found.trends if t.metric == "row_count").points == 21


def test_what_a_check_measured_of_the_whole_table_is_no_part_of_the_runs_history(
    store: Store, folder: Path
) -> None:
    for day in range(20, 0, -1):
        record(store, day, rows=1000)
        whole = 1000 * (21 - day)
        at = NOW - timedelta(days=day)
        record(
            store, day, kind="check", pipeline="check mart.orders", rows=whole, nulls=whole // 2,
            completeness=0.5, failing=whole, at=at,
        )  # fmt: skip
    found = analyze_quality_trends("mart.orders", project=folder, now=NOW)
    assert {t.points for t in found.trends} == {20}
    assert not found.insights
    assert not found.anomalies
    assert any("check mart.orders" in note for note in found.notes)


def test_a_table_that_only_checks_measured_has_their_history(store: Store, folder: Path) -> None:
    for day in range(20, 0, -1):
        record(store, day, kind="check", pipeline="check mart.orders", failing=5)
    found = analyze_quality_trends("mart.orders", project=folder, now=NOW)
    assert {t.points for t in found.trends} == {20}
    assert any(t.metric == "failing_share" for t in found.trends)


def test_checks_have_histories(store: Store, folder: Path) -> None:
    for day in range(30, 0, -1):
        record(store, day, failing=10 if day > 8 else 90)
    found = analyze_quality_trends("mart.orders", project=folder, now=NOW, metric="failing_share")
    assert [t.check for t in found.trends] == ["pattern:email"]
    assert [(i.type, i.run_id) for i in found.insights] == [("quality_degradation", "run-run-008")]


def test_clocks_that_jump(store: Store, folder: Path) -> None:
    for day in range(20, 0, -1):
        record(store, day)
    record(store, 95, at=NOW + timedelta(days=400), completeness=0.1)
    record(store, 96, at=datetime(1970, 1, 2, tzinfo=UTC), completeness=0.1)
    found = analyze_quality_trends("mart.orders", project=folder, now=NOW)
    assert found.anomalies == ()
    assert found.notes == ("runs whose time lies in the future were left out: 1",)
    assert {t.points for t in found.trends} == {20}


def test_few_runs_and_none(store: Store, folder: Path) -> None:
    for day in range(5, 0, -1):
        record(store, day, completeness=day / 10)
    found = analyze_quality_trends("mart.orders", project=folder, now=NOW)
    assert {t.direction for t in found.trends} == {"unknown"}
    assert (found.anomalies, found.insights, found.recommendations) == ((), (), ())
    nothing = analyze_quality_trends("mart.orders", "2020-01-01", project=folder, now=NOW)
    assert (nothing.points, nothing.trends) == (0, ())
    assert "no metrics of mart.orders" in nothing.notes[0]


def test_a_metric_that_no_run_has_is_a_mistake(store: Store, folder: Path) -> None:
    for day in range(20, 0, -1):
        record(store, day)
    with pytest.raises(ConfigError, match="no metric 'completness'") as caught:
        analyze_quality_trends("mart.orders", project=folder, now=NOW, metric="completness")
    assert "completeness" in str(caught.value.hint)
    apart = analyze_quality_trends(
        "mart.orders", "2020-01-01", project=folder, now=NOW, metric="completeness"
    )
    assert apart.trends == ()  # it has the metric, at another time


def test_extremes_are_looked_at_where_they_are_named(store: Store, folder: Path) -> None:
    for day in range(20, 0, -1):
        record(store, day, p95=1.0 if day > 1 else 1e6, mean=1.0)
    found = analyze_quality_trends("mart.orders", project=folder, now=NOW)
    assert "mean" in {t.metric for t in found.trends}
    assert "p95" not in {t.metric for t in found.trends}
    asked = analyze_quality_trends("mart.orders", project=folder, now=NOW, metric="p95")
    assert [a.value for a in asked.anomalies] == [1e6]


def test_a_share_that_is_recorded_counts_once(store: Store, folder: Path) -> None:
    for day in range(20, 0, -1):
        record(store, day, nulls=100, null_share=0.1)
    found = analyze_quality_trends("mart.orders", project=folder, now=NOW, metric="null_share")
    assert [t.points for t in found.trends] == [20]


def test_an_unknown_dataset_is_an_error(store: Store, folder: Path) -> None:
    record(store, 1)
    with pytest.raises(StoreError, match=r"no run has seen a dataset 'mart\.order'"):
        analyze_quality_trends("mart.order", project=folder, now=NOW)


def test_the_door_is_a_coroutine(store: Store, folder: Path) -> None:
    fallen(store)
    found = asyncio.run(DataQualityAnalytics(folder).analyze_quality_trends("mart.orders", "60d", now=NOW))
    assert found == analyze_quality_trends("mart.orders", "60d", project=folder, now=NOW)


def test_the_command(store: Store, folder: Path, capsys: Any) -> None:
    fallen(store)
    args = ["quality", "trends", "mart.orders", "--range", "2026-04-20..2026-05-31", "--project", str(folder)]
    assert invoke(args) == 0
    said = capsys.readouterr().out
    assert re.search(
        r"error: quality_degradation: null_share of email rose from 0\.01\d* to 0\.\d+ with", said
    )
    assert "sluiceway lineage mart.orders.email --up" in said
    assert invoke([*args, "--json", "--metric", "null_share"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [t["metric"] for t in document["trends"]] == ["null_share"]
    assert invoke(["quality", "trends", "mart.orders", "--range", "soon", "--project", str(folder)]) == 2
    assert "30d" in capsys.readouterr().err
