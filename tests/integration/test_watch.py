"""Late, long and stuck runs and low health are alerts, told once, and told to be over."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sluiceway import DataPipelineMonitor
from sluiceway.orchestrate.index import Index
from sluiceway.orchestrate.scheduler import Scheduler
from sluiceway.orchestrate.watch import _late as watch_late
from sluiceway.orchestrate.watch import monitor_pipeline_execution, sweep
from sluiceway.spec.project import load_project
from sluiceway.store.queue import JobRequest
from sluiceway.store.store import Store

START = datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SETTINGS = "project: test\nalerts: [{to: 'file:alerts.jsonl', throttle: 0}]\n"
PIPELINE = """\
pipeline: p
schedule: "0 * * * *"
sla: 20m
sources: {a: {type: csv, path: a.csv}}
destination: {table: mart.p, mode: replace}
"""


class Watched:
    def __init__(self, make_project: Any) -> None:
        files = {"pipelines/p.yml": PIPELINE, "a.csv": "id\n1\n"}
        self.made = make_project(files, settings=SETTINGS)
        self.project = load_project(self.made.folder)
        self.store = Store.open(self.project.metadata)
        self.scheduler = Scheduler(self.project, "dev")
        self.index = Index(self.project)
        self.index.refresh()

    def sweep(self, now: datetime) -> set[str]:
        return {
            alert.kind for alert in sweep(self.project, "dev", self.index.entries.values(), self.store, now)
        }

    def told(self) -> list[tuple[str, str]]:
        """(kind of problem, raised or resolved) of each message."""
        file = self.made.folder / "alerts.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        return [(a["kind"], m["kind"]) for m in map(json.loads, lines) for a in m["alerts"]]


@pytest.fixture
def watched(make_project: Any) -> Any:
    made = Watched(make_project)
    yield made
    made.store.close()


def test_a_run_that_is_late_is_told_of_and_then_that_it_came(watched: Any) -> None:
    watched.scheduler.tick(START, watched.store)
    due = START.replace(hour=13, minute=0, second=0)
    watched.scheduler.tick(due + MINUTE, watched.store)
    assert "sla_missed" not in watched.sweep(due + 19 * MINUTE)
    assert "sla_missed" in watched.sweep(due + 21 * MINUTE)
    watched.sweep(due + 22 * MINUTE)
    assert watched.made.run("p", at=due).success
    assert "sla_missed" not in watched.sweep(due + 23 * MINUTE)
    kinds = [event for kind, event in watched.told() if kind == "sla_missed"]
    assert kinds[0] == "raised"
    assert kinds[-1] == "resolved"


def test_what_is_late_is_asked_for_in_as_many_queries_for_many_as_for_one(watched: Any) -> None:
    from sqlalchemy import event

    said: list[str] = []

    @event.listens_for(watched.store._engine, "before_cursor_execute")
    def _(_con: Any, _cursor: Any, statement: str, *_: Any) -> None:
        said.extend([statement] if statement.startswith("SELECT") else [])

    due, counts = START.replace(hour=13, minute=0, second=0), []
    for many in (1, 12):
        for n in range(many):
            watched.made.write(f"pipelines/p{n}.yml", PIPELINE.replace("pipeline: p", f"pipeline: p{n}"))
        watched.index.refresh()
        scheduler = Scheduler(watched.project, "dev")
        scheduler.tick(due - MINUTE, watched.store)
        scheduler.tick(due, watched.store)
        said.clear()
        late = list(watch_late(watched.index.entries, "dev", watched.store, due + 21 * MINUTE))
        assert len(late) == many + 1  # p too
        counts.append(len(said))
        due += 60 * MINUTE
    assert counts[0] == counts[1] <= 3


def test_a_queue_that_nobody_works_on(watched: Any) -> None:
    watched.store.queue.put("dev", [JobRequest("p")], START)
    assert "queue_stuck" not in watched.sweep(START + 14 * MINUTE)
    assert "queue_stuck" in watched.sweep(START + 16 * MINUTE)
    watched.store.workers.hello("w", "worker", "dev", START + 17 * MINUTE)
    assert "queue_stuck" not in watched.sweep(START + 17 * MINUTE)


def test_a_run_that_takes_longer_than_usual(watched: Any) -> None:
    for _ in range(5):
        assert watched.made.run("p").success
    watched.store.queue.put("dev", [JobRequest("p")], START)
    (claim,) = watched.store.queue.claim("dev", "w", {"default": 1}, START)
    watched.store.workers.hello("w", "worker", "dev", START)
    watched.store.queue.heartbeat(claim, START + MINUTE, {"node": "stage", "rows": 5, "rss": 10})
    assert "run_long" not in watched.sweep(START + MINUTE)
    assert "run_long" in watched.sweep(START + 2 * MINUTE)
    seen = monitor_pipeline_execution(claim.run_id, watched.project, now=START + 2 * MINUTE)
    assert (seen.status, seen.seconds, seen.is_long) == ("running", 120.0, True)
    assert seen.progress["node"] == "stage"
    assert seen.usual is not None
    done = watch(watched, claim.run_id, "--once", "--json")
    assert (done.returncode, json.loads(done.stdout)["progress"]["node"]) == (0, "stage")
    watched.store.queue.finish(claim, "succeeded", START + 3 * MINUTE)
    assert "run_long" not in watched.sweep(START + 3 * MINUTE)


def watch(watched: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sluiceway", "runs", "watch", *arguments], cwd=watched.made.folder,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(("status", "code"), [("succeeded", 0), ("failed", 1), ("blocked", 3)])
def test_who_follows_a_run_ends_with_it_and_as_it_did(watched: Any, status: str, code: int) -> None:
    now = datetime.now(UTC)
    watched.store.queue.put("dev", [JobRequest("p")], now)
    (claim,) = watched.store.queue.claim("dev", "w", {"default": 1}, now)
    watched.store.queue.finish(claim, status, now + 3 * MINUTE, {"message": "why"})
    done = watch(watched, claim.run_id)
    assert (done.returncode, done.stdout.strip()) == (code, f"p: {status}, for 180 s: why")
    unknown = watch(watched, "nope")
    assert unknown.returncode == 1
    assert "the queue knows no run 'nope'" in unknown.stderr


def test_low_health_is_told_with_its_reasons_and_the_monitor_shows_it(watched: Any) -> None:
    (watched.made.folder / "a.csv").unlink()
    for _ in range(3):
        assert watched.made.run("p").status == "failed"
    now = datetime.now(UTC) + MINUTE
    assert "health_low" in watched.sweep(now)
    monitor = DataPipelineMonitor(watched.made.folder)
    alerts = asyncio.run(monitor.pipeline_alerts("p"))
    assert "health_low" in {alert.kind for alert in alerts}
    assert all(alert.pipeline == "p" and alert.count >= 1 for alert in alerts)
    assert asyncio.run(monitor.pipeline_alerts("q")) == ()
    assert asyncio.run(monitor.health_history("p"))[0]["score"] == 0.0


def test_where_nobody_is_told_health_alone_is_looked_at_and_once_a_run(make_project: Any) -> None:
    made = make_project({"pipelines/p.yml": PIPELINE, "a.csv": "id\n1\n"})
    assert made.run("p").success
    project = load_project(made.folder)
    index = Index(project)
    index.refresh()
    now = datetime.now(UTC)
    with Store.open(project.metadata) as store:
        store.queue.put("dev", [JobRequest("p")], now - 60 * MINUTE)
        for minute in (1, 2):
            found = sweep(project, "dev", index.entries.values(), store, now + minute * MINUTE)
            assert found == []
        assert store.alerts.alerts("dev", limit=None) == []
        assert store.health.scores("dev", "p", 10) == [100.0]


FRESH = """\
pipeline: p
schedule: "0 * * * *"
sources: {a: {type: csv, path: a.csv}}
rules:
  - freshness: {column: at, max_age: 30m}
    severity: warning
    on_fail: warn
