"""The parts of the metadata store that have a door of their own: ``store.queue``, ``store.alerts``, …

A run that is not orchestrated imports none of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sluiceway.store.connect import guard

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from sluiceway.store.alerts import AlertBook
    from sluiceway.store.groups import GroupBook
    from sluiceway.store.health import HealthBook
    from sluiceway.store.logs import LogBook
    from sluiceway.store.queue import Queue
    from sluiceway.store.schedules import ScheduleBook
    from sluiceway.store.tally import TallyBook
    from sluiceway.store.workers import WorkerBook

__all__ = ["Books"]


class Books:
    """A store's connection, and its books."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        with guard(self._engine), self._engine.begin() as con:
            yield con

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with guard(self._engine), self._engine.connect() as con:
            con.execution_options(readonly=True)
            with con.begin():
                yield con

    @property
    def alerts(self) -> AlertBook:
        """Alerts, what became of telling them, and silences."""
        from sluiceway.store.alerts import AlertBook

        return AlertBook(self._read, self._write)

    @property
    def queue(self) -> Queue:
        """Jobs that wait for a worker, run, or ran."""
        from sluiceway.store.queue import Queue

        return Queue(self._read, self._write)

    @property
    def logs(self) -> LogBook:
        """What runs wrote on their outputs."""
        from sluiceway.store.logs import LogBook

        return LogBook(self._read, self._write)

    @property
    def schedules(self) -> ScheduleBook:
        """What schedulers remember of each pipeline."""
        from sluiceway.store.schedules import ScheduleBook

        return ScheduleBook(self._read, self._write)

    @property
    def groups(self) -> GroupBook:
        """Backfills and selections: runs that belong together."""
        from sluiceway.store.groups import GroupBook

        return GroupBook(self._read, self._write)

    @property
    def health(self) -> HealthBook:
        """Health over time, and what workers measured."""
        from sluiceway.store.health import HealthBook

        return HealthBook(self._read, self._write)

    @property
    def tally(self) -> TallyBook:
        """Sums, as a metrics endpoint wants them."""
        from sluiceway.store.tally import TallyBook

        return TallyBook(self._read)

    @property
    def workers(self) -> WorkerBook:
        """Workers and schedulers, and when they were last heard of."""
        from sluiceway.store.workers import WorkerBook

        return WorkerBook(self._read, self._write)
