"""What whoever starts a run knows of it, and how long is waited between its tries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Ticket", "backoff"]


@dataclass(frozen=True)
class Ticket:
    """What an orchestrator knows of a run that it starts: ``run_id`` is the same for each of its tries, so
    that none publishes again what an earlier one did; ``attempt`` counts them from 1, and whoever counts
    them tries again, not the run. ``claim`` names this one beside those that may not be quite dead.

    ``fence`` is called when nothing but the publish is left, and raises FencedError where the run has been
    given to another. ``group_id`` ties runs together. ``retries``: the run tries again itself all the same.
    ``more``: a try that a lost connection or a held lock ended is not the last. ``lane``: it waits for no
    other run of its pipeline but those of the same lane, since it neither looks at a cursor nor moves one.
    """

    run_id: str
    attempt: int = 1
    claim: str = "0"
    fence: Callable[[], None] | None = None
    group_id: str | None = None
    retries: bool = False
    more: bool = False
    lane: str | None = None


def backoff(kind: str, delay: float, attempt: int) -> float:
    """Seconds before the next try.

    >>> [backoff("exponential", 2, n) for n in (1, 2, 3)]
    [2, 4, 8]
    """
    if kind == "constant":
        return delay
    return delay * attempt if kind == "linear" else delay * 2 ** (attempt - 1)
