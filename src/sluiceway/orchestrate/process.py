"""One run as a process group that is watched: its answers, its outputs, its time, its memory, its end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sluiceway.secrets import redact
from sluiceway.units import spoken

if TYPE_CHECKING:
    from collections.abc import Callable

    from sluiceway.orchestrate.forker import Forker
    from sluiceway.orchestrate.order import Order

__all__ = ["LOG_BYTES", "Ended", "RunProcess", "group_memory"]

LOG_BYTES = 1_048_576
"""Of a run's outputs so much is kept in the store; the file has all of it."""
_LOOK = 0.5
_WARN = 0.8
_SLACK = 5.0
"""Seconds that a run has to end itself at its timeout before it is told from outside."""
Why = Literal["cancel", "timeout", "memory", "lost", "stop"]


@dataclass(frozen=True)
class Ended:
    """How a run's process ended. ``said`` is its last answer, if it lived to give one; ``why`` is who or
    what ended it, if something did; ``code`` is negative for a signal."""

    code: int | None
    said: dict[str, Any] | None
    why: Why | None
    peak: int
    seconds: float


def group_memory(group: int) -> int:
    """Bytes of resident memory of all processes of a group: VmRSS of /proc, shared pages counted each time.

    >>> group_memory(os.getpgrp()) > 1_000_000
    True
    """
    total = 0
    for entry in os.scandir("/proc"):
        if not entry.name.isdecimal():
            continue
        try:
            stat = Path(entry.path, "stat").read_bytes()
        except OSError:
            continue  # it ended while we looked
        fields = stat.rpartition(b")")[2].split()
        if int(fields[2]) == group:
            total += int(fields[21])
    return total * os.sysconf("SC_PAGESIZE")


@dataclass
class RunProcess:
    """Give it an order, ``start`` it, look at ``progress`` and ``ended``. ``woken`` is called at its end.

    ``warnings`` are sentences: that its memory or its time is nearly used up, each once.
    """

    order: Order
    forker: Forker
    log: Path
    grace: float
    woken: Callable[[], None] = lambda: None
    progress: dict[str, Any] = field(default_factory=dict)
    limits: dict[str, Any] = field(default_factory=dict)
    warnings: deque[str] = field(default_factory=deque)
    ended: Ended | None = None
    pid: int = 0

    def __post_init__(self) -> None:
        self._said: dict[str, Any] | None = None
        self._why: Why | None = None
        self._told_at = 0.0
        self._peak = 0
        self._kept = 0
        self._lines: deque[str] = deque()
        self._over = threading.Event()
        self._code: int | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Raises RunError where there is no process to be had, OSError where there is no file to log to."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.log.open("ab")
        output, its_output = os.pipe()
        said, its_said = os.pipe()
        its_lifeline, self._lifeline = os.pipe()
        self._begun = time.monotonic()
        try:
            self.pid = self.forker.fork(self.order, its_output, its_said, its_lifeline, self._exited)
        except BaseException:
            for descriptor in (output, said, self._lifeline):
                os.close(descriptor)
            self._file.close()
            raise
        finally:
            for descriptor in (its_output, its_said, its_lifeline):
                os.close(descriptor)
        readers = [
            threading.Thread(target=self._read_output, args=(output,), name="output", daemon=True),
            threading.Thread(target=self._read_answers, args=(said,), name="answers", daemon=True),
        ]
        for reader in readers:
            reader.start()
        threading.Thread(target=self._watch, args=(readers,), name="watch", daemon=True).start()

    def stop(self, why: Why) -> None:
        """Tell it to stop; after ``grace`` seconds it is ended, with all that it started."""
        with self._lock:
            if self._why is None:
                self._why, self._told_at = why, time.monotonic()
                self._signal(signal.SIGTERM)

    def kill(self, why: Why) -> None:
        """End it now, with all that it started."""
        with self._lock:
            self._why = self._why or why
            self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def lines(self) -> list[str]:
        """Outputs since the last call, redacted."""
        found = []
        while self._lines:
            found.append(self._lines.popleft())
        return found

    # --- its three threads ---

    def _exited(self, code: int | None) -> None:
        self._code = code
        self._over.set()

    def _read_output(self, descriptor: int) -> None:
        with os.fdopen(descriptor, "rb") as pipe:
            for raw in pipe:
                line = redact(raw.decode("utf-8", "replace").rstrip("\n"))
                encoded = line.encode() + b"\n"
                self._file.write(encoded)
                self._file.flush()
                if self._kept > LOG_BYTES:
                    continue
                self._kept += len(encoded)
                if self._kept > LOG_BYTES:
                    line = f"… more than {spoken(LOG_BYTES)}: the rest is in {self.log} on this machine"
                self._lines.append(line)

    def _read_answers(self, descriptor: int) -> None:
        with os.fdopen(descriptor, "rb") as pipe:
            for raw in pipe:
                document = json.loads(raw)
                if "progress" in document:
                    self.progress.update(document["progress"])
                elif "limits" in document:
                    self.limits = document["limits"]
                else:
                    self._said = document

    def _watch(self, readers: list[threading.Thread]) -> None:
        while not self._over.wait(_LOOK):
            self._look()
        self._signal(signal.SIGKILL)  # children that outlive it would hold its outputs open
        for reader in readers:
            reader.join()
        os.close(self._lifeline)
        self._file.close()
        seconds = time.monotonic() - self._begun
        self.ended = Ended(self._code, self._said, self._why, self._peak, seconds)
        self.woken()

    def _look(self) -> None:
        memory, now = group_memory(self.pid), time.monotonic()
        self._peak = max(self._peak, memory)
        self.progress |= {"rss": memory, "peak": self._peak}
        limit = self.limits.get("memory")
        if limit and memory > limit:
            self.kill("memory")
        elif limit and memory > _WARN * limit:
            self._warn("memory", f"it has {spoken(memory)} of the {spoken(limit)} that it may have")
        timeout, spent = self.limits.get("timeout"), now - self._begun
        if timeout and spent > timeout + _SLACK:
            self.stop("timeout")
        elif timeout and spent > _WARN * timeout:
            self._warn("timeout", f"it has taken {spent:.0f} s of its {timeout:g} s")
        if self._why is not None and self._why != "memory" and now - self._told_at > self.grace:
            self._signal(signal.SIGKILL)

    def _warn(self, of: str, sentence: str) -> None:
        if of not in self.progress.setdefault("warned", []):
            self.progress["warned"].append(of)
            self.warnings.append(sentence)
