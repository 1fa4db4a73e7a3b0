"""``quality report``, ``quality show`` and ``quality`` alone: from runs on disk to what people read."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from tests.integration.conftest import ProjectOnDisk
from tests.integration.histories import check, write_history

from sluiceway.cli.app import invoke
from sluiceway.errors import PlanError
from sluiceway.quality.report import dataset_report, quality_report
from sluiceway.spec.project import load_project

PIPELINE = """
pipeline: orders
owner: sales-data
sources:
  orders: {type: csv, path: orders.csv}
transform:
  - derive: {code: "'Q' || id"}
  - mask: {code: redact}
contract: orders.odcs.yaml
rules:
  - not_null: id
  - range: {column: amount, min: 0, max: 100}
    on_fail: quarantine
  - length: {column: note, max: 3}
    severity: warning
  - pattern: {column: email, format: email}
    severity: warning
  - length: {column: salary, max: 3}
    severity: warning
destination: {table: mart.orders}
"""
PLAIN = """
pipeline: orders
sources: {o: {type: csv, path: o.csv}}
rules: [{not_null: id}]
destination: {table: mart.orders}
"""
CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: orders
version: 1.0.0
status: active
schema:
  - name: orders
    physicalName: mart.orders
    properties:
      - {name: id, logicalType: integer}
      - {name: email, logicalType: string}
      - {name: amount, logicalType: integer}
      - {name: note, logicalType: string}
      - {name: salary, logicalType: string, classification: confidential}
      - {name: code, logicalType: string}
"""


