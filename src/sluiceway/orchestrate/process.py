"""One run as a process group that is watched: its answers, its outputs, its time, its memory, its end."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from sluiceway.orchestrate.order import MARK
from sluiceway.secrets import redact, register_secret
from sluiceway.units import spoken

if TYPE_CHECKING:
    from collections.abc import Callable

    from sluiceway.orchestrate.forker import Forker
    from sluiceway.orchestrate.order import Order

__all__ = ["LOG_BYTES", "Ended", "RunProcess", "group_memory"]

LOG_BYTES = 1_048_576
"""Of a run's outputs so much is kept in the store; the file has all of it."""
_LOOK = 0.5
_LINE = 65_536
"""Of a line without an end so much is taken for one."""
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
    """Bytes of memory of all processes of a group: resident memory (``stat`` of /proc), and of several their
    proportional share (``Pss`` of ``smaps_rollup``), since what they have in common is there once.

    >>> group_memory(os.getpgrp()) > 1_000_000
    True
    """
    resident: dict[str, int] = {}
    for entry in os.scandir("/proc"):
        if not entry.name.isdecimal():
            continue
        with contextlib.suppress(OSError):  # it ended while we looked
            fields = Path(entry.path, "stat").read_bytes().rpartition(b")")[2].split()
            if int(fields[2]) == group:
                resident[entry.path] = int(fields[21]) * os.sysconf("SC_PAGESIZE")
    if len(resident) < 2:
        return sum(resident.values())
    return sum(_share(path, rss) for path, rss in resident.items())


def _share(process: str, resident: int) -> int:
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(process, "smaps_rollup").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("Pss:")).split()[1]) * 1024
    return resident


