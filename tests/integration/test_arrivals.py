"""What makes pipelines run beside the clock, and schedules that are wrong in other ways than their text."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.clocked import HOUR, MINUTE, START, Clocked, publish

from sluiceway.orchestrate import arrivals
from sluiceway.orchestrate.watch import sweep

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def clocked(tmp_path: Path) -> Iterator[Clocked]:
    made = Clocked(tmp_path / "project")
    yield made
    made.store.close()


def drop(folder: Path, name: str, text: str = "1\n") -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


# --- datasets ---


def test_a_run_that_published_nothing_is_no_arrival(clocked: Clocked) -> None:
    clocked.pipeline("p", "{datasets: [mart.a]}")
    scheduler = clocked.open()
    scheduler.tick(START, clocked.store)
    for n, status in enumerate(("blocked", "failed", "cancelled")):
        publish(clocked.store, "mart.a", START + n * MINUTE, status)
        scheduler.tick(START + (n + 1) * MINUTE, clocked.store)
    assert clocked.queued() == []


def test_arrivals_while_a_run_waits_add_no_second_and_one_that_comes_later_does(clocked: Clocked) -> None:
    clocked.pipeline("p", "{datasets: [mart.a]}")
    scheduler = clocked.open()
    scheduler.tick(START, clocked.store)
    for n in range(1, 4):
        publish(clocked.store, "mart.a", START + n * MINUTE)
        scheduler.tick(START + n * MINUTE, clocked.store)
    assert len(clocked.queued()) == 1
    clocked.store.queue.claim("dev", "w", {"default": 1}, START + 4 * MINUTE)
    scheduler.tick(START + 5 * MINUTE, clocked.store)
    assert len(clocked.queued()) == 1  # all of them were there when it began
    publish(clocked.store, "mart.a", START + 6 * MINUTE)
    scheduler.tick(START + 6 * MINUTE, clocked.store)
    assert len(clocked.queued()) == 2


def test_a_second_scheduler_does_not_answer_what_the_first_has(clocked: Clocked) -> None:
    """It looks late, and finds the first's inputs and a newer one together: for ``all`` that is not all."""
    clocked.pipeline("p", "{datasets: [mart.a, mart.b], when: all}")
    first = clocked.open()
    first.tick(START, clocked.store)
    second = clocked.open()
    second.tick(START, clocked.store)
    publish(clocked.store, "mart.a", START + MINUTE)
    publish(clocked.store, "mart.b", START + MINUTE)
    first.tick(START + MINUTE, clocked.store)
    clocked.store.queue.claim("dev", "w", {"default": 1}, START + MINUTE)
    publish(clocked.store, "mart.a", START + 2 * MINUTE)
    second.tick(START + 2 * MINUTE, clocked.store)
    assert len(clocked.queued()) == 1
    publish(clocked.store, "mart.b", START + 3 * MINUTE)
    second.tick(START + 3 * MINUTE, clocked.store)
    first.tick(START + 3 * MINUTE, clocked.store)
    assert len(clocked.queued()) == 2


# --- files ---


def test_a_file_that_grows_and_grows_keeps_no_other_waiting(clocked: Clocked) -> None:
    clocked.pipeline("p", "{files: 'in/*'}")
    scheduler = clocked.open()
    scheduler.tick(START, clocked.store)
    text = "1\n"
    for n in range(1, 4):
        text += "1\n"
        drop(clocked.folder / "in", "app.log", text)
        drop(clocked.folder / "in", "a.csv")
        os.utime(clocked.folder / "in" / "a.csv", (1_700_000_000, 1_700_000_000))
        scheduler.tick(START + n * MINUTE, clocked.store)
    assert len(clocked.queued()) == 1


def test_patterns_may_lead_anywhere_and_down_many_folders(clocked: Clocked, tmp_path: Path) -> None:
    clocked.pipeline("p", f"{{files: '{tmp_path}/elsewhere/*.csv'}}")
    clocked.pipeline("q", "{files: ['../other/*.csv', 'in/**/*.csv']}")
    scheduler = clocked.open()
    scheduler.tick(START, clocked.store)
    drop(tmp_path / "elsewhere", "a.csv")
    drop(clocked.folder / "in" / "2026" / "01", "a.csv")
    (tmp_path / "elsewhere" / "folder.csv").mkdir()
    for n in (1, 2, 3):
        scheduler.tick(START + n * MINUTE, clocked.store)
    assert (len(clocked.queued("p")), len(clocked.queued("q"))) == (1, 1)
    drop(tmp_path / "other", "a.csv")
    clocked.store.queue.claim("dev", "w", {"default": 2}, START + 3 * MINUTE, limit=2)
    for n in (4, 5, 6):
        scheduler.tick(START + n * MINUTE, clocked.store)
    assert (len(clocked.queued("p")), len(clocked.queued("q"))) == (1, 2)


