"""Real servers on the loopback that take alerts, refuse them, or never answer; and projects with routes."""

from __future__ import annotations

import json
import socket
import socketserver
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from sluiceway.alerts.model import Alert
from sluiceway.spec.project import load_project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sluiceway.spec.model import Project

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass
class Clock:
    """A clock that stands until it is moved."""

    at: datetime = START

    def __call__(self) -> datetime:
        return self.at

    def forward(self, **parts: float) -> None:
        self.at += timedelta(**parts)


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Hooks:
    """An HTTP server; it answers 200, or what stands first in ``answers``."""

    port: int = 0
    requests: list[Request] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    @property
    def titles(self) -> list[str]:
        return [request.json["title"] for request in self.requests]


def _http(hooks: Hooks) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hooks.requests.append(Request(self.path, dict(self.headers), body))
            code = hooks.answers.pop(0) if hooks.answers else 200
            self.send_response(code)
            if 300 <= code < 400:
                self.send_header("Location", f"http://127.0.0.1:{hooks.port}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    found = Hooks()
    server = _http(found)
    found.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port where connections are taken and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@dataclass
class Mailbox:
    port: int = 0
    logins: list[str] = field(default_factory=list)
    mails: list[str] = field(default_factory=list)


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    """An SMTP server (RFC 5321) that takes every mail, with AUTH PLAIN (RFC 4616)."""
    found = Mailbox()

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 sink\r\n")
            while line := self.rfile.readline().decode().strip():
                verb = line.partition(" ")[0].upper()
                if verb == "EHLO":
                    self.wfile.write(b"250-sink\r\n250-AUTH PLAIN\r\n250 8BITMIME\r\n")
                elif verb == "AUTH":
                    found.logins.append(line.split()[-1])
                    self.wfile.write(b"235 welcome\r\n")
                elif verb == "DATA":
                    self.wfile.write(b"354 go on\r\n")
                    lines = []
                    while (text := self.rfile.readline().decode().rstrip("\r\n")) != ".":
                        lines.append(text)
                    found.mails.append("\n".join(lines))
                    self.wfile.write(b"250 taken\r\n")
                elif verb == "QUIT":
                    self.wfile.write(b"221 bye\r\n")
                    return
                else:
                    self.wfile.write(b"250 ok\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session) as server:
        server.daemon_threads = True
        found.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield found
        server.shutdown()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Project]:
    """A project whose routes are the lines given."""

    def project(*routes: str) -> Project:
        lines = "".join(f"  - {route}\n" for route in routes)
        (tmp_path / "sluiceway.yml").write_text(f"project: shop\nalerts:\n{lines}", "utf-8")
        return load_project(tmp_path)

    return project


@pytest.fixture
def said(tmp_path: Path) -> Callable[[], list[dict[str, Any]]]:
    """The messages in ``file:said.jsonl``."""

    def read() -> list[dict[str, Any]]:
        path = tmp_path / "said.jsonl"
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]

    return read


@pytest.fixture
def alert() -> Callable[..., Alert]:
    def build(pipeline: str = "orders", kind: str = "run_failed", **other: Any) -> Alert:
        given: dict[str, Any] = {
            "kind": kind,
            "severity": "error",
            "key": f"{kind}:{pipeline}",
            "title": f"{pipeline}: the run failed",
            "message": "the disk is full",
            "pipeline": pipeline,
            "dataset": f"mart.{pipeline}",
            "owner": "sales-data",
            "run_id": "r1",
            **other,
        }
        return Alert(**given)

    return build
