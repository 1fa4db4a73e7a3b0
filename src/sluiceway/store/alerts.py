"""Alerts, what became of telling them, and silences: every statement about those three tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, func, or_, select, update

from sluiceway.store.reads import document
from sluiceway.store.tables import alerts, deliveries, silences
from sluiceway.store.values import plain, text

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, CursorResult

__all__ = ["AlertBook", "AlertSession"]

SENDING = timedelta(minutes=2)
"""A delivery that has been on its way for longer belongs to a process that is gone."""

_LOCK = 0x736C7569  # of PostgreSQL's advisory locks: who decides what is told does it alone
_Open = Callable[[], AbstractContextManager["Connection"]]


class AlertBook:
    """``Store.alerts``. Times are UTC; answers are JSON-ready dicts."""

    def __init__(self, read: _Open, write: _Open) -> None:
        self._read, self._write = read, write

    @contextmanager
    def session(self, environment: str, now: datetime) -> Iterator[AlertSession]:
        """One transaction in which nobody else decides: raise, look who was told, claim the telling.

        Nothing may be sent inside of it: others wait for it.
        """
        with self._write() as con:
            if con.dialect.name != "sqlite":  # SQLite's writers are alone anyway
                con.execute(select(func.pg_advisory_xact_lock(_LOCK)))
            yield AlertSession(con, text(environment), now)

    def settle(self, ids: Sequence[int], status: str, at: datetime, error: str | None = None) -> None:
        """What became of deliveries that were claimed."""
        said = None if error is None else text(error)
        with self._write() as con:
            con.execute(
                update(deliveries)
                .where(deliveries.c.id.in_(ids))
                .values(status=status, error=said, at=at, due_at=None)
            )

    def silence(self, environment: str, pattern: str, reason: str, until: datetime, at: datetime) -> int:
        """Tell nobody of alerts whose key fits ``pattern`` until then; gives the silence's id."""
        row = {
            "environment": text(environment), "pattern": text(pattern), "reason": text(reason),
            "until": until, "created_at": at,
        }  # fmt: skip
        with self._write() as con:
            return _id(con.execute(silences.insert().values(row)))

    def unsilence(self, environment: str, pattern: str, at: datetime) -> int:
        """End the silences with this pattern or id that hold now; says how many."""
        same: ColumnElement[bool] = silences.c.pattern == text(pattern)
        if pattern.isdecimal():
            same = or_(same, silences.c.id == int(pattern))
        with self._write() as con:
            return con.execute(
                update(silences)
                .where(silences.c.environment == environment, same, silences.c.until > at)
                .values(until=at)
            ).rowcount

    def silenced(self, environment: str | None, at: datetime) -> list[dict[str, Any]]:
        """The silences that hold at that time, the one that ends first first."""
        statement = select(silences).where(silences.c.until > at).order_by(silences.c.until, silences.c.id)
        if environment is not None:
            statement = statement.where(silences.c.environment == environment)
        with self._read() as con:
            return [document(row) for row in con.execute(statement).mappings()]

    def alerts(
        self, environment: str | None = None, state: str | None = "open", limit: int | None = 50
    ) -> list[dict[str, Any]]:
        """Alerts, the last raised first. ``state``: open, resolved, or None for both."""
        statement = select(alerts).order_by(alerts.c.last_at.desc(), alerts.c.id.desc()).limit(limit)
        if environment is not None:
            statement = statement.where(alerts.c.environment == environment)
        if state is not None:
            statement = statement.where(alerts.c.state == state)
        with self._read() as con:
            return [document(row) for row in con.execute(statement).mappings()]

    def history(
        self, environment: str | None = None, limit: int | None = 50, status: str | None = None
    ) -> list[dict[str, Any]]:
        """Deliveries, newest first, each with its alert's key, title and severity."""
        statement = (
            select(*_DELIVERY)
            .join(alerts, alerts.c.id == deliveries.c.alert_id)
            .order_by(deliveries.c.at.desc(), deliveries.c.id.desc())
            .limit(limit)
        )
        if environment is not None:
            statement = statement.where(alerts.c.environment == environment)
        if status is not None:
            statement = statement.where(deliveries.c.status == status)
        with self._read() as con:
            return [document(row) for row in con.execute(statement).mappings()]


_ALERT = (
    alerts.c.id.label("alert_id"),
    *(c for c in alerts.c if c.name != "id"),
)
_DELIVERY = (
    deliveries.c.at,
    alerts.c.environment,
    deliveries.c.channel,
    deliveries.c.kind,
    deliveries.c.status,
    deliveries.c.error,
    deliveries.c.due_at,
    alerts.c.key,
    alerts.c.severity,
    alerts.c.title,
    alerts.c.run_id,
)


