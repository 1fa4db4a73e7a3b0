"""Monitoring and the score over runs that are in the store: what is raised, resolved, and left alone."""

from __future__ import annotations

import json
import random
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.histories import check, write_history

from sluiceway.cli.app import invoke
from sluiceway.errors import ConfigError, StoreError
from sluiceway.quality.monitor import detect_quality_degradation, monitor_data_quality
from sluiceway.quality.score import quality_score
from sluiceway.spec.project import load_project

if TYPE_CHECKING:
    from tests.integration.conftest import ProjectOnDisk

SETTINGS = "project: test\nalerts:\n  - {to: 'file:told.jsonl', name: ops, throttle: 0}\n"
PIPELINE = """\
pipeline: orders
sources: {orders: {type: csv, path: o.csv}}
quality: {thresholds: {completeness: 0.9}}
destination: {table: mart.orders}
"""


@pytest.fixture
def project(make_project: Any) -> ProjectOnDisk:
    made: ProjectOnDisk = make_project({"pipelines/orders.yml": PIPELINE}, settings=SETTINGS)
    return made


def good(runs: int = 30, **more: Any) -> list[dict[str, Any]]:
    chance = random.Random(5)
    return [
        {
            "row_count": 1000 + chance.randrange(-20, 20),
            "freshness": 3600 + chance.randrange(300),
            "quality_score": 0.99 + chance.random() / 200,
            "dimensions": {"completeness": 0.99, "accuracy": 0.98 + chance.random() / 100},
            "columns": {"amount": {"null_count": 10 + chance.randrange(3), "mean": 50 + chance.random()}},
            **more,
        }
        for _ in range(runs)
    ]


def watch(project: ProjectOnDisk, **options: Any) -> Any:
    return monitor_data_quality("mart.orders", project=load_project(project.folder), **options)


def test_what_is_as_usual_raises_nothing(project: ProjectOnDisk) -> None:
    write_history(project, good())
    told: list[Any] = []
    result = watch(project, alert=lambda issue, _: told.append(issue))
    assert (result.issues, result.notes, told, result.alerted) == ((), (), [], 0)
    assert (result.healthy, result.runs, result.run_id) == (True, 30, "old-029")


def test_each_family_of_what_is_wrong_is_found_and_nothing_else(project: ProjectOnDisk) -> None:
    bad = {
        "row_count": 400,
        "freshness": 90_000,
        "quality_score": 0.8,
        "dimensions": {"completeness": 0.85, "accuracy": 0.99},
        "columns": {"amount": {"null_count": 200, "mean": 50.5}},
    }
    write_history(project, [*good(), bad])
    told: list[str] = []
    result = watch(project, alert=lambda issue, _: told.append(issue.key))
    found = {(issue.kind, issue.metric, issue.column, issue.severity) for issue in result.issues}
    assert found == {
        ("threshold", "completeness", None, "error"),  # once: not again as a degradation
        ("degradation", "quality_score", None, "error"),
        ("anomaly", "row_count", None, "warning"),
        ("anomaly", "freshness", None, "warning"),
        ("anomaly", "null_share", "amount", "warning"),
    }
    assert result.alerted == len(told) == 5


def test_better_is_no_degradation(project: ProjectOnDisk) -> None:
    perfect = good(1, quality_score=1.0, dimensions={"completeness": 1.0, "accuracy": 1.0}, freshness=5)
    write_history(project, [*good(), *perfect])
    assert watch(project).issues == ()


def test_a_short_history_says_so_and_thresholds_count_all_the_same(project: ProjectOnDisk) -> None:
    write_history(project, [*good(5), *good(1, row_count=1, dimensions={"completeness": 0.5})])
    result = watch(project, thresholds={"score": 0.999, "freshness": 60})
    assert result.notes == ("training: 5 of 14 points",)
    assert {(issue.kind, issue.metric) for issue in result.issues} == {
        ("threshold", "completeness"), ("threshold", "quality_score"), ("threshold", "freshness")
    }  # fmt: skip


def test_a_pipeline_that_is_not_run_any_more_is_noticed(project: ProjectOnDisk) -> None:
    write_history(project, good())
    now = datetime.now(UTC)
    assert watch(project, now=now + timedelta(days=1)).issues == ()
    late = watch(project, now=now + timedelta(days=9))
    assert [issue.kind for issue in late.issues] == ["silent"]


def test_what_is_asked_of_nothing_is_an_error(project: ProjectOnDisk) -> None:
    with pytest.raises(StoreError):
        watch(project)
    write_history(project, good(2))
    with pytest.raises(ConfigError, match="no metric 'scroe'"):
        watch(project, thresholds={"scroe": 1})


def test_histories_with_holes(project: ProjectOnDisk) -> None:
    assert detect_quality_degradation([]) == ([], ["no run has measured anything"])
    odd = [{"row_count": None}, {}, {"row_count": float("nan")}, {"columns": {"a": {"null_count": 3}}}]
    write_history(project, [*odd, *good(3), {"columns": {}}])
    assert watch(project).issues == ()