def test_files_are_remembered_over_a_restart(clocked: Clocked) -> None:
    clocked.pipeline("p", "{files: 'in/*.csv'}")
    drop(clocked.folder / "in", "a.csv")
    clocked.open().tick(START, clocked.store)
    drop(clocked.folder / "in", "b.csv")  # while nothing runs
    scheduler = clocked.open()
    for n in range(1, 4):
        scheduler.tick(START + n * MINUTE, clocked.store)
    assert len(clocked.queued()) == 1
    clocked.store.queue.claim("dev", "w", {"default": 1}, START + 4 * MINUTE)
    again = clocked.open()
    for n in range(5, 8):
        again.tick(START + n * MINUTE, clocked.store)
    assert len(clocked.queued()) == 1


def test_of_too_many_files_the_newest_are_watched_and_that_is_said(clocked: Clocked) -> None:
    clocked.pipeline("p", "{files: 'in/*'}")
    folder = clocked.folder / "in"
    folder.mkdir()
    for n in range(arrivals.FILES + 5):
        file = folder / f"{n:06d}"
        file.touch()
        os.utime(file, (1_700_000_000 + n, 1_700_000_000 + n))
    scheduler = clocked.open()
    for n in range(3):
        scheduler.tick(START + n * MINUTE, clocked.store)
    (folder / f"{arrivals.FILES:06d}").unlink()  # an older one takes its place: it is no arrival
    for n in range(3, 6):
        scheduler.tick(START + n * MINUTE, clocked.store)
    assert clocked.queued() == []
    drop(folder, "0")  # first by name, newest by time
    for n in range(6, 9):
        scheduler.tick(START + n * MINUTE, clocked.store)
    assert len(clocked.queued()) == 1
    said = [event["message"] for event in clocked.said if event["event"] == "too many files"]
    assert len(said) == 1
    assert "in/*" in said[0]


# --- schedules that are wrong, and clocks that are ---


