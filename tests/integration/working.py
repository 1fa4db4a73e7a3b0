"""A project with pipelines whose Python step does what a test asks, and workers over it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.orchestrate.requests import request_of
from sluiceway.orchestrate.worker import Worker
from sluiceway.spec.pipeline import PipelineConfig
from sluiceway.spec.project import find_pipeline, load_project
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from tests.integration.conftest import ProjectOnDisk

    from sluiceway.store.queue import JobRequest

STEPS = '''
import os, signal, subprocess, sys, time
from pathlib import Path

HERE = Path(__file__).parent

def same(batches):
    yield from batches

def said(batches):
    print("out: the password is", os.environ.get("MINE"), "of course")
    print("err", file=sys.stderr)
    subprocess.run(["echo", "from a child"], check=True)
    yield from batches

def names(batches):
    first = Path("/proc/self/environ").read_text().split("\\0")
    (HERE / "names.txt").write_text("\\n".join(sorted({*os.environ, *(v.partition("=")[0] for v in first)})))
    yield from batches

def leaves(batches):
    """Its child makes a session of its own, and keeps the outputs open."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    (HERE / "pid").write_text(str(child.pid))
    yield from batches

def _begun(*pids):
    with open(HERE / "begun", "w") as fifo:  # opens when the test reads it
        fifo.write(" ".join(map(str, pids)))

def waits(batches):
    """Tells the test, and goes on when that one says so."""
    _begun(os.getpid())
    with open(HERE / "go") as fifo:
        fifo.read()
    yield from batches

def stays(batches):
    """Until it is ended, whatever it is told; so does its child."""
    ignores = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    ignores += "; print(1, flush=True); time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-c", ignores], stdout=subprocess.PIPE)
    child.stdout.readline()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    _begun(os.getpid(), child.pid)
    while True:
        try:
            time.sleep(600)
        except KeyboardInterrupt:
            pass

def grows(batches):
    held = []
    while True:
        held.append(bytearray(b"x") * 5_000_000)
        time.sleep(0.03)
    yield from batches

def dies(batches):
    (HERE / "deaths").open("a").write("x")
    os.kill(os.getpid(), signal.SIGKILL)
    yield from batches
'''
ORDERS = "id,amount\n1,10\n2,20\n"


def pipeline(step: str = "same", more: str = "", table: str = "mart.p", name: str = "p") -> str:
    return (
        f"pipeline: {name}\n{more}"
        "sources: {orders: {type: csv, path: orders.csv}}\n"
        f"transform:\n  - python: {{function: 'steps:{step}', columns: {{id: BIGINT, amount: BIGINT}}}}\n"
        "rules: [{not_null: id}]\n"
        f"destination: {{table: {table}, mode: append}}\n"
    )


@dataclass
class Work:
    """``put`` jobs, ``work`` them off, look at ``said`` and at the store."""

    project: ProjectOnDisk
    said: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for fifo in ("begun", "go"):
            os.mkfifo(self.project.folder / fifo)
        self.store = Store.open(load_project(self.project.folder).metadata)

    def request(self, name: str = "p", **more: Any) -> JobRequest:
        config = PipelineConfig.load(find_pipeline(load_project(self.project.folder), name))
        return request_of(config, "manual", **more)

    def put(self, *requests: JobRequest) -> list[str]:
        """Their runs' ids."""
        from datetime import UTC, datetime

        ids = self.store.queue.put("dev", requests or [self.request()], datetime.now(UTC))
        runs = {job["id"]: job["run_id"] for job in self.store.queue.jobs("dev", limit=None)}
        return [runs[job] for job in ids if job is not None]

    def worker(self, **options: Any) -> Worker:
        return Worker(
            load_project(self.project.folder),
            "dev",
            say=lambda event: self.said.append(dict(event)),
            **options,
        )

    def work(self, **options: Any) -> None:
        self.worker(**options).run("idle")

    def beside(self, worker: Worker) -> threading.Thread:
        """The worker in a thread; joined by the test."""
        thread = threading.Thread(target=worker.run, args=("idle",), daemon=True)
        thread.start()
        return thread

    def spawn(self, *options: str) -> subprocess.Popen[str]:
        """``sluiceway worker`` in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "sluiceway", "worker", "--json", *options],
            cwd=self.project.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def begun(self) -> list[int]:
        """Wait for a step that tells it has begun: the pids that it names."""
        with (self.project.folder / "begun").open() as fifo:
            return [int(pid) for pid in fifo.read().split()]

    def go(self) -> None:
        (self.project.folder / "go").open("w").close()

    def job(self, run_id: str) -> dict[str, Any]:
        [found] = self.store.queue.jobs("dev", run_id=run_id)
        return found

    def events(self, name: str) -> list[dict[str, Any]]:
        return [event for event in self.said if event["event"] == name]

    def log(self, run_id: str) -> str:
        return "\n".join(chunk["text"] for chunk in self.store.logs.read(run_id))


def lives(pid: int) -> bool:
    """Whether there is such a process that is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