destination: {table: p, mode: replace}
"""
CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: p
version: 1.0.0
status: active
slaProperties:
  - {property: latency, value: 40, unit: min}
  - {property: retention, value: 1, unit: s}
"""


def stale(watched: Any, now: datetime) -> bool:
    watched.index.refresh()
    return "dataset_stale" in watched.sweep(now)


def published(watched: Any) -> datetime:
    assert watched.made.run("p").success
    return datetime.fromisoformat(watched.store.runs(limit=1, pipeline="p")[0]["finished_at"])


def test_a_dataset_that_is_older_than_its_rule_or_contract_allows_is_stale(watched: Any) -> None:
    watched.made.write("a.csv", "id,at\n1,2026-01-01 00:00:00\n")
    watched.made.write("pipelines/p.yml", FRESH)
    assert not stale(watched, START)  # it was never published: that is for others to tell
    at = published(watched)
    assert not stale(watched, at + 29 * MINUTE)
    assert stale(watched, at + 31 * MINUTE)
    watched.made.write("p.odcs.yaml", CONTRACT)
    watched.made.write("pipelines/p.yml", FRESH.replace("30m", "50m") + "contract: p.odcs.yaml\n")
    assert not stale(watched, at + 39 * MINUTE)  # the contract's is the shorter one now
    assert stale(watched, at + 41 * MINUTE)
    at = published(watched)
    assert not stale(watched, at + MINUTE)
    told = [event for kind, event in watched.told() if kind == "dataset_stale"]
    assert (told[0], told[-1]) == ("raised", "resolved")
    kept = watched.store.alerts.alerts("dev", state=None, limit=None)
    about = {(a["dataset"], a["pipeline"]) for a in kept if a["kind"] == "dataset_stale"}
    assert about == {("main.p", "p")}


