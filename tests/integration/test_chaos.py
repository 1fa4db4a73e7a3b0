"""Workers, schedulers, runs and the database are killed at random, and then left in peace: every run that was
asked for or due has published once, none is stuck, and nothing is left over."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.working import lives

from sluiceway.orchestrate.backfill import request
from sluiceway.orchestrate.requests import request_of
from sluiceway.spec.pipeline import PipelineConfig
from sluiceway.spec.project import find_pipeline, load_project
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scripts.servers import Server
    from tests.integration.conftest import ProjectOnDisk

pytestmark = [pytest.mark.chaos, pytest.mark.slow]
SEED = int(os.environ.get("SLUICEWAY_CHAOS_SEED") or 0) or random.SystemRandom().randrange(1, 10_000)
BLOWS, CALM = 45.0, 180.0
"""Seconds of chaos, and the most that it may take afterwards."""
SETTINGS = "project: test\norchestrate: {heartbeat: 0.5s, lost_after: 3s, stop_grace: 1s, poison: 1000}\n"
EVERY = 3
DAYS = 12
STEPS = """
import time

def takes_its_time(batches):
    time.sleep(0.3)
    yield from batches
"""


def pipeline(name: str, derived: str, more: str = "") -> str:
    return (
        f"pipeline: {name}\nretry: {{attempts: 100, delay: 0.05s, backoff: constant}}\n{more}"
        "sources: {a: {type: csv, path: a.csv}}\n"
        "transform:\n  - python: {function: 'steps:takes_its_time', columns: {id: BIGINT}}\n"
        f"  - derive: {{{derived}}}\n"
        "rules: [{not_null: id}]\n"
        f"destination: {{table: mart.{name}, mode: append}}\n"
    )


class Chaos:
    """The processes, and what is done to them."""

    def __init__(self, project: ProjectOnDisk, server: Server | None) -> None:
        self.folder, self.server = project.folder, server
        self.dice = random.Random(SEED)
        self.log = (project.folder / "chaos.log").open("ab")
        self.done: Counter[str] = Counter()
        self.wait = threading.Event().wait
        self.workers = [self.spawn("worker", "--slots", "2") for _ in range(2)]
        self.schedulers = [self.spawn("schedule", "run") for _ in range(2)]

    def spawn(self, *command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "sluiceway", *command], cwd=self.folder, stdout=self.log, stderr=self.log
        )

    def runs(self) -> list[int]:
        """Runs, and the processes that they are forked from."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                ours = Path(entry, "cwd").readlink() == self.folder
                if ours and b"orchestrate.zygote" in Path(entry, "cmdline").read_bytes():
                    found.append(int(entry.name))
        return found

    def blow(self) -> None:
        match self.dice.choice(["run", "run", "run", "worker", "scheduler", "database"]):
            case "run":
                if runs := sorted(self.runs()):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(self.dice.choice(runs), signal.SIGKILL)
                        self.done["run"] += 1
            case "worker":
                self.workers = self._again(self.workers, "worker", "--slots", "2")
            case "scheduler":
                self.schedulers = self._again(self.schedulers, "schedule", "run")
            case "database" if self.server is not None and self.done["database"] < 4:
                self.server.kill()
                self.wait(self.dice.uniform(0.1, 1.5))
                self.server.restart()
                self.done["database"] += 1

    def _again(self, crowd: list[subprocess.Popen[bytes]], *command: str) -> list[subprocess.Popen[bytes]]:
        victim = self.dice.choice(crowd)
        victim.kill()
        victim.wait(30)
        self.done[command[0]] += 1
        return [*(one for one in crowd if one is not victim), self.spawn(*command)]

    def revive(self) -> None:
        """One that could not reach the database when it began has ended by itself."""
        self.revive_workers()
        self.schedulers = [s if s.poll() is None else self.spawn("schedule", "run") for s in self.schedulers]

    def revive_workers(self) -> None:
        self.workers = [w if w.poll() is None else self.spawn("worker", "--slots", "2") for w in self.workers]

    def end(self, crowd: list[subprocess.Popen[bytes]]) -> list[int]:
        for one in crowd:
            one.send_signal(signal.SIGTERM)
        return [one.wait(60) for one in crowd]

    def close(self) -> None:
        for one in (*self.workers, *self.schedulers):
            one.kill()
            one.wait(30)
        self.log.close()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def chaos(request: pytest.FixtureRequest, make_project: Callable[..., ProjectOnDisk]) -> Iterator[Any]:
    server, metadata = None, ""
    if request.param == "postgres":
        server = request.getfixturevalue("postgres")
        metadata = f"metadata: {server.url_of(server.create_database())}\n"
    files = {"steps.py": STEPS, "a.csv": "id\n1\n2\n"}
    files |= {f"pipelines/p{n}.yml": pipeline(f"p{n}", 'job: ":job"') for n in range(3)}
    files["pipelines/ticks.yml"] = pipeline(
        "ticks", "moment: current_timestamp", f"schedule: {{every: {EVERY}s, catchup: all}}\n"
    )
    files["pipelines/after.yml"] = pipeline(
        "after", "moment: current_timestamp",
        f"schedule: {{every: {2 * EVERY}s, catchup: all}}\ndepends_on: ['pipeline:ticks']\n",
    )  # fmt: skip
    files["pipelines/span.yml"] = pipeline("span", 'begun: ":interval_start"', "max_active_runs: 3\n")
    project = make_project(files, settings=SETTINGS + metadata)
    made = Chaos(project, server)
    yield made, project
    made.close()


