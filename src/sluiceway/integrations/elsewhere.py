"""A run of ours inside somebody else's orchestrator, as a process. The standard library alone is needed.

``pip install --no-deps sluiceway`` into the orchestrator's environment is enough; where the whole package
lies in another one, ``SLUICEWAY_BIN`` names its command, such as ``/opt/sluiceway/bin/sluiceway``.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["Blocked", "Failed", "RunEnded", "Sluiceway", "summary"]


class RunEnded(Exception):
    """A run that did not succeed. ``document`` is what it said of itself."""

    def __init__(self, message: str, document: dict[str, Any]) -> None:
        super().__init__(message)
        self.document = document


class Blocked(RunEnded):
    """The gate turned the data away: trying again would judge the same rows again."""


class Failed(RunEnded):
    """The run failed. ``final``: trying again would not help, as with a wrong setting."""

    def __init__(self, message: str, document: dict[str, Any], final: bool) -> None:
        super().__init__(message, document)
        self.final = final


class Sluiceway:
    """The command of one project.

    >>> Sluiceway("/srv/shop", "prod", command="sluiceway").arguments("orders", at="2026-01-01")[:4]
    ['sluiceway', 'run', 'orders', '--json']
    """

    def __init__(self, project: str, environment: str | None = None, command: str | None = None) -> None:
        self.project, self.environment = project, environment
        self.command = shlex.split(command or os.environ.get("SLUICEWAY_BIN", "sluiceway"))
        self._running: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def arguments(
        self, pipeline: str, at: str | None = None, variables: dict[str, Any] | None = None
    ) -> list[str]:
        """What is run: one try, since whoever calls us counts them."""
        made = [*self.command, "run", pipeline, "--json", "--no-retry", "--project", self.project]
        made += ["--env", self.environment] if self.environment else []
        made += ["--at", at] if at else []
        return [*made, *(["--vars", json.dumps(variables)] if variables else [])]

    def run(
        self,
        pipeline: str,
        *,
        at: str | None = None,
        variables: dict[str, Any] | None = None,
        log: Callable[[str], None] = lambda _: None,
    ) -> dict[str, Any]:
        """Run it and give its document.

        Args:
            at: the moment that the run stands for, ISO 8601.
            log: called with each line of its progress.

        Raises:
            Blocked, Failed: it did not succeed.
        """
        process = subprocess.Popen(  # noqa: S603  our own command, and no shell
            self.arguments(pipeline, at, variables), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        with self._lock:
            self._running = process
        assert process.stderr is not None
        assert process.stdout is not None
        said: list[str] = []
        reader = threading.Thread(target=lambda: said.append(process.stdout.read()), daemon=True)  # type: ignore[union-attr]
        reader.start()
        try:
            for line in process.stderr:
                log(line.rstrip("\n"))
        finally:
            reader.join()
            code = process.wait()
            process.stderr.close()
            process.stdout.close()
            with self._lock:
                self._running = None
        return _judged(pipeline, code, "".join(said))

    def cancel(self) -> None:
        """Tell the run to stop; it ends as cancelled, and publishes nothing."""
        with self._lock:
            if self._running is not None:
                self._running.send_signal(signal.SIGTERM)

    def ask(self, *arguments: str) -> dict[str, Any]:
        """The document of another command of ours.

        Raises:
            Failed: it gave none.
        """
        command = [*self.command, *arguments, "--json", "--project", self.project]
        command += ["--env", self.environment] if self.environment else []
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  as above
        if done.returncode:
            raise Failed(done.stdout.strip() or done.stderr.strip(), {}, final=True)
        document: dict[str, Any] = json.loads(done.stdout)
        return document


def _judged(pipeline: str, code: int, said: str) -> dict[str, Any]:
    try:
        document = json.loads(said)
    except json.JSONDecodeError:
        document = {}
    if code == 0:
        return dict(document)
    error = document.get("error") or {}
    message = error.get("message") or f"{pipeline}: it ended with code {code}"
    if code == 3:
        raise Blocked(f"{message}\n{summary(document)}", document)
    raise Failed(message, document, final=code == 2)


def summary(document: dict[str, Any]) -> str:
    """The verdict in a few lines, for the log of whoever ran it.

    >>> print(summary({"status": "succeeded", "records": {"published": 3, "quarantined": 1}, "checks": []}))
    succeeded: 3 published, 1 quarantined
    """
    records = document.get("records") or {}
    counts = ", ".join(f"{records.get(of) or 0} {of}" for of in ("published", "quarantined"))
    lines = [f"{document.get('status')}: {counts}"]
    failing: Sequence[dict[str, Any]] = [c for c in document.get("checks", []) if not c["passed"]]
    lines += [f"  {c['id']} ({c['on_fail']}): {c['failing']} of {c['total']}" for c in failing]
    return "\n".join(lines)
