"""Workers: what becomes of a run that ends well, badly, by a signal, too late, too large, or not at all."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.working import ORDERS, STEPS, Work, lives, pipeline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FAST = "orchestrate: {heartbeat: 1s, lost_after: 4s, stop_grace: 1s}\n"


@pytest.fixture
def work(make_project: Callable[..., Any]) -> Iterator[Work]:
    files = {"steps.py": STEPS, "orders.csv": ORDERS, "pipelines/p.yml": pipeline()}
    made = Work(make_project(files, settings=f"project: test\n{FAST}"))
    yield made
    made.store.close()


def rows(work: Work, table: str = "mart.p") -> int:
    return len(work.project.rows(table)) if work.project.exists(table) else 0


def test_a_run_from_the_queue_is_a_run_like_any_other(work: Work) -> None:
    [run] = work.put(work.request(payload={"vars": {}}, nominal_at=datetime(2026, 1, 1, tzinfo=UTC)))
    work.work()
    assert work.job(run)["status"] == "succeeded"
    document = work.store.run(run)
    assert (document["status"], document["records"]["published"]) == ("succeeded", 2)
    assert document["nominal_at"].startswith("2026-01-01")
    assert rows(work) == 2
    assert not list((work.project.folder / ".sluiceway" / "staging").glob("*"))
    [ended] = work.events("run ended")
    assert (ended["run_id"], ended["status"], ended["published"]) == (run, "succeeded", 2)


def test_outputs_are_kept_in_the_store_and_in_a_file_without_secrets(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINE", "hunter2-the-password")
    monkeypatch.setenv("OTHERS", "somebody-elses")
    masked = "  - mask: {amount: {hmac: '${MINE}'}}\nrules:"
    work.project.write("pipelines/p.yml", pipeline("said").replace("rules:", masked))
    work.project.write("pipelines/q.yml", pipeline("names", "", "mart.q", "q").replace("rules:", masked))
    [run, _] = work.put(work.request("p"), work.request("q"))
    work.work()
    assert work.job(run)["status"] == "succeeded", work.job(run)["error"]
    log = work.log(run)
    file = (work.project.folder / ".sluiceway" / "logs" / f"{run}.log").read_text()
    for text in (log, file):
        assert "err" in text
        assert "hunter2" not in text
        assert "of course" in text
        assert "from a child" in text
        assert "publish: " in text
    names = (work.project.folder / "names.txt").read_text().split("\n")
    assert "MINE" in names
    assert "PATH" in names
    assert "OTHERS" not in names


def test_a_gate_that_said_no_is_not_asked_again(work: Work) -> None:
    work.project.write("orders.csv", "id,amount\n,10\n")
    work.project.write("pipelines/p.yml", pipeline(more="retry: {attempts: 3, delay: 1s}\n"))
    work.project.write("pipelines/q.yml", pipeline(table="mart.q", name="q"))
    from dataclasses import replace

    [p, q] = work.put(work.request("p"), replace(work.request("q"), needs=(0,)))
    work.work()
    assert (work.job(p)["status"], work.job(p)["attempt"]) == ("blocked", 1)
    assert work.job(q)["status"] == "skipped"
    assert work.store.run(q)["error"]["message"] == "p, which it needs, was blocked"
    assert rows(work) == rows(work, "mart.q") == 0


def test_a_lost_connection_is_tried_again_by_the_queue_alone(work: Work) -> None:
    work.project.write("sluiceway.yml", f"project: t\n{FAST}lineage: {{type: file, path: lineage.jsonl}}\n")
    work.project.write(
        "pipelines/p.yml",
        "pipeline: p\nretry: {attempts: 3, delay: 0.01s, backoff: constant}\n"
        "sources: {a: {type: postgres, url: 'postgresql://u:p@127.0.0.1:1/d', table: t}}\n"
        "destination: {table: mart.p}\n",
    )
    [run] = work.put()
    work.work()
    job = work.job(run)
    assert (job["status"], job["attempt"], job["error"]["type"]) == ("failed", 3, "SourceError")
    assert len(work.events("run started")) == 3
    assert len(work.events("run retried")) == 2
    tries = [(one["attempt"], one["status"]) for one in work.store.run(run)["attempts"]]
    assert tries == [(1, "failed"), (2, "failed"), (3, "failed")]
    # who listens is told of the failure, not of each try
    told = (work.project.folder / "lineage.jsonl").read_text().splitlines()
    assert [json.loads(line)["eventType"] for line in told].count("FAIL") == 1
    assert work.store.run(run)["status"] == "failed"


def test_a_mistake_in_a_file_is_not_tried_again(work: Work) -> None:
    [p, q] = work.put(work.request(), work.request())
    work.project.write("pipelines/p.yml", pipeline("nowhere", "retry: {attempts: 3, delay: 1s}\n"))
    work.work()
    for run in (p, q):
        assert (work.job(run)["status"], work.job(run)["attempt"]) == ("failed", 1)
        assert "nowhere" in work.job(run)["error"]["message"]
        assert work.store.run(run)["status"] == "failed"


def test_a_run_that_is_killed_is_tried_again_and_then_failed(work: Work) -> None:
    work.project.write("pipelines/p.yml", pipeline("dies", "retry: {attempts: 2, delay: 0.01s}\n"))
    [run] = work.put()
    work.work()
    assert (work.project.folder / "deaths").read_text() == "xx"
    job = work.job(run)
    assert (job["status"], job["attempt"]) == ("failed", 2)
    assert "signal 9" in job["error"]["message"]
    assert work.store.run(run)["status"] == "failed"
    assert rows(work) == 0


def test_a_run_that_takes_more_memory_than_it_may_is_ended(work: Work) -> None:
    more = "memory_limit: 600MB\nretry: {attempts: 3, delay: 1s}\n"
    work.project.write("pipelines/p.yml", pipeline("grows", more))
    [run] = work.put()
    work.work()
    job = work.job(run)
    assert (job["status"], job["attempt"]) == ("failed", 1)
    assert "memory_limit" in job["error"]["message"]
    assert job["error"]["hint"]
    assert [event["run_id"] for event in work.events("warning")] == [run]
    assert rows(work) == 0


def test_a_run_that_hears_nothing_is_ended_with_its_children_when_it_is_cancelled(work: Work) -> None:
    work.project.write("pipelines/p.yml", pipeline("stays"))
    [run, waits] = work.put(work.request(), work.request())
    thread = work.beside(work.worker())
    pids = work.begun()
    assert all(lives(pid) for pid in pids)
    assert work.store.queue.cancel("dev", datetime.now(UTC), pipeline="p") == (1, 1)
    thread.join(30)
    assert not thread.is_alive()
    assert [work.job(one)["status"] for one in (run, waits)] == ["cancelled", "cancelled"]
    assert work.store.run(run)["status"] == "cancelled"
    assert not any(lives(pid) for pid in pids)
    assert rows(work) == 0


def test_a_child_that_left_the_group_is_ended_too_and_not_waited_for(work: Work) -> None:
    work.project.write("pipelines/p.yml", pipeline("leaves"))
    [run] = work.put()
    work.work()
    assert work.job(run)["status"] == "succeeded"
    assert not lives(int((work.project.folder / "pid").read_text()))


@pytest.mark.slow
def test_a_run_that_takes_longer_than_it_may_is_ended(work: Work) -> None:
    work.project.write("pipelines/p.yml", pipeline("stays", "timeout: 1s\nretry: {attempts: 3, delay: 1s}\n"))
    [run] = work.put()
    thread = work.beside(work.worker())
    pids = work.begun()
    thread.join(30)
    assert not thread.is_alive()
    job = work.job(run)
    assert (job["status"], job["attempt"]) == ("failed", 1)
    assert "timeout of 1 s" in job["error"]["message"]
    assert not any(lives(pid) for pid in pids)


def test_a_worker_that_is_killed_takes_its_runs_along_and_another_runs_them_once(work: Work) -> None:
    work.project.write("pipelines/p.yml", pipeline("waits"))
    [run] = work.put()
    first = work.spawn()
    [pid] = work.begun()
    first.kill()
    first.communicate(timeout=30)
    work.project.write("pipelines/p.yml", pipeline("same"))
    work.work()
    assert not lives(pid)
    job = work.job(run)
    assert (job["status"], job["attempt"], job["lost"]) == ("succeeded", 1, 1)
    assert [event["run_id"] for event in work.events("run taken over")] == [run]
    assert rows(work) == 2
    assert work.store.run(run)["status"] == "succeeded"


def test_a_worker_that_drains_finishes_what_runs_and_begins_nothing(work: Work) -> None:
    work.project.write("pipelines/p.yml", pipeline("waits"))
    [run, waits] = work.put(work.request(), work.request())
    worker = work.spawn()
    work.begun()
    worker.send_signal(signal.SIGTERM)
    work.go()
    out, err = worker.communicate(timeout=30)
    assert worker.returncode == 0, err
    assert '"event": "worker stopped"' in out
    assert [work.job(one)["status"] for one in (run, waits)] == ["succeeded", "queued"]


def test_a_worker_that_is_told_twice_gives_its_runs_back(work: Work) -> None:
    work.project.write("pipelines/p.yml", pipeline("stays"))
    [run] = work.put()
    worker = work.spawn()
    pids = work.begun()
    worker.send_signal(signal.SIGTERM)
    worker.send_signal(signal.SIGINT)
    _, err = worker.communicate(timeout=30)
    assert worker.returncode == 0, err
    assert not any(lives(pid) for pid in pids)
    job = work.job(run)
    assert (job["status"], job["attempt"], job["lost"]) == ("queued", 1, 0)
    work.project.write("pipelines/p.yml", pipeline())
    work.work()
    assert work.job(run)["status"] == "succeeded"
    assert rows(work) == 2


def test_a_run_that_was_given_to_another_publishes_nothing(work: Work) -> None:
    """Its worker lives, and does not know yet."""
    work.project.write("pipelines/p.yml", pipeline("waits"))
    [run] = work.put()
    thread = work.beside(work.worker())
    work.begun()
    job = work.job(run)
    [taken] = work.store.queue.orphans("dev", {job["id"]: job["token"]}, datetime.now(UTC))
    assert taken["status"] == "queued"
    [mine] = work.store.queue.claim("dev", "another", {"default": 1}, datetime.now(UTC))
    work.go()
    # the other one ends it when the first has stopped
    assert work.store.queue.is_claimed(mine.id, mine.token)
    worker_events(work, "run lost", thread)
    assert rows(work) == 0
    assert work.store.queue.finish(mine, "succeeded", datetime.now(UTC))
    thread.join(30)
    assert not thread.is_alive()


def worker_events(work: Work, name: str, thread: Any) -> None:
    """Wait until the worker says so."""
    import time

    end = time.monotonic() + 30
    while not work.events(name) and time.monotonic() < end:
        thread.join(0.1)
    assert work.events(name)


def test_a_publish_that_was_made_is_not_made_again(work: Work) -> None:
    """The worker died between the COMMIT and the word of it."""
    [run] = work.put()
    work.work()
    job = work.job(run)
    from sqlalchemy import update

    from sluiceway.store.jobtables import jobs

    with work.store._write() as con:  # as it stood before the end was written
        con.execute(
            update(jobs).where(jobs.c.id == job["id"]).values(status="queued", slot=None, pool_slot=None)
        )
    work.store.mark(run, "running")
    work.project.write("orders.csv", "id,amount\n7,7\n8,8\n9,9\n")
    work.work()
    assert work.job(run)["status"] == "succeeded"
    assert work.store.run(run)["status"] == "succeeded"
    assert sorted(row[0] for row in work.project.rows("mart.p")) == [1, 2]


def test_no_file_of_a_run_is_left_behind(work: Work) -> None:
    work.project.write("pipelines/p.yml", pipeline("dies", "retry: {attempts: 2, delay: 0.01s}\n"))
    work.put()
    work.work()
    work.project.write("pipelines/p.yml", pipeline())
    work.put()
    work.work()
    left = list(Path(work.project.folder, ".sluiceway", "staging").glob("*"))
    assert left == []


def cli(work: Work, *arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "sluiceway", *arguments],
        cwd=work.project.folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_a_worker_is_listed_paused_and_drained_from_elsewhere(work: Work) -> None:
    work.project.write("pipelines/p.yml", pipeline("waits"))
    work.put()
    worker = work.worker()
    thread = threading.Thread(target=worker.run, daemon=True)  # it would not end by itself
    thread.start()
    work.begun()
    _, out, _ = cli(work, "workers", "list", "--json")
    [listed] = json.loads(out)["workers"]
    assert (listed["id"], listed["state"], listed["runs"], listed["lost"]) == (
        worker.name,
        "running",
        1,
        False,
    )
    code, _, err = cli(work, "workers", "drain", "nobody")
    assert (code, "there is no worker 'nobody'" in err) == (1, True)
    assert cli(work, "workers", "drain", worker.name)[0] == 0
    work.go()
    thread.join(30)
    assert not thread.is_alive()
    assert [job["status"] for job in work.store.queue.jobs("dev", pipeline="p")] == ["succeeded"]
    _, out, _ = cli(work, "workers", "list", "--json")
    assert [w["state"] for w in json.loads(out)["workers"]] == ["stopped"]


def test_logs_are_read_while_it_runs_and_a_run_that_nobody_kept_is_told_of(work: Work) -> None:
    work.project.write("pipelines/p.yml", pipeline("said"))
    [run] = work.put()
    work.work()
    code, out, _ = cli(work, "runs", "logs", run, "-f")
    assert code == 0
    assert "from a child" in out
    _, out, _ = cli(work, "runs", "logs", run, "--json")
    assert [json.loads(line)["run_id"] for line in out.splitlines()] == [run] * len(out.splitlines())
    assert out
    code, _, err = cli(work, "runs", "logs", "nobodys")
    assert (code, "nothing was kept" in err) == (1, True)
