"""The queue on PostgreSQL, and what a run costs that comes out of it.

``python -m bench.queueing PART …`` prints one JSON document: ``put URL``, ``crowd URL``, ``worker URL NAME``,
``bare FOLDER``, ``queued FOLDER``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import projects
from bench.measure import Contender, contest, last_json
from bench.report import Figure, Table

if TYPE_CHECKING:
    from bench.peering import Peers
    from bench.workloads import Sizes

__all__ = ["QUEUEING", "claimed_once", "rate"]

PUT, CLAIMED = 500.0, 200.0
"""A second at least: jobs put into the queue, and claimed and completed by four workers."""
OVERHEAD = 0.15
"""Seconds at most that a run out of the queue takes longer than the bare pipeline."""
WORKERS, PIPELINES, RUNS = 4, 100, 20
POOLS = {"default": 1_000}


def _now() -> datetime:
    return datetime.now(UTC)


def _put(url: str, jobs: int) -> dict[str, Any]:
    """One job a call, as a hundred pipelines would; then the same number at once, as a scheduler's tick."""
    from sluiceway.store.queue import JobRequest
    from sluiceway.store.store import Store

    requests = [
        JobRequest(f"p{n % PIPELINES}", dedup_key=f"one {n}", concurrency_key=f"pipeline p{n}")
        for n in range(jobs)
    ]
    with Store.open(url) as store:
        begun = time.perf_counter()
        for request in requests:
            assert store.queue.put("single", [request], _now()) != [None]
        single = time.perf_counter() - begun
        begun = time.perf_counter()
        assert None not in store.queue.put("batch", requests, _now())
        batch = time.perf_counter() - begun
    return {"single": jobs / single, "batch": jobs / batch}


def _work(url: str, name: str) -> dict[str, Any]:
    """A worker with four slots whose runs take no time; it says which jobs it had."""
    from sluiceway.store.store import Store

    had: list[int] = []
    with Store.open(url) as store:
        print("ready", flush=True)
        sys.stdin.readline()
        while claims := store.queue.claim("crowd", name, POOLS, _now(), 4):
            for claim in claims:
                assert store.queue.finish(claim, "succeeded", _now())
                had.append(claim.id)
    return {"had": had}


