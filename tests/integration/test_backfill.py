"""Backfills: every interval once, whoever asks again, and the ordinary runs as if nothing had been."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from typing import Any

import pytest
from tests.integration.commanded import sluiceway, work

EVENTS = """\
pipeline: events
schedule: "@daily"
sources:
  e: {type: csv, path: data/e.csv, incremental: {cursor: at}}
destination: {table: mart.events, mode: MODE, primary_key: id}
"""
RANGE = ("--from", "2026-01-02", "--to", "2026-01-06")


@pytest.fixture
def events(make_project: Any) -> Any:
    rows = [f"{n},2026-01-{1 + n // 24:02d} {n % 24:02d}:00:00,{n}" for n in range(240)]
    return make_project(
        {"pipelines/events.yml": EVENTS.replace("MODE", "merge"), "data/e.csv": "\n".join(["id,at,v", *rows])}
    )


def days(project: Any) -> list[tuple[Any, ...]]:
    sql = 'SELECT CAST("at" AS DATE)::VARCHAR, count(*) FROM {t} GROUP BY 1 ORDER BY 1'
    return list(project.query(sql, "mart.events"))


def test_each_interval_is_loaded_once_and_no_cursor_moves(events: Any) -> None:
    done = sluiceway(events.folder, "backfill", "start", "events", *RANGE)
    assert done["jobs"] == {"succeeded": 4}
    assert days(events) == [(f"2026-01-0{n}", 24) for n in (2, 3, 4, 5)]
    again = sluiceway(events.folder, "backfill", "start", "events", *RANGE)
    assert again["jobs"] == {}
    assert events.run("events").records.published == 240  # the ordinary run reads all: its cursor is its own
    assert sum(count for _, count in days(events)) == 240


def test_a_run_knows_its_moment_and_its_group(events: Any) -> None:
    done = sluiceway(events.folder, "backfill", "start", "events", *RANGE, "--every", "2d")
    runs = sluiceway(events.folder, "runs", "list")["runs"]
    assert sorted(run["nominal_at"][:10] for run in runs) == ["2026-01-04", "2026-01-06"]
    assert done["over"] is True
    assert sluiceway(events.folder, "backfill", "list")["backfills"][0]["state"] == "finished"


def test_chunks_and_a_dry_run_show_the_same_intervals(events: Any) -> None:
    found = sluiceway(events.folder, "backfill", "start", "events", *RANGE, "--chunk", "3", "--dry-run")
    assert [(i["from"][:10], i["to"][:10]) for i in found["intervals"]] == [
        ("2026-01-02", "2026-01-05"), ("2026-01-05", "2026-01-06"),
    ]  # fmt: skip
    assert not events.exists("mart.events")


@pytest.mark.parametrize("mode", ["append", "replace"])
def test_what_would_come_twice_or_be_lost_is_refused(events: Any, mode: str) -> None:
    events.write("pipelines/events.yml", EVENTS.replace("MODE", mode))
    said = sluiceway(events.folder, "backfill", "start", "events", *RANGE, code=2)["said"]
    assert "mode: merge" in said
    assert "events.yml" in said
    assert not events.exists("mart.events")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--from", "2026-01-06", "--to", "2026-01-02"), "is not before"),
        (("--from", "soon", "--to", "2026-01-02"), "--from 'soon' is no date or time"),
        (("--from", "1990-01-01", "--to", "2026-01-02", "--every", "1m"), "more than 10,000"),
        (("--from", "2026-01-01", "--to", "2026-01-02", "--every", "often"), "--every often"),
    ],
)
def test_ranges_that_are_none(events: Any, arguments: tuple[str, ...], says: str) -> None:
    assert says in sluiceway(events.folder, "backfill", "start", "events", *arguments, code=2)["said"]


def test_a_killed_backfill_goes_on_and_nothing_comes_twice(events: Any) -> None:
    """SIGKILL in the middle, by our own process group; then the same command again."""
    command = [sys.executable, "-m", "sluiceway", "backfill", "start", "events", *RANGE]
    killed = subprocess.Popen(
        [*command, "--project", str(events.folder)], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert killed.stderr is not None
    for line in killed.stderr:
        if line.startswith("[1/"):
            os.kill(killed.pid, signal.SIGKILL)
            break
    killed.stderr.close()
    killed.wait(timeout=30)
    before = days(events)
    assert 1 <= len(before) <= 4
    settings = "project: test\norchestrate: {lost_after: 1s, heartbeat: 200ms}\n"
    events.write("sluiceway.yml", settings)
    listed = sluiceway(events.folder, "backfill", "list")["backfills"]
    done = sluiceway(events.folder, "backfill", "resume", listed[0]["id"])
    assert done["jobs"] == {"succeeded": 4}
    assert days(events) == [(f"2026-01-0{n}", 24) for n in (2, 3, 4, 5)]


def test_a_cancelled_backfill_runs_no_more(events: Any) -> None:
    made = sluiceway(events.folder, "backfill", "start", "events", *RANGE, "--detach")
    assert made["queued"] == 4
    assert sluiceway(events.folder, "backfill", "cancel", made["id"])["cancelled"] == 4
    work(events.folder)
    assert not events.exists("mart.events")


def test_a_paused_backfill_waits_and_goes_on(events: Any) -> None:
    made = sluiceway(events.folder, "backfill", "events", *RANGE, "--detach")  # without the word start
    assert sluiceway(events.folder, "backfill", "pause", made["id"])["held"] == 4
    work(events.folder)  # which ends, although four runs wait
    assert not events.exists("mart.events")
    assert sluiceway(events.folder, "backfill", "list")["backfills"][0]["state"] == "paused"
    done = sluiceway(events.folder, "backfill", "resume", made["id"])
    assert (done["jobs"], done["state"]) == ({"succeeded": 4}, "finished")
    assert days(events) == [(f"2026-01-0{n}", 24) for n in (2, 3, 4, 5)]


def test_one_that_was_killed_before_its_runs_were_queued_is_resumed_whole(events: Any) -> None:
    made = sluiceway(events.folder, "backfill", "start", "events", *RANGE, "--detach")
    with sqlite3.connect(events.folder / ".sluiceway" / "metadata.db") as con:  # as if killed between the two
        con.execute("DELETE FROM jobs")
    con.close()
    done = sluiceway(events.folder, "backfill", "resume", made["id"])
    assert done["jobs"] == {"succeeded": 4}
    assert days(events) == [(f"2026-01-0{n}", 24) for n in (2, 3, 4, 5)]


def test_failed_intervals_are_run_again_and_no_others(events: Any) -> None:
    sound = (events.folder / "data" / "e.csv").read_text()
    events.write("data/e.csv", sound.replace("2026-01-03 05:00:00,53", "2026-01-03 05:00:00,x"))
    typed = "{cursor: at}, columns: {id: BIGINT, at: TIMESTAMP, v: VARCHAR}"
    file = EVENTS.replace("MODE", "merge").replace("{cursor: at}", typed)
    events.write("pipelines/events.yml", file + "rules: [{expression: \"v <> 'x'\"}]\n")
    made = sluiceway(events.folder, "backfill", "start", "events", *RANGE, code=3)
    assert made["jobs"] == {"succeeded": 3, "blocked": 1}
    shown = sluiceway(events.folder, "backfill", "show", made["id"])["intervals"]
    assert [i["status"] for i in shown] == ["succeeded", "blocked", "succeeded", "succeeded"]
    assert "v <> " in shown[1]["error"] or "blocked" in shown[1]["error"]
    events.write("data/e.csv", sound)
    assert sluiceway(events.folder, "backfill", "resume", made["id"], code=3)["jobs"] == made["jobs"]
    sluiceway(events.folder, "backfill", "resume", made["id"], "--rerun-failed", code=3)
    shown = sluiceway(events.folder, "backfill", "show", made["id"])["intervals"]
    assert [i["status"] for i in shown] == ["succeeded"] * 4
    assert days(events) == [(f"2026-01-0{n}", 24) for n in (2, 3, 4, 5)]
    runs = sluiceway(events.folder, "runs", "list")["runs"]
    assert len(runs) == 5


def test_the_last_interval_first_only_where_older_rows_lose(events: Any) -> None:
    said = sluiceway(events.folder, "backfill", "start", "events", *RANGE, "--reverse", code=2)["said"]
    assert "version: COLUMN" in said
    events.write("pipelines/events.yml", EVENTS.replace("MODE", "merge, version: at"))
    sluiceway(events.folder, "backfill", "start", "events", *RANGE, "--reverse")
    runs = sluiceway(events.folder, "runs", "list")["runs"]  # newest first
    assert [run["nominal_at"][:10] for run in runs] == [f"2026-01-0{n}" for n in (3, 4, 5, 6)]


def test_times_are_the_schedule_s(events: Any) -> None:
    events.write("pipelines/events.yml", EVENTS.replace("MODE", "merge") + "timezone: America/New_York\n")
    found = sluiceway(
        events.folder, "backfill", "events", "--from", "2026-03-07", "--to", "2026-03-10", "--dry-run"
    )["intervals"]
    assert [i["from"][5:16] for i in found] == ["03-07T05:00", "03-08T05:00", "03-09T04:00"]
    assert found[-1]["to"][5:16] == "03-10T04:00"


def test_the_zone_of_a_source_s_times_is_minded(events: Any) -> None:
    file = EVENTS.replace("MODE", "merge").replace("path:", "timezone: Asia/Kolkata, path:")
    events.write("pipelines/events.yml", file)
    sluiceway(events.folder, "backfill", "events", "--from", "2026-01-03", "--to", "2026-01-04")
    [(low, high, n)] = events.query("SELECT min(id), max(id), count(*) FROM {t}", "mart.events")
    assert (low, high, n) == (48 + 6, 48 + 29, 24)  # 05:30 there is midnight in UTC


def test_a_cursor_that_is_no_time_is_refused(events: Any) -> None:
    events.write("pipelines/events.yml", EVENTS.replace("MODE", "merge").replace("cursor: at", "cursor: v"))
    done = sluiceway(events.folder, "backfill", "events", *RANGE, code=1)
    shown = sluiceway(events.folder, "backfill", "show", done["id"])["intervals"]
    assert {i["status"] for i in shown} == {"failed"}
    assert "and no time" in shown[0]["error"]
    assert not events.exists("mart.events")


def test_two_people_at_once_queue_each_interval_once(events: Any) -> None:
    command = [sys.executable, "-m", "sluiceway", "backfill", "start", "events", *RANGE, "--detach", "--json"]
    both = [
        subprocess.Popen([*command, "--project", str(events.folder)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert sum(json.loads(one.communicate(timeout=60)[0])["queued"] for one in both) == 4


def test_an_append_is_backfilled_by_its_sql_s_interval_and_never_again(events: Any) -> None:
    file = (
        EVENTS.replace("MODE", "append")
        .replace(", primary_key: id", "")
        .replace(", incremental: {cursor: at}", "")
    )
    within = "at >= CAST(:interval_start AS TIMESTAMP) AND at < CAST(:interval_end AS TIMESTAMP)"
    where = f'transform: [{{filter: "{within}"}}]'
    events.write("pipelines/events.yml", f"{file}{where}\n")
    sluiceway(events.folder, "backfill", "events", *RANGE)
    assert days(events) == [(f"2026-01-0{n}", 24) for n in (2, 3, 4, 5)]
    sluiceway(events.folder, "backfill", "events", *RANGE)
    said = sluiceway(events.folder, "backfill", "events", *RANGE, "--again", code=2)["said"]
    assert "twice" in said
    assert days(events) == [(f"2026-01-0{n}", 24) for n in (2, 3, 4, 5)]
