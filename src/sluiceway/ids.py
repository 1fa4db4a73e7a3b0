"""Ids of runs: UUIDs of version 7 (RFC 9562), whose text sorts by the time they were made."""

from __future__ import annotations

import os
import threading
import time
import uuid

__all__ = ["new_run_id"]

_lock = threading.Lock()
_last = [0]


def new_run_id() -> str:
    """A new UUIDv7 as text; within a process each is greater than the one before it.

    48 bits are milliseconds since 1970, the next 12 are the part of the millisecond (RFC 9562,
    method 3), the rest is random.

    >>> first, second = new_run_id(), new_run_id()
    >>> first < second, len(first), first[14]
    (True, 36, '7')
    """
    nanoseconds = time.time_ns()
    milliseconds, rest = divmod(nanoseconds, 1_000_000)
    ticks = (milliseconds << 12) | (rest * 4096 // 1_000_000)
    with _lock:  # two calls within a tick, or a clock set back, must not change the order
        ticks = _last[0] = max(ticks, _last[0] + 1)
    random = int.from_bytes(os.urandom(8)) & ((1 << 62) - 1)
    value = (ticks >> 12) << 80 | 0x7 << 76 | (ticks & 0xFFF) << 64 | 0b10 << 62 | random
    return str(uuid.UUID(int=value))
