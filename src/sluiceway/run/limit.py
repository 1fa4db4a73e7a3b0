"""``timeout:``: a run that takes too long is ended as one that is told to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from sluiceway.errors import RunError

__all__ = ["TooLong", "interrupt_of", "limited"]


class TooLong(KeyboardInterrupt):
    """The run's time is over. Nothing that an interrupt may not end is ended by it."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"{seconds:g} s")
        self.error = RunError(
            f"the run took longer than its timeout of {seconds:g} s; nothing was published",
            hint="raise timeout:, or look at which step takes the time: sluiceway runs show",
        )


def interrupt_of(error: BaseException | None) -> KeyboardInterrupt | None:
    """The interrupt behind an error: DuckDB makes a RuntimeError of the one that a signal raises in it.

    >>> interrupt_of(ValueError("no")) is None
    True
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, KeyboardInterrupt):
            return error
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return None


@contextmanager
def limited(seconds: float | None) -> Iterator[None]:
    """Raise TooLong in the block after ``seconds``.

    By an alarm, which ends an engine's query too. Outside of the main thread, and where somebody else's
    alarm is set, nothing is limited: whoever runs us there watches the time.
    """
    if (
        seconds is None
        or threading.current_thread() is not threading.main_thread()
        or signal.getitimer(signal.ITIMER_REAL) != (0.0, 0.0)
    ):
        yield
        return

    def over(_number: int, _frame: FrameType | None) -> Any:
        raise TooLong(seconds)

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
