"""What schedulers remember: the last moment that was queued, what is paused, which inputs were answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from sluiceway.store.jobtables import schedules
from sluiceway.store.runs import upsert
from sluiceway.store.tables import datasets
from sluiceway.store.values import outgoing, plain, text

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

__all__ = ["ScheduleBook"]

_Open = Callable[[], AbstractContextManager["Connection"]]


class ScheduleBook:
    """``Store.schedules``. Times are UTC."""

    def __init__(self, read: _Open, write: _Open) -> None:
        self._read, self._write = read, write

    def all(self, environment: str) -> dict[str, dict[str, Any]]:
        """Pipeline -> its row, with ``last_at`` and ``next_at`` as datetimes."""
        statement = select(schedules).where(schedules.c.environment == text(environment))
        with self._read() as con:
            return {row["pipeline"]: dict(row) for row in con.execute(statement).mappings()}

    def paused(self, environment: str) -> set[str]:
        """The pipelines whose schedule is paused."""
        statement = select(schedules.c.pipeline).where(
            schedules.c.environment == text(environment), schedules.c.paused
        )
        with self._read() as con:
            return set(con.execute(statement).scalars())

    def write(self, environment: str, rows: Sequence[Mapping[str, Any]], now: datetime) -> None:
        """``{pipeline, spec, last_at, next_at, seen, error}`` of several; whether they are paused stays, and
        ``last_at`` never goes back."""
        made = [
            {
                "environment": text(environment), "paused": False, "reason": None, "updated_at": now,
                **row, "pipeline": text(row["pipeline"]), "spec": plain(row["spec"]),
                "seen": plain(row["seen"]),
                "error": None if row.get("error") is None else text(row["error"]),
            }
            for row in rows
        ]  # fmt: skip
        with self._write() as con:
            upsert(con, schedules, made, keep=["paused", "reason"])

    def pause(self, environment: str, pipeline: str, paused: bool, reason: str | None, now: datetime) -> None:
        """Paused schedules queue nothing. One that no scheduler has seen yet may be paused too."""
        row = {
            "environment": text(environment), "pipeline": text(pipeline), "spec": {}, "paused": paused,
            "reason": None if reason is None else text(reason), "seen": {}, "updated_at": now,
        }  # fmt: skip
        with self._write() as con:
            upsert(con, schedules, [row], keep=["spec", "seen"])

    def published(self, environment: str, names: Sequence[str]) -> dict[str, str]:
        """Dataset, as pipelines name it -> when it was last published, ISO 8601 in UTC."""
        statement = (
            select(datasets.c.alias, func.max(datasets.c.published_at))
            .where(
                datasets.c.environment == text(environment), datasets.c.alias.in_([text(n) for n in names])
            )
            .group_by(datasets.c.alias)
        )
        with self._read() as con:
            return {alias: outgoing(at) for alias, at in con.execute(statement) if at is not None}
