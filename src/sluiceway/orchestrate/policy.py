"""What follows from the end of a run: done, again later, or given up.

| how it ended | what follows |
| --- | --- |
| succeeded, blocked, cancelled | that is its end: a gate that said no is not asked again |
| SourceError, DestinationError, LockTimeoutError, StoreError | again, as often as ``retry:`` says |
| its process was killed from outside | again, as often as ``retry:`` says |
| its worker died, drained in haste, or could not be heard | again, and no try is counted |
| the metadata store was away, and its tries are used up | again, until it has been lost ``poison`` times |
| a setting or a file is wrong, a bug, its time or its memory was used up | failed: it would be so again |
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sluiceway.run.ticket import backoff as whole
from sluiceway.units import spoken

if TYPE_CHECKING:
    from sluiceway.orchestrate.process import Ended

__all__ = ["Decision", "backoff", "decide"]

_STORE_WAIT = 5.0
_TRANSIENT = frozenset({"SourceError", "DestinationError", "LockTimeoutError", "StoreError"})


@dataclass(frozen=True)
class Decision:
    """``status`` ends the job, or ``again`` is when it is tried anew. ``silent``: say nothing, it is
    another's. ``spared``: the next try does not count as one."""

    status: str | None
    error: dict[str, Any] | None
    again: datetime | None = None
    silent: bool = False
    give_back: bool = False
    spared: bool = False


def backoff(kind: str, delay: float, attempt: int, jitter: float) -> float:
    """Seconds before the try after ``attempt``: half of the wait is fixed, the other half by ``jitter``,
    0..1, so that what failed together does not come back together ("equal jitter", Brooker 2015).

    >>> backoff("exponential", 10, 3, 1.0), backoff("linear", 10, 3, 0.0), backoff("constant", 10, 3, 0.5)
    (40.0, 15.0, 7.5)
    """
    return float(whole(kind, delay, min(attempt, 20)) * (0.5 + 0.5 * jitter))


def decide(
    ended: Ended, limits: dict[str, Any], attempt: int, attempts: int, now: datetime, *, spare: int = 0
) -> Decision:
    """What is to be done about the end of try number ``attempt`` of ``attempts``. ``spare``: how often it may
    still be tried again because the metadata store was away, which is no fault of the pipeline.

    >>> from sluiceway.orchestrate.process import Ended
    >>> said = {"status": "failed", "error": {"type": "SourceError", "message": "connection lost"}}
    >>> decide(Ended(0, said, None, 0, 1.0), {"delay": 10.0}, 1, 2, datetime(2026, 1, 1)).status is None
    True
    >>> decide(Ended(0, said, None, 0, 1.0), {}, 2, 2, datetime(2026, 1, 1)).status
    'failed'
    """
    said = ended.said or {}
    if said.get("fenced"):
        return Decision(None, None, silent=True)
    if ended.why in ("stop", "lost") and said.get("status") not in ("succeeded", "blocked"):
        return Decision(None, None, give_back=True)
    status, error, transient = _judged(ended, limits)
    if status == "failed" and transient and attempt < attempts:
        kind, delay = str(limits.get("backoff", "exponential")), float(limits.get("delay", 30.0))
        wait = backoff(kind, delay, attempt, random.random())  # noqa: S311  no secret
        return Decision(None, error, again=now + timedelta(seconds=wait))
    if status == "failed" and spare > 0 and (error or {}).get("type") == "StoreError":
        return Decision(None, error, again=now + timedelta(seconds=_STORE_WAIT), spared=True)
    return Decision(status, error)


def _judged(ended: Ended, limits: dict[str, Any]) -> tuple[str, dict[str, Any] | None, bool]:
    """Its status, its error, and whether trying again may help."""
    said = ended.said
    if said is not None and said["status"] in ("succeeded", "blocked"):
        return said["status"], said.get("error"), False  # it was done before anything ended it
    if ended.why == "memory":
        limit = spoken(limits["memory"])
        return "failed", _error(
            f"the run used more than its memory_limit of {limit} and was ended; nothing was published",
            "raise memory_limit:, or lower engine.memory_limit so that the engine spills to disk earlier",
        ), False  # fmt: skip
    if ended.why == "timeout":
        return "failed", _error(
            f"the run took longer than its timeout of {limits['timeout']:g} s and was ended",
            "raise timeout:, or look at which step takes the time: sluiceway runs show",
        ), False  # fmt: skip
    if ended.why == "cancel":
        return "cancelled", {**_error("the run was cancelled", None), "type": "CancelledError"}, False
    if said is None:
        return "failed", _died(ended.code), True
    error = said.get("error") or {}
    final = bool((error.get("details") or {}).get("final"))
    return said["status"], said.get("error"), error.get("type") in _TRANSIENT and not final


def _died(code: int | None) -> dict[str, Any]:
    how = "nobody knows how" if code is None else f"with code {code}"
    if code is not None and code < 0:
        how = f"by signal {-code}"
    return _error(
        f"the run's process ended {how}, before it could say how it went",
        "if the machine ran out of memory, give the pipeline a memory_limit: below what there is",
    )


def _error(message: str, hint: str | None) -> dict[str, Any]:
    return {"type": "RunError", "message": message, "where": None, "hint": hint, "details": {}}
