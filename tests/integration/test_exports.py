"""Exports to other orchestrators, run by the real tools: our runs, in order, with our verdict."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sluiceway.integrations.exporting import TOOLS, exported
from sluiceway.spec.project import load_project

SOURCE = Path(__file__).parents[2] / "src"
FILES = {
    "a.csv": "id,v\n1,5\n2,-3\n3,9\n",
    "pipelines/raw.yml": """\
pipeline: raw
description: Rows "as" they come
owner: data
schedule: "0 6 * * *"
timezone: Europe/Amsterdam
retry: {attempts: 3, delay: 1s}
sources: {a: {type: csv, path: a.csv}}
rules:
  - range: {column: v, min: 0}
    on_fail: quarantine
destination: {table: raw.a, mode: merge, primary_key: id}
""",
    "pipelines/mart.yml": """\
pipeline: mart
timeout: 10m
sources: {a: {type: ducklake, table: raw.a}}
transform: [{derive: {w: v * 2}}]
destination: {table: mart.a, mode: replace}
""",
    "pipelines/bad.yml": """\
pipeline: bad
schedule: every 2h
retry: {attempts: 3, delay: 1s}
sources: {a: {type: csv, path: a.csv}}
rules: [{range: {column: v, min: 0}}]
destination: {table: mart.bad, mode: replace}
""",
}


@pytest.fixture
def made(make_project: Any) -> Any:
    project = make_project(FILES)
    for tool in TOOLS:
        project.write(f"ex_{tool}.py", exported(tool, load_project(project.folder)))
    return project


def run_in(made: Any, python: str, *arguments: str, **more: str) -> str:
    """What the tool said. Whether it calls the whole a failure is its own affair."""
    environment = {
        **os.environ, **more, "PYTHONPATH": f"{SOURCE}:{made.folder}", "HOME": str(made.folder),
        "SLUICEWAY_BIN": f"{sys.executable} -m sluiceway",
    }  # fmt: skip
    done = subprocess.run(
        [python, *arguments], cwd=made.folder, env=environment, capture_output=True, text=True, timeout=280,
        check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


def runs_of(made: Any) -> list[tuple[str, str]]:
    """(pipeline, status) of every run, in the order of time."""
    command = [sys.executable, "-m", "sluiceway", "runs", "list", "--json", "--project", str(made.folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [(run["pipeline"], run["status"]) for run in reversed(json.loads(done.stdout)["runs"])]


def judge(made: Any) -> None:
    """Each pipeline ran once, what needs another after it; the blocked one was not tried again."""
    runs = runs_of(made)
    assert sorted(runs) == [("bad", "blocked"), ("mart", "succeeded"), ("raw", "succeeded")]
    assert runs.index(("raw", "succeeded")) < runs.index(("mart", "succeeded"))
    assert made.rows("mart.a") == [(1, 5, 10), (3, 9, 18)]
    assert not made.exists("mart.bad")


@pytest.mark.parametrize("tool", TOOLS)
def test_an_export_is_python_and_says_the_same_twice(made: Any, tool: str) -> None:
    text = (made.folder / f"ex_{tool}.py").read_text()
    tree = ast.parse(text)
    assert ast.get_docstring(tree)
    assert exported(tool, load_project(made.folder)) == text
    assert "\t" not in text
    assert max(len(line) for line in text.splitlines()) < 160


def test_luigi_runs_them_in_order_and_not_twice(made: Any) -> None:
    pytest.importorskip("luigi", reason="no Luigi: pip install luigi")
    moment = ("--at", "2026-11-27T0600", "--local-scheduler")
    said = run_in(made, sys.executable, "-m", "luigi", "--module", "ex_luigi", "All", *moment)
    judge(made)
    assert "range:v (block): 1 of 3" in said
    said = run_in(made, sys.executable, "-m", "luigi", "--module", "ex_luigi", "Mart", *moment)
    assert "1 complete ones were encountered" in said
    assert len(runs_of(made)) == 3  # its target was there


@pytest.fixture(scope="session")
def orchestrators() -> str:
    return _installed("orchestrators")


@pytest.fixture(scope="session")
def airflow() -> str:
    return _installed("airflow")


def _installed(name: str) -> str:
    from scripts import orchestrators
    from scripts.servers import ServerUnavailableError

    if os.environ.get("SLUICEWAY_SERVERS") == "off":
        pytest.skip(f"no {name}: SLUICEWAY_SERVERS=off")
    try:
        return str(orchestrators.install(name))
    except ServerUnavailableError as error:
        pytest.skip(str(error))


DAGSTER = """
import dagster, json, ex_dagster
with dagster.DagsterInstance.ephemeral() as instance:
    done = dagster.materialize(list(ex_dagster.defs.assets), instance=instance, raise_on_error=False)
    print("SAID", json.dumps({
        "success": done.success,
        "made": sorted(e.asset_key.to_user_string() for e in done.get_asset_materialization_events()),
        "checks": sorted([c.asset_key.to_user_string(), c.check_name, c.passed]
                         for c in done.get_asset_check_evaluations()),
        "retried": [e.step_key for e in done.all_events if "RETRY" in e.event_type_value],
        "cron": [s.cron_schedule for s in ex_dagster.defs.schedules],
    }))
