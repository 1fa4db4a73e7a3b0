"""The file for Airflow, and the operator by hand, in a real Airflow 3."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.orchestrated import (
    FILES,
    LOST,
    add_long,
    installed,
    judge,
    listed,
    run_in,
    runs_of,
    said_by,
)

from sluiceway.integrations.exporting import exported
from sluiceway.spec.project import load_project

pytestmark = pytest.mark.slow

SCHEDULED = {
    "pipelines/both.yml": """\
pipeline: both
depends_on: ["pipeline:mart"]
schedule: {cron: ["0 9 * * 1-5", "30 10 * * 6"], datasets: [raw.a, mart.a], when: any, start: 2026-01-01}
sources: {a: {type: csv, path: a.csv}}
destination: {table: both, mode: replace}
""",
    "pipelines/odd.yml": """\
pipeline: odd
schedule: every 90s
sources: {a: {type: csv, path: a.csv}}
destination: {table: odd, mode: replace}
""",
}
PARSED = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.encoders import coerce_to_core_timetable
from airflow.timetables.base import TimeRestriction
bag = DagBag(sys.argv[1])
def facts(dag):
    table, task = coerce_to_core_timetable(dag.timetable), dag.tasks[0]
    # what the scheduler asks for a DAG that it never ran
    due = table.next_dagrun_info(last_automated_data_interval=None,
        restriction=TimeRestriction(dag.start_date, dag.end_date, dag.catchup))
    timeout = task.execution_timeout
    return {
        "timetable": type(table).__name__, "due": due is not None,
        "tries": [task.retries, task.retry_delay.total_seconds(), task.retry_exponential_backoff],
        "timeout": timeout and timeout.total_seconds(), "owner": task.owner, "tags": sorted(dag.tags),
        "in": [asset.name for asset in task.inlets], "out": [asset.name for asset in task.outlets],
        "runs": dag.max_active_runs,
    }
"""
RUN = (
    PARSED
    + """
from datetime import datetime, timezone
from airflow.models.asset import AssetEvent
from airflow.utils.session import create_session
said = {"errors": bag.import_errors, "dags": {name: facts(dag) for name, dag in sorted(bag.dags.items())}}
dags = bag.dags
states = [
    dags["raw"].test(logical_date=datetime(2026, 11, 27, 6, tzinfo=timezone.utc)),
    dags["mart"].test(logical_date=None),  # as assets start it
    dags["bad"].test(),
]
with create_session() as session:
    told = {event.asset.name: event.extra["records"] for event in session.query(AssetEvent)}
print("SAID", json.dumps({**said, "states": [str(run.state) for run in states], "told": told}, default=str))
"""
)
PLAIN = {
    "timetable": "CronTriggerTimetable", "due": True, "tries": [2, 1.0, 2.0], "timeout": None,
    "owner": "airflow", "tags": ["sluiceway"], "in": [], "runs": 1,
}  # fmt: skip


@pytest.fixture(scope="session")
def airflow() -> str:
    return installed("airflow")


@pytest.fixture
def made(make_project: Any) -> Any:
    project = make_project(FILES)
    project.write("dags/ex.py", exported("airflow", load_project(project.folder)).text)
    return project


def home_of(made: Any) -> dict[str, str]:
    from scripts.orchestrators import QUIET

    return {
        "AIRFLOW_HOME": str(made.folder / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(made.folder / "dags"), **QUIET,
    }  # fmt: skip


def test_airflow_parses_and_runs_the_dags(made: Any, airflow: str) -> None:
    home = home_of(made)
    run_in(made, airflow, "-m", "airflow", "db", "migrate", **home)
    text = run_in(made, airflow, "-c", RUN, str(made.folder / "dags"), **home)
    said = said_by(text)
    assert said["errors"] == {}
    assert said["dags"] == {
        "bad": {**PLAIN, "out": ["mart.bad"]},
        "mart": {
            **PLAIN, "timetable": "AssetTriggeredTimetable", "due": False, "tries": [0, 300.0, 0],
            "timeout": 660.0, "in": ["raw.a"], "out": ["mart.a"],
        },
        "raw": {**PLAIN, "owner": "data", "tags": ["daily", "sluiceway"], "out": ["raw.a"]},
    }  # fmt: skip
    assert said["states"] == ["success", "success", "failed"]
    assert {name: records["published"] for name, records in said["told"].items()} == {"raw.a": 2, "mart.a": 2}
    assert "range:v (block): 1 of 3" in text  # the verdict is in the task's log
    judge(made)
    moments = {run["pipeline"]: run["nominal_at"] for run in listed(made)}
    assert moments["raw"] == "2026-11-27T06:00:00.000000Z"
    assert moments["mart"] is None


def test_airflow_reads_every_kind_of_schedule(made: Any, airflow: str) -> None:
    for path, text in SCHEDULED.items():
        made.write(path, text)
    made.write("dags/ex.py", exported("airflow", load_project(made.folder)).text)
    script = (
        PARSED
        + 'print("SAID", json.dumps([bag.import_errors, facts(bag.dags["both"]), facts(bag.dags["odd"])]))'
    )
    home = home_of(made)
    run_in(made, airflow, "-m", "airflow", "db", "migrate", **home)
    errors, both, odd = said_by(run_in(made, airflow, "-c", script, str(made.folder / "dags"), **home))
    assert errors == {}
    assert (both["timetable"], both["due"]) == ("AssetOrTimeSchedule", True)
    assert (odd["timetable"], odd["due"]) == ("DeltaTriggerTimetable", True)


BY_HAND = """
import os, pathlib, signal, sys, threading
from datetime import timedelta
from airflow.sdk import DAG
from sluiceway.integrations.airflow import SluicewayOperator

def dag(name, **options):
    with DAG(name, schedule=None) as made:
        SluicewayOperator(task_id="t", project=sys.argv[1], **options)
    return made

def begun():
    while not list(pathlib.Path(sys.argv[1]).glob(".sluiceway/staging/*/result")):
        pass

states = []
lost = dag("lost", pipeline="lost", retries=1, retry_delay=timedelta(seconds=1))
slow = dag("slow", pipeline="long", execution_timeout=timedelta(seconds=20))
killed = dag("killed", pipeline="long", retries=0)
"""
BODY = """
import json
states.append(lost.test().state)
states.append(slow.test().state)
def kill():
    begun()
    os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=kill, daemon=True).start()
states.append(killed.test().state)
operator = SluicewayOperator(task_id="u", pipeline="raw", project=sys.argv[1])
said = operator.execute({})  # with no Airflow around it
print("SAID", json.dumps([[str(state) for state in states], said["records"]["published"]]))
"""


def test_an_operator_is_tried_again_and_stopped(made: Any, airflow: str) -> None:
    """A lost connection is tried again by Airflow; a time limit and a kill stop the run too."""
    made.write("pipelines/lost.yml", LOST)
    add_long(made)
    made.write("dags/hand.py", BY_HAND + 'if __name__ == "__main__":\n' + BODY.replace("\n", "\n    "))
    home = home_of(made)
    run_in(made, airflow, "-m", "airflow", "db", "migrate", **home)
    text = run_in(made, airflow, str(made.folder / "dags/hand.py"), str(made.folder), **home)
    states, published = said_by(text)
    assert states == ["failed", "failed", "failed"]
    assert published == 2
    assert sorted(runs_of(made)) == [
        ("long", "cancelled"), ("long", "cancelled"), ("lost", "failed"), ("lost", "failed"),
        ("raw", "succeeded"),
    ]  # fmt: skip
    assert not made.exists("mart.long")
