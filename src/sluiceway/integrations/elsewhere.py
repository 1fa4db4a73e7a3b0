"""A run of ours inside somebody else's orchestrator, as a process. The standard library alone is needed.

``pip install --no-deps sluiceway`` into the orchestrator's environment is enough; where the whole package
lies in another one, ``SLUICEWAY_BIN`` names its command, such as ``/opt/sluiceway/bin/sluiceway``.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import queue
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import IO, Any

__all__ = ["TRANSIENT", "Blocked", "Failed", "RunEnded", "Sluiceway", "stopping", "summary"]

TRANSIENT = frozenset({"SourceError", "DestinationError", "LockTimeoutError", "StoreError"})
"""Errors that another try may get past: those that our own workers try again."""
_GRACE = 30.0
"""Seconds from SIGTERM to SIGKILL: a run that was told to stop rolls its transaction back first."""
_LOOK = 0.2
"""Seconds between two looks up from the run's output: how long an exception waits that is raised in a thread
from outside, as Prefect's time limit is."""
_LEFT = 1.0
"""Seconds that are waited for the rest of the output of a run that has ended."""
_ALL: set[Sluiceway] = set()
"""Those of this process whose run goes on."""


class RunEnded(Exception):
    """A run that did not succeed. ``document`` is what it said of itself."""

    def __init__(self, message: str, document: dict[str, Any]) -> None:
        super().__init__(message, document)
        self.message, self.document = message, document

    def __str__(self) -> str:
        return self.message


class Blocked(RunEnded):
    """The gate turned the data away: trying again would judge the same rows again."""


class Failed(RunEnded):
    """The run failed. ``final``: trying again would not help, as with a wrong setting."""

    def __init__(self, message: str, document: dict[str, Any], final: bool) -> None:
        super().__init__(message, document)
        self.args, self.final = (message, document, final), final


class Sluiceway:
    """The command of one project. One run of it goes at a time; make another for another run.

    Args:
        project: its folder. environment: ``--env``; the project's first if absent.
        command: what to call, with its arguments; else ``SLUICEWAY_BIN``, the ``sluiceway`` on the path, the
            one beside this Python.

    >>> Sluiceway("/srv/shop", "prod", command="sluiceway").arguments("orders", at="2026-01-01")[:4]
    ['sluiceway', 'run', 'orders', '--json']
    """

    def __init__(self, project: str, environment: str | None = None, command: str | None = None) -> None:
        self.project, self.environment = project, environment
        self.command = shlex.split(command or os.environ.get("SLUICEWAY_BIN") or _found())
        # no lock: Airflow cancels from a signal handler, which may interrupt whoever would hold it
        self._running: subprocess.Popen[str] | None = None
        self._cancelled = False

    def arguments(
        self,
        pipeline: str,
        at: str | None = None,
        variables: dict[str, Any] | None = None,
        retries: bool = False,
    ) -> list[str]:
        """What is run. Without ``retries`` it is one try, since whoever calls us counts them."""
        made = [*self.command, "run", pipeline, "--json", *([] if retries else ["--no-retry"])]
        made += self._where()
        made += ["--at", at] if at else []
        return [*made, *(["--vars", json.dumps(variables)] if variables else [])]

    def run(
        self,
        pipeline: str,
        *,
        at: str | None = None,
        variables: dict[str, Any] | None = None,
        retries: bool = False,
        log: Callable[[str], None] = lambda _: None,
    ) -> dict[str, Any]:
        """Run it and give its document. What ends us meanwhile ends it: an exception that is raised here,
        such as a time limit, and SIGTERM. It gets SIGTERM, publishes nothing, and is killed after 30 s.

        Args:
            at: the moment that the run stands for, ISO 8601.
            retries: the run tries again itself, as the pipeline's ``retry:`` says.
            log: called with each line of its progress, from the caller's thread.

        Raises:
            Blocked, Failed: it did not succeed.
        """
        self._cancelled = False
        with self._stopped_by_sigterm():
            process = self._start(self.arguments(pipeline, at, variables, retries))
            said: list[str] = []
            lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
            readers = [_reader(process.stdout, said.append), _reader(process.stderr, lines.put, lines.put)]
            try:
                self._running = process
                _ALL.add(self)
                if self._cancelled:  # before there was a process to tell
                    self.cancel()
                for line in self._lines(lines, process):
                    log(line.rstrip("\n"))
                code = process.wait()
            finally:
                _end(process)
                _ALL.discard(self)
                self._running = None
                for reader in readers:
                    reader.join(_LEFT)
        return _judged(pipeline, code, "".join(said), cancelled=self._cancelled)

    def cancel(self) -> None:
        """Tell the run to stop; it ends as cancelled, and publishes nothing. From any thread, and from a
        handler of signals."""
        self._cancelled = True
        process = self._running
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)

    def ask(self, *arguments: str) -> dict[str, Any]:
        """The document of another command of ours.

        Raises:
            Failed: it gave none.
        """
        process = self._start([*self.command, *arguments, "--json", *self._where()])
        out, err = process.communicate()
        if process.returncode:
            raise Failed(_message(_document(out)) or err.strip() or out.strip(), {}, final=True)
        return _document(out)

    def _lines(self, lines: queue.SimpleQueue[str | None], process: subprocess.Popen[str]) -> Iterator[str]:
        """What it writes, until it has ended; one that does not end when it was told to is killed."""
        told = over = None
        worker_of = _worker_of()
        while True:
            try:
                line = lines.get(timeout=_LOOK)
            except queue.Empty:
                now = time.monotonic()
                if worker_of is not None and os.getppid() != worker_of:
                    self.cancel()
                if process.poll() is not None:
                    # a process that it left behind, such as Spark's, may hold the pipe open
                    over = now if over is None else over
                    if now - over > _LEFT:
                        return
                elif self._cancelled:
                    told = now if told is None else told
                    if now - told > _GRACE:
                        process.kill()
                continue
            if line is None:
                return
            yield line

    def _where(self) -> list[str]:
        return ["--project", self.project, *(["--env", self.environment] if self.environment else [])]

    def _start(self, command: list[str]) -> subprocess.Popen[str]:
        try:
            return subprocess.Popen(  # noqa: S603  our own command, and no shell
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                encoding="utf-8", errors="replace",
            )  # fmt: skip
        except OSError as error:
            raise Failed(
                f"{command[0]}: {error.strerror}; SLUICEWAY_BIN is to name the command of the environment "
                "that sluiceway is installed in",
                {}, final=True,
            ) from None  # fmt: skip

    @contextlib.contextmanager
    def _stopped_by_sigterm(self) -> Iterator[None]:
        """Where nobody else looks after SIGTERM, it would end us and leave the run behind: pass it on, and
        die of it afterwards."""
        told: list[int] = []

        def forward(number: int, _frame: FrameType | None) -> None:
            told.append(number)
            self.cancel()

        ours = threading.current_thread() is threading.main_thread()
        if not ours or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
            yield
            return
        signal.signal(signal.SIGTERM, forward)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            if told:
                os.kill(os.getpid(), signal.SIGTERM)


