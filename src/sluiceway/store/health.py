"""Health over time, and what workers measured of runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, select

from sluiceway.store.jobtables import health, jobs
from sluiceway.store.reads import document
from sluiceway.store.values import plain, text

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["HealthBook"]

_Open = Callable[[], AbstractContextManager["Connection"]]
_BATCH = 500


class HealthBook:
    """``Store.health``."""

    def __init__(self, read: _Open, write: _Open) -> None:
        self._read, self._write = read, write

    def keep(
        self,
        environment: str,
        pipeline: str,
        at: datetime,
        score: float,
        parts: Sequence[Mapping[str, Any]],
        issues: Sequence[Mapping[str, Any]],
    ) -> None:
        """One more point of a pipeline's history."""
        row = {
            "environment": text(environment), "pipeline": text(pipeline), "at": at, "score": score,
            "parts": plain(parts), "issues": plain(issues),
        }  # fmt: skip
        with self._write() as con:
            con.execute(health.insert().values(row))

    def scores(self, environment: str, pipeline: str, limit: int) -> list[float]:
        """The last scores, newest first."""
        return [point["score"] for point in self.history(environment, pipeline, limit)]

    def history(self, environment: str, pipeline: str, limit: int) -> list[dict[str, Any]]:
        """The last points, newest first: ``{at, score, parts, issues}``."""
        statement = (
            select(health.c.at, health.c.score, health.c.parts, health.c.issues)
            .where(health.c.environment == text(environment), health.c.pipeline == text(pipeline))
            .order_by(health.c.at.desc(), health.c.id.desc())
            .limit(limit)
        )
        with self._read() as con:
            return [document(row) for row in con.execute(statement).mappings()]

    def newest(self, environment: str) -> dict[str, dict[str, Any]]:
        """Pipeline -> its last point: ``{at, score, issues}``, ``at`` a datetime."""
        last = (
            select(func.max(health.c.id).label("id"))
            .where(health.c.environment == text(environment))
            .group_by(health.c.pipeline)
            .subquery()
        )
        statement = select(health.c.pipeline, health.c.at, health.c.score, health.c.issues)
        with self._read() as con:
            rows = con.execute(statement.join(last, last.c.id == health.c.id)).mappings()
            return {row["pipeline"]: {k: row[k] for k in ("at", "score", "issues")} for row in rows}

    def memory(self, run_ids: Sequence[str]) -> dict[str, int]:
        """Run id -> bytes at the most, of those that a worker ran."""
        found: dict[str, int] = {}
        with self._read() as con:
            for start in range(0, len(run_ids), _BATCH):
                some = jobs.c.run_id.in_(list(run_ids[start : start + _BATCH]))
                for run_id, progress in con.execute(select(jobs.c.run_id, jobs.c.progress).where(some)):
                    peak = (progress or {}).get("peak")
                    if peak:
                        found[str(run_id)] = max(int(peak), found.get(str(run_id), 0))
        return found

    def prune(self, before: datetime) -> int:
        """Forget points older than that."""
        with self._write() as con:
            return con.execute(delete(health).where(health.c.at < before)).rowcount
