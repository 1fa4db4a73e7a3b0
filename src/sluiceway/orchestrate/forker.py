"""The worker's side of the zygote: ask for a run's process, learn of its end."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from sluiceway.errors import RunError
from sluiceway.orchestrate.environment import everybodys

if TYPE_CHECKING:
    from collections.abc import Callable

    from sluiceway.orchestrate.order import Order

__all__ = ["Forker"]

_SIZE = struct.Struct("!I")
_WAIT = 60.0
"""Seconds that a fork may take, the imports of a fresh zygote included."""


class Forker:
    """Forks runs from one warm process, which is started when it is first needed and again when it died."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._pids: list[int] = []
        self._exits: dict[int, int] = {}
        self._watching: dict[int, tuple[socket.socket, Callable[[int | None], None]]] = {}
        self._news = threading.Condition()

    def start(self) -> None:
        """Warm it up; ``fork`` does so too."""
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._open()

    def _open(self) -> None:
        if self._control is not None:
            self._control.close()  # of one that died; its listener has it until it has read the last
        mine, its = socket.socketpair()
        # no secret: /proc shows each run the environment that this process began with;
        # one thread: what OpenBLAS would start is nothing that a fork keeps
        environment = {**everybodys(), "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(  # noqa: S603  our own module
            [sys.executable, "-m", "sluiceway.orchestrate.zygote", str(its.fileno())],
            pass_fds=[its.fileno()], stdin=subprocess.DEVNULL, env=environment, start_new_session=True,
        )  # fmt: skip
        its.close()
        self._control = mine
        threading.Thread(target=self._listen, args=(mine,), name="zygote", daemon=True).start()

    def _listen(self, control: socket.socket) -> None:
        with contextlib.suppress(OSError), control.makefile("rb") as lines:  # killed, it resets
            for line in lines:
                document = json.loads(line)
                with self._news:
                    if "pid" in document:
                        if control is self._control:
                            self._pids.append(document["pid"])
                    else:
                        self._ended(document["exit"], document["code"])
                    self._news.notify_all()
        with self._news:  # it is gone, and nobody will say how its runs end; another's may be there already
            for pid, (its, _) in list(self._watching.items()):
                if its is control:
                    self._ended(pid, None)
            if control is self._control:
                self._pids.append(-1)
                self._news.notify_all()

    def _ended(self, pid: int, code: int | None) -> None:
        watched = self._watching.pop(pid, None)
        if watched is not None:
            watched[1](code)
        elif code is not None:
            self._exits[pid] = code

    def fork(
        self, order: Order, output: int, said: int, lifeline: int, ended: Callable[[int | None], None]
    ) -> int:
        """A process for ``order``; its pid, which is its group's too.

        Args:
            output, said, lifeline: descriptors that it gets: its outputs, the pipe for its answers, the one
                whose end is the worker's.
            ended: called once, from another thread, with the exit code, negative for a signal; None where
                it is not known.

        Raises:
            RunError: there is none to be had.
        """
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._open()
            assert self._control is not None
            body = order.encode()
            with self._news:
                self._pids.clear()
                try:
                    socket.send_fds(self._control, [_SIZE.pack(len(body))], [output, said, lifeline])
                    self._control.sendall(body)
                except OSError as error:
                    raise RunError(f"no process can be had for a run: {error.strerror}") from error
                if not self._news.wait_for(lambda: self._pids, _WAIT):
                    raise RunError(f"no process was had for a run within {_WAIT:g} s")
                pid = self._pids.pop()
                if pid < 0:
                    raise RunError(
                        "the process that runs are forked from ended", hint="see the lines above for why"
                    )
                if pid in self._exits:
                    ended(self._exits.pop(pid))
                else:
                    self._watching[pid] = (self._control, ended)
        return pid

    def close(self) -> None:
        """End it; runs that go on are not touched."""
        with self._lock:
            if self._control is not None:
                self._control.shutdown(socket.SHUT_RDWR)
                self._control.close()
                self._control = None
            if self._process is not None:
                self._process.wait()
                self._process = None
