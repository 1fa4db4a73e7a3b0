"""Locks between processes of one machine that die with their holder (flock)."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sluiceway.errors import LockTimeoutError

__all__ = ["file_lock", "wait_until_free"]

_POLL = 0.02


def _path(folder: Path, name: str) -> Path:
    """A file name that is readable and can't collide or leave ``folder``."""
    readable = re.sub(r"[^A-Za-z0-9_.-]+", "_", name)[:60]
    return folder / f"{readable}-{hashlib.sha256(name.encode()).hexdigest()[:8]}.lock"


@contextmanager
def file_lock(folder: Path, name: str, timeout: float, holder: str) -> Iterator[None]:
    """Hold ``name`` under ``folder``. The file keeps who holds it, for the error of those who wait.

    Raises:
        LockTimeoutError: another process held it for ``timeout`` seconds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = _path(folder, name)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _acquire(handle, path, name, timeout)
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{holder} (pid {os.getpid()})".encode(), 0)
        yield
    finally:
        os.close(handle)  # closing releases the lock; the file stays, so that no one races to make it


def wait_until_free(path: Path, timeout: float) -> None:
    """Wait until no other process holds a POSIX lock (``fcntl``, Java's FileLock) on a file.

    Raises:
        LockTimeoutError: one still did after ``timeout`` seconds.
    """
    if not path.exists():
        return
    deadline = time.monotonic() + timeout
    handle = os.open(path, os.O_RDWR)
    try:
        while True:
            try:
                fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except OSError as error:
                if error.errno not in (errno.EACCES, errno.EAGAIN):
                    raise
                if time.monotonic() >= deadline:
                    raise LockTimeoutError(
                        f"a Spark whose run is gone still works on {path.stem}; waited {timeout:g} s",
                        hint="wait until its JVM has ended, or end it",
                    ) from None
                time.sleep(_POLL)
    finally:
        os.close(handle)


def _acquire(handle: int, path: Path, name: str, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                who = path.read_text(errors="replace") or "another process"
                raise LockTimeoutError(
                    f"{name} is locked by {who}; waited {timeout:g} s",
                    hint="wait for that run to end, or raise lock_timeout",
                ) from None
            time.sleep(_POLL)
