"""The scheduler: each moment once, whatever happens to clocks, files, and to other schedulers."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.clocked import HOUR, MINUTE, START, Clocked, publish

from sluiceway.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def clocked(tmp_path: Path) -> Iterator[Clocked]:
    made = Clocked(tmp_path / "project")
    yield made
    made.store.close()


def test_each_moment_is_queued_once_and_when_it_is_due(clocked: Clocked) -> None:
    clocked.pipeline("p", '"*/10 * * * *"')
    scheduler = clocked.open()
    for n in range(0, 31 * 60, 20):
        scheduler.tick(START + timedelta(seconds=n), clocked.store)
    assert clocked.queued() == ["12:10", "12:20", "12:30"]


def test_a_new_pipeline_makes_up_for_nothing_unless_it_has_a_start(clocked: Clocked) -> None:
    clocked.pipeline("p", "'0 * * * *'")
    clocked.pipeline("q", "{cron: '0 * * * *', start: '2026-01-01T09:00', catchup: all}")
    scheduler = clocked.open()
    scheduler.tick(START, clocked.store)
    assert clocked.queued("p") == []
    assert clocked.queued("q") == ["09:00", "10:00", "11:00", "12:00"]


def test_what_could_not_be_queued_is_queued_when_the_store_is_back(clocked: Clocked) -> None:
    clocked.pipeline("p", "{every: 10m, catchup: none}")
    scheduler = clocked.open()
    scheduler.tick(START, clocked.store)
    with clocked.store._write() as con:
        con.exec_driver_sql("ALTER TABLE jobs RENAME TO away")
    with pytest.raises(StoreError):
        scheduler.tick(START + 10 * MINUTE, clocked.store)
    with clocked.store._write() as con:
        con.exec_driver_sql("ALTER TABLE away RENAME TO jobs")
    scheduler.tick(START + 10 * MINUTE + timedelta(seconds=1), clocked.store)
    assert clocked.queued() == ["12:10"]


@pytest.mark.parametrize(
    ("catchup", "expected"), [("none", []), ("latest", ["15:00"]), ("all", ["13:00", "14:00", "15:00"])]
)
def test_what_was_missed_is_made_up_for_by_policy(
    clocked: Clocked, catchup: str, expected: list[str]
) -> None:
    clocked.pipeline("p", f"{{cron: '0 * * * *', catchup: {catchup}}}")
    clocked.open().tick(START, clocked.store)
    later = START + 3 * HOUR + 2 * MINUTE
    clocked.open().tick(later, clocked.store)  # another process
    assert clocked.queued() == expected
    clocked.open().tick(later + MINUTE, clocked.store)
    assert clocked.queued() == expected


def test_an_edit_makes_up_for_nothing(clocked: Clocked) -> None:
    clocked.pipeline("p", "{cron: '0 * * * *', catchup: all}")
    scheduler = clocked.open()
    scheduler.tick(START, clocked.store)
    clocked.pipeline("p", "{cron: '*/5 * * * *', catchup: all}")
    scheduler.tick(START + 2 * HOUR, clocked.store)
    scheduler.tick(START + 2 * HOUR + 5 * MINUTE, clocked.store)
    assert clocked.queued() == ["14:05"]


def test_a_clock_that_moves_brings_nothing_twice(clocked: Clocked) -> None:
    clocked.pipeline("p", "'*/30 * * * *'")
    scheduler = clocked.open()
    for minutes in (0, 30, 60, 0, 30, 60, 90, 120):  # after an hour it is put back by an hour
        scheduler.tick(START + minutes * MINUTE, clocked.store)
    assert clocked.queued() == ["12:30", "13:00", "13:30", "14:00"]
    scheduler.tick(START + 120 * MINUTE + 2 * HOUR, clocked.store)  # and forward: an absence
    assert clocked.queued()[4:] == ["16:00"]


def test_a_broken_file_is_shown_and_its_old_version_goes_on(clocked: Clocked) -> None:
    file = clocked.pipeline("p", "'*/10 * * * *'")
    sound = file.read_text()
    scheduler = clocked.open()
    scheduler.tick(START, clocked.store)
    file.write_text(sound.replace("sources:", "sorces:"))
    scheduler.tick(START + 10 * MINUTE, clocked.store)
    assert clocked.queued() == ["12:10"]
    row = clocked.store.schedules.all("dev")["p"]
    assert "sorces" in row["error"]
    assert "p.yml:3" in row["error"]
    assert [e["error"] for e in clocked.said if e["event"] == "file broken"] == [row["error"]]
    file.write_text(sound + "# mended\n")
    scheduler.tick(START + 20 * MINUTE, clocked.store)
    assert clocked.store.schedules.all("dev")["p"]["error"] is None
    assert clocked.queued() == ["12:10", "12:20"]


def test_a_file_that_never_was_sound_stops_no_other(clocked: Clocked) -> None:
    clocked.pipeline("p", "'*/10 * * * *'")
    clocked.folder.joinpath("pipelines", "x.yml").write_text("pipeline: [")
    scheduler = clocked.open()
    scheduler.tick(START, clocked.store)
    scheduler.tick(START + 10 * MINUTE, clocked.store)
    assert clocked.queued() == ["12:10"]
    assert any("x.yml" in str(event.get("file")) for event in clocked.said)


def test_a_paused_schedule_queues_nothing_and_goes_on(clocked: Clocked) -> None:
    clocked.pipeline("p", "'*/10 * * * *'")
    scheduler = clocked.open()
    scheduler.tick(START, clocked.store)
    clocked.store.schedules.pause("dev", "p", True, "on holiday", START)
    scheduler.tick(START + 30 * MINUTE, clocked.store)
    assert clocked.queued() == []
    clocked.store.schedules.pause("dev", "p", False, None, START)
    scheduler.tick(START + 45 * MINUTE, clocked.store)
    scheduler.tick(START + 50 * MINUTE, clocked.store)
    assert clocked.queued() == ["12:40", "12:50"]


def test_a_mart_runs_when_what_it_reads_was_published(clocked: Clocked) -> None:
    clocked.pipeline("p", "{datasets: [mart.a, mart.b]}")
    clocked.pipeline("q", "{datasets: [mart.a, mart.b], when: all}")
    scheduler = clocked.open()
    scheduler.tick(START, clocked.store)
    publish(clocked.store, "mart.a", START)
    scheduler.tick(START + MINUTE, clocked.store)
    scheduler.tick(START + 2 * MINUTE, clocked.store)
    assert (len(clocked.queued("p")), len(clocked.queued("q"))) == (1, 0)
    publish(clocked.store, "mart.b", START + 2 * MINUTE)
    clocked.open().tick(START + 3 * MINUTE, clocked.store)  # another process knows what was answered
    assert (len(clocked.queued("p")), len(clocked.queued("q"))) == (1, 1)


def test_files_start_a_run_when_they_have_stopped_growing(clocked: Clocked) -> None:
    clocked.pipeline("p", "{files: 'in/*.csv'}")
    drop = clocked.folder / "in"
    drop.mkdir()
    (drop / "old.csv").write_text("1\n")
    scheduler = clocked.open()
    scheduler.tick(START, clocked.store)
    scheduler.tick(START + MINUTE, clocked.store)
    assert clocked.queued() == []  # what was there is no arrival
    (drop / "new.csv").write_text("1\n")
    scheduler.tick(START + 2 * MINUTE, clocked.store)
    (drop / "new.csv").write_text("1\n2\n")
    scheduler.tick(START + 3 * MINUTE, clocked.store)
    assert clocked.queued() == []  # it grows
    scheduler.tick(START + 4 * MINUTE, clocked.store)
    assert len(clocked.queued()) == 1
    (drop / "new.csv").unlink()
    for n in range(5, 8):
        scheduler.tick(START + n * MINUTE, clocked.store)
    assert len(clocked.queued()) == 1  # one that goes is no arrival


TICKS = """
import sys
from datetime import datetime, timedelta
from pathlib import Path
from sluiceway.errors import StoreError
from sluiceway.orchestrate.scheduler import Scheduler
from sluiceway.spec.project import load_project
from sluiceway.store.store import Store
project = load_project(Path(sys.argv[1]))
start = datetime.fromisoformat(sys.argv[2])
with Store.open(project.metadata) as store:
    scheduler = Scheduler(project, "dev")
    scheduler.tick(start, store)
    print("ready", flush=True)
    sys.stdin.readline()
    for minutes in range(1, 61):
        scheduler.tick(start + timedelta(minutes=minutes), store)
"""


def _two_schedulers(made: Clocked) -> None:
    for n in range(5):
        made.pipeline(f"p{n}", f"'*/{n + 1} * * * *'")
    made.open()
    crowd = [
        subprocess.Popen(
            [sys.executable, "-c", TICKS, str(made.folder), START.isoformat()],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    for one in crowd:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in crowd:
        one.communicate("go\n", timeout=120)
        assert one.returncode == 0
    for n in range(5):
        moments = made.queued(f"p{n}")
        assert len(moments) == len(set(moments)) == 60 // (n + 1)
    made.store.close()


def test_two_schedulers_queue_each_moment_once(tmp_path: Path) -> None:
    _two_schedulers(Clocked(tmp_path / "project"))


@pytest.mark.postgres
def test_two_schedulers_over_one_postgresql_queue_each_moment_once(tmp_path: Path, postgres: Any) -> None:
    url = postgres.url_of(postgres.create_database()).replace("postgresql://", "postgresql+psycopg://")
    _two_schedulers(Clocked(tmp_path / "project", url))