def test_variables_of_a_schedule_are_put_in_and_wrong_ones_shown(
    clocked: Clocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRON", "*/10 * * * *")
    monkeypatch.setenv("WRONG", "*/10 *")
    monkeypatch.setenv("POOL", "big")
    more = "pool: ${POOL}\nretry: {attempts: '${TRIES:-4}'}\nsla: ${SLA:-1h}\n"
    clocked.pipeline("p", "{cron: '${CRON}', catchup: all}", more)
    clocked.pipeline("q", "'${WRONG}'")
    clocked.pipeline("r", "'${UNDEFINED_OF_THIS_TEST}'")
    clocked.pipeline("s", "'0 * * * *'", "timezone: ${WRONG}\n")
    scheduler = clocked.open()
    scheduler.tick(START, clocked.store)
    scheduler.tick(START + 25 * MINUTE, clocked.store)
    assert clocked.queued("p") == ["12:10", "12:20"]
    jobs = clocked.store.queue.jobs("dev", pipeline="p")
    assert {(job["pool"], job["attempts"]) for job in jobs} == {("big", 4)}
    assert scheduler.index.entries["p"].sla == 3600
    broken = {Path(e["file"]).stem: e["error"] for e in clocked.said if e["event"] == "file broken"}
    assert sorted(broken) == ["q", "r", "s"]
    assert "q.yml:2" in broken["q"]
    assert "2 fields" in broken["q"]
    assert "UNDEFINED_OF_THIS_TEST" in broken["r"]
    assert "time zone" in broken["s"]


def test_two_files_of_one_name_are_shown_and_the_first_counts(clocked: Clocked) -> None:
    clocked.pipeline("p", "'*/10 * * * *'")
    other = clocked.pipeline("p2", "'*/1 * * * *'")
    other.write_text(other.read_text().replace("pipeline: p2", "pipeline: p"))
    scheduler = clocked.open()
    for minutes in (0, 10):
        scheduler.tick(START + minutes * MINUTE, clocked.store)
    assert clocked.queued("p") == ["12:10"]
    assert "p2.yml" in clocked.store.schedules.all("dev")["p"]["error"]
    other.unlink()
    scheduler.tick(START + 20 * MINUTE, clocked.store)
    assert clocked.store.schedules.all("dev")["p"]["error"] is None
    assert clocked.queued("p") == ["12:10", "12:20"]


def test_a_clock_that_was_years_ahead_stops_nothing_for_years(clocked: Clocked) -> None:
    clocked.pipeline("p", "'0 * * * *'")
    ahead = clocked.open()
    ahead.tick(START, clocked.store)
    ahead.tick(START + timedelta(days=2_000), clocked.store)
    assert len(clocked.queued()) == 1
    for scheduler in (ahead, clocked.open()):  # it goes on, or is begun anew
        scheduler.tick(START + HOUR, clocked.store)
        scheduler.tick(START + 2 * HOUR, clocked.store)
    assert clocked.queued()[1:] == ["14:00"]


def test_jitter_moves_the_begin_and_not_the_moment(clocked: Clocked) -> None:
    for n in range(20):
        clocked.pipeline(f"p{n}", "{cron: '0 * * * *', jitter: 10m}")
    scheduler = clocked.open()
    scheduler.tick(START, clocked.store)
    scheduler.tick(START + HOUR, clocked.store)
    jobs = clocked.store.queue.jobs("dev", limit=None)
    assert {job["nominal_at"][11:16] for job in jobs} == {"13:00"}
    due = {job["due_at"][11:16] for job in jobs}
    assert min(due) >= "13:00"
    assert max(due) < "13:10"
    assert len(due) > 3


def test_a_year_s_absence_is_made_up_for_without_counting_its_minutes(clocked: Clocked) -> None:
    for n in range(50):
        clocked.pipeline(f"p{n}", "'* * * * *'")
    clocked.open().tick(START, clocked.store)
    scheduler = clocked.open()
    queued = scheduler.tick(START + timedelta(days=366), clocked.store)
    assert len(queued) == 50
    assert clocked.queued("p7") == ["12:00"]


def test_who_is_late_is_told_of_and_nobody_else(clocked: Clocked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLA", "30m")
    clocked.pipeline("p", "'0 * * * *'", "sla: ${SLA}\n")
    clocked.pipeline("q", "'0 * * * *'")
    clocked.pipeline("r", "'0 * * * *'", "sla: 2h\n")
    clocked.pipeline("s", "'0 * * * *'", "sla: 30m\n")
    clocked.folder.joinpath("sluiceway.yml").write_text("project: t\nalerts: [{to: 'json://localhost:9'}]\n")
    scheduler = clocked.open()
    scheduler.tick(START, clocked.store)
    clocked.store.schedules.pause("dev", "s", True, None, START)
    scheduler.tick(START + HOUR, clocked.store)

    def late(now: Any) -> list[str]:
        entries = scheduler.index.entries.values()
        found = sweep(scheduler.project, "dev", entries, clocked.store, now)
        return sorted(alert.pipeline or "" for alert in found if alert.kind == "sla_missed")

    assert late(START + 20 * MINUTE) == []  # of noon, which was before anybody looked
    assert late(START + HOUR + 20 * MINUTE) == []
    assert late(START + HOUR + 31 * MINUTE) == ["p"]
    assert late(START + 3 * HOUR) == ["p", "r"]


# --- a broken file's runs ---

BROKEN = """\
pipeline: p
schedule: "every 1m"
sources: {orders: {type: csv, path: orders.csv}}
destination: {table: mart.p, mode: replace}
"""


@pytest.mark.parametrize("broken", ["sources: [", "pipeline: p\nsorces: {}\n", ""])
def test_runs_of_a_broken_file_go_on_with_its_last_version(make_project: Any, broken: str) -> None:
    from sluiceway.orchestrate.scheduler import Scheduler
    from sluiceway.spec.project import load_project
    from sluiceway.store.store import Store

    made = make_project({"pipelines/p.yml": BROKEN, "orders.csv": "id\n1\n"})
    project = load_project(made.folder)
    with Store.open(project.metadata) as store:
        scheduler = Scheduler(project, "dev")
        scheduler.tick(START, store)
        made.write("pipelines/p.yml", broken)
        assert scheduler.tick(START + MINUTE, store) == ["p"]
        assert store.schedules.all("dev")["p"]["error"]
    command = [sys.executable, "-m", "sluiceway", "worker", "--until-idle", "--project", str(made.folder)]
    subprocess.run(command, check=True, timeout=60, capture_output=True)
    assert made.query("SELECT id FROM {t}", "mart.p") == [(1,)]
    made.write("pipelines/p.yml", BROKEN.replace("mart.p", "mart.mended"))  # tried again, it is the file's
    with Store.open(project.metadata) as store:
        [job] = store.queue.jobs("dev")
    retry = [sys.executable, "-m", "sluiceway", "runs", "retry", job["run_id"], "--project", str(made.folder)]
    subprocess.run(retry, check=True, timeout=60, capture_output=True)
    subprocess.run(command, check=True, timeout=60, capture_output=True)
    assert made.query("SELECT id FROM {t}", "mart.mended") == [(1,)]


def test_patterns_are_looked_at_in_turn_where_one_tick_has_no_time_for_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "_BUDGET", 0.0)
    drops = arrivals.Drops(tmp_path)
    wanted = {("a/*",), ("b/*",), ("c/*",)}
    looks = [drops.look(wanted, START + n * timedelta(seconds=2)) for n in range(6)]
    assert [len(look) for look in looks] == [1] * 6
    assert set.union(*looks[:3]) == wanted == set.union(*looks[3:])
    assert drops.look(wanted, START - HOUR) != set()  # a clock that was put back stops no look
