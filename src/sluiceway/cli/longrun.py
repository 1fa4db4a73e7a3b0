"""What commands that go on and on have in common: signals that drain, and one line an event."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from sluiceway.cli.console import Console

__all__ = ["drained_by_signals", "metrics_options", "teller"]

_SHOWN = (
    "pipeline",
    "run_id",
    "trigger",
    "at",
    "status",
    "seconds",
    "published",
    "attempt",
    "again",
    "message",
)


def metrics_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--metrics-port`` and ``--metrics-host``."""
    port = click.option(
        "--metrics-port", type=click.IntRange(0, 65_535), metavar="PORT",
        help="Serve Prometheus' metrics on this port; 0 takes a free one.",
    )  # fmt: skip
    host = click.option(
        "--metrics-host", default="127.0.0.1", show_default=True, metavar="ADDRESS",
        help="The address they are served on, to whoever can reach it.",
    )  # fmt: skip
    return port(host(function))


def teller(console: Console, *, as_json: bool) -> Callable[[Mapping[str, Any]], None]:
    """Says each event on a line of its own: JSON on stdout, or words on stderr."""

    from sluiceway import logs

    def tell(event: Mapping[str, Any]) -> None:
        now = datetime.now(UTC)
        if as_json:
            console.event({"time": now.isoformat(), **event})
            return
        if logs.structured():
            level = logging.WARNING if event.get("error") or event["event"] == "warning" else logging.INFO
            logs.say("sluiceway.serve", level, str(event.get("message") or event["event"]), **event)
            return
        said = "  ".join(f"{key}={event[key]}" for key in _SHOWN if event.get(key) is not None)
        error = event.get("error")
        wrong = error.get("message") if isinstance(error, Mapping) else error
        console.note(f"{now:%H:%M:%S} {event['event']}  {said}{f'  {wrong}' if wrong else ''}")

    return tell


@contextmanager
def drained_by_signals(drain: Callable[[], None], stop: Callable[[], None]) -> Iterator[None]:
    """The first SIGTERM or Ctrl-C drains, the second one stops."""
    told = 0

    def handle(_number: int, _frame: FrameType | None) -> None:
        nonlocal told
        told += 1
        (drain if told == 1 else stop)()

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
