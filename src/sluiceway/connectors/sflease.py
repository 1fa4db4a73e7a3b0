"""Locks of a system that has none: leases that are renewed, in ``_sluiceway``, each in a table of its own.

Snowflake locks whole tables, so leases that shared one would wait for one another. A process that dies
renews no more, and its lease runs out. Whoever publishes touches the row within its transaction
(``fence``): a lease that ran out and was taken meanwhile ends the publish, whatever the clock said.
"""

from __future__ import annotations

import hashlib
import threading
import time
import uuid
from typing import TYPE_CHECKING

from sluiceway.connectors.sfclient import connector
from sluiceway.connectors.sftypes import sf_relation
from sluiceway.errors import DestinationError, LockTimeoutError
from sluiceway.exchange import SYSTEM_SCHEMA

if TYPE_CHECKING:
    from sluiceway.connectors.sfsession import SfSession

__all__ = ["Lease", "lease_table"]

_ASK_EVERY = 0.2


def lease_table(name: str) -> str:
    return sf_relation(SYSTEM_SCHEMA, f"lease_{hashlib.sha256(name.encode()).hexdigest()[:32]}")


class Lease:
    """``session`` is the lease's alone: its statements commit one by one."""

    def __init__(self, session: SfSession, name: str, holder: str, seconds: int) -> None:
        self.session, self.name, self.holder, self.seconds = session, name, holder, seconds
        self.table = lease_table(name)
        self.token = uuid.uuid4().hex
        self._stop, self._still = threading.Event(), threading.Lock()
        self._held = False
        self._beats: threading.Thread | None = None

    def take(self, timeout: float) -> None:
        """Raises LockTimeoutError after ``timeout`` seconds, which says who holds it."""
        self._make()
        deadline = time.monotonic() + timeout
        until = f"DATEADD(second, {self.seconds}, SYSDATE())"
        sql = (
            f'UPDATE {self.table} SET "HOLDER" = ?, "TOKEN" = ?, "UNTIL" = {until} WHERE "UNTIL" < SYSDATE()'
        )
        while not (self.session.changed(sql, (self.holder, self.token)) and self.mine()):
            if time.monotonic() > deadline:
                raise LockTimeoutError(
                    f"{self.name} is locked by {self._holder()}; waited {timeout:g} s",
                    hint="wait for that run to end, or raise lock_timeout",
                )
            self._stop.wait(_ASK_EVERY)
        self._held = True
        self._beats = threading.Thread(target=self._renew, name="sluiceway-lease", daemon=True)
        self._beats.start()

    def _make(self) -> None:
        self.session.execute(
            f'CREATE TABLE IF NOT EXISTS {self.table} ("NAME" VARCHAR, "HOLDER" VARCHAR, "TOKEN" VARCHAR, '
            '"UNTIL" TIMESTAMP_NTZ, "FENCED" NUMBER(38,0))'
        )
        # two that meet here may both write: every statement below takes all rows alike
        self.session.changed(
            f"INSERT INTO {self.table} SELECT ?, '', '', CAST('1970-01-01' AS TIMESTAMP_NTZ), 0 "
            f"WHERE NOT EXISTS (SELECT 1 FROM {self.table})",
            (self.name,),
        )

    @property
    def held(self) -> bool:
        return self._held

    def mine(self) -> bool:
        found = self.session.rows(f'SELECT "TOKEN" FROM {self.table}')
        return bool(found) and all(token == self.token for (token,) in found)

    def _holder(self) -> str:
        found = self.session.rows(f'SELECT "HOLDER" FROM {self.table} WHERE "UNTIL" >= SYSDATE()')
        return str(found[0][0]) if found else "another session"

    def _renew(self) -> None:
        while self._held and not self._stop.wait(self.seconds / 3):
            self._renew_once()

    def _renew_once(self) -> None:
        sql = (
            f'UPDATE {self.table} SET "UNTIL" = DATEADD(second, {self.seconds}, SYSDATE()) WHERE "TOKEN" = ?'
        )
        with self._still:  # within a publish the row is the transaction's
            if not self._stop.is_set():
                try:
                    self._held = self.session.changed(sql, (self.token,)) > 0
                except connector().errors.Error:
                    self._held = False

    def fence(self, session: SfSession) -> None:
        """In the publish's transaction: the lease is ours, and nobody can take it before the end of it.

        Raises:
            DestinationError: it ran out and another run took it.
        """
        self._still.acquire()
        try:
            taken = session.changed(
                f'UPDATE {self.table} SET "FENCED" = "FENCED" + 1 WHERE "TOKEN" = ?', (self.token,)
            )
        except BaseException:
            self._still.release()
            raise
        if not taken or not self._held:
            self._still.release()
            raise DestinationError(
                f"{self.name}: its lock ran out and another run took it",
                hint="nothing was published; run it again, or raise lock_lease of the warehouse",
            )

    def unfence(self) -> None:
        """The transaction is over."""
        if self._still.locked():
            self._still.release()

    def release(self) -> None:
        self._stop.set()
        self.unfence()
        if self._beats is not None:
            self._beats.join()
        if self._held and not self.session.lost:
            self.session.changed(
                f"UPDATE {self.table} SET \"UNTIL\" = CAST('1970-01-01' AS TIMESTAMP_NTZ), \"TOKEN\" = '' "
                'WHERE "TOKEN" = ?',
                (self.token,),
            )
