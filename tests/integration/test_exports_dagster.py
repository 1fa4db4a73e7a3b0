"""The file for Dagster, and assets by hand, in a real Dagster."""

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

MATERIALISE = """
import dagster, json, ex_dagster
def told(done):
    return {
        "success": done.success,
        "made": {e.asset_key.to_user_string(): e.materialization.metadata["published"].value
                 for e in done.get_asset_materialization_events()},
        "checks": sorted([c.asset_key.to_user_string(), c.check_name, c.passed, c.severity.value,
                          c.metadata["failing"].value, c.metadata["on_fail"].value]
                         for c in done.get_asset_check_evaluations()),
        "retried": [e.step_key for e in done.all_events if e.event_type_value == "STEP_UP_FOR_RETRY"],
    }
"""
WHOLE = (
    MATERIALISE
    + """
dagster.Definitions.validate_loadable(ex_dagster.defs)
repository = ex_dagster.defs.get_repository_def()
keys = {key.to_user_string(): node for key, node in
        ((node.key, node) for node in repository.asset_graph.asset_nodes)}
with dagster.DagsterInstance.ephemeral() as instance:
    job = ex_dagster.defs.resolve_job_def("everything")
    tags = {"dagster/scheduled_execution_time": "2026-11-27T06:00:00+00:00"}
    done = job.execute_in_process(instance=instance, raise_on_error=False, tags=tags)
    print("SAID", json.dumps({**told(done),
        "cron": {s.name: [s.cron_schedule, s.execution_timezone] for s in ex_dagster.defs.schedules},
        "tries": {k: [n.op.retry_policy.max_retries, n.op.retry_policy.delay]
                  for k, n in ((a.op.name, a) for a in ex_dagster.defs.assets) if n.op.retry_policy},
        "owners": [owner for n in keys.values() for owner in n.owners],
        "eager": sorted(k for k, n in keys.items() if n.automation_condition is not None),
    }))
"""
)


@pytest.fixture(scope="session")
def dagster() -> str:
    return installed("orchestrators")


@pytest.fixture
def made(make_project: Any) -> Any:
    project = make_project(FILES)
    project.write("ex_dagster.py", exported("dagster", load_project(project.folder)).text)
    return project


def run(made: Any, python: str, script: str) -> str:
    from scripts.orchestrators import QUIET

    return run_in(made, python, "-c", script, DAGSTER_HOME=str(made.folder), **QUIET)


def test_dagster_materialises_them_with_their_checks(made: Any, dagster: str) -> None:
    said = said_by(run(made, dagster, WHOLE))
    assert said == {
        "success": False,
        "made": {"mart/a": 2, "raw/a": 2},
        "checks": [
            ["mart/bad", "range_v", False, "ERROR", 1, "block"],
            ["raw/a", "not_null_id", True, "ERROR", 0, "block"],
            ["raw/a", "range_v", False, "WARN", 1, "quarantine"],
            ["raw/a", "unique_id", True, "ERROR", 0, "block"],
        ],
        "retried": [],
        "cron": {
            "bad_job_schedule": ["0 */2 * * *", "UTC"],
            "raw_job_schedule": ["0 6 * * *", "Europe/Amsterdam"],
        },
        "tries": {"bad": [2, 1], "raw": [2, 1]},
        "owners": ["team:data"],
        "eager": ["mart/a"],
    }
    judge(made)
    assert {run["nominal_at"] for run in listed(made)} == {"2026-11-27T06:00:00.000000Z"}


ODD = """\
pipeline: a.b-c
tags: ["x y"]
schedule: {cron: ["0 9 * * 1-5", "30 10 * * 6"], every: 90s, datasets: [raw.a, ext.rates]}
sources: {a: {type: csv, path: a.csv}}
rules:
  - expression: v < 100
    name: "small, v"
  - expression: v > -100
    name: "small: v"
destination: {table: größe, mode: replace}
"""
LOADED = """
import dagster, json, ex_dagster
dagster.Definitions.validate_loadable(ex_dagster.defs)
(sensor,) = ex_dagster.defs.sensors
with dagster.DagsterInstance.ephemeral() as instance:
    context = dagster.build_sensor_context(instance=instance, definitions=ex_dagster.defs)
    asked = len(sensor.evaluate_tick(context).run_requests)
(schedule,) = ex_dagster.defs.schedules
print("SAID", json.dumps([asked, sensor.minimum_interval_seconds, schedule.cron_schedule]))
"""


def test_dagster_loads_every_kind_of_schedule_and_name(made: Any, dagster: str) -> None:
    made.write("pipelines/odd.yml", ODD)
    made.write("ex_dagster.py", exported("dagster", load_project(made.folder), None, ["a.b-c"]).text)
    assert said_by(run(made, dagster, LOADED)) == [1, 90, ["0 9 * * 1-5", "30 10 * * 6"]]


BY_HAND = (
    MATERIALISE.replace("ex_dagster", "os")
    + """
from sluiceway.integrations.dagster import sluiceway_assets
with dagster.DagsterInstance.ephemeral() as instance:
    def make(*names):
        assets = sluiceway_assets(os.getcwd(), select=names)
        return told(dagster.materialize(assets, instance=instance, raise_on_error=False))
    print("SAID", json.dumps([make("lost"), make("bad"), make("raw", "mart")]))
"""
)


def test_assets_of_a_project_are_made_by_hand(made: Any, dagster: str) -> None:
    """A lost connection is tried again by Dagster, and what the gate blocked is not."""
    made.write("pipelines/lost.yml", LOST)
    lost, bad, rest = said_by(run(made, dagster, BY_HAND))
    assert (lost["success"], lost["retried"]) == (False, ["lost"])
    assert (bad["success"], bad["retried"]) == (False, [])
    assert rest["made"] == {"mart/a": 2, "raw/a": 2}
    assert [name for _, name, *_ in rest["checks"]] == ["not_null_id", "range_v", "unique_id"]
    assert runs_of(made)[:3] == [("lost", "failed"), ("lost", "failed"), ("bad", "blocked")]
    assert runs_of(made)[3:] == [("raw", "succeeded"), ("mart", "succeeded")]


KILLED = """
import os, pathlib, signal, threading, dagster
from sluiceway.integrations.dagster import sluiceway_asset
def kill():
    while not list(pathlib.Path().glob(".sluiceway/staging/*/result")):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=kill, daemon=True).start()
asset = sluiceway_asset("long", "mart.long", os.getcwd())
with dagster.DagsterInstance.ephemeral() as instance:
    dagster.materialize([asset], instance=instance, raise_on_error=False)
"""


def test_a_dagster_that_is_ended_leaves_no_run_behind(made: Any, dagster: str) -> None:
    add_long(made)
    run(made, dagster, KILLED)
    assert runs_of(made) == [("long", "cancelled")]
    assert not made.exists("mart.long")