@contextlib.contextmanager
def stopping() -> Iterator[None]:
    """What ends the block from outside (Ctrl-C, SIGTERM where it is an exception) ends the runs that other
    threads of this process began: nothing else would."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, Exception):
            for one in list(_ALL):
                one.cancel()
        raise


def summary(document: dict[str, Any]) -> str:
    """The verdict in a few lines, for the log of whoever ran it.

    >>> print(summary({"status": "succeeded", "records": {"published": 3, "quarantined": 1}, "checks": []}))
    succeeded: 3 published, 1 quarantined
    """
    records = document.get("records") or {}
    counts = ", ".join(f"{records.get(of) or 0} {of}" for of in ("published", "quarantined"))
    lines = [f"{document.get('status')}: {counts}"]
    failing: Sequence[dict[str, Any]] = [c for c in document.get("checks", []) if not c["passed"]]
    lines += [f"  {c['id']} ({c['on_fail']}): {_finding(c)}" for c in failing]
    return "\n".join(lines)


def _finding(check: dict[str, Any]) -> str:
    if check.get("failing") is None or check.get("total") is None:
        return str(check.get("message") or "failed")
    return f"{check['failing']} of {check['total']}"


def _worker_of() -> int | None:
    """The process that forked us to do its work, as Luigi and Dagster do with ``multiprocessing``: when it is
    gone, nobody wants the run any more. Of other parents, such as a shell, that is not so."""
    parent = multiprocessing.parent_process()
    return parent.pid if parent is not None and parent.pid == os.getppid() else None


def _found() -> str:
    """The command: on the path, else beside this Python, as where ``/opt/airflow/bin/airflow`` is called by
    its whole path."""
    beside = Path(sys.executable).with_name("sluiceway")
    if shutil.which("sluiceway") is None and beside.exists():
        return shlex.quote(str(beside))
    return "sluiceway"


def _reader(
    stream: IO[str] | None, give: Callable[[str], None], over: Callable[[None], None] | None = None
) -> threading.Thread:
    """A thread that reads one of the run's outputs: a full pipe that nobody reads stops the run."""
    assert stream is not None

    def read() -> None:
        with stream:
            for line in stream:
                give(line)
        if over is not None:
            over(None)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    return reader


def _end(process: subprocess.Popen[str]) -> None:
    """It has ended after this, by force if need be."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _document(said: str) -> dict[str, Any]:
    try:
        found = json.loads(said)
    except json.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _message(document: dict[str, Any]) -> str | None:
    """What its error says, with what to do about it."""
    error = document.get("error") or {}
    told = [error.get("message"), error.get("hint")]
    return "\n".join(text for text in told if text) or None


def _judged(pipeline: str, code: int, said: str, *, cancelled: bool) -> dict[str, Any]:
    document = _document(said)
    if code == 0:
        return document
    message = _message(document) or f"{pipeline}: it ended with code {code}"
    if code == 3:
        raise Blocked(f"{message}\n{summary(document)}", document)
    error = document.get("error") or {}
    known = code == 2 or bool(document)
    details = error.get("details") or {}
    again = error.get("type") in TRANSIENT and not details.get("final")
    # One that died without a word may have been killed; one that we told to stop was stopped by the tool,
    # whose own business it is whether there is another try.
    raise Failed(message, document, final=code == 2 or (known and not again and not cancelled))