def test_a_dataset_whose_schedule_passed_twice_without_a_publish_is_stale(watched: Any) -> None:
    watched.made.write("pipelines/p.yml", PIPELINE.replace("sla: 20m\n", ""))
    at = published(watched)
    watched.scheduler.tick(at, watched.store)
    hour = at.replace(minute=0, second=0, microsecond=0) + 60 * MINUTE
    watched.scheduler.tick(hour + MINUTE, watched.store)
    assert not stale(watched, hour + 59 * MINUTE)  # one moment passed: late, and not more
    watched.scheduler.tick(hour + 61 * MINUTE, watched.store)
    assert stale(watched, hour + 61 * MINUTE)
    watched.store.schedules.pause("dev", "p", True, None, hour)
    assert not stale(watched, hour + 61 * MINUTE)


@pytest.mark.parametrize("broken", ["kind: [", CONTRACT.partition("  -")[0] + "  7\n", None])
def test_a_contract_that_cannot_be_read_breaks_no_sweep(watched: Any, broken: str | None) -> None:
    at = published(watched)
    if broken is not None:
        watched.made.write("p.odcs.yaml", broken)
    watched.made.write("pipelines/p.yml", PIPELINE + "contract: p.odcs.yaml\n")
    assert not stale(watched, at + MINUTE)


def test_a_clock_that_was_put_back_tells_of_nothing(watched: Any) -> None:
    at = published(watched)
    watched.scheduler.tick(at, watched.store)
    watched.scheduler.tick(at + 121 * MINUTE, watched.store)
    watched.store.queue.claim("dev", "w", {"default": 1}, at + 121 * MINUTE)
    assert watched.sweep(at - 600 * MINUTE) == set()


@pytest.mark.slow
def test_a_channel_that_hangs_holds_up_no_tick(make_project: Any) -> None:
    every = PIPELINE.replace('"0 * * * *"', "{every: 1s}")
    with socket.socket() as silent:  # takes connections, and never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        silent.settimeout(30)
        hook = f"webhook+http://127.0.0.1:{silent.getsockname()[1]}/"
        made = make_project(
            {"pipelines/p.yml": every}, settings=f"project: test\nalerts: [{{to: '{hook}', throttle: 0}}]\n"
        )
        project, queued = load_project(made.folder), threading.Event()
        with Store.open(project.metadata) as store:  # something to tell: nobody works on what is due
            store.queue.put("dev", [JobRequest("q")], datetime.now(UTC) - 60 * MINUTE)

        def say(event: Any) -> None:
            if event["event"] == "run queued":
                queued.set()

        scheduler = Scheduler(project, "dev", say=say)
        thread = threading.Thread(target=scheduler.run, args=(0.1,))
        thread.start()
        try:
            with silent.accept()[0]:  # it is being told, and waits for an answer
                queued.clear()
                assert queued.wait(4)
        finally:
            scheduler.stop()
            thread.join(timeout=30)
    assert not thread.is_alive()
