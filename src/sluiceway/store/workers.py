"""Workers and schedulers: who there is, and when they were last heard of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import delete, select, update

from sluiceway.store.jobtables import workers
from sluiceway.store.process import identity
from sluiceway.store.reads import document
from sluiceway.store.runs import upsert
from sluiceway.store.values import plain, text

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

__all__ = ["WorkerBook"]

_Open = Callable[[], AbstractContextManager["Connection"]]


class WorkerBook:
    """``Store.workers``. ``state`` is running, draining, paused or stopped; others may set it too, and a
    worker learns it from its heartbeat."""

    def __init__(self, read: _Open, write: _Open) -> None:
        self._read, self._write = read, write

    def hello(
        self,
        name: str,
        kind: Literal["worker", "scheduler"],
        environment: str,
        now: datetime,
        *,
        slots: int = 0,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """This process is one now."""
        row = {
            "id": name, "kind": kind, "environment": text(environment), "state": "running", "slots": slots,
            "details": plain(details or {}), "started_at": now, "heartbeat_at": now, **identity(),
        }  # fmt: skip
        with self._write() as con:
            upsert(con, workers, [row])

    def beat(self, name: str, now: datetime, details: Mapping[str, Any] | None = None) -> str:
        """Say that it lives; learn which state it is asked to be in."""
        values: dict[str, Any] = {"heartbeat_at": now}
        if details is not None:
            values["details"] = plain(details)
        with self._write() as con:
            state = con.execute(
                update(workers).where(workers.c.id == name).values(values).returning(workers.c.state)
            ).scalar()
        return "running" if state is None else str(state)

    def ask(self, name: str, state: Literal["running", "paused", "draining", "stopped"]) -> bool:
        """Ask a worker to be in that state, or say that oneself is; False where there is none."""
        with self._write() as con:
            done = con.execute(update(workers).where(workers.c.id == text(name)).values(state=state))
            return done.rowcount == 1

    def list(
        self, environment: str | None = None, heard_since: datetime | None = None
    ) -> list[dict[str, Any]]:
        """Those that were heard of since then, the newest first."""
        statement = select(workers).order_by(workers.c.started_at.desc(), workers.c.id)
        if environment is not None:
            statement = statement.where(workers.c.environment == text(environment))
        if heard_since is not None:
            statement = statement.where(workers.c.heartbeat_at >= heard_since)
        with self._read() as con:
            return [document(row) for row in con.execute(statement).mappings()]

    def prune(self, before: datetime) -> int:
        """Forget those that were not heard of since then."""
        with self._write() as con:
            return con.execute(delete(workers).where(workers.c.heartbeat_at < before)).rowcount
