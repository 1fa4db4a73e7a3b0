"""What runs and checks add to the history, what they must not, and a run that is judged by it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.histories import write_history

from sluiceway.duck import open_duckdb
from sluiceway.run.check import check_data, check_pipeline
from sluiceway.spec.project import load_project
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.conftest import ProjectOnDisk

PIPELINE = """\
pipeline: orders
sources:
  orders: {type: parquet, path: data/o.parquet}
rules:
  - not_null: id
  - aggregate: {measure: count(*), min: 0}
RULES
quality: {QUALITY}
destination: {table: mart.orders, mode: replace, allow_empty: true}
"""
ROWS = """SELECT i AS id, (i % 100)::DOUBLE AS amount, ['paid', 'open'][i % 2 + 1] AS status,
  'a' || i || '@b.org' AS email, TIMESTAMP '2026-11-01' + i * INTERVAL 1 MINUTE AS at, [i] AS tags"""
CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: orders
version: 1.0.0
status: active
schema:
  - name: orders
    properties:
      - {name: id, logicalType: integer, required: true}
      - {name: amount, logicalType: number}
      - {name: status, logicalType: string}
      - {name: email, logicalType: string, classification: restricted}
      - {name: at, logicalType: timestamp}
      - {name: tags, logicalType: array}
"""
ANOMALY = "  - anomaly: {metric: row_count}\n"


def write(folder: Path, rows: str = f"{ROWS} FROM range(1000) t(i)") -> None:
    file = folder / "data/o.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    with open_duckdb() as con:
        con.execute(f"COPY ({rows}) TO '{file}' (FORMAT parquet)")


def made(
    make_project: Callable[..., ProjectOnDisk],
    quality: str = "metrics: full",
    rules: str = "",
    more: str = "",
) -> ProjectOnDisk:
    text = PIPELINE.replace("QUALITY", quality).replace("RULES\n", rules) + more
    project = make_project({"pipelines/orders.yml": text, "contracts/orders.odcs.yaml": CONTRACT})
    write(project.folder)
    return project


def measured(project: Any, dataset: str = "mart.orders", status: str | None = None) -> dict[Any, Any]:
    with Store.open(load_project(project.folder).metadata) as store:
        newest = store.measured(dataset)[-1]
        assert status is None or newest["status"] == status
        return dict(newest["metrics"])


def test_full_measures_every_column_in_the_scan_that_is_there(make_project: Any) -> None:
    project = made(make_project, "freshness_column: at")
    basic = project.run("orders")
    little = measured(project)
    project.write("pipelines/orders.yml", PIPELINE.replace("QUALITY", "metrics: full").replace("RULES\n", ""))
    full = project.run("orders")
    assert full.error is None
    assert full.scans == basic.scans  # promise 3: metrics share the scan of the table rules
    found = measured(project)
    assert found["", "row_count"] == 1000
    assert (found["amount", "mean"], found["amount", "p50"]) == (49.5, pytest.approx(49.5, abs=2))
    assert found["amount", "stddev"] == pytest.approx(28.88, abs=0.01)
    assert found["status", "distinct_count"] == 2
    assert found["tags", "null_count"] == 0
    assert not [key for key in found if key[0] == "tags" and key[1] != "null_count"]
    assert (little["amount", "null_count"], little["amount", "max"]) == (0, 99)
    assert ("amount", "mean") not in little
    assert little["", "freshness"] > 0
    assert little["", "quality_score"] == 1
    assert not [check for check in full.checks if "metrics" in check.check.id]


def test_off_keeps_rows_and_the_score_alone(make_project: Any) -> None:
    project = made(make_project, "metrics: off")
    project.run("orders")
    assert set(measured(project)) == {
        ("", "row_count"), ("", "quality_score"), ("", "completeness"), ("", "accuracy")
    }  # fmt: skip


def test_columns_that_are_not_named_are_not_measured(make_project: Any) -> None:
    project = made(make_project, "metrics: full, columns: [AMOUNT]")
    project.run("orders")
    assert {column for column, _ in measured(project)} == {"", "amount"}


def test_nothing_of_a_hidden_columns_values_is_kept(make_project: Any) -> None:
    hidden = "contract: contracts/orders.odcs.yaml\n"
    rules = "  - anomaly: {dimension: email}\n  - anomaly: {dimension: status}\n"
    project = made(make_project, rules=rules, more=hidden)
    assert project.run("orders").error is None
    found = measured(project)
    assert {name for column, name in found if column == "email"} == {"null_count", "distinct_count"}
    assert ("status", "row_counts") in found
    assert "@b.org" not in json.dumps([str(value) for value in found.values()])


def test_values_that_no_double_squares_break_no_run(make_project: Any) -> None:
    project = made(make_project)
    extremes = "1e308::DOUBLE, 'nan'::DOUBLE, 'inf'::DOUBLE, -1e308::DOUBLE, 3.0, NULL"
    write(project.folder, f"SELECT 1 AS id, unnest([{extremes}]) AS amount, NULL::VARCHAR AS status")
    assert project.run("orders").error is None
    found = measured(project)
    assert (found["amount", "mean"], found["amount", "null_count"]) == (3, 1)
    assert found["status", "null_count"] == 6
    write(project.folder, f"{ROWS} FROM range(0) t(i)")
    assert project.run("orders").error is None
    assert measured(project)["", "row_count"] == 0


