"""A process that has imported what runs need, and forks one for each: starting Python anew takes a second.

It is single-minded: no engine, no connection, no thread of ours is ever open in it, so that a fork is whole.
Each run is the leader of its own process group. ``python -m sluiceway.orchestrate.zygote FD`` is started by a
worker over a socket: an order comes with three descriptors (output, answers, lifeline), the pid goes
back, and later the exit status.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import struct
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main", "preload"]

_SIZE = struct.Struct("!I")


def preload() -> None:
    """Import what nearly every run needs, and what it would import only when it comes to it. Nothing is
    opened. Plugins of others are left to the runs that use them: who knows what they start."""
    import sqlite3  # noqa: F401

    import duckdb  # noqa: F401
    import pyarrow.parquet  # noqa: F401

    import sluiceway.orchestrate.child
    import sluiceway.run.runner
    import sluiceway.spec.pipeline
    import sluiceway.spec.project
    import sluiceway.spec.resolve
    import sluiceway.store.queue  # noqa: F401
    from sluiceway import plugins, rules, transforms

    plugins.load("engines", "duckdb")
    plugins.load("integrations", "openlineage")
    for name in ("csv", "duckdb", "ducklake", "json", "parquet"):
        plugins.load("connectors", name)
    for package in (rules, transforms):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    late = ("sluiceway.plan.trace", "sluiceway.plan.trace_values", "sqlglot.dialects.duckdb")
    for name in (*late, "pydantic.dataclasses", "ruamel.yaml", "encodings.utf_8_sig"):
        importlib.import_module(name)
    _build_models()


def _build_models() -> None:
    """Models of configuration are built when they are first used: here, once for all runs."""
    from pydantic import BaseModel

    left: list[type[BaseModel]] = [BaseModel]
    while left:
        model = left.pop()
        left += model.__subclasses__()
        if model.__module__.startswith("sluiceway.") and not model.__pydantic_complete__:
            model.model_rebuild(raise_errors=False)


def main(arguments: Sequence[str]) -> int:
    """Serve until the worker's end of the socket is closed."""
    control = socket.socket(fileno=int(arguments[0]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the worker's to answer
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    awake, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    preload()
    while True:
        ready, _, _ = select.select([control.fileno(), awake], [], [])
        if awake in ready:
            os.read(awake, 4096)
            _reap(control)
        if control.fileno() in ready:
            order, descriptors = _receive(control)
            if order is None:
                return 0
            _answer(control, {"pid": _fork(order, descriptors, (control.fileno(), awake, wake))})


def _receive(control: socket.socket) -> tuple[bytes | None, list[int]]:
    head, descriptors, _, _ = socket.recv_fds(control, _SIZE.size, 3)
    if not head:
        return None, []
    while len(head) < _SIZE.size:
        head += control.recv(_SIZE.size - len(head))
    (left,) = _SIZE.unpack(head)
    parts = []
    while left:
        part = control.recv(min(left, 65_536))
        if not part:
            return None, descriptors
        parts.append(part)
        left -= len(part)
    return b"".join(parts), list(descriptors)


def _answer(control: socket.socket, document: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        control.sendall(json.dumps(document).encode() + b"\n")


def _reap(control: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _answer(control, {"exit": pid, "code": os.waitstatus_to_exitcode(status)})


def _fork(order: bytes, descriptors: list[int], ours: Sequence[int]) -> int:
    # who is told to stop right after its start hears it once it can, and not never: SIGTERM is ignored here
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)  # by both, so that it holds whoever comes first
        for descriptor in descriptors:
            os.close(descriptor)
        return pid
    code = 70
    try:
        code = _become(order, descriptors, ours)
    finally:  # whatever happened, this process is a run and never serves
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _become(order: bytes, descriptors: list[int], ours: Sequence[int]) -> int:
    from sluiceway.orchestrate.child import live
    from sluiceway.orchestrate.order import Order

    with contextlib.suppress(OSError):
        os.setsid()  # its own group and session: no terminal, and all that it starts ends with it
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for descriptor in ours:
        os.close(descriptor)
    output, said, lifeline = descriptors
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return live(Order.decode(order), said, lifeline)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
