"""A run that is near one of its limits is told of while there is still time to do something about it.

The worker tells at once, in a thread of its own: a channel may take seconds, and the worker must be heard of
meanwhile. The sweep (``watch``) raises the same as long as the run goes on, and resolves what a worker that
died left open. Both go by what the job's ``progress`` says under ``warned``.
"""

from __future__ import annotations

import logging
import queue
import threading
from typing import TYPE_CHECKING, Any

from sluiceway.alerts.dispatch import BUDGET, dispatch
from sluiceway.alerts.model import Alert
from sluiceway.errors import StoreError
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sluiceway.spec.model import Project

__all__ = ["KINDS", "Teller", "near"]

log = logging.getLogger("sluiceway.worker")
KINDS = ("run_near_timeout", "run_near_memory")
_LIMITS = {"timeout": "timeout", "memory": "memory_limit"}
_Over = tuple[str, str]
"""A key of an alert, and the run that raised it."""


def near(job: Mapping[str, Any], owner: str) -> Iterator[Alert]:
    """An alert for each limit that a running job has nearly used up.

    >>> progress = {"warned": {"timeout": "it has taken 8 s of 10 s"}}
    >>> job = {"pipeline": "p", "run_id": "r1", "progress": progress}
    >>> [(alert.key, alert.title, alert.message) for alert in near(job, "")]
    [('run_near_timeout:p', 'p: the run is near its timeout', 'it has taken 8 s of 10 s')]
    """
    name, run_id = job["pipeline"], job["run_id"]
    for of, said in ((job["progress"] or {}).get("warned") or {}).items():
        kind = f"run_near_{of}"
        yield Alert(
            kind, "warning", f"{kind}:{name}", f"{name}: the run is near its {_LIMITS[of]}", said,
            pipeline=name, owner=owner, run_id=run_id, details={"next": f"sluiceway runs watch {run_id}"},
        )  # fmt: skip


class Teller:
    """``raised`` and ``over`` return at once; a thread writes down and sends. ``close`` waits for what is on
    its way, no longer than ``BUDGET`` and a bit. Where ``alerts:`` is empty nothing is done."""

    def __init__(self, project: Project, environment: str) -> None:
        self._project, self._environment = project, environment
        self._waiting: queue.SimpleQueue[Alert | _Over | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def raised(self, alert: Alert) -> None:
        self._put(alert)

    def over(self, job: Mapping[str, Any]) -> None:
        """A run of the queue has ended, or is tried again later."""
        for alert in near(job, ""):
            self._put((alert.key, job["run_id"]))

    def close(self) -> None:
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join(BUDGET + 5)
            self._thread = None

    def _put(self, what: Alert | _Over) -> None:
        if not self._project.alerts:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="teller", daemon=True)
            self._thread.start()
        self._waiting.put(what)

    def _work(self) -> None:
        while (what := self._waiting.get()) is not None:
            try:
                self._tell(what)
            except StoreError as error:
                log.warning("%s; the next sweep tells it", error.message)
            except Exception:  # a channel of somebody else's: the worker goes on
                log.exception("an alert was not told")

    def _tell(self, what: Alert | _Over) -> None:
        with Store.open(self._project.metadata) as store:
            if isinstance(what, Alert):
                dispatch(self._project, self._environment, (what,), store=store)
            elif not self._others(store, *what):
                dispatch(self._project, self._environment, resolved=(what[0],), store=store)

    def _others(self, store: Store, key: str, run_id: str) -> bool:
        """Whether another run of the pipeline, here or elsewhere, is as near its limit."""
        running = store.queue.jobs(
            self._environment, status=("running",), pipeline=key.partition(":")[2], limit=None
        )
        return any(alert.key == key for job in running if job["run_id"] != run_id for alert in near(job, ""))
