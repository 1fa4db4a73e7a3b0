"""Which running jobs have lost their worker.

No two machines' clocks are compared: a heartbeat that has not changed for ``lost_after`` seconds of our own
steady clock is one that has stopped (as Kubernetes' leader election looks at leases, client-go
``leaderelection``). A clock that is put an hour forward or back takes no job from a worker that is well.
A worker of this machine whose process is gone is known to be so at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sluiceway.store.process import alive

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Sweep"]


class Sweep:
    """Look with ``Store.queue.running`` now and then; ``silent`` says whose jobs may be taken.

    >>> from datetime import datetime
    >>> job = {"id": 7, "token": 1, "heartbeat_at": datetime(2026, 1, 1), "host": None, "pid": None}
    >>> sweep = Sweep(lost_after=60)
    >>> sweep.silent([job], 0), sweep.silent([job], 59), sweep.silent([job], 60)
    ({}, {}, {7: 1})
    """

    def __init__(self, lost_after: float) -> None:
        self._lost_after = lost_after
        self._seen: dict[int, tuple[tuple[Any, Any], float]] = {}

    def silent(self, running: Sequence[Mapping[str, Any]], clock: float) -> dict[int, int]:
        """Job -> token of those whose worker is gone; ``clock`` in seconds of a steady clock."""
        seen, found = {}, {}
        for job in running:
            beat = (job["token"], job["heartbeat_at"])
            before, since = self._seen.get(job["id"], (None, clock))
            since = since if before == beat else clock
            seen[job["id"]] = (beat, since)
            if clock - since >= self._lost_after or alive(job) is False:
                found[job["id"]] = job["token"]
        self._seen = seen
        return found
