"""Who is told of what now: silences, throttle and groups, decided in one transaction of the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from sluiceway.alerts.model import Alert, at_least

if TYPE_CHECKING:
    from sluiceway.alerts.routes import Channel
    from sluiceway.store.alerts import AlertSession

__all__ = ["Claim", "claim"]


_OVER = "resolved"
"""The group of all that is over at once: one message says so."""


@dataclass
class Claim:
    """One alert for one channel. ``status`` is ``sent`` where it is ours to send; ``delivery`` is its row."""

    channel: Channel
    row: Mapping[str, Any]
    kind: Literal["raised", "resolved"]
    status: Literal["sent", "failed", "throttled", "held", "silenced"]
    group: str
    delivery: int
    error: str | None = None

    @property
    def key(self) -> str:
        return str(self.row["key"])


def claim(
    session: AlertSession, channels: Sequence[Channel], raised: Sequence[Alert], resolved: Sequence[str]
) -> list[Claim]:
    """Write down what is raised and what is over, and take what is to be told now.

    - A channel that was told of an open alert less than its ``throttle`` ago is not told again, unless the
      alert has become worse.
    - With ``group_by`` the first alert of a group is told at once; those that follow within the throttle
      are held, and go together in one message when it is over.
    - That something is over is told to those that were told of it.
    """
    found: list[Claim] = []
    for key in resolved:
        row = session.open(key)
        if row is not None:
            found += _resolve(session, channels, row)
    known = [(alert, session.raise_(asdict(alert))) for alert in raised]
    for channel in channels:
        begun: set[str] = set()  # groups that get a message now: whatever joins them goes along
        for alert, row in known:
            if channel.wants(alert, session.environment):
                found.append(_one(session, channel, alert, row, begun))
        found += _due(session, channel, begun)
    return found


def _one(
    session: AlertSession, channel: Channel, alert: Alert, row: Mapping[str, Any], begun: set[str]
) -> Claim:
    group = channel.group_of(alert, session.environment)
    status, error, due = "sent", None, None
    silence = session.silence(alert.key)
    window = timedelta(seconds=channel.throttle)
    if silence is not None:
        status, error = "silenced", f"{silence['pattern']}: {silence['reason']}".rstrip(": ")
    elif row["was"] is None or at_least(row["was"], alert.severity):  # else it is worse now: tell
        told = session.told(channel.name, alert_id=row["alert_id"])
        if told is not None and session.now - told < window:
            status = "throttled"
        elif channel.grouped and group not in begun:
            told = session.told(channel.name, group=group)
            if told is not None and session.now - told < window:
                status, due = "held", told + window
                if session.held(channel.name, row["alert_id"]):
                    status, due = "throttled", None
    if status == "sent":
        begun.add(group)
    number = session.add(
        row["alert_id"],
        channel.name,
        "raised",
        "sending" if status == "sent" else status,
        group,
        error=error,
        due_at=due,
    )
    return Claim(channel, row, "raised", status, group, number, error)  # type: ignore[arg-type]


def _due(session: AlertSession, channel: Channel, begun: set[str]) -> list[Claim]:
    """What was held and may go now: its time has come, or its group gets a message anyway."""
    found = [
        Claim(channel, row, "raised", "sent", row["group_key"], row["id"])
        for row in session.waiting([channel.name])
        if (row["due_at"] <= session.now or row["group_key"] in begun) and session.silence(row["key"]) is None
    ]
    if found:
        session.claim([one.delivery for one in found])
    return found


def _resolve(session: AlertSession, channels: Sequence[Channel], row: Mapping[str, Any]) -> list[Claim]:
    session.close(row["alert_id"])
    found: list[Claim] = []
    silence = session.silence(row["key"])
    for channel in channels:
        if not channel.resolve or session.told(channel.name, alert_id=row["alert_id"]) is None:
            continue
        status: Literal["sent", "silenced"] = "sent" if silence is None else "silenced"
        written = "sending" if status == "sent" else status
        number = session.add(row["alert_id"], channel.name, "resolved", written, _OVER)
        found.append(Claim(channel, row, "resolved", status, _OVER, number))
    return found
