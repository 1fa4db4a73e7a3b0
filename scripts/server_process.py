"""The process of one server: its folder and settings, its start, its end, and what is cleaned up after it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.installing import ServerUnavailableError, mariadb_tools, postgres_bin

__all__ = ["PASSWORD", "STOP_SECONDS", "USER", "Address", "Process", "die_with_parent", "free_port"]

PASSWORD = "s3rver-for-tests"  # distinctive, so that a test can look for it where it must not be
USER = "sluice"
START_SECONDS = 60.0
STOP_SECONDS = 20.0


@dataclass(frozen=True)
class Address:
    kind: str
    host: str
    port: int
    user: str
    password: str
    database: str
    version: str
    folder: str
    log: str

    def url(self, database: str | None = None) -> str:
        scheme = "postgresql" if self.kind == "postgres" else "mysql"
        name = database or self.database
        return f"{scheme}://{self.user}:{self.password}@{self.host}:{self.port}/{name}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """The server's process, its folder, and the account it runs under."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.port = free_port()
        self.account = {"postgres": "postgres", "mariadb": "mysql"}[kind] if os.geteuid() == 0 else None
        self.folder = Path(tempfile.mkdtemp(prefix=f"sluiceway-{kind}-"))
        self.folder.chmod(0o755)
        self.data = self.folder / "data"
        self.log = self.folder / "server.log"
        self.process: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Make the data folder."""
        home = self.folder / "home"
        home.mkdir()
        self.log.touch()
        if self.account:
            entry = pwd.getpwnam(self.account)
            for path in (self.folder, home, self.log):
                os.chown(path, entry.pw_uid, entry.pw_gid)
        if self.kind == "postgres":
            self._prepare_postgres(home)
        else:
            self._prepare_mariadb(home)

    def _prepare_postgres(self, home: Path) -> None:
        binaries = postgres_bin()
        if binaries is None:
            raise ServerUnavailableError("PostgreSQL is not installed")
        secret = home / "password"
        self._write(secret, PASSWORD)
        self._run(
            [str(binaries / "initdb"), "-D", str(self.data), "-U", USER, "--pwfile", str(secret),
             "--auth=scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        )  # fmt: skip
        # without fsync a commit is a write to the kernel, which outlives a killed server; with
        # synchronous_commit off too it would be a promise, and a test that kills would lose its table
        settings = {
            "port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "",
            "fsync": "off", "full_page_writes": "off",
            "wal_level": "logical", "max_replication_slots": 10, "max_wal_senders": 10,
            "max_wal_size": "4GB", "shared_buffers": "128MB", "max_connections": 100,
            "log_line_prefix": "%a|%d| ", "log_destination": "stderr", "logging_collector": "off",
        }  # fmt: skip
        with (self.data / "postgresql.conf").open("a") as config:
            config.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        self.command = [str(binaries / "postgres"), "-D", str(self.data)]

    def _prepare_mariadb(self, home: Path) -> None:
        tools = mariadb_tools()
        if tools is None:
            raise ServerUnavailableError("MariaDB is not installed")
        server, installer = tools
        user = self.account or pwd.getpwuid(os.geteuid()).pw_name
        self._run(
            [installer, "--no-defaults", f"--user={user}", f"--datadir={self.data}",
             "--auth-root-authentication-method=normal", "--skip-test-db"]
        )  # fmt: skip
        setup = home / "setup.sql"
        self._write(
            setup,
            f"CREATE DATABASE IF NOT EXISTS {USER};\n"
            f"CREATE USER IF NOT EXISTS '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';\n"
            f"GRANT ALL ON *.* TO '{USER}'@'%' WITH GRANT OPTION;\n",
        )
        self.command = [
            server, "--no-defaults", f"--datadir={self.data}", f"--socket={self.folder / 's.sock'}",
            f"--pid-file={self.folder / 'pid'}", f"--port={self.port}", "--bind-address=127.0.0.1",
            f"--tmpdir={home}",  # a server that starts removes the temporary files of its neighbours
            f"--init-file={setup}", "--local-infile=1", "--skip-name-resolve",
            "--character-set-server=utf8mb4", "--server-id=1", f"--log-bin={self.data / 'bin'}",
            "--binlog-format=ROW", "--binlog-row-image=FULL", "--binlog-row-metadata=FULL",
            "--innodb-flush-log-at-trx-commit=2", "--sync-binlog=0", "--innodb-buffer-pool-size=256M",
            f"--general-log-file={self.folder / 'general.log'}",
        ]  # fmt: skip

    def _write(self, path: Path, text: str) -> None:
        path.write_text(text)
        path.chmod(0o600)
        if self.account:
            entry = pwd.getpwnam(self.account)
            os.chown(path, entry.pw_uid, entry.pw_gid)

    def _as(self) -> dict[str, Any]:
        if self.account is None:
            return {}
        entry = pwd.getpwnam(self.account)
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}

    def _run(self, command: list[str]) -> None:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, errors="replace", cwd=self.folder,
            stdin=subprocess.DEVNULL, preexec_fn=die_with_parent, **self._as(),
        )  # fmt: skip
        if done.returncode != 0:
            tail = " ".join((done.stderr or done.stdout).split())[-400:]
            raise ServerUnavailableError(f"{shlex.join(command[:1])} failed: {tail}")

    def start(self) -> str:
        """Start and wait until it answers; the server's version."""
        if self.process is not None and self.process.poll() is None:
            return self._probe()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                preexec_fn=die_with_parent, **self._as(),  # noqa: PLW1509 - the keeper has one thread
            )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while True:
            if self.process.poll() is not None:
                raise ServerUnavailableError(f"{self.kind} did not start: {self._last_words()}")
            try:
                return self._probe()
            except _not_yet(self.kind) as error:
                if time.monotonic() > deadline:
                    raise ServerUnavailableError(
                        f"{self.kind} did not answer in {START_SECONDS:g} s: {error}; {self._last_words()}"
                    ) from error
            time.sleep(0.05)

    def _probe(self) -> str:
        if self.kind == "postgres":
            import psycopg

            with psycopg.connect(self.address("").url(), connect_timeout=2) as con:
                row = con.execute("SHOW server_version").fetchone()
                return str(row[0]).split()[0] if row else ""
        import pymysql

        with contextlib.closing(
            pymysql.connect(
                host="127.0.0.1", port=self.port, user=USER, password=PASSWORD, database=USER,
                connect_timeout=2,
            )
        ) as con, con.cursor() as cursor:  # fmt: skip
            cursor.execute("SELECT version()")
            return str(cursor.fetchone()[0])

    def address(self, version: str) -> Address:
        return Address(
            kind=self.kind, host="127.0.0.1", port=self.port, user=USER, password=PASSWORD,
            database="postgres" if self.kind == "postgres" else USER, version=version,
            folder=str(self.folder), log=str(self.log),
        )  # fmt: skip

    def _last_words(self) -> str:
        return " ".join(self.log.read_text(errors="replace").split())[-400:]

    def stop(self) -> None:
        # PostgreSQL: SIGINT is a fast stop, which does not wait for clients to leave
        self._end(signal.SIGINT if self.kind == "postgres" else signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.kind == "postgres" and number == signal.SIGKILL:
            self._wait_for_orphans()
        self.process = None

    def _wait_for_orphans(self) -> None:
        """PostgreSQL's backends outlive a killed postmaster for a moment and hold its port and memory."""
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline and _users_of(self.data):
            time.sleep(0.05)

    def clean(self) -> None:
        try:
            self.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)


def _users_of(folder: Path) -> list[int]:
    """Processes whose working folder is ``folder``: PostgreSQL's all are."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if (entry / "cwd").readlink() == folder:
                    found.append(int(entry.name))
    return found


def _not_yet(kind: str) -> type[Exception]:
    if kind == "postgres":
        import psycopg

        return psycopg.OperationalError
    import pymysql

    return pymysql.err.OperationalError  # type: ignore[no-any-return]  # pymysql has no types


def die_with_parent() -> None:
    """PR_SET_PDEATHSIG: should the keeper be killed, the server ends too. Runs after setuid, which
    would clear it."""
    ctypes.CDLL(None).prctl(1, signal.SIGQUIT if os.environ.get("SLUICEWAY_KIND") == "postgres" else 9)
