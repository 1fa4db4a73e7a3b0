"""Groups of runs: backfills and selections, with how far they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, update

from sluiceway.store.jobtables import groups, jobs
from sluiceway.store.reads import document
from sluiceway.store.runs import upsert
from sluiceway.store.tables import runs
from sluiceway.store.values import plain, text

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection, Select

__all__ = ["GroupBook"]

ACTIVE_WORDS = {"queued", "running"}
_Open = Callable[[], AbstractContextManager["Connection"]]


class GroupBook:
    """``Store.groups``. ``state`` is running, paused, cancelled or finished."""

    def __init__(self, read: _Open, write: _Open) -> None:
        self._read, self._write = read, write

    def begin(
        self,
        id: str,
        environment: str,
        kind: str,
        pipeline: str | None,
        payload: Mapping[str, Any],
        now: datetime,
    ) -> None:
        """A new group; one that is there stays as it is."""
        row = {
            "id": id, "environment": text(environment), "kind": kind, "pipeline": pipeline,
            "state": "running", "payload": plain(payload), "created_at": now, "updated_at": now,
            "finished_at": None,
        }  # fmt: skip
        with self._write() as con:
            upsert(con, groups, [row], keep=list(row))

    def set(
        self, id: str, now: datetime, *, state: str | None = None, payload: Mapping[str, Any] | None = None
    ) -> bool:
        """Change its state or what it remembers; False where there is none."""
        values: dict[str, Any] = {"updated_at": now}
        if state is not None:
            values |= {"state": state, "finished_at": now if state in ("finished", "cancelled") else None}
        if payload is not None:
            values["payload"] = plain(payload)
        with self._write() as con:
            return con.execute(update(groups).where(groups.c.id == text(id)).values(values)).rowcount == 1

    def all(
        self, environment: str | None = None, kind: str | None = None, limit: int | None = 20
    ) -> list[dict[str, Any]]:
        """Groups, newest first, each with ``jobs``: status -> how many. One of which nothing waits or runs
        is ``finished``, whoever ran the last of it."""
        statement = select(groups).order_by(groups.c.created_at.desc(), groups.c.id.desc()).limit(limit)
        if environment is not None:
            statement = statement.where(groups.c.environment == text(environment))
        if kind is not None:
            statement = statement.where(groups.c.kind == kind)
        return self._found(statement)

    def one(self, id: str) -> dict[str, Any] | None:
        """A group, or None."""
        return next(iter(self._found(select(groups).where(groups.c.id == text(id)))), None)

    def last(self, id: str) -> dict[str, str]:
        """Pipeline -> the status of the last of its runs that belong to the group."""
        statement = (
            select(runs.c.pipeline, runs.c.status)
            .where(runs.c.group_id == text(id))
            .order_by(runs.c.started_at, runs.c.id)
        )
        with self._read() as con:
            return {pipeline: status for pipeline, status in con.execute(statement)}  # noqa: C416  mypy wants it so

    def _found(self, statement: Select[Any]) -> list[dict[str, Any]]:
        with self._read() as con:
            found = [document(row) for row in con.execute(statement).mappings()]
            counted = con.execute(
                select(jobs.c.group_id, jobs.c.status, func.count())
                .where(jobs.c.group_id.in_([group["id"] for group in found]))
                .group_by(jobs.c.group_id, jobs.c.status)
            ).all()
        for group in found:
            group["jobs"] = {status: count for of, status, count in counted if of == group["id"]}
            if group["state"] == "running" and not group["jobs"].keys() & ACTIVE_WORDS:
                group["state"] = "finished"
        return found