"""


@pytest.mark.slow
def test_dagster_materialises_them_with_their_checks(made: Any, orchestrators: str) -> None:
    from scripts.orchestrators import QUIET

    said = run_in(made, orchestrators, "-c", DAGSTER, **QUIET)
    document = json.loads(next(line for line in said.splitlines() if line.startswith("SAID"))[5:])
    assert document == {
        "success": False,
        "made": ["mart/a", "raw/a"],
        "checks": [
            ["mart/bad", "range_v", False], ["raw/a", "not_null_id", True], ["raw/a", "range_v", False],
            ["raw/a", "unique_id", True],
        ],
        "retried": [],
        "cron": ["0 6 * * *"],
    }  # fmt: skip
    judge(made)


PREFECT = """
import ex_prefect
try:
    ex_prefect.everything("2026-11-28T06:00:00+00:00")
except Exception as error:
    print("SAID", type(error).__name__)
"""


@pytest.mark.slow
def test_prefect_runs_them_in_order(made: Any, orchestrators: str) -> None:
    from scripts.orchestrators import QUIET

    said = run_in(made, orchestrators, "-c", PREFECT, PREFECT_HOME=str(made.folder / "prefect"), **QUIET)
    assert "SAID Blocked" in said
    judge(made)


AIRFLOW = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1])
print("SAID", json.dumps({"errors": bag.import_errors, "dags": {
    name: [repr(getattr(dag.timetable, "expression", None)), [t.task_type for t in dag.tasks],
           dag.tasks[0].retries,
           [asset.name for asset in dag.tasks[0].outlets]]
    for name, dag in sorted(bag.dags.items())}}))
for name in ("raw", "mart", "bad"):
    done = bag.dags[name].test()
    print("STATE", name, done.state)
"""


@pytest.mark.slow
def test_airflow_parses_and_runs_the_dags(made: Any, airflow: str) -> None:
    from scripts.orchestrators import QUIET

    home = {
        "AIRFLOW_HOME": str(made.folder / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(made.folder / "dags"), **QUIET,
    }  # fmt: skip
    made.write("dags/ex.py", (made.folder / "ex_airflow.py").read_text())
    run_in(made, airflow, "-m", "airflow", "db", "migrate", **home)
    said = run_in(made, airflow, "-c", AIRFLOW, str(made.folder / "dags"), **home)
    document = json.loads(next(line for line in said.splitlines() if line.startswith("SAID"))[5:])
    assert document["errors"] == {}
    assert {name: facts[1:] for name, facts in document["dags"].items()} == {
        "bad": [["SluicewayOperator"], 2, ["mart.bad"]],
        "mart": [["SluicewayOperator"], 0, ["mart.a"]],
        "raw": [["SluicewayOperator"], 2, ["raw.a"]],
    }
    assert "0 6 * * *" in document["dags"]["raw"][0]
    states = dict(line.split()[1:3] for line in said.splitlines() if line.startswith("STATE"))
    assert {name: state.rpartition(".")[2].lower() for name, state in states.items()} == {
        "raw": "success", "mart": "success", "bad": "failed",
    }  # fmt: skip
    judge(made)