class AlertSession:
    """What can be asked and written inside of ``AlertBook.session``."""

    def __init__(self, con: Connection, environment: str, now: datetime) -> None:
        self._con, self.environment, self.now = con, environment, now

    def raise_(self, alert: Mapping[str, Any]) -> dict[str, Any]:
        """Write an alert down: another time of the open one with its key, or a new one.

        Returns:
            the row, with ``was``: the severity it had before, None where it is new.
        """
        row = {
            "kind": text(alert["kind"]),
            "severity": alert["severity"],
            "pipeline": _text(alert["pipeline"]),
            "dataset": _text(alert["dataset"]),
            "owner": text(alert["owner"]),
            "run_id": alert["run_id"],
            "title": text(alert["title"]),
            "message": text(alert["message"]),
            "details": plain(alert["details"]),
            "last_at": self.now,
        }
        known = self.open(alert["key"])
        if known is not None:
            row["count"] = known["count"] + 1
            self._con.execute(update(alerts).where(alerts.c.id == known["alert_id"]).values(row))
            return {**known, **row, "was": known["severity"]}
        row |= {
            "environment": self.environment, "key": text(alert["key"]), "state": "open", "count": 1,
            "first_at": self.now, "resolved_at": None,
        }  # fmt: skip
        done = self._con.execute(alerts.insert().values(row))
        return {**row, "alert_id": _id(done), "was": None}

    def open(self, key: str) -> dict[str, Any] | None:
        """The open alert of a key."""
        found = self._con.execute(
            select(*_ALERT)
            .where(
                alerts.c.environment == self.environment, alerts.c.key == text(key), alerts.c.state == "open"
            )
            .order_by(alerts.c.id.desc())
            .limit(1)
        ).mappings()
        return next((dict(row) for row in found), None)

    def close(self, alert_id: int) -> None:
        """It is over: what was held of it is not told any more."""
        self._con.execute(
            update(alerts).where(alerts.c.id == alert_id).values(state="resolved", resolved_at=self.now)
        )
        self._con.execute(
            update(deliveries)
            .where(deliveries.c.alert_id == alert_id, deliveries.c.status == "held")
            .values(status="dropped", due_at=None)
        )

    def silence(self, key: str) -> dict[str, Any] | None:
        """The silence that holds for a key now."""
        found = self._con.execute(
            select(silences)
            .where(silences.c.environment == self.environment, silences.c.until > self.now)
            .order_by(silences.c.until.desc())
        ).mappings()
        return next((dict(row) for row in found if fnmatchcase(key, row["pattern"])), None)

    def told(self, channel: str, *, alert_id: int | None = None, group: str | None = None) -> datetime | None:
        """When a channel was last told of an alert, or of any of a group; being told counts."""
        statement = (
            select(func.max(deliveries.c.at))
            .join(alerts, alerts.c.id == deliveries.c.alert_id)
            .where(
                alerts.c.environment == self.environment,
                deliveries.c.channel == channel,
                deliveries.c.kind == "raised",
                _reached(self.now),
                deliveries.c.at <= self.now + SENDING,  # a clock that was put back must not silence for long
            )
        )
        if alert_id is not None:
            statement = statement.where(deliveries.c.alert_id == alert_id)
        if group is not None:
            statement = statement.where(deliveries.c.group_key == group)
        return self._con.execute(statement).scalar()

    def held(self, channel: str, alert_id: int) -> bool:
        """Whether it waits for the next message of its group already."""
        statement = select(deliveries.c.id).where(
            deliveries.c.channel == channel,
            deliveries.c.alert_id == alert_id,
            deliveries.c.status == "held",
        )
        return self._con.execute(statement.limit(1)).first() is not None

    def waiting(self, channels: Sequence[str]) -> list[dict[str, Any]]:
        """What is held for these channels, oldest first: the alert with ``id``, ``channel``, ``group_key``
        and ``due_at`` of its delivery."""
        statement = (
            select(
                *_ALERT, deliveries.c.id, deliveries.c.channel, deliveries.c.group_key, deliveries.c.due_at
            )
            .join(alerts, alerts.c.id == deliveries.c.alert_id)
            .where(
                alerts.c.environment == self.environment,
                alerts.c.state == "open",
                deliveries.c.status == "held",
                deliveries.c.channel.in_(channels),
            )
            .order_by(deliveries.c.id)
        )
        return [dict(row) for row in self._con.execute(statement).mappings()]

    def claim(self, ids: Sequence[int]) -> None:
        """From now on these are on their way."""
        self._con.execute(
            update(deliveries)
            .where(deliveries.c.id.in_(ids))
            .values(status="sending", at=self.now, due_at=None)
        )

    def add(
        self,
        alert_id: int,
        channel: str,
        kind: str,
        status: str,
        group: str,
        *,
        error: str | None = None,
        due_at: datetime | None = None,
    ) -> int:
        row = {
            "alert_id": alert_id, "channel": channel, "kind": kind, "status": status,
            "group_key": text(group), "error": _text(error), "at": self.now, "due_at": due_at,
        }  # fmt: skip
        return _id(self._con.execute(deliveries.insert().values(row)))


def _reached(now: datetime) -> ColumnElement[bool]:
    on_its_way = and_(deliveries.c.status == "sending", deliveries.c.at > now - SENDING)
    return or_(deliveries.c.status == "sent", on_its_way)


def _id(done: CursorResult[Any]) -> int:
    """Of the row that was just written."""
    key = done.inserted_primary_key
    assert key is not None
    return int(key[0])


def _text(value: str | None) -> str | None:
    return None if value is None else text(value)
