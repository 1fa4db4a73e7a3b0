"""The disk of the metadata store, or of the logs, is full: nothing is lost, nothing is done twice, and all
goes on when there is room again."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.working import ORDERS, STEPS, Work
from tests.integration.working import pipeline as stepped

from sluiceway.orchestrate.requests import request_of
from sluiceway.orchestrate.worker import Worker
from sluiceway.spec.pipeline import PipelineConfig
from sluiceway.spec.project import find_pipeline, load_project
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.integration.conftest import ProjectOnDisk

pytestmark = [pytest.mark.chaos, pytest.mark.slow]
FAST = "orchestrate: {heartbeat: 0.5s, lost_after: 5s, stop_grace: 1s}\n"
PATIENCE = 120.0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8M", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk, and not everywhere")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def pipeline(name: str, derived: str, more: str = "") -> str:
    return (
        f"pipeline: {name}\n{more}sources: {{a: {{type: csv, path: a.csv}}}}\n"
        f"transform: [{{derive: {{{derived}}}}}]\nrules: [{{not_null: id}}]\n"
        f"destination: {{table: mart.{name}, mode: append}}\n"
    )


class Served:
    """``sluiceway serve``, and what it says."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "serve.log"
        with self.file.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sluiceway", "--log-format", "json", "serve"],
                cwd=folder, stdout=log, stderr=log,
            )  # fmt: skip

    def complaints(self, who: str) -> int:
        lines = self.file.read_text().splitlines()
        return sum("trying again" in line and f"sluiceway.{who}" in line for line in lines)

    def until(self, what: Callable[[], bool]) -> None:
        end, wait = time.monotonic() + PATIENCE, threading.Event().wait
        while not what():
            assert self.process.poll() is None, self.file.read_text()[-3000:]
            assert time.monotonic() < end, self.file.read_text()[-3000:]
            wait(0.2)


def fill(disk: Path, room: int = 0) -> Path:
    """To the last byte, or until there is so much room left."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65_536, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    os.truncate(filler, filler.stat().st_size - room)
    return filler


def test_a_full_disk_of_the_store_stops_nothing_for_good(
    disk: Path, make_project: Callable[..., ProjectOnDisk]
) -> None:
    ticks = "schedule: {every: 1s, catchup: all}\n"
    files = {
        "a.csv": "id\n1\n",
        "pipelines/ticks.yml": pipeline("ticks", "moment: current_timestamp", ticks),
        "pipelines/p.yml": pipeline("p", 'job: ":job"'),
    }
    project = make_project(files, settings=f"project: test\nmetadata: sqlite:///{disk}/m.db\n{FAST}")
    loaded = load_project(project.folder)
    config = PipelineConfig.load(find_pipeline(loaded, "p"))
    with Store.open(loaded.metadata) as store:
        asked = [request_of(config, "manual", payload={"vars": {"job": n}}) for n in range(12)]
        store.queue.put("dev", asked, datetime.now(UTC))
        served = Served(project.folder)
        try:
            served.until(lambda: len(succeeded(store)) >= 3)
            filler = fill(disk)
            # long enough for the worker to take its runs for given to others, and end them
            full = time.monotonic() + 8
            served.until(lambda: time.monotonic() > full and served.complaints("worker") > 5)
            served.until(lambda: served.complaints("scheduler") > 3)
            before = datetime.now(UTC)
            filler.unlink()
            served.until(lambda: max(succeeded(store)) > before.isoformat())
            served.until(lambda: not store.queue.jobs("dev", pipeline="p", status=["queued", "running"]))
            served.process.terminate()
            assert served.process.wait(60) == 0
        finally:
            served.process.kill()
            served.process.wait(30)
        Worker(loaded, "dev").run("idle")  # what was due in the last second
        assert_all_once(project, store)


def succeeded(store: Store) -> list[str]:
    """The moments of the schedule that were done."""
    jobs = store.queue.jobs("dev", pipeline="ticks", status=["succeeded"], limit=None)
    return [job["nominal_at"] for job in jobs]


def assert_all_once(project: Any, store: Store) -> None:
    jobs = store.queue.jobs("dev", limit=None)
    assert [(job["status"], job["error"]) for job in jobs if job["status"] != "succeeded"] == []
    assert sorted(int(row[0]) for row in project.rows("mart.p", "job")) == list(range(12))
    due = sorted(datetime.fromisoformat(job["nominal_at"]) for job in jobs if job["pipeline"] == "ticks")
    assert due == [due[0] + n * timedelta(seconds=1) for n in range(len(due))], "a moment was left out"
    published = [row[0].astimezone(UTC) for row in project.rows("mart.ticks", "moment")]
    assert published == due
    assert {run["status"] for run in store.runs(limit=None)} == {"succeeded"}
    assert not list((project.folder / ".sluiceway" / "staging").glob("*"))


def test_a_full_disk_of_the_logs_fails_no_run(disk: Path, make_project: Callable[..., ProjectOnDisk]) -> None:
    talks = """
def talks(batches):
    for n in range(2_000):
        print(n, "x" * 40)
    yield from batches
"""
    files = {"steps.py": STEPS + talks, "orders.csv": ORDERS, "pipelines/p.yml": stepped("talks")}
    made = Work(make_project(files, settings=f"project: test\n{FAST}"))
    try:
        folder = made.project.folder / ".sluiceway" / "logs"
        folder.symlink_to(disk)
        filler = fill(disk, room=20_000)
        [run] = made.put()
        made.work()
        assert made.job(run)["status"] == "succeeded", made.job(run)["error"]
        log = made.log(run)
        assert f"… no more is written to {folder / run}.log: No space left on device" in log
        assert all(f"\n{n} x" in log for n in (1, 999, 1_999))  # the store has all of it
        filler.unlink()
        [again] = made.put()
        made.work()
        assert "\n1999 x" in (folder / f"{again}.log").read_text()
        assert "no more is written" not in made.log(again)
        assert len(made.project.rows("mart.p")) == 4
    finally:
        made.store.close()
