"""Runs of one pipeline at once: where that was asked for, and only where their order does not matter."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.integration.commanded import meet, sluiceway, work

from sluiceway.errors import PlanError
from sluiceway.spec.pipeline import PipelineConfig
from sluiceway.spec.project import load_project
from sluiceway.spec.resolve import resolve

RANGE = ("--from", "2026-01-02", "--to", "2026-01-06")
EVENTS = """\
pipeline: events
schedule: "@daily"
sources:
  e: {type: csv, path: data/e.csv, incremental: {cursor: at}}
transform:
- python: {function: "steps.meet:meet", columns: {id: BIGINT, at: TIMESTAMP, v: BIGINT}}
destination: {table: mart.events, mode: merge, primary_key: id, version: at}
"""
ONE_AT_A_TIME = '''\
"""Fail where another is here too."""
import os, pathlib

def meet(batches):
    here = pathlib.Path(__file__).parent / "alone"
    os.mkdir(here)
    yield from batches
    os.rmdir(here)
'''
DAYS = [(f"2026-01-0{n}", 24) for n in (2, 3, 4, 5)]


@pytest.fixture
def events(make_project: Any) -> Any:
    rows = [f"{n},2026-01-{1 + n // 24:02d} {n % 24:02d}:00:00,{n}" for n in range(240)]
    return make_project(
        {
            "pipelines/events.yml": EVENTS, "data/e.csv": "\n".join(["id,at,v", *rows]),
            "steps/__init__.py": "", "steps/meet.py": meet(4),
        }
    )  # fmt: skip


def days(project: Any) -> list[tuple[Any, ...]]:
    sql = 'SELECT CAST("at" AS DATE)::VARCHAR, count(*) FROM {t} GROUP BY 1 ORDER BY 1'
    return list(project.query(sql, "mart.events"))


def test_intervals_run_at_once_and_all_of_them_arrive(events: Any) -> None:
    """Four meet in the middle. None found a table when it was planned, and three must plan again."""
    done = sluiceway(events.folder, "backfill", "events", *RANGE, "--parallel", "4")
    assert done["jobs"] == {"succeeded": 4}
    assert days(events) == DAYS
    assert events.run("events").records.published == 240  # the ordinary run's cursor is its own


def test_no_more_at_once_than_were_asked_for(events: Any) -> None:
    events.write("steps/meet.py", ONE_AT_A_TIME)
    events.write("sluiceway.yml", "project: test\norchestrate: {slots: 4}\n")
    assert sluiceway(events.folder, "backfill", "events", *RANGE)["jobs"] == {"succeeded": 4}
    assert days(events) == DAYS


def test_an_ordinary_run_goes_beside_intervals_that_run_at_once(events: Any) -> None:
    events.write("steps/meet.py", meet(3))
    made = sluiceway(
        events.folder, "backfill", "events", "--from", "2026-01-02", "--to", "2026-01-04",
        "--parallel", "2", "--detach",
    )  # fmt: skip
    sluiceway(events.folder, "schedule", "trigger", "events")
    work(events.folder, "--slots", "3")
    assert sluiceway(events.folder, "backfill", "show", made["id"])["jobs"] == {"succeeded": 2}
    assert sum(count for _, count in days(events)) == 240


def test_max_active_runs_lets_moments_run_at_once_where_no_cursor_is_moved(events: Any) -> None:
    file = EVENTS.replace(", incremental: {cursor: at}", "").replace(
        "transform:\n", "transform:\n- filter: \"at < CURRENT_DATE\"\n"
    )  # fmt: skip
    events.write("pipelines/events.yml", f"{file}max_active_runs: 2\n")
    events.write("steps/meet.py", meet(2))
    for day in (3, 4):
        sluiceway(events.folder, "schedule", "trigger", "events", "--at", f"2026-01-{day:02d}")
    work(events.folder, "--slots", "2")
    assert [run["status"] for run in sluiceway(events.folder, "runs", "list")["runs"]] == ["succeeded"] * 2
    assert [n for _, n in days(events)] == [24, 24, 24]


def test_runs_that_read_from_a_cursor_go_one_after_another_all_the_same(events: Any) -> None:
    events.write("pipelines/events.yml", f"{EVENTS}max_active_runs: 4\n")
    events.write("steps/meet.py", ONE_AT_A_TIME)
    for _ in range(3):
        sluiceway(events.folder, "schedule", "trigger", "events")
    work(events.folder, "--slots", "3")
    assert [run["status"] for run in sluiceway(events.folder, "runs", "list")["runs"]] == ["succeeded"] * 3


@pytest.mark.parametrize(
    ("destination", "says"),
    [
        ("mode: merge, primary_key: id", "version: COLUMN"),
        ("mode: replace", "would replace all of mart.events"),
        ("mode: scd2, primary_key: id", "in the order of time"),
    ],
)
def test_it_is_refused_where_the_last_to_end_would_win(events: Any, destination: str, says: str) -> None:
    file = f"{EVENTS.rsplit('destination', 1)[0]}destination: {{table: mart.events, {destination}}}\n"
    config = PipelineConfig.load(events.write("pipelines/events.yml", f"{file}max_active_runs: 2\n"))
    with pytest.raises(PlanError, match="side by side") as raised:
        resolve(config, load_project(events.folder))
    assert says in str(raised.value)
    assert "events.yml:8" in str(raised.value)
    events.write("pipelines/events.yml", file)
    if "replace" not in destination:  # of which a backfill says more
        said = sluiceway(events.folder, "backfill", "events", *RANGE, "--parallel", "2", code=2)
        assert "side by side" in json.dumps(said)


def test_a_run_that_the_queue_still_has_is_left_to_it(events: Any) -> None:
    """Killed before it published, and waiting to be tried again: another run of the pipeline does not call it
    failed, and does not begin at its moment."""
    events.write("steps/meet.py", meet(9))  # none gets beyond
    backfill = [sys.executable, "-m", "sluiceway", "backfill", "events", *RANGE, "--parallel", "4"]
    process = subprocess.Popen(
        [*backfill, "--project", str(events.folder)], stderr=subprocess.DEVNULL, start_new_session=True
    )
    here = events.folder / "steps" / "here"
    while not here.is_dir() or len(list(here.iterdir())) < 2:
        assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)  # its runs end with it
    process.wait(timeout=30)
    events.write("steps/meet.py", "def meet(batches):\n    yield from batches\n")
    events.write("sluiceway.yml", "project: test\norchestrate: {lost_after: 1s, heartbeat: 200ms}\n")
    before = datetime.now(UTC)
    result = events.run("events")
    assert result.status == "succeeded"
    listed = sluiceway(events.folder, "runs", "list")["runs"]
    mine = next(run for run in listed if run["run_id"] == result.run_id)
    assert datetime.fromisoformat(mine["started_at"]) >= before - timedelta(seconds=1)
    assert not [run for run in listed if run["status"] == "failed"]
    backfills = sluiceway(events.folder, "backfill", "list")["backfills"]
    assert sluiceway(events.folder, "backfill", "resume", backfills[0]["id"])["jobs"] == {"succeeded": 4}
    assert sum(count for _, count in days(events)) == 240