def asked_for(store: Store, project: ProjectOnDisk) -> dict[str, list[int]]:
    """Jobs of three pipelines, and some that need others: pipeline -> its jobs' numbers."""
    loaded = load_project(project.folder)
    requests, numbers = [], {f"p{n}": [] for n in range(3)}  # type: dict[str, list[int]]
    for number in range(18):
        name = f"p{number % 3}"
        config = PipelineConfig.load(find_pipeline(loaded, name))
        asked = request_of(config, "manual", payload={"vars": {"job": number}})
        needs = (number - 1,) if number % 5 == 4 else ()
        requests.append(replace(asked, needs=needs))
        numbers[name].append(number)
    store.queue.put("dev", requests, datetime.now(UTC))
    return numbers


def intervals(project: ProjectOnDisk) -> list[str]:
    """A backfill, three intervals at a time: the begin of each."""
    begun = request(load_project(project.folder), "dev", "span", "2026-01-01", "2026-01-13", every="1d")
    assert begun.queued == DAYS
    return [f"2026-01-{day:02d} 00:00:00.000000" for day in range(1, DAYS + 1)]


def moments(store: Store, project: ProjectOnDisk, name: str, every: int) -> None:
    """All that were due since the first, each published once."""
    jobs = store.queue.jobs("dev", pipeline=name, limit=None)
    due = sorted(datetime.fromisoformat(job["nominal_at"]) for job in jobs)
    assert len(due) > BLOWS / every / 2, "the schedulers hardly lived"
    assert due == [due[0] + n * timedelta(seconds=every) for n in range(len(due))]
    published = [row[0].astimezone(UTC) for row in project.rows(f"mart.{name}", "moment")]
    assert published == sorted([*due, *due])


def test_every_run_is_published_once_whatever_is_killed(chaos: tuple[Chaos, ProjectOnDisk]) -> None:
    made, project = chaos
    print(f"SLUICEWAY_CHAOS_SEED={SEED}")
    store = Store.open(load_project(project.folder).metadata)
    numbers = asked_for(store, project)
    days = intervals(project)
    end = time.monotonic() + BLOWS
    while time.monotonic() < end:
        made.wait(made.dice.uniform(0.3, 1.7))
        made.blow()
        made.revive()
    print(dict(made.done))
    made.end(made.schedulers)
    end = time.monotonic() + CALM
    while store.queue.busy("dev") and time.monotonic() < end:
        made.wait(0.5)
        made.revive_workers()
    left = store.queue.jobs("dev", status=["queued", "running"])
    assert left == [], f"stuck: {left}"
    assert store.queue.jobs("dev", status=["failed", "blocked", "cancelled", "skipped"]) == []
    assert made.end(made.workers) == [0, 0]

    for name, wanted in numbers.items():
        found = [row[0] for row in project.rows(f"mart.{name}", "job")]
        assert sorted(map(int, found)) == sorted(wanted * 2)
    moments(store, project, "ticks", EVERY)
    moments(store, project, "after", 2 * EVERY)
    assert [row[0] for row in project.rows("mart.span", "begun")] == sorted([*days, *days])

    assert {run["status"] for run in store.runs(limit=None)} == {"succeeded"}
    assert not [pid for pid in made.runs() if lives(pid)]
    assert not list((project.folder / ".sluiceway" / "staging").glob("*"))
    assert {kind for kind, count in made.done.items() if count} >= {"run", "worker", "schedule"}
    store.close()
