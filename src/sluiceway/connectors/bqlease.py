"""Locks in a warehouse whose sessions hold none: rows of which a living process says that they count.

A lock is a row of ``locks``, and holds while ``beats`` has a moment in the future for its token: a killed
run's lock is free after ``lock_lease`` seconds. The publish asserts within its transaction that the lease is
still its own: a run that slept past its end publishes nothing.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sluiceway.connectors.bqdialect import BIGQUERY
from sluiceway.connectors.bqscript import again_on_conflict
from sluiceway.errors import LockTimeoutError
from sluiceway.secrets import redact

if TYPE_CHECKING:
    from sluiceway.connectors.bqclient import BqServer

__all__ = ["LOST", "Lease", "Leases"]

log = logging.getLogger("sluiceway.connectors.bigquery")
LOST = "sluiceway:lock:"
"""How the script's message begins when the lease was lost."""
_POLL, _LONGEST_POLL = 0.5, 8.0
"""Seconds. To ask is a job: those who wait long ask seldom."""
_LOCKS = "name STRING, token STRING, holder STRING"
_BEATS = "token STRING, until TIMESTAMP"


class Lease:
    """One lock that this process holds, or waits for."""

    def __init__(self, leases: Leases, name: str, holder: str) -> None:
        self.leases, self.name, self.holder = leases, name, holder
        self.token = uuid.uuid4().hex
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._renew, name=f"lease {name}", daemon=True)

    def _mine(self) -> str:
        lit = BIGQUERY.literal
        return f"name = {lit(self.name)} AND token = {lit(self.token)}"

    def _beat(self) -> None:
        """INSERT alone: nothing that runs at the same time can conflict with it."""
        until = f"TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL {self.leases.seconds} SECOND)"
        self.leases.run(
            f"INSERT INTO {self.leases.beats} (token, until) VALUES ({BIGQUERY.literal(self.token)}, {until})"
        )

    def _alive(self, column: str) -> str:
        locks, beats = self.leases.locks, self.leases.beats
        return (
            f"SELECT {column} FROM {locks} AS l JOIN {beats} AS b ON l.token = b.token "
            f"WHERE l.name = {BIGQUERY.literal(self.name)} AND b.until > CURRENT_TIMESTAMP()"
        )

    def take(self) -> str | None:
        """None where it is ours now; else who holds it."""
        busy = self.leases.server.rows(self._alive("l.holder") + " LIMIT 1")
        if busy:
            return str(busy[0][0])
        self._beat()  # first, so that there is no moment in which it is ours and looks dead
        lit, locks = BIGQUERY.literal, self.leases.locks
        self.leases.run(
            f"MERGE {locks} AS t USING (SELECT {lit(self.name)} AS name, {lit(self.token)} AS token, "
            f"{lit(self.holder)} AS holder, ({self._alive('count(*)')}) AS alive) AS s ON t.name = s.name "
            "WHEN MATCHED AND s.alive = 0 THEN UPDATE SET token = s.token, holder = s.holder "
            "WHEN NOT MATCHED THEN INSERT (name, token, holder) VALUES (s.name, s.token, s.holder)"
        )
        found = self.leases.server.rows(
            f"SELECT token, holder FROM {locks} WHERE name = {lit(self.name)} ORDER BY token"
        )
        if found and found[0][0] == self.token:
            self._thread.start()
            return None
        self._delete()  # two may have made the row at once: the first of them has it
        return str(found[0][1]) if found else "another run"

    def ours(self) -> bool:
        """Nobody has taken it meanwhile."""
        asked = f"SELECT count(*) FROM {self.leases.locks} WHERE {self._mine()}"
        return bool(self.leases.server.rows(asked)[0][0] == 1)

    def fence(self) -> Sequence[str]:
        """Statements of a publish's transaction: it commits only while the lease is ours, and neither beside
        another transaction that says so nor beside somebody who takes the lock."""
        locks = self.leases.locks
        return (
            f"UPDATE {locks} SET holder = holder WHERE {self._mine()};",
            (
                f"ASSERT (SELECT count(*) FROM {locks} WHERE {self._mine()}) = 1 "
                f"AS {BIGQUERY.literal(LOST + self.name)};"
            ),
        )

    def _renew(self) -> None:
        while not self._end.wait(self.leases.seconds / 3):
            try:
                self._beat()
            except Exception as error:  # noqa: BLE001 a later beat may arrive; the publish asks in any case
                log.warning("the lock on %s was not renewed: %s", self.name, redact(str(error)))

    def _delete(self) -> None:
        self.leases.run(f"DELETE FROM {self.leases.locks} WHERE {self._mine()}")
        self.leases.run(
            f"DELETE FROM {self.leases.beats} WHERE token = {BIGQUERY.literal(self.token)} "
            "OR until < TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 1 DAY)"
        )

    def release(self) -> None:
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()
        try:
            self._delete()
        except Exception as error:  # noqa: BLE001 it ends by itself, and what happened under it counts
            log.warning("the lock on %s was not given back: %s", self.name, redact(str(error)))


class Leases:
    """The locks of a warehouse. ``held`` are those of this process."""

    def __init__(self, server: BqServer, locks: str, beats: str, seconds: int) -> None:
        self.server, self.locks, self.beats, self.seconds = server, locks, beats, seconds
        self.held: dict[str, Lease] = {}

    @property
    def create(self) -> tuple[str, ...]:
        return (
            f"CREATE TABLE IF NOT EXISTS {self.locks} ({_LOCKS})",
            f"CREATE TABLE IF NOT EXISTS {self.beats} ({_BEATS})",
        )

    def run(self, sql: str) -> Any:
        return again_on_conflict(lambda: self.server.run(sql))

    @contextmanager
    def lock(self, name: str, timeout: float, holder: str) -> Iterator[None]:
        lease, wait = Lease(self, name, holder), _POLL
        deadline = time.monotonic() + timeout
        while (who := lease.take()) is not None:
            if time.monotonic() > deadline:
                raise LockTimeoutError(
                    f"{name} is locked by {who}; waited {timeout:g} s",
                    hint="wait for that run to end, or raise lock_timeout; a killed run's lock ends by "
                    f"itself within {self.seconds} s",
                )
            time.sleep(min(wait, max(0.0, deadline - time.monotonic())))
            wait = min(wait * 1.5, _LONGEST_POLL)
        self.held[name] = lease
        try:
            yield
        finally:
            self.held.pop(name, None)
            lease.release()
