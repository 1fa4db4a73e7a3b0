"""What every statement about jobs says: conditions as their indexes have them, and the lock."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from sqlalchemy import func, literal_column, select

from sluiceway.store.jobtables import jobs

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["ACTIVE", "ENDED", "QUEUED", "READY", "RUNNING", "alone"]

ENDED = ("succeeded", "blocked", "failed", "cancelled", "skipped")
# literals: with a bound value neither database sees that the index of queued jobs holds all that it looks for
QUEUED = jobs.c.status == literal_column("'queued'")
RUNNING = jobs.c.status == literal_column("'running'")
ACTIVE = jobs.c.status.in_([literal_column("'queued'"), literal_column("'running'")])
READY = jobs.c.waiting == literal_column("0")


def alone(con: Connection, environment: str) -> None:
    """Until this transaction ends nobody else claims in this environment, cancels, or ends what others need.

    What may run at once is held by unique indexes; this lock is for order: without it two claims that take
    slots of two pools the other way round wait for each other, and a job that moves from queued to running
    between two statements of a cancel is missed. A writer of SQLite is alone anyway.
    """
    if con.dialect.name != "postgresql":
        return
    name = hashlib.sha256(f"sluiceway.queue {environment}".encode()).digest()
    con.execute(select(func.pg_advisory_xact_lock(int.from_bytes(name[:8], "big", signed=True))))
