"""Which process a run belongs to, and whether that one still lives.

A pid alone says little: pids are reused, and a restart of the machine begins them anew. With the boot
and the time at which the process started it names one process for ever.
"""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import RowMapping

__all__ = ["alive", "identity"]


@cache
def _boot_id() -> str:
    """Names this boot and this pid namespace: a container's pids mean nothing outside it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""  # no /proc: the pid alone has to do


def _started(pid: int) -> str:
    """When the process started, in ticks since the boot; '' where that can't be known."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    state, *fields = stat.rpartition(")")[2].split()  # the name before it may hold spaces
    return "" if state in "ZX" else fields[18]


def identity() -> dict[str, Any]:
    """host, boot_id, pid and process_started of this process."""
    pid = os.getpid()
    return {
        "host": socket.gethostname(),
        "boot_id": _boot_id(),
        "pid": pid,
        "process_started": _started(pid),
    }


def alive(process: Mapping[str, Any] | RowMapping) -> bool | None:
    """Whether that process lives; None where it can't be told from here (another machine)."""
    pid = process["pid"]
    if pid is None:
        return None
    then, now = process["boot_id"] or "", _boot_id()
    if then != now:
        restarted = then.split("/")[0] != now.split("/")[0] and process["host"] == socket.gethostname()
        return False if restarted else None  # else another machine or container: its pids mean nothing
    if process["process_started"]:
        return bool(_started(int(pid)) == process["process_started"])
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
