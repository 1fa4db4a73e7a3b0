"""Raising and resolving alerts: written down, routed, sent; a channel that fails breaks nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sluiceway.alerts.claims import Claim, claim
from sluiceway.alerts.message import Kind, compose
from sluiceway.alerts.model import Alert, Delivery
from sluiceway.alerts.routes import routes_of
from sluiceway.alerts.sending import Job, send_all
from sluiceway.errors import ConfigError, SluicewayError, did_you_mean
from sluiceway.secrets import redact
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from sluiceway.spec.model import Project

__all__ = ["BUDGET", "Clock", "dispatch", "now", "raise_alert", "resolve_alert", "send_held", "try_channels"]

BUDGET = 10.0
"""Seconds that all channels together may take of one call."""

Clock = Callable[[], datetime]


def now() -> datetime:
    """The clock, in UTC."""
    return datetime.now(UTC)


def raise_alert(
    project: Project,
    environment: str,
    alert: Alert,
    *,
    store: Store | None = None,
    clock: Clock = now,
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
    clock: Clock = now,
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
    clock: Clock = now,
    budget: float = BUDGET,
) -> tuple[Delivery, ...]:
    """Several at once: what belongs to one group goes into one message.

    What was held for a message of its group and is due by now is sent too. Who is told is decided in one
    transaction, so that of two processes that raise the same one tells it; nothing is sent inside of it.

    Raises:
        StoreError: it could not be written down.
    """
    with nullcontext(store) if store is not None else Store.open(project.metadata) as book:
        assert book is not None
        channels = routes_of(project)
        with book.alerts.session(environment, clock()) as session:
            claims = claim(session, channels, raised, resolved)
        _send(project, environment, claims, book, clock, budget)
    return tuple(Delivery(c.channel.name, c.key, c.kind, c.status, c.error) for c in claims)


def send_held(
    project: Project, environment: str, *, clock: Clock = now, budget: float = BUDGET
) -> tuple[Delivery, ...]:
    """Send what was held for its group and is due: the end of every run does that, and a timer may."""
    return dispatch(project, environment, clock=clock, budget=budget)


def try_channels(
    project: Project,
    environment: str,
    name: str | None = None,
    *,
    clock: Clock = now,
    budget: float = BUDGET,
) -> tuple[Delivery, ...]:
    """Send a test message to every channel, or to those of one name; nothing is written down.

    Raises:
        ConfigError: there are no channels, or none of this name.
    """
    channels = routes_of(project)
    if not channels:
        raise ConfigError("no alerts are set up", hint="write alerts: into sluiceway.yml; see docs/alerts.md")
    chosen = [c for c in channels if name is None or name in (c.name, c.name.rpartition(".")[0])]
    if not chosen:
        hint = did_you_mean(str(name), [c.name for c in channels])
        raise ConfigError(f"there is no channel '{name}'", hint=hint)
    row = {
        **asdict(Alert("test", "info", "test", f"{project.name}: a test", "If you read this, it works.")),
        "count": 1,
        "first_at": clock(),
    }
    told: dict[str, str | None] = {}
    jobs: dict[str, Job] = {}
    for channel in chosen:
        try:
            send, clean = channel.open(project)
        except Exception as problem:  # noqa: BLE001  as above
            told[channel.name] = _said(problem)
            continue
        message = compose("test", project.name, environment, [row], clock(), f"{channel.name} {clock()}")
        jobs[channel.name] = Job(send, clean, message, channel.timeout)
    send_all(list(jobs.values()), budget)
    told |= {called: job.error for called, job in jobs.items()}
    return tuple(
        Delivery(c.name, "test", "test", "sent" if told[c.name] is None else "failed", told[c.name])
        for c in chosen
    )


def _said(problem: Exception) -> str:
    if not isinstance(problem, SluicewayError):
        return redact(f"{type(problem).__name__}: {problem}")
    return redact("; ".join(str(problem).split("\n  ")))


def _send(
    project: Project,
    environment: str,
    claims: Sequence[Claim],
    book: Store,
    clock: Clock,
    budget: float,
) -> None:
    """Send what was claimed, and write down what became of it."""
    together: dict[tuple[str, str, str], list[Claim]] = {}
    for found in claims:
        if found.status == "sent":
            together.setdefault((found.channel.name, found.kind, found.group), []).append(found)
    jobs: list[tuple[Job, list[Claim]]] = []
    for (_, kind, _), members in together.items():
        identity = ",".join(str(member.delivery) for member in members)
        rows = list({member.row["alert_id"]: member.row for member in members}.values())
        message = compose(_KINDS[kind], project.name, environment, rows, clock(), identity)
        channel = members[0].channel
        try:
            send, clean = channel.open(project)
        except Exception as problem:  # noqa: BLE001  plugins of others are loaded here: a run goes on
            _settle(members, book, clock, _said(problem))
            continue
        jobs.append((Job(send, clean, message, channel.timeout), members))
    try:
        send_all([job for job, _ in jobs], budget)
    finally:  # told to stop while sending: what has no answer by now is not written down as sent
        for job, members in jobs:
            error = job.error if job.done.is_set() else "interrupted while it was sent"
            _settle(members, book, clock, error)


_KINDS: Mapping[str, Kind] = {"raised": "raised", "resolved": "resolved"}


def _settle(members: Sequence[Claim], book: Store, clock: Clock, error: str | None) -> None:
    for member in members:
        member.status, member.error = ("sent", None) if error is None else ("failed", error)
    ids = [member.delivery for member in members]
    book.alerts.settle(ids, members[0].status, clock(), error)