def test_alerts_are_raised_and_resolved_when_it_is_over(
    project: ProjectOnDisk, capsys: pytest.CaptureFixture[str]
) -> None:
    def monitor(*options: str) -> tuple[int, Any]:
        capsys.readouterr()
        folder = str(project.folder)
        code = invoke(["quality", "monitor", "mart.orders", "--project", folder, "--json", *options])
        return code, json.loads(capsys.readouterr().out)

    write_history(project, [*good(), *good(1, freshness=90_000)])
    code, document = monitor("--no-alert")
    assert (code, "deliveries" in document) == (1, False)
    assert not (project.folder / "told.jsonl").exists()
    code, document = monitor()
    assert (code, [d["status"] for d in document["deliveries"]]) == (1, ["sent"])
    write_history(project, good(1), tag="new", until=datetime.now(UTC) + timedelta(days=1))
    code, document = monitor()
    assert (code, [d["kind"] for d in document["deliveries"]]) == (0, ["resolved"])
    assert monitor("--threshold", "score")[0] == 2


# the score ------------------------------------------------------------------------------------------


def history(project: ProjectOnDisk, failing: list[int], config: Any = None) -> list[str]:
    checks = [
        [
            check("not_null:id", dimension="completeness"),
            check("pattern:email", n, 100),
            check("range:amount", 1, 100),
        ]
        for n in failing
    ]
    until = datetime(2026, 11, 6, 6, tzinfo=UTC)
    return write_history(project, good(len(failing)), checks=checks, until=until, config=config)


def test_a_loss_is_laid_on_the_check_and_the_run_where_it_began(project: ProjectOnDisk) -> None:
    ids = history(project, [0, 1, 0, 8, 8])  # 1 to 5 November
    loaded = load_project(project.folder)
    found = quality_score("mart.orders", project=loaded, since=datetime(2026, 11, 1, 12, tzinfo=UTC))
    assert (found.before.run_id, found.now.run_id) == (ids[0], ids[4])  # type: ignore[union-attr]
    assert found.change == pytest.approx(-0.02)
    (change,) = found.checks
    assert (change.name, change.since_run) == ("pattern:email", ids[3])  # run 1 was put right again
    assert found.sentence == (
        "0.9775, lost 0.0200 since 1 November 2026: 0.0200 by pattern:email since 4 November 2026 "
        f"(run {ids[3]})"
    )
    assert [(c.name, c.change) for c in found.columns] == [("email", pytest.approx(-0.02))]
    before = quality_score("mart.orders", project=loaded)
    assert before.sentence == "0.9775, as on 4 November 2026"
    against = quality_score("mart.orders", project=loaded, against=ids[1])
    assert against.change == pytest.approx(-0.0175)
    with pytest.raises(StoreError, match="has not judged"):
        quality_score("mart.orders", project=loaded, against="nope")


def test_weights_of_each_run_are_those_that_it_had(project: ProjectOnDisk) -> None:
    history(project, [10], config={"quality": {"weights": {"accuracy": 3}}})
    found = quality_score("mart.orders", project=load_project(project.folder))
    assert found.now.score == pytest.approx(1 - 0.75 * (0.1 + 0.01) / 2)
    assert found.change is None


def test_the_command_says_the_sentence_and_gives_one_document(
    project: ProjectOnDisk, capsys: pytest.CaptureFixture[str]
) -> None:
    history(project, [0, 8])
    folder = str(project.folder)
    assert invoke(["quality", "score", "mart.orders", "--project", folder, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    parts = document["explained"]["checks"]
    assert sum(part["change"] for part in parts) == pytest.approx(document["change"])
    assert document["columns"] == {"amount": pytest.approx(0.99), "email": 0.92, "id": 1.0}
    assert invoke(["quality", "score", "mart.orders", "--project", folder]) == 0
    assert "lost 0.0200" in capsys.readouterr().out
    assert invoke(["quality", "score", "mart.nothing", "--project", folder]) == 1


def test_the_score_explained_is_the_score_that_the_run_had(make_project: Any) -> None:
    rules = """\
rules:
  - not_null: id
    on_fail: warn
  - unique: id
    on_fail: warn
  - range: {column: id, max: 2}
    severity: warning
  - anomaly: {metric: row_count}
quality: {weights: {uniqueness: 5}}
"""
    text = PIPELINE.replace("quality: {thresholds: {completeness: 0.9}}\n", rules)
    files = {"pipelines/orders.yml": text, "o.csv": "id,note\n1,a\n2,b\n2,c\n3,d\n4,e\n,f\n"}
    project = make_project(files, settings=SETTINGS)
    result = project.run("orders")
    assert result.error is None
    assert 0 < result.quality_score < 1
    found = quality_score("mart.orders", project=load_project(project.folder))
    assert found.now.score == pytest.approx(result.quality_score, abs=1e-12)
    assert found.now.dimensions == pytest.approx(dict(result.dimensions))


def test_the_page_s_examples_run(
    make_project: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "monitoring.md").read_text("utf-8")
    quality, pipeline = re.findall(r"```yaml\n(.*?)```", page, re.S)
    (code,) = re.findall(r"```python\n(.*?)```", page, re.S)
    rows = "id,amount,status,ordered_at,updated_at\n1,2.5,paid,2026-11-01 00:00:00,2026-11-01 01:00:00\n"
    files = {"pipelines/orders.yml": f"{pipeline}{quality}", "data/orders.csv": rows}
    project = make_project(files, settings=SETTINGS)
    result = project.run("orders")
    assert result.error is None, result.error
    assert [c.scored for c in result.checks] == [False] * 6
    monkeypatch.chdir(project.folder)
    exec(compile(code, "docs/monitoring.md", "exec"), {})
    assert capsys.readouterr().out == "True None\n"
