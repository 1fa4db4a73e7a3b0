"""Facts that a run tells the world. Integrations, the store and alerts listen; none can break it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Event", "EventBus", "NodeFinished", "NodeStarted", "RunFinished", "RunStarted"]

log = logging.getLogger("sluiceway.events")


@dataclass(frozen=True)
class Event:
    """``at`` is UTC."""

    run_id: str
    pipeline: str
    at: datetime


@dataclass(frozen=True)
class RunStarted(Event):
    """``inputs`` and ``output`` are datasets: ``{namespace, name, columns: [{name, type}]}``; an input
    may add ``source``, its name in the pipeline.

    ``kind`` is run, check, replay or rollback; ``engine`` is ``{name, version}``; ``parent`` is the run
    that started this one, ``{run_id, namespace, job}``; ``nominal_at`` is the scheduled time, UTC.
    """

    environment: str = ""
    attempt: int = 1
    kind: str = "run"
    engine: dict[str, str] | None = None
    parent: dict[str, str] | None = None
    nominal_at: datetime | None = None
    inputs: tuple[dict[str, Any], ...] = ()
    output: dict[str, Any] | None = None
    description: str = ""
    owner: str = ""


@dataclass(frozen=True)
class NodeStarted(Event):
    node: str = ""


@dataclass(frozen=True)
class NodeFinished(Event):
    node: str = ""
    seconds: float = 0.0
    rows: int | None = None
    error: str | None = None


@dataclass(frozen=True)
class RunFinished(Event):
    """``status`` is succeeded, blocked, failed or cancelled.

    ``checks`` are the dicts of ``run --json``; ``lineage`` maps an output column to its inputs:
    ``{column: [{"dataset": "ns.name", "column": c, "type": "DIRECT", "subtype": "IDENTITY",
    "masking": False}]}``; ``metrics`` is ``{"row_count": n, "columns": {name: {"null_count": n,
    "distinct_count": n, "min": x, "max": x}}}``. A check may add ``source``, the input it judged.
    ``table`` is the destination as the pipeline names it.
    """

    environment: str = ""
    status: str = ""
    verdict: str | None = None
    quality_score: float | None = None
    dimensions: dict[str, float] = field(default_factory=dict)
    snapshot: str | None = None
    seconds: float = 0.0
    records: dict[str, int | None] = field(default_factory=dict)
    inputs: tuple[dict[str, Any], ...] = ()
    output: dict[str, Any] | None = None
    checks: tuple[dict[str, Any], ...] = ()
    metrics: dict[str, Any] = field(default_factory=dict)
    lineage: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    sql: str | None = None
    error: dict[str, Any] | None = None
    kind: str = "run"
    owner: str = ""
    table: str = ""


class EventBus:
    """Hands every event to every listener; a listener that raises is logged and counted.

    >>> bus = EventBus(); seen = []
    >>> bus.listen("list", seen.append)
    >>> bus.emit(NodeStarted("r", "p", datetime(2026, 1, 1), node="extract"))
    >>> seen[0].node, bus.failures
    ('extract', {})
    """

    def __init__(self) -> None:
        self._listeners: list[tuple[str, Callable[[Event], None]]] = []
        self.failures: dict[str, int] = {}

    def listen(self, name: str, listener: Callable[[Event], None]) -> None:
        self._listeners.append((name, listener))

    def emit(self, event: Event) -> None:
        for name, listener in self._listeners:
            try:
                listener(event)
            except Exception:  # a broken integration never breaks a run: counted and shown
                self.failures[name] = self.failures.get(name, 0) + 1
                log.warning("listener %s failed on %s", name, type(event).__name__, exc_info=True)

    def over(self) -> tuple[str, ...]:
        """The run has ended, is written down and holds no lock: listeners that waited for that may act.

        Those are listeners with a method ``over(failures)``. What takes long belongs there, since nothing
        of the run depends on it any more. What they return is for the person who reads the run's summary.
        """
        said: list[str] = []
        for name, listener in self._listeners:
            last = getattr(listener, "over", None)
            if last is None:
                continue
            try:
                said += last(dict(self.failures))
            except Exception:  # as above
                self.failures[name] = self.failures.get(name, 0) + 1
                log.warning("listener %s failed after the run", name, exc_info=True)
                said.append(f"{name} failed after the run")
        return tuple(said)