@pytest.mark.parametrize("target", ["dataset", "file", "connection"])
def test_a_check_keeps_what_it_measured(make_project: Any, target: str) -> None:
    project = made(make_project)
    project.run("orders")
    contract = project.folder / "contracts/orders.odcs.yaml"
    project.write("sluiceway.yml", "project: test\nconnections: {db: {type: duckdb, path: a.duckdb}}\n")
    with open_duckdb() as con:
        con.execute(f"ATTACH '{project.folder / 'a.duckdb'}' AS a")
        con.execute(f"CREATE TABLE a.main.orders AS {ROWS} FROM range(70) t(i)")
    given, dataset, rows = {
        "dataset": ("mart.orders", "mart.orders", 1000),
        "file": (str(project.folder / "data/o.parquet"), "o.parquet", 1000),
        "connection": ("db:main.orders", "main.orders", 70),
    }[target]
    result = check_data(given, contract, project=load_project(project.folder), folder=project.folder)
    assert result.error is None, result.error
    with Store.open(load_project(project.folder).metadata) as store:
        runs = store.measured(dataset, pipeline=f"check {given}")
        numbers = store.metrics(dataset, "row_count", pipeline=f"check {given}")
    found = runs[-1]["metrics"]
    assert runs[-1]["kind"] == "check"
    assert [m["value"] for m in numbers] == [rows]
    assert (found["", "row_count"], found["", "quality_score"]) == (rows, 1)
    assert not [key for key in found if key[0] == "email" and key[1] in ("min", "max")]


def test_a_dry_check_of_a_pipeline_keeps_metrics_and_publishes_nothing(make_project: Any) -> None:
    project = made(make_project)
    assert check_pipeline(project.resolve("orders")).error is None
    assert measured(project)["amount", "mean"] == 49.5
    assert not project.exists("mart.orders")


# judged by the history ------------------------------------------------------------------------------


def test_a_run_unlike_those_before_is_blocked_and_does_not_train(make_project: Any) -> None:
    project = made(make_project, "{}"[1:-1] or "metrics: basic", ANOMALY)
    first = project.run("orders")
    assert first.error is None
    assert [c.message for c in first.checks if c.check.rule.kind == "anomaly"] == ["training: 0 of 14 points"]
    assert "timeliness" not in first.dimensions
    write_history(project, [{"row_count": 1000 + n % 7} for n in range(20)])
    before = project.rows("mart.orders", "id")
    write(project.folder, f"{ROWS} FROM range(300) t(i)")
    for _ in range(3):  # again and again: a blocked run is never what is usual
        blocked = project.run("orders")
        assert blocked.status == "blocked"
        (check,) = [c for c in blocked.checks if c.check.rule.kind == "anomaly"]
        assert "row_count is 300, a drop" in check.message
    assert project.rows("mart.orders", "id") == before
    assert measured(project, status="blocked")["", "row_count"] == 300
    write(project.folder)
    assert project.run("orders").status == "succeeded"


def test_other_pipelines_checks_and_environments_are_another_history(make_project: Any) -> None:
    project = made(make_project, "metrics: basic", ANOMALY)
    project.run("orders")
    write_history(project, [{"row_count": 5}] * 30, pipeline="others", tag="others")
    write_history(project, [{"row_count": 5}] * 30, kind="check", tag="checks")
    write_history(project, [{"row_count": 5}] * 30, status="failed", tag="failed")
    result = project.run("orders")
    assert result.status == "succeeded"
    assert [c.message for c in result.checks if c.check.rule.kind == "anomaly"] == [
        "training: 1 of 14 points"
    ]


def test_a_check_of_a_pipeline_is_judged_by_its_runs(make_project: Any) -> None:
    project = made(make_project, "metrics: basic", ANOMALY)
    project.run("orders")
    write_history(project, [{"row_count": 1000 + n % 7} for n in range(20)])
    assert check_pipeline(project.resolve("orders")).status == "succeeded"
    write(project.folder, f"{ROWS} FROM range(10) t(i)")
    assert check_pipeline(project.resolve("orders")).status == "blocked"


def test_a_run_that_brings_nothing_is_judged_by_nothing_and_not_by_the_table(make_project: Any) -> None:
    incremental = "{type: parquet, path: data/o.parquet, incremental: {cursor: at}}"
    text = PIPELINE.replace("{type: parquet, path: data/o.parquet}", incremental)
    text = text.replace("QUALITY", "metrics: full").replace("RULES\n", ANOMALY).replace("replace", "append")
    project = make_project({"pipelines/orders.yml": text.replace(", allow_empty: true", "")})
    write(project.folder)
    assert project.run("orders").error is None
    write_history(project, [{"row_count": 0}] * 20)
    again = project.run("orders")
    assert again.error is None, again.error  # the table has 1000 rows: had they been counted, it would block
    (check,) = [c for c in again.checks if c.check.rule.kind == "anomaly"]
    assert (check.observed, check.failing) == (0, 0)
    found = measured(project)
    assert found["", "row_count"] == 0
    assert ("amount", "mean") not in found


def test_a_clock_that_was_ahead_trains_nobody(make_project: Any) -> None:
    from datetime import UTC, datetime, timedelta

    project = made(make_project, "metrics: basic", ANOMALY)
    project.run("orders")
    write_history(project, [{"row_count": 5}] * 30, until=datetime.now(UTC) + timedelta(days=40))
    result = project.run("orders")
    assert result.status == "succeeded"
    (check,) = [c for c in result.checks if c.check.rule.kind == "anomaly"]
    assert check.message == "training: 1 of 14 points"
