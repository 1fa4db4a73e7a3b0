"""The orchestrator: a tick of the scheduler, and a chain of tasks against other orchestrators.

``python -m bench.orchestrate PART`` prints one JSON document: ``tick``, ``chain N``.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.measure import Contender, contest, last_json
from bench.peering import OFFLINE, ROOT, Peers
from bench.report import Figure, Table

if TYPE_CHECKING:
    from bench.workloads import Sizes

__all__ = ["ORCHESTRATE"]

PIPELINES = 10_000
CHAIN = 1_000
TICK = 0.2
_LIST = ROOT / "bench" / "peers_orchestrators.txt"


def _tick(minutes: int) -> dict[str, Any]:
    """Ticks of two minutes over 10,000 pipelines with a cron each, due at one of so many minutes; the first
    reads the files."""
    from sluiceway.orchestrate.scheduler import Scheduler
    from sluiceway.spec.project import load_project
    from sluiceway.store.store import Store

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pipelines").mkdir()
        (folder / "sluiceway.yml").write_text("project: many\n")
        for n in range(PIPELINES):
            (folder / "pipelines" / f"p{n}.yml").write_text(
                f"pipeline: p{n}\nschedule: '{n % minutes} * * * *'\n"
                f"sources: {{a: {{type: csv, path: a.csv}}}}\ndestination: {{table: mart.p{n}}}\n"
            )
        project = load_project(folder)
        now, seconds, queued = datetime(2026, 1, 1, 0, 59, tzinfo=UTC), [], 0
        with Store.open(project.metadata) as store:
            scheduler = Scheduler(project, "dev")
            begun = time.perf_counter()
            scheduler.tick(now, store)
            first = time.perf_counter() - begun
            for n in range(1, 121):
                begun = time.perf_counter()
                queued += len(scheduler.tick(now + timedelta(seconds=n), store))
                seconds.append(time.perf_counter() - begun)
    return {
        "first": first, "worst": max(seconds), "median": statistics.median(seconds), "queued": queued,
        "pipelines": PIPELINES, "minutes": minutes,
    }  # fmt: skip


def _chain(count: int) -> dict[str, Any]:
    """Jobs that do nothing, each after the one before it, through the durable queue."""
    from sluiceway.store.queue import JobRequest
    from sluiceway.store.store import Store

    with tempfile.TemporaryDirectory() as name, Store.open(f"sqlite:///{name}/m.db") as store:
        made = [JobRequest(f"step_{n}", needs=(n - 1,) if n else ()) for n in range(count)]
        store.queue.put("dev", made, datetime.now(UTC))
        done: list[str] = []
        while claims := store.queue.claim("dev", "w", {"default": 1}, datetime.now(UTC)):
            done.append(claims[0].pipeline)
            store.queue.finish(claims[0], "succeeded", datetime.now(UTC))
    return {"done": len(done), "in_order": done == [f"step_{n}" for n in range(count)], "ok": True}


def _ticked(said: str) -> str:
    found = last_json(said)
    shown = (
        f"{found['pipelines']:,} pipelines, {found['queued']} runs queued: worst tick {found['worst']:.3f} s "
        f"(goal {TICK}), median {found['median']:.6f} s; the first reads the files, {found['first']:.1f} s"
    )
    expected = 2 * PIPELINES // 60 if found["minutes"] == 60 else PIPELINES
    return f"ok {shown}" if abs(found["queued"] - expected) <= 2 else f"{shown}; expected {expected}"


def _chained(said: str) -> str:
    found = last_json(said)
    right = found["done"] == CHAIN and found["in_order"] and found["ok"]
    return "ok" if right else f"not what was asked: {found}"


def orchestrate(sizes: Sizes, peers: Peers) -> Iterator[Table]:
    """No rival for the ticks: nobody else at hand keeps 10,000 schedules in one process."""

    def part(name: str, truth: Callable[[str], str], *what: str) -> Contender:
        command = [sys.executable, "-m", "bench.orchestrate", *what]
        return Contender(name, "ours", command, rounds=1, truth=truth)

    parts = [
        part("120 ticks", _ticked, "tick", "60"),
        part("the same, all due at once", _ticked, "tick", "1"),
    ]
    ticked = contest(parts, 1)
    worst = [Figure("worst tick, s", one.told["worst"], TICK) for one in ticked if one.told]
    yield Table(f"scheduler, {PIPELINES:,} pipelines", ticked, figures=tuple(worst))
    own = Peers(ROOT / ".venv-bench-orchestrators", _LIST)
    reason = peers.missing(*(line.split("==")[0] for line in peers.wanted()))
    if reason is not None and "--no-peers" in reason:
        own.leave_out(reason)
    else:
        own.make()
    with tempfile.TemporaryDirectory() as home:
        quiet = {
            **OFFLINE, "PREFECT_HOME": home, "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_LOGGING_LEVEL": "ERROR", "DAGSTER_DISABLE_TELEMETRY": "1",
        }  # fmt: skip
        rivals = [
            Contender(
                f"{name}, {how}", "peer", own.script(f"chain_{name}", CHAIN), environment=quiet,
                rounds=sizes.peer_rounds, truth=_chained, missing=own.missing(name),
            )
            for name, how in (
                ("luigi", "in memory, nothing kept"), ("dagster", "in process, nothing kept"),
                ("prefect", "its own server on SQLite"),
            )
        ]  # fmt: skip
        ours = part("sluiceway, durable queue on SQLite", _chained, "chain", str(CHAIN))
        note = "No process a task; ours alone would go on after a kill at any of them, with Prefect."
        yield Table(
            f"{CHAIN:,} chained tasks that do nothing", contest([ours, *rivals], sizes.rounds), (), [note]
        )


ORCHESTRATE: dict[str, Callable[[Sizes, Peers], Iterator[Table]]] = {"orchestrate": orchestrate}
PARTS: dict[str, Callable[..., dict[str, Any]]] = {"tick": _tick, "chain": _chain}

if __name__ == "__main__":
    print(json.dumps(PARTS[sys.argv[1]](*map(int, sys.argv[2:]))))
