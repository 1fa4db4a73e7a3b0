"""What a run's end means for alerts: which problems it raises, and which are over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sluiceway.alerts.dispatch import BUDGET, Clock, dispatch, now
from sluiceway.alerts.model import SEVERITIES, Alert, Severity
from sluiceway.alerts.routes import routes_of
from sluiceway.events import Event, RunFinished

if TYPE_CHECKING:
    from sluiceway.spec.model import Project

__all__ = ["RunAlerts", "alerts_of"]

_OVER = ("run_failed", "gate_blocked", "run_cancelled")
"""What a run that succeeded puts an end to, whatever else it raises."""


class RunAlerts:
    """Listens for a run's end, and acts when the run is over: its status is written by then, its locks are
    given back. Checks and replays raise nothing: somebody sits in front of them."""

    def __init__(self, project: Project, *, clock: Clock = now, budget: float = BUDGET) -> None:
        self._project, self._clock, self._budget = project, clock, budget
        self._finished: RunFinished | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunFinished) and event.kind == "run":
            self._finished = event

    def over(self, failures: Mapping[str, int]) -> tuple[str, ...]:
        """Raise and resolve; says what could not be told.

        Raises:
            StoreError: it could not be written down.
        """
        event, self._finished = self._finished, None
        if event is None:
            return ()
        found = alerts_of(event, failures)
        channels = routes_of(self._project)
        # a limit is a route's own: what is beyond none of them is no problem
        raised = [
            alert
            for alert in found
            if alert.kind in _OVER or any(channel.wants(alert, event.environment) for channel in channels)
        ]
        over: list[str] = []
        if event.status == "succeeded":
            known = {alert.key for alert in raised}
            kinds = (*_OVER, "quarantine", "run_slow", "listener_failed")
            over = [key for kind in kinds if (key := f"{kind}:{event.pipeline}") not in known]
        told = dispatch(
            self._project,
            event.environment,
            raised,
            over,
            clock=self._clock,
            budget=self._budget,
        )
        return tuple(
            f"{d.channel} was not told of {d.key}: {d.error}; see: sluiceway alerts history"
            for d in told
            if d.status == "failed"
        )


def alerts_of(event: RunFinished, failures: Mapping[str, int] | None = None) -> list[Alert]:
    """Everything that can be said against a run. Whether it is worth telling is for the routes to decide.

    >>> from datetime import datetime
    >>> error = {"message": "no disk"}
    >>> event = RunFinished("r1", "orders", datetime(2026, 1, 1), status="failed", error=error)
    >>> found = alerts_of(event)[0]
    >>> found.key, found.severity, found.message
    ('run_failed:orders', 'error', 'no disk')
    """
    error = event.error or {}
    message = str(error.get("message") or "")
    hint = str(error.get("hint") or "")
    look = f"sluiceway runs show {event.run_id}"
    found: list[Alert] = []
    if event.status == "failed":
        said = message if not hint or hint == look else f"{message}\n{hint}"
        found.append(_alert(event, "run_failed", "error", "the run failed", said, next=look))
    elif event.status == "blocked":
        failing = [check for check in event.checks if not check["passed"] and check["on_fail"] != "warn"]
        worst: Severity = max(("error", *(c["severity"] for c in failing)), key=SEVERITIES.index)
        reasons = [f"{c['id']}: {c['failing']:,} of {c['total']:,}" for c in failing]
        what = "the gate blocked the run; the destination is as it was"
        found.append(_alert(event, "gate_blocked", worst, what, message, reasons=reasons, next=look))
    elif event.status == "cancelled":
        found.append(_alert(event, "run_cancelled", "info", "the run was cancelled", message, next=look))
    found += _turned_away(event)
    slow = f"the run took {event.seconds:,.1f} s"
    found.append(_alert(event, "run_slow", "warning", slow, "", seconds=event.seconds, next=look))
    if failures:
        said = ", ".join(f"{name} failed on {count} events" for name, count in failures.items())
        what = "a listener failed; the run itself did not"
        found.append(_alert(event, "listener_failed", "warning", what, said, next=look))
    return found


def _turned_away(event: RunFinished) -> list[Alert]:
    """Rows that a published run quarantined, or turned away at its sources."""
    records = event.records
    rejected, quarantined = records.get("rejected") or 0, records.get("quarantined") or 0
    rows = (records.get("staged") or 0) + rejected
    count = rejected + quarantined
    if event.status != "succeeded" or not count:
        return []
    share = count / rows
    reasons = [
        f"{check['id']}: {check['failing']:,} of {check['total']:,}"
        for check in event.checks
        if check["on_fail"] == "quarantine" and check["failing"]
    ]
    return [
        _alert(
            event,
            "quarantine",
            "warning",
            f"{100 * share:.2f}% of the rows were quarantined",
            f"{count:,} of {rows:,} rows were turned away; the others are published.",
            share=share,
            reasons=reasons,
            next=f"sluiceway quarantine list --run {event.run_id}",
        )
    ]


def _alert(
    event: RunFinished, kind: str, severity: Severity, what: str, message: str, **details: Any
) -> Alert:
    known = {name: count for name, count in event.records.items() if count is not None}
    return Alert(
        kind=kind,
        severity=severity,
        key=f"{kind}:{event.pipeline}",
        title=f"{event.pipeline}: {what}",
        message=message,
        pipeline=event.pipeline,
        dataset=event.table or None,
        owner=event.owner,
        run_id=event.run_id,
        details={"status": event.status, "records": known, **details},
    )
