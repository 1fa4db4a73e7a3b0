"""Files that a crash leaves whole: written beside, made durable, then renamed into place."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import os
import re
import shutil
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["exchange", "file_key", "link_or_copy", "rename", "sync_file", "sync_folder", "write_json"]

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_UNSUPPORTED = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}


def file_key(name: str) -> str:
    """A file name that is readable, can't collide and can't leave its folder.

    >>> file_key("../x").startswith("_x-"), file_key("a") == file_key("A")
    (True, False)
    """
    readable = re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:60]
    return f"{readable}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def sync_file(path: Path) -> None:
    """Bytes of ``path`` are on disk when this returns."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(path: Path) -> None:
    """Names in ``path`` are on disk when this returns."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def rename(source: Path, target: Path) -> None:
    """One atomic step, durable when this returns. Both folders lie on one file system."""
    os.rename(source, target)  # noqa: PTH104 - the kill tests count this call
    sync_folder(target.parent)
    if source.parent != target.parent:
        sync_folder(source.parent)


def write_json(path: Path, value: Any) -> None:
    """Replace ``path`` atomically; a reader sees the old text or the new one."""
    beside = path.with_name(f".{path.name}.new")
    with beside.open("w", encoding="utf-8") as out:
        json.dump(value, out, ensure_ascii=False, indent=1, sort_keys=True)
        out.flush()
        os.fsync(out.fileno())
    rename(beside, path)


def link_or_copy(source: Path, target: Path) -> None:
    """``target`` holds the bytes of ``source``: by a hard link, or a copy across file systems."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, *_UNSUPPORTED):
            raise
        shutil.copyfile(source, target)
    sync_file(target)


@cache
def _renameat2() -> Any:
    try:
        return ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):  # another system, or a C library of before 2018
        return None


def exchange(left: Path, right: Path) -> bool:
    """Swap two names in one atomic step. False where the system or the file system has none."""
    call = _renameat2()
    if call is None:
        return False
    done = call(_AT_FDCWD, os.fsencode(left), _AT_FDCWD, os.fsencode(right), _RENAME_EXCHANGE)
    if done != 0:
        number = ctypes.get_errno()
        if number in _UNSUPPORTED:
            return False
        raise OSError(number, os.strerror(number), str(right))
    sync_folder(left.parent)
    sync_folder(right.parent)
    return True
