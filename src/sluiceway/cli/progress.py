"""Progress of a run: a spinner on a terminal, plain lines in a log. Always on stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from sluiceway import logs
from sluiceway.events import Event, NodeFinished, NodeStarted, RunStarted
from sluiceway.secrets import redact

if TYPE_CHECKING:
    from types import TracebackType

    from rich.status import Status

    from sluiceway.cli.console import Console

__all__ = ["Progress"]


class Progress:
    """Give it to ``run(…, progress=…)``; it is called with each event.

    A finished node leaves one line with its time and rows, so that a log tells what happened.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None

    def __enter__(self) -> Self:
        if self._console.err.isatty():
            self._status = self._console.rich(self._console.err).status("starting")
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def __call__(self, event: Event) -> None:
        if logs.structured():
            return  # logs have the same events, with their fields
        if isinstance(event, RunStarted):
            self._console.note(f"{event.pipeline}: run {event.run_id} in {event.environment}")
        elif isinstance(event, NodeStarted) and self._status is not None:
            from rich.markup import escape

            self._status.update(escape(redact(f"{event.pipeline}: {event.node}")))
        elif isinstance(event, NodeFinished):
            rows = "" if event.rows is None else f"  {event.rows:,} rows"
            failed = f"  failed: {event.error}" if event.error else ""
            self._console.note(f"  {event.node:<24} {event.seconds:7.2f} s{rows}{failed}")