def rows(bad: int = 5) -> str:
    lines = ["id,email,amount,note,salary"]
    lines += [
        f"{i},{'not-an-address' if i == 9 else f'user{i}@example.com'},{500 if i < bad else i % 90},"
        f"{'visible' if i < 2 else 'ok'},{'secret-9000' if i == 7 else 'abc'}"
        for i in range(200)
    ]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A project whose pipeline has run once, and whose page was written."""
    project = ProjectOnDisk(tmp_path_factory.mktemp("shop"))
    project.write("sluiceway.yml", "project: shop\n")
    project.write("pipelines/orders.yml", PIPELINE)
    project.write("orders.odcs.yaml", CONTRACT)
    project.write("orders.csv", rows())
    result = project.run("orders")
    assert result.success, result.error
    return project


def at(project: ProjectOnDisk, *args: str) -> list[str]:
    return [*args, "--project", str(project.folder)]


def test_the_page_says_what_there_is_and_hides_what_is_secret(shop, tmp_path):
    file = tmp_path / "r.html"
    assert invoke(at(shop, "quality", "report", "mart.orders", "-o", str(file))) == 0
    page = file.read_text("utf-8")
    for said in (
        "The data can be used with care", "amount must be at least 0 and at most 100", "5 of 200 rows",
        "Rows waiting in quarantine", "orders.csv", "owner sales-data", "What the data is like",
        "sluiceway quarantine show --run", "visible",
    ):  # fmt: skip
        assert said in page, said
    assert "secret-9000" not in page  # the contract classifies it
    assert "not-an-address" not in page  # it looks personal
    assert "@example.com" not in page
    assert "***" in page


def test_personal_values_are_shown_on_demand_and_classified_ones_never(shop):
    shown = dataset_report("mart.orders", project=load_project(shop.folder), show_pii=True)
    text = json.dumps([dict(row) for check in shown.checks for row in check.samples])
    assert "not-an-address" in text
    assert "secret-9000" not in text
    assert "secret-9000" not in repr(shown)


def test_without_a_look_at_the_data_no_row_is_shown(shop, capsys):
    assert invoke(at(shop, "quality", "report", "--no-profile", "--format", "json")) == 0
    document = json.loads(capsys.readouterr().out)
    [one] = document["datasets"]
    assert one["profile"] is None
    assert one["findings"] == []
    assert [row for c in one["checks"] for row in c["samples"]] == []
    assert any("are not shown" in note for note in one["notes"])
    assert sum(row["rows"] for row in one["quarantine"]) == 5  # as the store remembers it
    assert (document["level"], one["score"]) == ("attention", pytest.approx(one["score"]))
    assert [u["name"] for u in one["upstream"]] == ["orders.csv"]


def test_markdown_and_junit_go_to_stdout(shop, capsys):
    assert invoke(at(shop, "quality", "report", "--no-profile", "--format", "junit")) == 0
    root = ET.fromstring(capsys.readouterr().out)
    [suite] = root
    assert suite.attrib["name"] == "mart.orders"
    assert {case.attrib["name"] for case in suite.iter("testcase")} >= {"not_null:id", "range:amount"}
    assert [case.attrib["name"] for case in suite if case.find("failure") is not None] == ["range:amount"]
    assert invoke(at(shop, "quality", "report", "--no-profile", "--format", "markdown")) == 0
    out = capsys.readouterr().out
    assert out.startswith("# Data quality of shop\n")
    assert "| mart.orders | Needs a look |" in out


def test_json_is_one_document_with_the_page_s_address(shop, capsys):
    assert invoke(at(shop, "quality", "report", "--no-profile", "--json")) == 0
    document = json.loads(capsys.readouterr().out)
    page = Path(document["report_url"].removeprefix("file://"))
    assert page == shop.folder / ".sluiceway" / "reports" / "quality.html"
    assert page.read_text("utf-8").startswith("<!DOCTYPE html>")


def test_quality_alone_and_show_are_short(shop, capsys):
    assert invoke(at(shop, "quality")) == 0
    out = capsys.readouterr().out
    assert "mart.orders" in out
    assert "Needs a look" in out
    assert len(out.splitlines()) < 8
    assert invoke(at(shop, "quality", "show", "mart.orders")) == 0
    out = capsys.readouterr().out
    assert "range:amount" in out
    assert "sluiceway quarantine show" in out
    assert len(out.splitlines()) < 40
    assert invoke(at(shop, "quality", "--json")) == 0
    assert json.loads(capsys.readouterr().out)["datasets"][0]["dataset"] == "mart.orders"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("quality", "report", "--all", "mart.orders"), "--all takes no names"),
        (("quality", "report", "--format", "junit", "--open", "yes"), "--open shows a page"),
        (("quality", "report", "mart.nothing"), "nothing to report of 'mart.nothing'"),
        (("quality", "report", "--range", "soon"), "soon"),
        (("quality", "show", "mart.nothing"), "nothing to report of 'mart.nothing'"),
        (("quality", "repotr"), "there is no command 'quality repotr'"),
    ],
)
def test_a_mistake_is_told_without_a_trace(shop, capsys, args, said):
    assert invoke(at(shop, *args)) in (1, 2)
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told


def test_options_before_the_command_are_not_passed_over(shop, capsys):
    assert invoke(["quality", "--project", str(shop.folder), "show", "mart.orders"]) == 2
    assert "options go behind the command" in capsys.readouterr().err


def test_a_file_that_no_run_knows_is_profiled_and_not_judged(shop, tmp_path, monkeypatch):
    (tmp_path / "new.csv").write_text("a\n1\n2\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    [one] = quality_report(["new.csv"], project=load_project(shop.folder)).datasets
    assert (one.level, one.profile.rows, one.checks) == ("unknown", 2, ())
    with pytest.raises(PlanError, match="nothing to report"):
        dataset_report("mart.nothing", project=load_project(shop.folder))


def test_a_profile_is_a_page_too(shop, tmp_path, capsys):
    page = tmp_path / "p.html"
    assert invoke(at(shop, "profile", "mart.orders", "--mask-pii", "--html", str(page))) == 0
    text = page.read_text("utf-8")
    assert "<svg" in text
    assert "secret-9000" not in text
    assert "@example.com" not in text
    assert str(page) in capsys.readouterr().out


def test_data_that_can_t_be_opened_is_a_note_and_the_rest_is_reported(make_project):
    project = make_project({"pipelines/orders.yml": PLAIN})
    passing = [check("not_null:id", dimension="completeness")]
    metrics = [{"row_count": 10, "quality_score": 1.0, "dimensions": {"completeness": 1.0}}] * 3
    write_history(project, metrics, checks=[passing] * 3)
    one = dataset_report("mart.orders", project=load_project(project.folder))
    assert one.profile is None
    assert any(note.startswith("profile: there is no table mart.orders") for note in one.notes)
    assert (one.level, len(one.runs), one.score) == ("fit", 3, 1.0)


def test_a_fall_is_reported_with_its_check_its_day_and_its_chart(make_project, tmp_path):
    project = make_project({"pipelines/orders.yml": PLAIN})
    until = datetime(2026, 11, 20, tzinfo=UTC)
    metrics, checks = [], []
    for n in range(30):
        failing = 300 if n >= 24 else n % 3
        metrics.append({"row_count": 1000, "quality_score": 1 - failing / 1000,
                        "dimensions": {"accuracy": 1 - failing / 1000}})  # fmt: skip
        checks.append([check("pattern:email", failing, 1000)])
    write_history(project, metrics, checks=checks, until=until)
    found = quality_report(
        ["mart.orders"], project=load_project(project.folder), look=False, now=until + timedelta(hours=1)
    )
    [one] = found.datasets
    assert one.level == "attention"
    assert any(i.kind == "degradation" for i in one.issues)
    assert "pattern:email" in one.change or "as on" in one.change
    assert any(i.type == "quality_degradation" for i in one.trends.insights)
    from sluiceway.quality.html.report import report_page

    page = report_page(found)
    assert "Quality score by run" in page
    assert "30.0%" in page
