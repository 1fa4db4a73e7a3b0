"""What schedulers remember: the last moment that was queued, what is paused, which inputs were answered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from sluiceway.store.jobputs import chunks
from sluiceway.store.jobtables import schedules
from sluiceway.store.runs import upsert
from sluiceway.store.tables import datasets
from sluiceway.store.values import outgoing, plain, text

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

__all__ = ["ScheduleBook"]

_FEW = 2_000
"""Of more names than these all rows are read, and not by name."""
_Open = Callable[[], AbstractContextManager["Connection"]]


class ScheduleBook:
    """``Store.schedules``. Times are UTC."""

    def __init__(self, read: _Open, write: _Open) -> None:
        self._read, self._write = read, write

    def all(self, environment: str, names: Iterable[str] | None = None) -> dict[str, dict[str, Any]]:
        """Pipeline -> its row, with ``last_at`` and ``next_at`` as datetimes; of these names, or of all."""
        statement = select(schedules).where(schedules.c.environment == text(environment))
        wanted = None if names is None else sorted({text(name) for name in names})
        parts = [None] if wanted is None or len(wanted) > _FEW else list(chunks(wanted))
        found: dict[str, dict[str, Any]] = {}
        with self._read() as con:
            for part in parts:
                these = statement if part is None else statement.where(schedules.c.pipeline.in_(part))
                found |= {row["pipeline"]: dict(row) for row in con.execute(these).mappings()}
        return found

    def paused(self, environment: str) -> set[str]:
        """The pipelines whose schedule is paused."""
        statement = select(schedules.c.pipeline).where(
            schedules.c.environment == text(environment), schedules.c.paused
        )
        with self._read() as con:
            return set(con.execute(statement).scalars())

    def write(self, environment: str, rows: Sequence[Mapping[str, Any]], now: datetime) -> None:
        """``{pipeline, spec, last_at, next_at, seen, error}`` of several; whether they are paused stays."""
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

    def published(self, environment: str, names: Iterable[str]) -> dict[str, str]:
        """Dataset, as pipelines name it -> when it was last published, ISO 8601 in UTC."""
        here = datasets.c.environment == text(environment)
        statement = select(datasets.c.alias, func.max(datasets.c.published_at)).group_by(datasets.c.alias)
        found: dict[str, str] = {}
        with self._read() as con:
            for part in chunks(sorted({text(name) for name in names})):
                rows = con.execute(statement.where(here, datasets.c.alias.in_(part)))
                found |= {alias: outgoing(at) for alias, at in rows if at is not None}
        return found
