"""Logs of ours: as text, or one JSON document a line that says which run it is of.

``SLUICEWAY_LOG_FORMAT`` is ``text`` or ``json``, ``SLUICEWAY_LOG_LEVEL`` a level of Python's; ``sluiceway
--log-format json …`` sets them for itself and for the runs that it starts. Secrets are masked in both.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sluiceway.events import Event, NodeFinished, RunFinished, RunStarted
from sluiceway.secrets import redact, redact_tree

if TYPE_CHECKING:
    from sluiceway.events import EventBus

__all__ = ["FORMAT", "LEVEL", "JsonLines", "RunLog", "configure", "listen", "say", "structured"]

FORMAT, LEVEL = "SLUICEWAY_LOG_FORMAT", "SLUICEWAY_LOG_LEVEL"
_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
log = logging.getLogger("sluiceway.run")
_here: ContextVar[str | None] = ContextVar("run", default=None)
_live: dict[str, dict[str, str]] = {}
_lock = threading.Lock()


def structured(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether logs are JSON.

    >>> structured({"SLUICEWAY_LOG_FORMAT": "json"}), structured({})
    (True, False)
    """
    return environ.get(FORMAT) == "json"


def configure(default: str | None = None) -> None:
    """Send logs to stderr as the environment says; where it says nothing, leave them to Python, unless there
    is a ``default`` level."""
    level = os.environ.get(LEVEL, default or ("info" if structured() else None))
    if level is None:
        return
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if structured() else _Masked(_TEXT))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)  # of others only what matters
    logging.getLogger("sluiceway").setLevel(level.upper())


class _Masked(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class JsonLines(logging.Formatter):
    """One document a line: ``{time, level, logger, message}``, of a run its id, pipeline, environment;
    what ``extra={"fields": {…}}`` adds, and ``exception`` with its trace.

    >>> record = logging.LogRecord("sluiceway.run", logging.INFO, "", 0, "staged %d rows", (3,), None)
    >>> {k: v for k, v in json.loads(JsonLines().format(record)).items() if k != "time"}
    {'level': 'info', 'logger': 'sluiceway.run', 'message': 'staged 3 rows'}
    """

    def format(self, record: logging.LogRecord) -> str:
        found: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage(),
            **_run(), **getattr(record, "fields", {}),
        }  # fmt: skip
        if record.exc_info:
            found["exception"] = self.formatException(record.exc_info)
        return json.dumps(redact_tree(found), ensure_ascii=False, default=str)


def _run() -> dict[str, str]:
    """The run of this thread; of a thread that a run started, the run, if it is the only one that is on."""
    with _lock:
        own = _live.get(_here.get() or "")
        if own is None and len(_live) == 1:
            own = next(iter(_live.values()))
    return own or {}


def say(logger: str, level: int, message: str, **fields: Any) -> None:
    """A line of JSON on stderr, whatever the level of logs is: for what people would have been told."""
    record = logging.LogRecord(logger, level, "", 0, "%s", (message,), None)
    record.fields = fields
    sys.stderr.write(JsonLines().format(record) + "\n")
    sys.stderr.flush()


class RunLog:
    """A listener: lines of a run's events, and the run's id in all others meanwhile."""

    def __init__(self) -> None:
        self._run_id = ""
        self._before: str | None = None

    def __call__(self, event: Event) -> None:
        match event:
            case RunStarted():
                self._begin(event)
                log.info("the run begins", extra=_fields("run started", attempt=event.attempt))
            case NodeFinished():
                fields = _fields("node finished", node=event.node, seconds=event.seconds, rows=event.rows)
                level = logging.INFO if event.error is None else logging.ERROR
                log.log(level, "%s: %s", event.node, event.error or "done", extra=fields)
            case RunFinished():
                fields = _fields(
                    "run finished", status=event.status, seconds=event.seconds, error=event.error,
                    quality_score=event.quality_score, records=event.records or None,
                )  # fmt: skip
                level = logging.ERROR if event.status in ("failed", "blocked") else logging.INFO
                log.log(level, "the run %s", event.status, extra=fields)

    def _begin(self, event: RunStarted) -> None:
        if not self._run_id:  # else it is another try
            self._before = _here.get()
        self._run_id = event.run_id
        _here.set(event.run_id)
        with _lock:
            _live[event.run_id] = {
                "run_id": event.run_id, "pipeline": event.pipeline, "environment": event.environment
            }  # fmt: skip

    def over(self, _failures: Mapping[str, int]) -> tuple[str, ...]:
        with _lock:
            _live.pop(self._run_id, None)
        if self._run_id:
            _here.set(self._before)
        return ()


def _fields(event: str, **fields: Any) -> dict[str, Any]:
    return {"fields": {"event": event, **{k: v for k, v in fields.items() if v is not None}}}


def listen(bus: EventBus) -> None:
    """Where logs are JSON, a run's events are among them."""
    if structured():
        bus.listen("logs", RunLog())
