"""A worker: it claims jobs, gives each a process, says that they live, and settles how they end.

The database is talked to from one thread, this one; each run is watched by threads of its own, so that limits
hold while the database is away. Who can't be heard for ``lost_after`` seconds must take its runs for given to
another, and ends them: the others wait as long before they take them.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from sluiceway.errors import RunError, SluicewayError, StoreError
from sluiceway.events import EventBus, RunFinished
from sluiceway.ids import new_run_id
from sluiceway.orchestrate.environment import environment_for
from sluiceway.orchestrate.forker import Forker
from sluiceway.orchestrate.near import Teller, near
from sluiceway.orchestrate.order import Order
from sluiceway.orchestrate.policy import Decision, decide
from sluiceway.orchestrate.process import Ended, RunProcess
from sluiceway.orchestrate.requests import version_file
from sluiceway.orchestrate.sweep import Sweep
from sluiceway.run.listeners import listen
from sluiceway.spec.project import find_pipeline
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from sluiceway.spec.model import Project
    from sluiceway.store.queue import Claim

__all__ = ["Worker"]

log = logging.getLogger("sluiceway.worker")
_IDLE = 1.0
"""Seconds between two looks into an empty queue."""
_FLUSH = 1.0
Say = Callable[[Mapping[str, Any]], None]


@dataclass
class _Running:
    claim: Claim
    process: RunProcess
    beat: float
    seq: int | None = None
    pending: list[str] = field(default_factory=list)


class Worker:
    """``Worker(project, "dev").run()`` works until ``stop`` or ``drain`` is called from another thread or a
    signal handler; ``run("idle")`` until nothing is left that it could do now.

    Args:
        slots: runs at once; ``orchestrate.slots`` if absent.
        pools: only jobs of these; all if absent.
        say: called with one dict for each thing that happens: ``{event, run_id, pipeline, …}``.
    """

    def __init__(
        self,
        project: Project,
        environment: str,
        *,
        slots: int | None = None,
        pools: tuple[str, ...] = (),
        name: str | None = None,
        say: Say = lambda _: None,
        forker: Forker | None = None,
    ) -> None:
        self.project, self.environment = project, environment
        self.spec = project.orchestrate
        self.slots = slots or self.spec.slots
        declared = {"default": 1_000, **self.spec.pools}
        self.pools = {n: size for n, size in declared.items() if not pools or n in pools}
        self.name = name or f"{socket.gethostname()}:{os.getpid()}:{new_run_id()[-4:]}"
        self._say, self._forker = say, forker or Forker()
        # by token too: a job that was lost may come back to this very worker before its first run has ended
        self._running: dict[tuple[int, int], _Running] = {}
        self._wake = threading.Event()
        self._state: Literal["running", "paused", "draining", "stopped"] = "running"
        self._sweeper = Sweep(self.spec.lost_after)
        self._teller = Teller(project, environment)
        self._swept = self._beaten = self._looked = 0.0

    # --- told from elsewhere, by signal handlers too, which may take no lock: heard within a second ---

    def drain(self) -> None:
        """Claim nothing more; end when what runs has ended."""
        if self._state != "stopped":
            self._state = "draining"

    def stop(self) -> None:
        """End now: runs are told to stop, and go back into the queue."""
        self._state = "stopped"

    # --- the loop ---

    def run(self, until: Literal["stopped", "idle"] = "stopped") -> None:
        """Raises StoreError where the store can't be reached at the start; later it waits for it."""
        self._forker.start()
        with Store.open(self.project.metadata) as store:
            self._store = store
            store.workers.hello(
                self.name, "worker", self.environment, _now(), slots=self.slots,
                details={"pools": self.pools, "version": _version()},
            )  # fmt: skip
            self._say({"event": "worker started", "worker": self.name, "slots": self.slots})
            try:
                while not self._step(until):
                    self._wake.wait(self._pause())
                    self._wake.clear()
            finally:
                self._end()

    def _step(self, until: str) -> bool:
        """One turn; whether it was the last."""
        if self._state == "stopped":
            for running in self._running.values():
                running.process.stop("stop")
        claimed = 0
        try:
            self._settle_ended()
            self._beat()
            if self._state == "running":
                self._sweep()
                claimed = self._claim()
        except StoreError as error:
            log.warning("%s; trying again", error.message)
            return self._state == "stopped" and all(r.process.ended for r in self._running.values())
        if self._running:
            return False
        if self._state in ("stopped", "draining"):
            return True
        return until == "idle" and not claimed and not self._waiting()

    def _pause(self) -> float:
        if any(r.process.ended for r in self._running.values()):
            return 0.0
        return min(_IDLE, self.spec.heartbeat)

    def _waiting(self) -> bool:
        """Jobs that somebody may do soon: then the queue is not idle."""
        return self._store.queue.busy(self.environment, tuple(self.pools))

    def _end(self) -> None:
        for running in self._running.values():
            running.process.kill("stop")
        self._forker.close()
        self._teller.close()
        try:
            self._store.workers.ask(self.name, "stopped")
        except StoreError as error:
            log.warning("%s", error.message)
        self._say({"event": "worker stopped", "worker": self.name})

    # --- claims ---

    def _claim(self) -> int:
        free = self.slots - len(self._running)
        if free <= 0:
            return 0
        claims = self._store.queue.claim(self.environment, self.name, self.pools, _now(), limit=free)
        for claim in claims:
            self._start(claim)
        return len(claims)

    def _start(self, claim: Claim) -> None:
        running = None
        try:
            process = RunProcess(
                self._order(claim), self._forker, self._log_file(claim.run_id), self.spec.stop_grace,
                self._wake.set, silence=self.spec.lost_after * 0.8,
            )  # fmt: skip
            process.start()
            running = _Running(claim, process, time.monotonic())
        except (RunError, OSError) as error:  # no process, no room for its log: elsewhere there may be
            log.warning("%s: %s", claim.pipeline, error)
            wrong = error if isinstance(error, RunError) else RunError(f"it could not be started: {error}")
            spared = claim.lost + 1 < self.spec.poison
            soon = _now() + timedelta(seconds=5) if spared else None
            decision = Decision(None if spared else "failed", wrong.as_dict(), again=soon, spared=True)
            self._settle(claim, decision, {})
        except SluicewayError as error:  # its file is gone or can't be read: nobody could run it
            self._settle(claim, Decision("failed", error.as_dict()), {})
        else:
            self._running[(claim.id, claim.token)] = running
            self._say({"event": "run started", **_about(claim), "attempt": claim.attempt, "pid": process.pid})

    def _order(self, claim: Claim) -> Order:
        payload = claim.payload
        kept = payload.get("text")
        if kept is None:
            file = find_pipeline(self.project, claim.pipeline)
        else:
            file = version_file(self.project, claim.pipeline, str(kept))
        interval = payload.get("interval")
        beside = self.spec.env
        return Order(
            project=str(self.project.folder), environment=self.environment, pipeline=str(file),
            run_id=claim.run_id, attempt=claim.attempt + claim.lost, claim=claim.id, token=claim.token,
            at=None if claim.nominal_at is None else claim.nominal_at.isoformat(), group_id=claim.group_id,
            full_refresh=bool(payload.get("full_refresh")), variables=dict(payload.get("vars") or {}),
            interval=None if interval is None else (interval[0], interval[1]), nice=self.spec.nice,
            patience=self.spec.lost_after * 0.8, more=claim.attempt < claim.attempts,
            process_environment=environment_for(self.project.file, file, self.environment, beside=beside),
        )  # fmt: skip

    def _log_file(self, run_id: str) -> Path:
        return self.project.folder / ".sluiceway" / "logs" / f"{run_id}.log"

    # --- while they run ---

    def _beat(self) -> None:
        now = time.monotonic()
        if now - self._beaten >= self.spec.heartbeat:
            state = self._store.workers.beat(self.name, _now())
            self._beaten = now
            if self._state in ("running", "paused") and state in ("running", "paused", "draining", "stopped"):
                self._state = state  # type: ignore[assignment]
        for running in list(self._running.values()):
            self._warned(running)
            if now - running.beat >= min(_FLUSH, self.spec.heartbeat):
                self._flush(running)
                self._beat_one(running, now)

    def _beat_one(self, running: _Running, now: float) -> None:
        # a copy: its own thread writes into it
        answer = self._store.queue.heartbeat(running.claim, _now(), dict(running.process.progress))
        running.beat = running.process.heard = now
        if answer == "cancel":
            running.process.stop("cancel")
        elif answer == "gone":
            running.process.kill("lost")

    def _warned(self, running: _Running) -> None:
        if running.process.warnings:  # written down first: a sweep that sees the alert must see its reason
            self._beat_one(running, time.monotonic())
        while running.process.warnings:
            of, said = running.process.warnings.popleft()
            running.pending.append(f"warning: {said}")
            self._say({"event": "warning", **_about(running.claim), "message": said})
            about, owner = _near(running, {of: said}), str(running.process.limits.get("owner", ""))
            for alert in near(about, owner):
                self._teller.raised(alert)

    def _flush(self, running: _Running) -> None:
        running.pending += running.process.lines()
        if running.pending:
            if running.seq is None:
                running.seq = self._store.logs.next_seq(running.claim.run_id)
            self._store.logs.append(running.claim.run_id, running.seq, running.pending, _now())
            running.seq += 1
            running.pending = []

    def _sweep(self) -> None:
        """Take over what other workers left behind."""
        now = time.monotonic()
        if now - self._swept < self.spec.lost_after / 4:
            return
        self._swept = now
        silent = self._sweeper.silent(self._store.queue.running(self.environment), now)
        for job in self._store.queue.orphans(self.environment, silent, _now(), self.spec.poison):
            event = {"event": "run taken over", "run_id": job["run_id"], "pipeline": job["pipeline"]}
            self._say({**event, "worker": job["worker"], "status": job["status"]})
            if job["status"] == "failed":
                self._tell(job["run_id"], job["pipeline"], "failed", job["error"], 0.0)

    # --- the end of runs ---

    def _settle_ended(self) -> None:
        for job, running in list(self._running.items()):
            ended = running.process.ended
            if ended is None:
                continue
            self._warned(running)
            self._flush(running)
            self._beat_one(running, time.monotonic())
            claim, limits = running.claim, running.process.limits
            spare = self.spec.poison - 1 - claim.lost
            decision = decide(ended, limits, claim.attempt, claim.attempts, _now(), spare=spare)
            status = decision.status
            if status is not None and status != (ended.said or {}).get("status"):
                self._speak_for(claim, status, decision.error, ended.seconds)
            self._settle(claim, decision, _numbers(ended))
            self._teller.over(_near(running, running.process.progress.get("warned")))
            del self._running[job]

    def _speak_for(self, claim: Claim, status: str, error: dict[str, Any] | None, seconds: float) -> None:
        """A run that could not say itself how it ended: its status is written, and who listens is told."""
        if self._store.queue.is_claimed(claim.id, claim.token):  # else it is another's to speak of
            self._store.mark(claim.run_id, status, error=error)
            self._tell(claim.run_id, claim.pipeline, status, error, seconds)

    def _tell(
        self, run_id: str, pipeline: str, status: str, error: dict[str, Any] | None, seconds: float
    ) -> None:
        bus = EventBus()
        listen(bus, self.project)
        bus.emit(
            RunFinished(
                run_id, pipeline, _now(), environment=self.environment, status=status, seconds=seconds,
                error=error,
            )
        )  # fmt: skip
        for note in bus.over():
            log.warning("%s", note)

    def _settle(self, claim: Claim, decision: Decision, numbers: Mapping[str, Any]) -> None:
        queue, now = self._store.queue, _now()
        about = {**_about(claim), **numbers}
        if decision.silent:
            self._say({"event": "run lost", **about})
        elif decision.give_back:
            back = queue.give_back(claim, now)
            self._say({"event": "run given back" if back else "run lost", **about})
        elif decision.again is not None:
            if queue.again(claim, decision.again, now, decision.error, spared=decision.spared):
                due = decision.again.isoformat(timespec="seconds")
                self._say({"event": "run retried", **about, "again": due, "error": decision.error})
        else:
            assert decision.status is not None
            if queue.finish(claim, decision.status, now, decision.error):
                self._say({"event": "run ended", **about, "status": decision.status, "error": decision.error})


def _now() -> datetime:
    return datetime.now(UTC)


def _about(claim: Claim) -> dict[str, Any]:
    return {"run_id": claim.run_id, "pipeline": claim.pipeline, "trigger": claim.trigger}


def _near(running: _Running, warned: Mapping[str, str] | None) -> dict[str, Any]:
    return {**_about(running.claim), "progress": {"warned": warned}}


def _numbers(ended: Ended) -> dict[str, Any]:
    said = ended.said or {}
    records = said.get("records") or {}
    return {
        "seconds": round(ended.seconds, 3), "peak_memory": ended.peak, "published": records.get("published"),
    }  # fmt: skip


def _version() -> str:
    from importlib.metadata import version

    return version("sluiceway")
