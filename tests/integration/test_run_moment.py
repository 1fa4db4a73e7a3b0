"""``run --at``: a run that stands for a moment takes it for now, whatever the clock says."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from sluiceway.cli.app import invoke
from sluiceway.spec.project import load_project
from sluiceway.store.store import Store

MOMENT = "2013-02-01T00:00:00.000000Z"
FILE = """\
pipeline: p
sources:
  s: {type: csv, path: s.csv, columns: {id: BIGINT, at: TIMESTAMP}}
transform:
  - derive: {seen: "CAST(current_date AS DATE)"}
rules:
  - freshness: {column: at, max_age: 26h}
destination: {table: mart.t, mode: MODE}
"""
ROWS = "id,at\n1,2013-01-31 12:00:00\n"


def test_rules_sql_and_metrics_take_the_moment(make_project: Any) -> None:
    project = make_project({"pipelines/p.yml": FILE.replace("MODE", "append"), "s.csv": ROWS})
    late = project.run("p")
    assert late.status == "blocked"  # it is years old
    assert not project.exists("mart.t")
    result = project.run("p", at=dt.datetime.fromisoformat("2013-02-01"))
    assert result.error is None
    assert project.rows("mart.t", "id, seen") == [(1, dt.date(2013, 2, 1))]
    with Store.open(load_project(project.folder).metadata) as store:
        newest, blocked = store.runs()
        assert (newest["nominal_at"], blocked["nominal_at"]) == (MOMENT, None)
        assert newest["started_at"] > blocked["started_at"] > "2026"
        found = store.metrics("mart.t", "row_count", status=None)
        assert [m["at"] for m in found if m["run_id"] == result.run_id] == [MOMENT]


def test_versions_begin_at_the_moment(make_project: Any) -> None:
    text = FILE.replace("MODE", "scd2, primary_key: id").replace("26h", "900000h")
    project = make_project({"pipelines/p.yml": text, "s.csv": ROWS})
    result = project.run("p", at=dt.datetime.fromisoformat("2013-02-01T01:00:00+01:00"))
    assert result.error is None
    assert project.rows("mart.t", "id, valid_from") == [(1, dt.datetime.fromisoformat("2013-02-01"))]


def test_a_run_that_never_had_a_plan_keeps_its_moment(make_project: Any) -> None:
    project = make_project({"pipelines/p.yml": FILE.replace("MODE", "append")})
    assert project.run("p", at=dt.datetime.fromisoformat("2013-02-01")).status == "failed"
    with Store.open(load_project(project.folder).metadata) as store:
        assert [run["nominal_at"] for run in store.runs()] == [MOMENT]


@pytest.mark.parametrize(("given", "code"), [("2013-02-01", 0), ("2014-02-01T00:00", 3), ("soon", 2)])
def test_the_command(make_project: Any, capsys: pytest.CaptureFixture[str], given: str, code: int) -> None:
    project = make_project({"pipelines/p.yml": FILE.replace("MODE", "append"), "s.csv": ROWS})
    assert invoke(["run", "p", "--at", given, "--project", str(project.folder)]) == code
    if code == 2:
        said = capsys.readouterr().err
        assert "--at 'soon' is no date or time" in said
        assert "Traceback" not in said
    assert project.exists("mart.t") is (code == 0)
