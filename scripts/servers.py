"""Real PostgreSQL and MariaDB servers for the tests: install, start, probe, stop, clean.

    python scripts/servers.py up postgres mariadb     # prints JSON: where they listen
    python scripts/servers.py down
    python scripts/servers.py install postgres mariadb

As a library: ``with start("postgres") as server: server.url``. Each server listens on a free port of
127.0.0.1 with its data in a temporary folder. A keeper process owns it: when the process that started
it goes away, however it goes, the keeper stops the server and removes the folder; should the keeper
itself be killed, the kernel ends the server with it.

Nothing here is fit for data that matters: fsync is off and the passwords are written below.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from scripts.installing import ServerUnavailableError, apt_install, install  # noqa: E402
from scripts.server_process import (  # noqa: E402
    PASSWORD,
    STOP_SECONDS,
    Address,
    Process,
    die_with_parent,
    free_port,
)

__all__ = [
    "PASSWORD",
    "Server",
    "ServerUnavailableError",
    "apt_install",
    "die_with_parent",
    "free_port",
    "install",
    "start",
]

KINDS = ("postgres", "mariadb")
STATE = ROOT / ".sluiceway" / "servers.json"


# -- what a server is, for those who use it ---------------------------------------------------------


class Server:
    """A running server. ``connect`` gives a psycopg or pymysql connection with autocommit on."""

    def __init__(self, address: Address, keeper: subprocess.Popen[str]) -> None:
        self.address = address
        self.kind, self.host, self.port = address.kind, address.host, address.port
        self.user, self.password, self.version = address.user, address.password, address.version
        self.log = Path(address.log)
        self._keeper = keeper
        self._made = 0

    @property
    def url(self) -> str:
        return self.address.url()

    def url_of(self, database: str) -> str:
        return self.address.url(database)

    def connect(self, database: str | None = None, **options: Any) -> Any:
        name = database or self.address.database
        if self.kind == "postgres":
            import psycopg

            return psycopg.connect(self.address.url(name), autocommit=True, **options)
        import pymysql

        return pymysql.connect(
            host=self.host, port=self.port, user=self.user, password=self.password, database=name,
            autocommit=True, charset="utf8mb4", **options,
        )  # fmt: skip

    def execute(self, *statements: str, database: str | None = None) -> list[tuple[Any, ...]]:
        """Run statements on a connection of their own; the rows of the last one."""
        with contextlib.closing(self.connect(database)) as con, contextlib.closing(con.cursor()) as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []

    def create_database(self) -> str:
        """A new, empty database; its name."""
        self._made += 1
        name = f"db_{os.getpid()}_{self._made}"
        self.execute(f"CREATE DATABASE {name}")
        return name

    def stop(self) -> None:
        """An orderly stop; waits until the process is gone."""
        self._ask("stop")

    def kill(self) -> None:
        """SIGKILL, as a power cut would do."""
        self._ask("kill")

    def restart(self) -> None:
        """Up again on the same port with the same data."""
        self._ask("start")

    def close(self) -> None:
        """Stop for good and remove the folder."""
        if self._keeper.stdin and not self._keeper.stdin.closed:
            self._keeper.stdin.close()
        try:
            self._keeper.wait(STOP_SECONDS + 10)
        except subprocess.TimeoutExpired:
            self._keeper.kill()
            self._keeper.wait()
            shutil.rmtree(self.address.folder, ignore_errors=True)
        if self._keeper.stdout:
            self._keeper.stdout.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _ask(self, command: str) -> None:
        if self._keeper.stdin is None or self._keeper.stdout is None:
            raise ServerUnavailableError("this server has no keeper")
        self._keeper.stdin.write(command + "\n")
        self._keeper.stdin.flush()
        _answer(self._keeper.stdout)


def _answer(stream: IO[str]) -> dict[str, Any]:
    line = stream.readline()
    answer: dict[str, Any] = json.loads(line) if line else {"error": "the server's keeper is gone"}
    if "error" in answer:
        raise ServerUnavailableError(answer["error"])
    return answer


def start(kind: str) -> Server:
    """Install if need be, start, and wait until it answers.

    Raises:
        ServerUnavailableError: why it can't be had.
    """
    install(kind)
    keeper = subprocess.Popen(
        [sys.executable, __file__, "keep", kind],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a ^C or a killed process group must not take the keeper first
    )
    if keeper.stdin is None or keeper.stdout is None:
        raise ServerUnavailableError("no pipes to the keeper")
    try:
        return Server(Address(**_answer(keeper.stdout)), keeper)
    except BaseException:
        keeper.stdin.close()
        keeper.wait(STOP_SECONDS + 10)
        keeper.stdout.close()
        raise


# -- the keeper: owns one server process ------------------------------------------------------------


def _keep(kind: str, *, detached: bool) -> int:
    """Start a server, say where, then obey: lines ``stop kill start``, until the input ends."""
    os.environ["SLUICEWAY_KIND"] = kind
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = Process(kind)
    try:
        try:
            server.prepare()
            version = server.start()
        except ServerUnavailableError as error:
            _say({"error": str(error)})
            return 1
        _say(asdict(server.address(version)) | ({"keeper": os.getpid()} if detached else {}))
        if detached:
            while True:
                signal.pause()
        commands: dict[str, Callable[[], object]] = {
            "stop": server.stop, "kill": server.kill, "start": server.start,
        }  # fmt: skip
        for line in sys.stdin:
            try:
                commands[line.strip()]()
                _say({})
            except ServerUnavailableError as error:
                _say({"error": str(error)})
        return 0
    finally:
        server.clean()


def _say(answer: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(answer), flush=True)


# -- command line ------------------------------------------------------------------------------------


def _up(kinds: list[str]) -> int:
    running = _running()
    for kind in kinds:
        if kind in running:
            continue
        try:
            install(kind)
        except ServerUnavailableError as error:
            print(error, file=sys.stderr)
            return 1
        keeper = subprocess.Popen(
            [sys.executable, __file__, "keep", kind, "--detached"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        if keeper.stdout is None:
            return 1
        try:
            running[kind] = _answer(keeper.stdout)
        except ServerUnavailableError as error:
            print(error, file=sys.stderr)
            return 1
        _remember(running)
    shown = {}
    for kind in kinds:
        fields = {k: v for k, v in running[kind].items() if k != "keeper"}
        shown[kind] = fields | {"url": Address(**fields).url()}
    print(json.dumps(shown, indent=2))
    return 0


def _down() -> int:
    for kind, fields in _running().items():
        os.kill(fields["keeper"], signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS + 10
        while _is_keeper(fields["keeper"]):
            if time.monotonic() > deadline:
                print(f"{kind} (pid {fields['keeper']}) does not stop", file=sys.stderr)
                return 1
            time.sleep(0.05)
    STATE.unlink(missing_ok=True)
    return 0


def _running() -> dict[str, dict[str, Any]]:
    """What `up` started and what still runs."""
    known: dict[str, dict[str, Any]] = json.loads(STATE.read_text()) if STATE.exists() else {}
    return {kind: fields for kind, fields in known.items() if _is_keeper(fields["keeper"])}


def _is_keeper(pid: int) -> bool:
    """A pid may have gone to another process since."""
    try:
        return b"servers.py\0keep" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _remember(running: dict[str, dict[str, Any]]) -> None:
    STATE.parent.mkdir(parents=True, exist_ok=True)
    STATE.write_text(json.dumps(running))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (("up", "start, and print where they listen"), ("install", "only install")):
        command = commands.add_parser(name, help=text)
        command.add_argument("kinds", nargs="+", choices=KINDS)
    commands.add_parser("down", help="stop what `up` started")
    keep = commands.add_parser("keep")
    keep.add_argument("kinds", nargs=1, choices=KINDS)
    keep.add_argument("--detached", action="store_true")
    given = parser.parse_args(arguments)
    match given.command:
        case "up":
            return _up(given.kinds)
        case "down":
            return _down()
        case "install":
            try:
                install(*given.kinds)
            except ServerUnavailableError as error:
                print(error, file=sys.stderr)
                return 1
            return 0
        case _:
            return _keep(given.kinds[0], detached=given.detached)


if __name__ == "__main__":
    sys.exit(main())
