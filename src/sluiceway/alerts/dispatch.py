"""Raising and resolving alerts: written down, routed, sent; a channel that fails breaks nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sluiceway.alerts.model import Alert, Delivery
    from sluiceway.spec.model import Project
    from sluiceway.store.store import Store

__all__ = ["BUDGET", "Clock", "dispatch", "raise_alert", "resolve_alert"]

BUDGET = 10.0
"""Seconds that all channels together may take of one call."""

Clock = Callable[[], datetime]


def _now() -> datetime:
    return datetime.now(UTC)


def raise_alert(
    project: Project,
    environment: str,
    alert: Alert,
    *,
    store: Store | None = None,
    clock: Clock = _now,
    budget: float = BUDGET,
) -> tuple[Delivery, ...]:
    """Write an alert down and tell the channels of ``alerts:`` that want it.

    Args:
        environment: its name; routes and silences are by environment.
        store: the project's store if it is open already.
        clock: what time it is, in UTC.
        budget: seconds that sending may take in all.

    Returns:
        What became of it, a channel; empty where no route wants it.

    Raises:
        StoreError: it could not be written down. A channel that fails raises nothing.
    """
    return dispatch(project, environment, (alert,), store=store, clock=clock, budget=budget)


def resolve_alert(
    project: Project,
    environment: str,
    key: str,
    *,
    store: Store | None = None,
    clock: Clock = _now,
    budget: float = BUDGET,
) -> tuple[Delivery, ...]:
    """Close the alert of this key; channels that were told of it are told that it is over.

    Nothing happens where none is open.

    Raises:
        StoreError: it could not be written down.
    """
    return dispatch(project, environment, resolved=(key,), store=store, clock=clock, budget=budget)


def dispatch(
    project: Project,
    environment: str,
    raised: Sequence[Alert] = (),
    resolved: Sequence[str] = (),
    *,
    store: Store | None = None,
    clock: Clock = _now,
    budget: float = BUDGET,
) -> tuple[Delivery, ...]:
    """Several at once: what belongs to one group goes into one message."""
    return ()
