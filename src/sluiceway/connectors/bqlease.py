"""Locks in a warehouse whose sessions hold none: rows that a living process renews.

A lease ends by itself when its process no longer renews it, so a killed run's lock is free after
``lock_lease`` seconds. The publish asserts within its transaction that the lease is still its own: a run that
slept past its end publishes nothing.
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

if TYPE_CHECKING:
    from sluiceway.connectors.bqclient import BqServer

__all__ = ["LOST", "Lease", "Leases"]

log = logging.getLogger("sluiceway.connectors.bigquery")
LOST = "sluiceway:lock:"
"""How the script's message begins when the lease was lost."""
_POLL = 0.5
_COLUMNS = "name STRING, token STRING, holder STRING, until TIMESTAMP"


class Lease:
    """One lock that this process holds."""

    def __init__(self, leases: Leases, name: str, holder: str) -> None:
        self.leases, self.name, self.holder = leases, name, holder
        self.token = uuid.uuid4().hex
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._renew, name=f"lease {name}", daemon=True)

    def _mine(self) -> str:
        lit = BIGQUERY.literal
        return f"name = {lit(self.name)} AND token = {lit(self.token)}"

    def _until(self) -> str:
        return f"TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL {self.leases.seconds} SECOND)"

    def _update(self) -> str:
        return f"UPDATE {self.leases.table} SET until = {self._until()} WHERE {self._mine()}"

    def take(self) -> str | None:
        """None where it is ours now; else who holds it."""
        lit, table = BIGQUERY.literal, self.leases.table
        self.leases.run(
            f"MERGE {table} AS t USING (SELECT {lit(self.name)} AS name, {lit(self.token)} AS token, "
            f"{lit(self.holder)} AS holder, {self._until()} AS until) AS s ON t.name = s.name "
            "WHEN MATCHED AND t.until < CURRENT_TIMESTAMP() THEN UPDATE SET token = s.token, "
            "holder = s.holder, until = s.until "
            "WHEN NOT MATCHED THEN INSERT (name, token, holder, until) "
            "VALUES (s.name, s.token, s.holder, s.until)"
        )
        found = self.leases.server.rows(
            f"SELECT token, holder FROM {table} WHERE name = {lit(self.name)} ORDER BY token"
        )
        if found and found[0][0] == self.token:
            self._thread.start()
            return None
        if any(token == self.token for token, _ in found):  # two made the row at once: the first of them has it
            self._delete()
        return str(found[0][1]) if found else "another run"

    def fence(self) -> Sequence[str]:
        """Statements of a publish's transaction: it commits only while the lease is ours, and not beside
        another transaction that says so."""
        return (
            f"{self._update()};",
            f"ASSERT (SELECT count(*) FROM {self.leases.table} WHERE {self._mine()}) = 1 "
            f"AS {BIGQUERY.literal(LOST + self.name)};",
        )

    def _renew(self) -> None:
        while not self._end.wait(self.leases.seconds / 3):
            try:
                self.leases.run(self._update())
            except Exception as error:  # noqa: BLE001 a later renewal may reach it; the publish asks in any case
                log.warning("the lock on %s was not renewed: %s", self.name, error)

    def _delete(self) -> None:
        self.leases.run(f"DELETE FROM {self.leases.table} WHERE {self._mine()}")

    def release(self) -> None:
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()
        try:
            self._delete()
        except Exception as error:  # noqa: BLE001 it ends by itself, and what happened under it counts
            log.warning("the lock on %s was not given back: %s", self.name, error)


class Leases:
    """The locks of a warehouse. ``held`` are those of this process."""

    def __init__(self, server: BqServer, table: str, seconds: int) -> None:
        self.server, self.table, self.seconds = server, table, seconds
        self.held: dict[str, Lease] = {}

    @property
    def create(self) -> str:
        return f"CREATE TABLE IF NOT EXISTS {self.table} ({_COLUMNS})"

    def run(self, sql: str) -> Any:
        return again_on_conflict(lambda: self.server.run(sql))

    @contextmanager
    def lock(self, name: str, timeout: float, holder: str) -> Iterator[None]:
        lease = Lease(self, name, holder)
        deadline = time.monotonic() + timeout
        while (who := lease.take()) is not None:
            if time.monotonic() > deadline:
                raise LockTimeoutError(
                    f"{name} is locked by {who}; waited {timeout:g} s",
                    hint=f"wait for that run to end, or raise lock_timeout; a killed run's lock ends by itself "
                    f"within {self.seconds} s",
                )
            time.sleep(min(_POLL, max(0.0, deadline - time.monotonic())))
        self.held[name] = lease
        try:
            yield
        finally:
            self.held.pop(name, None)
            lease.release()
