"""A wire between a client and a server that can be cut at the worst moment."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType


class CommitCutter:
    """Hands bytes on. Of the first connection that inserted into a table whose name has ``into`` and then
    sends COMMIT the answer is swallowed and the line cut: the server has committed, and the client can't
    know. With ``closes`` the server can't be reached from then on, so it can't be asked either."""

    def __init__(self, host: str, port: int, *, closes: bool = False, into: bytes = b"receipts") -> None:
        self.into = into
        self._server = (host, port)
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._door.getsockname()[1]
        self.armed = True
        self.cut = 0
        self._closes = closes

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._door.accept()
            except OSError:  # closed
                return
            try:
                if self._closes and self.cut:
                    raise OSError("cut off")
                server = socket.create_connection(self._server)
            except OSError:  # the server is down: the client sees a closed line
                client.close()
                continue
            _Line(self, client, server)


class _Line:
    def __init__(self, owner: CommitCutter, client: socket.socket, server: socket.socket) -> None:
        self.owner, self.client, self.server = owner, client, server
        self.wrote_receipt = self.silent = False
        for work in (self._up, self._down):
            threading.Thread(target=work, daemon=True).start()

    def _up(self) -> None:
        try:
            while data := self.client.recv(65536):
                if b"INSERT" in data and self.owner.into in data:
                    self.wrote_receipt = True
                if self.owner.armed and self.wrote_receipt and b"COMMIT" in data:
                    self.owner.armed = False
                    self.silent = True
                self.server.sendall(data)
        except OSError:
            pass  # the other side hung up
        self._end()

    def _down(self) -> None:
        try:
            while data := self.server.recv(65536):
                if self.silent:
                    self.owner.cut += 1
                    break
                self.client.sendall(data)
        except OSError:
            pass
        self._end()

    def _end(self) -> None:
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