def _crowd(url: str, jobs: int) -> dict[str, Any]:
    """Four workers, each a process, share all jobs."""
    from sluiceway.store.queue import JobRequest
    from sluiceway.store.store import Store

    requests = [
        JobRequest(f"p{n % PIPELINES}", concurrency_key=f"pipeline p{n % PIPELINES}") for n in range(jobs)
    ]
    with Store.open(url) as store:
        ids: list[int | None] = []
        for begin in range(0, jobs, 1_000):
            ids += store.queue.put("crowd", requests[begin : begin + 1_000], _now())
    command = [sys.executable, "-m", "bench.queueing", "worker", url]
    crowd = [
        subprocess.Popen([*command, f"w{n}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for n in range(WORKERS)
    ]
    for one in crowd:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    begun = time.perf_counter()
    for one in crowd:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    had = [json.loads(one.communicate()[0])["had"] for one in crowd]
    seconds = time.perf_counter() - begun
    done = [job for jobs_of_one in had for job in jobs_of_one]
    return {
        "jobs": jobs, "claimed": len(done), "different": len(set(done)), "known": set(done) <= set(ids),
        "per_second": len(done) / seconds,
    }  # fmt: skip


def _bare(folder: Path) -> dict[str, Any]:
    """The pipeline again and again in one warm process."""
    from sluiceway.run.runner import run
    from sluiceway.spec.pipeline import PipelineConfig
    from sluiceway.spec.project import find_pipeline, load_project
    from sluiceway.spec.resolve import resolve

    def once() -> None:
        project = load_project(folder)
        config = PipelineConfig.load(find_pipeline(project, folder.name))
        assert run(resolve(config, project)).status == "succeeded"

    once()
    begun = time.perf_counter()
    for _ in range(RUNS):
        once()
    return {"seconds": (time.perf_counter() - begun) / RUNS}


def _queued(folder: Path) -> dict[str, Any]:
    """The same out of the queue, one after another: from the first start to the last end."""
    from sluiceway.orchestrate.requests import request_of
    from sluiceway.orchestrate.worker import Worker
    from sluiceway.spec.pipeline import PipelineConfig
    from sluiceway.spec.project import find_pipeline, load_project
    from sluiceway.store.store import Store

    project = load_project(folder)
    config = PipelineConfig.load(find_pipeline(project, folder.name))
    ended: list[float] = []

    def say(event: Any) -> None:
        if event["event"] == "run ended":
            assert event["status"] == "succeeded"
            ended.append(time.perf_counter())

    with Store.open(project.metadata) as store:
        store.queue.put("dev", [request_of(config, "manual") for _ in range(RUNS + 1)], _now())
    Worker(project, "dev", slots=1, say=say).run("idle")
    return {"seconds": (ended[-1] - ended[0]) / RUNS}


def rate(jobs: int) -> Callable[[str], str]:
    """How many a second; too few is no error, it is a goal that is not met."""

    def judge(said: str) -> str:
        found = last_json(said)
        met = "" if found["single"] >= PUT else f", {PUT:.0f} were asked for"
        return f"ok {jobs} jobs: {found['single']:.0f}/s one by one{met}, {found['batch']:.0f}/s at once"

    return judge


def claimed_once(said: str) -> str:
    """Each job by one worker, and none left."""
    found = last_json(said)
    if not found["known"] or not found["jobs"] == found["claimed"] == found["different"]:
        return f"{found['claimed']} claims of {found['different']} jobs, expected {found['jobs']}"
    met = "" if found["per_second"] >= CLAIMED else f", {CLAIMED:.0f} were asked for"
    return f"ok {found['jobs']} jobs, each once, {found['per_second']:.0f}/s{met}"


def _each(said: str) -> str:
    return f"ok {last_json(said)['seconds'] * 1000:.0f} ms a run"


def queueing(sizes: Sizes, _: Peers) -> Iterator[Table]:
    """Jobs a second on PostgreSQL, and the overhead of a run."""
    from scripts import servers

    part = [sys.executable, "-m", "bench.queueing"]
    titles = f"queue on PostgreSQL, {WORKERS} workers", "a run out of the queue"
    try:
        with servers.start("postgres") as server:
            url = server.url_of(server.create_database())
            few = str(sizes.jobs // 10)
            contenders = [
                Contender(f"put {few}", "ours", [*part, "put", url, few], truth=rate(int(few)), rounds=1),
                Contender(f"claim and complete {sizes.jobs}", "ours", [*part, "crowd", url, str(sizes.jobs)],
                          truth=claimed_once, rounds=1),
            ]  # fmt: skip
            note = f"Asked for: {PUT:.0f} put and {CLAIMED:.0f} claimed and completed a second, none twice."
            found = contest(contenders, 1)
            figures = [
                Figure(f"{what} a second", one.told[key], limit, least=True)
                for one, what, key, limit in zip(
                    found, ("put, one at a time,", "claimed and completed"), ("single", "per_second"),
                    (PUT, CLAIMED), strict=True,
                )
                if one.told
            ]  # fmt: skip
            yield Table(titles[0], found, (), [note], tuple(figures))
    except servers.ServerUnavailableError as error:
        yield Table(titles[0], contest([Contender("put", "ours", [], missing=f"no server: {error}")], 1))
    project = projects.ten_rows("queued_rows")
    found = contest(
        [
            Contender("out of the queue, a process each", "ours", [*part, "queued", str(project.folder)],
                      before=project.reset, truth=_each),
            Contender("the bare pipeline, in one process", "hand", [*part, "bare", str(project.folder)],
                      before=project.reset, truth=_each),
        ],
        sizes.rounds,
    )  # fmt: skip
    note = f"{RUNS} runs of the 10 rows. Asked for: {OVERHEAD * 1000:.0f} ms more a run at most."
    more = [one.told["seconds"] * 1000 for one in found if one.told]
    figures = (
        [Figure("ms more a run than bare", more[0] - more[1], OVERHEAD * 1000)] if len(more) == 2 else []
    )
    yield Table(titles[1], found, (), [note], tuple(figures))


QUEUEING: dict[str, Callable[[Sizes, Peers], Iterator[Table]]] = {"queueing": queueing}

if __name__ == "__main__":
    match sys.argv[1:]:
        case ["put", url, jobs]:
            answer = _put(url, int(jobs))
        case ["crowd", url, jobs]:
            answer = _crowd(url, int(jobs))
        case ["worker", url, name]:
            answer = _work(url, name)
        case ["bare", folder]:
            answer = _bare(Path(folder))
        case ["queued", folder]:
            answer = _queued(Path(folder))
        case _:
            raise SystemExit(__doc__)
    print(json.dumps(answer))
