"""Whole processes: wall seconds, CPU seconds and peak resident memory, by the kernel's own account.

The contenders of a contest take turns, so that whatever else the machine does falls on all of them.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

__all__ = ["Contender", "Measured", "contest", "last_json"]

Role = Literal["ours", "hand", "peer"]
_LIMIT = 1800.0


@dataclass(frozen=True)
class Contender:
    """A command, and what is asked of its answer.

    ``truth`` looks at what it wrote to stdout and says what is wrong, or a note that begins with ``ok``.
    ``beside`` gives CPU seconds spent elsewhere for it, by a server; the difference is added.
    ``missing`` says why it can't be run at all: it is shown, not left out.
    """

    name: str
    role: Role
    command: Sequence[str]
    cwd: Path | None = None
    environment: dict[str, str] = field(default_factory=dict)
    rounds: int | None = None
    before: Callable[[], object] | None = None
    truth: Callable[[str], str] | None = None
    beside: Callable[[], float] | None = None
    missing: str | None = None


@dataclass
class Measured:
    """``wall`` and ``cpu`` are medians over the runs, ``peak`` the largest, in MB; ``told`` is the last JSON
    document that it printed, where it prints one."""

    name: str
    role: Role
    walls: list[float] = field(default_factory=list)
    cpus: list[float] = field(default_factory=list)
    peak: float = 0.0
    note: str = ""
    failed: str = ""
    wrong: str = ""
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def runs(self) -> int:
        return len(self.walls)

    @property
    def wall(self) -> float:
        return statistics.median(self.walls) if self.walls else float("nan")

    @property
    def cpu(self) -> float:
        return statistics.median(self.cpus) if self.cpus else float("nan")

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name, "role": self.role, "runs": self.runs, "wall": self.wall, "cpu": self.cpu,
            "peak": self.peak, "walls": self.walls, "note": self.note, "failed": self.failed,
            "wrong": self.wrong,
        }  # fmt: skip


def contest(contenders: Sequence[Contender], rounds: int) -> list[Measured]:
    """Everyone's turn, ``rounds`` times. Who fails once has no further turn, and the failure is kept."""
    found = [Measured(c.name, c.role, failed=c.missing or "") for c in contenders]
    for turn in range(rounds):
        for contender, measured in zip(contenders, found, strict=True):
            if not measured.failed and turn < (contender.rounds or rounds):
                _turn(contender, measured)
    return found


def last_json(text: str) -> dict[str, Any]:
    """The document that a contender printed: its whole output, or its last line."""
    stripped = text.strip()
    try:
        document: dict[str, Any] = json.loads(stripped)
    except ValueError:
        document = json.loads(stripped.splitlines()[-1])
    return document


def _turn(contender: Contender, measured: Measured) -> None:
    if contender.before is not None:
        contender.before()
    elsewhere = contender.beside() if contender.beside else 0.0
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        begun = time.monotonic()
        code, usage = _run(contender, out, err)
        wall = time.monotonic() - begun
        out.seek(0), err.seek(0)
        said, complained = out.read(), err.read()
    if code != 0:
        lines = (complained.strip() or said.strip() or "it said nothing").splitlines()
        measured.failed = f"exit {code}: {lines[-1].strip()[:160]}"
        return
    elsewhere = contender.beside() - elsewhere if contender.beside else 0.0
    measured.walls.append(wall)
    measured.cpus.append(usage.ru_utime + usage.ru_stime + elsewhere)
    measured.peak = max(measured.peak, usage.ru_maxrss / 1024)
    with contextlib.suppress(ValueError, IndexError):
        measured.told = last_json(said)
    if contender.truth is not None:
        try:
            answer = contender.truth(said)
        except (ValueError, KeyError, IndexError) as error:
            answer = f"its answer can't be read ({error!r}): {said.strip()[-160:]!r}"
        if answer.startswith("ok"):
            measured.note = answer.removeprefix("ok").strip(" ;")
        else:
            measured.wrong = answer


def _run(contender: Contender, out: IO[str], err: IO[str]) -> tuple[int, Any]:
    environment = {**os.environ, **contender.environment}
    process = subprocess.Popen(
        list(contender.command), cwd=contender.cwd, env=environment, stdin=subprocess.DEVNULL,
        stdout=out, stderr=err,
    )  # fmt: skip
    # wait4 and not communicate(): its account is this child's alone, RUSAGE_CHILDREN is everyone's
    deadline = time.monotonic() + _LIMIT
    pause = 0.0005
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode, usage
        if time.monotonic() > deadline:
            process.kill()
            os.wait4(process.pid, 0)
            err.write(f"\nended after {_LIMIT:.0f} s")
            process.returncode = -9
            return -9, usage
        time.sleep(pause)
        pause = min(pause * 1.2, 0.01)
