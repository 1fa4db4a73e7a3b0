"""Everything on one machine: a scheduler in a thread, a worker beside it."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from sluiceway.errors import StoreError
from sluiceway.orchestrate.metrics import served
from sluiceway.orchestrate.scheduler import Scheduler
from sluiceway.orchestrate.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sluiceway.spec.model import Project

__all__ = ["Service"]

log = logging.getLogger("sluiceway.serve")


class Service:
    """``run()`` until ``drain()`` or ``stop()``, which signal handlers may call.

    Raises:
        StoreError: the store can't be reached at the start.
    """

    def __init__(
        self,
        project: Project,
        environment: str,
        *,
        slots: int | None = None,
        metrics_port: int | None = None,
        metrics_host: str = "127.0.0.1",
        say: Callable[[Mapping[str, Any]], None] = lambda _: None,
    ) -> None:
        lock = threading.Lock()

        def told(event: Mapping[str, Any]) -> None:
            with lock:  # two threads, one line each
                say(event)

        self.scheduler = Scheduler(project, environment, say=told)
        self.worker = Worker(project, environment, slots=slots, say=told)
        self._failed: BaseException | None = None
        self._project, self._environment = project, environment
        self._metrics = (metrics_host, metrics_port)
        self._say = told

    def drain(self) -> None:
        self.worker.drain()

    def stop(self) -> None:
        self.worker.stop()

    def run(self) -> None:
        host, port = self._metrics
        with served(self._project, self._environment, host, port, self._say):
            thread = threading.Thread(target=self._schedule, name="scheduler")
            thread.start()
            try:
                self.worker.run()
            finally:
                self.scheduler.stop()
                thread.join()
        if self._failed is not None:
            raise self._failed

    def _schedule(self) -> None:
        """A scheduler that ends by itself takes the worker with it: half a service looks like a whole one."""
        try:
            self.scheduler.run()
        except StoreError as error:
            self._failed = error
        except Exception as bug:  # noqa: BLE001  raised again by run, in the main thread
            self._failed = bug
        self.worker.drain()
