"""The Python doors of data quality: any data alike, and what a workflow does with what it finds."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pyarrow as pa
import pytest

from sluiceway import (
    DataQualityManager,
    DataQualityWorkflow,
    PlanError,
    QualityConfig,
    StoreError,
)
from sluiceway.run.check import check_data
from sluiceway.spec.project import load_project, project_at

ROWS = [{"id": 1, "v": 1.0}, {"id": 2, "v": None}, {"id": 2, "v": 3.0}, {"id": 4, "v": 4.0}]
RULES = [{"not_null": "v"}, {"unique": "id"}]
PIPELINE = """
pipeline: orders
sources:
  orders: {type: csv, path: orders.csv}
rules:
  - not_null: id
  - accepted_values: {column: name, values: [paid, sent]}
    severity: warning
  - relationships: {column: id, to: orders.id}
quality: {thresholds: {score: 0.1}}
destination: {table: mart.orders, mode: merge, primary_key: id}
"""


def kinds(folder: Path):
    table = pa.Table.from_pylist(ROWS)
    file = folder / "rows.csv"
    file.write_text("id,v\n1,1\n2,\n2,3\n4,4\n", "utf-8")
    yield "rows", ROWS
    yield "arrow", table
    yield "pandas", table.to_pandas()
    yield "path", file
    yield "text", str(file)
    polars = pytest.importorskip("polars") if _has("polars") else None
    if polars is not None:
        yield "polars", polars.from_arrow(table)


def _has(module: str) -> bool:
    from importlib.util import find_spec

    return find_spec(module) is not None


def test_every_kind_of_data_gives_the_same(tmp_path):
    manager = DataQualityManager(QualityConfig(validation_rules=RULES), project=tmp_path)

    async def all_of():
        return {kind: await manager.validate_data(data) for kind, data in kinds(tmp_path)}

    found = asyncio.run(all_of())
    assert len(found) >= 5
    for kind, result in found.items():
        assert [(r.check.id, r.failing, r.total) for r in result.results] == [
            ("not_null:v", 1, 4), ("unique:id", 2, 4),
        ], kind  # fmt: skip
        assert (result.passed, result.score) == (False, pytest.approx((0.75 + 0.5) / 2)), kind
        assert set(result.dimensions) == {"completeness", "uniqueness"}


def test_without_rules_validation_says_what_to_give(tmp_path):
    manager = DataQualityManager(project=tmp_path)
    with pytest.raises(PlanError, match="nothing says what the data must be like"):
        asyncio.run(manager.validate_data(ROWS))
    with pytest.raises(StoreError):
        asyncio.run(manager.monitor_data_quality("mart.none"))


def test_rows_have_a_history_of_their_own_and_a_fall_in_it_is_found(tmp_path):
    rules = [{"not_null": "v", "severity": "warning"}]  # what was blocked is no training
    config = QualityConfig(rules=rules, dataset_id="feed", min_training_set_size=4)
    manager = DataQualityManager(config, project=tmp_path)
    project = project_at(tmp_path)
    from sluiceway.quality.judging import judge_for

    judge = judge_for(ROWS, config, project, None)
    good = [{"id": i, "v": 1.0 if i else None} for i in range(100)]
    for _ in range(5):
        check_data(good, judge.contract, project=project, name="feed")
    bad = [{"id": i, "v": None} for i in range(100)]
    found = asyncio.run(manager.monitor_data_quality(bad))
    assert (found.dataset, found.quality_score) == ("feed", 0.0)
    worse = asyncio.run(manager.detect_quality_degradation(bad))
    assert {i.kind for i in worse} <= {"degradation", "anomaly"}
    assert any(i.kind == "degradation" for i in found.issues)


def test_a_workflow_makes_rules_where_nobody_did_and_says_so(tmp_path):
    rows = [{"id": i, "name": None if i == 3 else f"n{i % 7}"} for i in range(20)]
    done = asyncio.run(DataQualityWorkflow(project=tmp_path).execute_quality_workflow(rows))
    assert (done.success, done.suggested, done.dataset_id) == (True, True, "data")
    assert {"not_null": "id", "severity": "warning"} in done.rules
    assert not any(rule.get("not_null") == "name" for rule in done.rules)
    assert any("made from the profile" in note for note in done.notes)
    assert any("20 rows are too few to suggest rules from" in note for note in done.notes)
    page = Path(done.report_url.removeprefix("file://"))
    assert page.parent == tmp_path / ".sluiceway" / "reports"
    assert "<svg" in page.read_text("utf-8") or "fit for use" in page.read_text("utf-8")


def test_a_workflow_judges_by_what_the_data_suggests(tmp_path):
    rows = [{"id": i, "status": ("paid", "sent")[i % 2], "mail": f"ann{i}@example.org"} for i in range(300)]
    done = asyncio.run(DataQualityWorkflow(project=tmp_path).execute_quality_workflow(rows))
    assert (done.success, done.suggested) == (True, True)
    listed = {"column": "status", "values": ["paid", "sent"]}
    assert {"accepted_values": listed, "severity": "warning"} in done.rules
    assert {rule["severity"] for rule in done.rules} == {"warning"}
    assert any("suggested by the data" in note for note in done.notes)
    assert not any("made from the profile" in note for note in done.notes)
    # what the profile hides comes out by no rule either
    assert "ann1" not in repr(done.rules) + repr(done.validation)


def test_a_suggestion_takes_the_profile_that_is_there():
    from sluiceway.quality.profile import profile
    from sluiceway.quality.suggest import suggest

    rows = [{"id": i, "status": ("paid", "sent")[i % 2]} for i in range(200)]
    found = profile(rows)
    told = suggest(rows, profiled=found)
    assert told.rules == suggest(rows).rules
    # the profile says 200 rows of other data: it is asked, and not made again
    assert suggest(rows[:10], profiled=found).rows == 200
    assert suggest(rows[:10]).items == ()


def test_only_what_is_critical_is_told(tmp_path):
    (tmp_path / "sluiceway.yml").write_text("project: p\nalerts: [{to: 'file:a.jsonl'}]\n", "utf-8")
    rules = [{"not_null": "v", "severity": "critical"}, {"unique": "id"}]
    config = QualityConfig(rules=rules, dataset_id="feed", report=tmp_path / "r.html")
    done = asyncio.run(DataQualityWorkflow(config, project=tmp_path).execute_quality_workflow(ROWS))
    assert (done.success, done.issues_count) == (False, 2)
    assert [(a.dataset, a.severity) for a in done.alerts] == [("feed", "critical")]
    assert [d.status for d in done.alerts[0].deliveries] == ["sent"]
    told = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text("utf-8").splitlines()]
    assert len(told) == 1
    assert "unique:id" not in json.dumps(told)
    assert done.report_url == (tmp_path / "r.html").as_uri()


@pytest.fixture
def shop(make_project):
    lines = ["id,name", *(f"{i},{'Paid ' if i < 3 else 'sent'}" for i in range(20))]
    files = {"pipelines/orders.yml": PIPELINE, "orders.csv": "\n".join(lines) + "\n"}
    project = make_project(files)
    result = project.run("orders")
    assert result.success, result.error
    return project


def test_a_dataset_is_judged_by_its_pipeline_and_fixed_only_when_asked(shop):
    before = shop.query("SELECT id, name FROM {t} ORDER BY id", "mart.orders")
    door = DataQualityWorkflow(QualityConfig(), project=shop.folder)
    done = asyncio.run(door.execute_quality_workflow("mart.orders"))
    assert [c.check.id for c in done.validation.issues] == ["accepted_values:name"]
    assert not done.suggested
    assert any("relationships was left out" in note for note in done.notes)
    assert (done.fixes.fixable, done.fixes.applied) == (3, False)
    assert shop.query("SELECT id, name FROM {t} ORDER BY id", "mart.orders") == before
    door = DataQualityWorkflow(QualityConfig(auto_fix=True), project=load_project(shop.folder))
    done = asyncio.run(door.execute_quality_workflow("mart.orders"))
    assert done.fixes.applied, done.notes
    after = shop.query("SELECT id, name FROM {t} ORDER BY id", "mart.orders")
    assert [name for _, name in after[:4]] == ["paid", "paid", "paid", "sent"]
    assert len(after) == len(before)


def test_thresholds_of_the_call_decide(tmp_path):
    rules = [{"not_null": "v", "severity": "warning"}]
    for least, right in ((0.5, True), (0.9, False)):
        config = QualityConfig(rules=rules, quality_thresholds={"completeness": least})
        manager = DataQualityManager(config, project=tmp_path)
        assert asyncio.run(manager.validate_data(ROWS)).passes_threshold is right