def _marked(mark: bytes) -> list[int]:
    """Processes that were started with this in their environment: a run's children that left its group."""
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):  # another user's, or ended meanwhile
                if mark in Path(entry.path, "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return found


@dataclass
class RunProcess:
    """Give it an order, ``start`` it, look at ``progress`` and ``ended``. ``woken`` is called at its end.

    ``warnings`` are what is nearly used up, ``memory`` or ``timeout``, each once, with a sentence that says
    so; ``progress`` keeps them under ``warned``. ``heard`` is when the store was last told that it lives;
    ``silence`` seconds later it may be another's, and is ended.
    """

    order: Order
    forker: Forker
    log: Path
    grace: float
    woken: Callable[[], None] = lambda: None
    progress: dict[str, Any] = field(default_factory=dict)
    limits: dict[str, Any] = field(default_factory=dict)
    warnings: deque[tuple[str, str]] = field(default_factory=deque)
    ended: Ended | None = None
    pid: int = 0
    silence: float | None = None

    def __post_init__(self) -> None:
        self._said: dict[str, Any] | None = None
        self._why: Why | None = None
        self._told_at = 0.0
        self._peak = 0
        self._kept = 0
        self._lines: deque[str] = deque()
        self._over, self._swept = threading.Event(), threading.Event()
        self.heard = time.monotonic()
        self._code: int | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Raises RunError where there is no process to be had, OSError where there is no file to log to."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._file: BinaryIO | None = self.log.open("ab")
        output, its_output = os.pipe()
        said, its_said = os.pipe()
        its_lifeline, self._lifeline = os.pipe()
        self._begun = time.monotonic()
        try:
            self.pid = self.forker.fork(self.order, its_output, its_said, its_lifeline, self._exited)
        except BaseException:
            for descriptor in (output, said, self._lifeline):
                os.close(descriptor)
            if self._file is not None:
                self._file.close()
            raise
        finally:
            for descriptor in (its_output, its_said, its_lifeline):
                os.close(descriptor)
        reader = threading.Thread(target=self._read, args=(output, said), name="outputs", daemon=True)
        reader.start()
        threading.Thread(target=self._watch, args=(reader,), name="watch", daemon=True).start()

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

    # --- its threads ---

    def _exited(self, code: int | None) -> None:
        self._code = code
        self._over.set()

    def _read(self, output: int, said: int) -> None:
        """Outputs and answers, until nobody writes any more. What the run says of its secrets is heard before
        what it printed after that: answers are read between reading outputs and masking them."""
        os.set_blocking(said, False)
        parts = {output: b"", said: b""}
        poll = select.poll()
        for descriptor in parts:
            poll.register(descriptor, select.POLLIN)
        quiet = 0
        while parts and quiet < 2:
            ready = {descriptor for descriptor, _ in poll.poll(_LOOK * 1000)}
            # who holds its outputs open after its end has left its group, and is not waited for
            quiet = quiet + 1 if not ready and self._swept.is_set() else 0
            chunk = os.read(output, 65_536) if output in ready else None
            if said in parts and not self._hear(said, parts):
                poll.unregister(said)
            if chunk is not None and not self._take(chunk, output, parts):
                poll.unregister(output)
        os.close(output)
        os.close(said)

    def _take(self, chunk: bytes, output: int, parts: dict[int, bytes]) -> bool:
        """Lines of a piece of output; False at its end."""
        *lines, rest = (parts.pop(output) + chunk).split(b"\n")
        if chunk and len(rest) <= _LINE:
            parts[output], rest = rest, b""
        elif chunk:
            parts[output] = b""
        for line in (*lines, rest) if rest else lines:
            self._keep(line)
        return bool(chunk)

    def _hear(self, said: int, parts: dict[int, bytes]) -> bool:
        """What it has answered until now; False at the end of its answers."""
        while True:
            try:
                chunk = os.read(said, 65_536)
            except BlockingIOError:
                return True
            *lines, parts[said] = (parts[said] + chunk).split(b"\n")
            for line in lines:
                self._answer(json.loads(line))
            if not chunk:
                del parts[said]
                return False

    def _keep(self, raw: bytes) -> None:
        line = redact(raw.decode("utf-8", "replace"))
        encoded = line.encode("utf-8", "replace") + b"\n"
        if self._file is not None:
            try:
                self._file.write(encoded)
                self._file.flush()
            except OSError as error:  # the disk is full: the run goes on, and the store has its beginning
                with contextlib.suppress(OSError):  # it holds what it could not write
                    self._file.close()
                self._file = None
                self._lines.append(f"… no more is written to {self.log}: {error.strerror}")
        if self._kept > LOG_BYTES:
            return
        self._kept += len(encoded)
        if self._kept > LOG_BYTES:
            line = f"… more than {spoken(LOG_BYTES)}: the rest is in {self.log} on this machine"
        self._lines.append(line)

    def _answer(self, document: dict[str, Any]) -> None:
        if "secrets" in document:
            for value in document["secrets"]:
                for part in (value, *value.splitlines()):
                    register_secret(part)
        elif "progress" in document:
            self.progress.update(document["progress"])
        elif "limits" in document:
            self.limits = document["limits"]
        else:
            self._said = document

    def _watch(self, reader: threading.Thread) -> None:
        while not self._over.wait(_LOOK):
            self._look()
        self._signal(signal.SIGKILL)  # children that outlive it
        for pid in _marked(f"{MARK}={self.order.mark}".encode()):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        self._swept.set()
        reader.join()
        os.close(self._lifeline)
        if self._file is not None:
            with contextlib.suppress(OSError):
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
        if self.silence is not None and now - self.heard > self.silence:
            self.kill("lost")
        if self._why is not None and self._why != "memory" and now - self._told_at > self.grace:
            self._signal(signal.SIGKILL)

    def _warn(self, of: str, sentence: str) -> None:
        warned = self.progress.get("warned", {})
        if of not in warned:
            self.progress["warned"] = {**warned, of: sentence}  # anew: the worker may be writing it down
            self.warnings.append((of, sentence))
