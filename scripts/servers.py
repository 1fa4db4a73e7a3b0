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
import ctypes
import fcntl
import json
import os
import pwd
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

__all__ = ["PASSWORD", "Server", "ServerUnavailableError", "die_with_parent", "free_port", "install", "start"]

PASSWORD = "s3rver-for-tests"  # distinctive, so that a test can look for it where it must not be
USER = "sluice"
PACKAGES = {
    "postgres": ["postgresql"],
    "mariadb": ["mariadb-server"],
    "java": ["openjdk-17-jre-headless"],  # no server: what Spark runs on
}
KINDS = ("postgres", "mariadb")
STATE = Path(__file__).resolve().parent.parent / ".sluiceway" / "servers.json"
_POLICY = Path("/usr/sbin/policy-rc.d")
_START_SECONDS = 60.0
_STOP_SECONDS = 20.0


class ServerUnavailableError(Exception):
    """A server can't be had here; the message says why and what would help."""


# -- installing ------------------------------------------------------------------------------------


def _postgres_bin() -> Path | None:
    folders = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: float(p.parent.name), reverse=True
    )
    on_path = shutil.which("initdb")
    if on_path:
        folders.append(Path(on_path).parent)
    return next((f for f in folders if (f / "initdb").exists() and (f / "postgres").exists()), None)


def _mariadb_tools() -> tuple[str, str] | None:
    search = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
    server = shutil.which("mariadbd", path=search)
    installer = shutil.which("mariadb-install-db", path=search)
    return (server, installer) if server and installer else None


def _is_installed(kind: str) -> bool:
    if kind == "java":
        return shutil.which("java") is not None or "JAVA_HOME" in os.environ
    return (_postgres_bin() if kind == "postgres" else _mariadb_tools()) is not None


def _root_prefix() -> list[str] | None:
    """What makes a command run as root; None where nothing does."""
    if os.geteuid() == 0:
        return []
    if (
        shutil.which("sudo")
        and subprocess.run(["sudo", "-n", "true"], check=False, capture_output=True).returncode == 0
    ):
        return ["sudo", "-n"]
    return None


def install(*kinds: str) -> None:
    """Install what is missing by apt-get, without letting the services start themselves.

    Raises:
        ServerUnavailableError: no apt-get, no right to use it, or it failed.
    """
    missing = [kind for kind in kinds if not _is_installed(kind)]
    if not missing:
        return
    packages = [package for kind in missing for package in PACKAGES[kind]]
    apt_install(packages, lambda: not all(_is_installed(kind) for kind in missing))
    still = [kind for kind in missing if not _is_installed(kind)]
    if still:
        raise ServerUnavailableError(f"apt-get brought no usable {', '.join(still)}")


def apt_install(packages: list[str], still_missing: Callable[[], bool] = lambda: True) -> None:
    """By apt-get, one process at a time; ``still_missing`` is asked when it is our turn.

    Raises:
        ServerUnavailableError: no apt-get, no right to use it, or it failed.
    """
    listed = ", ".join(packages)
    if shutil.which("apt-get") is None:
        raise ServerUnavailableError(f"{listed} not installed, and there is no apt-get here")
    prefix = _root_prefix()
    if prefix is None:
        raise ServerUnavailableError(
            f"{listed} not installed, and installing needs root; "
            f"type: sudo apt-get install {' '.join(packages)}"
        )
    lock_path = Path(tempfile.gettempdir()) / "sluiceway-servers-install.lock"
    with lock_path.open("w") as lock:  # test workers that start together install once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if still_missing():
            _apt(prefix, packages)


def _apt(prefix: list[str], packages: list[str]) -> None:
    options = ["-o", "DPkg::Lock::Timeout=300", "-y", "-qq", "--no-install-recommends"]
    quiet = ["env", "DEBIAN_FRONTEND=noninteractive"]
    with _no_autostart(prefix):
        command = [*prefix, *quiet, "apt-get", *options, "install", *packages]
        first = subprocess.run(command, check=False, capture_output=True, text=True)
        if first.returncode == 0:
            return
        # the lists may be absent (a fresh container) or too old
        subprocess.run(
            [*prefix, *quiet, "apt-get", *options[:2], "-qq", "update"], check=False, capture_output=True
        )
        second = subprocess.run(command, check=False, capture_output=True, text=True)
    if second.returncode != 0:
        tail = " ".join(second.stderr.split())[-300:]
        raise ServerUnavailableError(f"apt-get install {' '.join(packages)} failed: {tail}")


@contextmanager
def _no_autostart(prefix: list[str]) -> Iterator[None]:
    """Debian starts services when it installs them, unless policy-rc.d says no."""
    if _POLICY.exists():
        yield
        return
    script = f"printf '#!/bin/sh\\nexit 101\\n' > {_POLICY} && chmod 755 {_POLICY}"
    subprocess.run([*prefix, "sh", "-c", script], check=True)
    try:
        yield
    finally:
        subprocess.run([*prefix, "rm", "-f", str(_POLICY)], check=False)


# -- what a server is, for those who use it ---------------------------------------------------------


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
            self._keeper.wait(_STOP_SECONDS + 10)
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
        keeper.wait(_STOP_SECONDS + 10)
        keeper.stdout.close()
        raise


# -- the keeper: owns one server process ------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class _Process:
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
        binaries = _postgres_bin()
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
        tools = _mariadb_tools()
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
        deadline = time.monotonic() + _START_SECONDS
        while True:
            if self.process.poll() is not None:
                raise ServerUnavailableError(f"{self.kind} did not start: {self._last_words()}")
            try:
                return self._probe()
            except _not_yet(self.kind) as error:
                if time.monotonic() > deadline:
                    raise ServerUnavailableError(
                        f"{self.kind} did not answer in {_START_SECONDS:g} s: {error}; {self._last_words()}"
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
                self.process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.kind == "postgres" and number == signal.SIGKILL:
            self._wait_for_orphans()
        self.process = None

    def _wait_for_orphans(self) -> None:
        """PostgreSQL's backends outlive a killed postmaster for a moment and hold its port and memory."""
        deadline = time.monotonic() + _STOP_SECONDS
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

    return pymysql.err.OperationalError  # type: ignore[no-any-return]


def die_with_parent() -> None:
    """PR_SET_PDEATHSIG: should the keeper be killed, the server ends too. Runs after setuid, which
    would clear it."""
    ctypes.CDLL(None).prctl(1, signal.SIGQUIT if os.environ.get("SLUICEWAY_KIND") == "postgres" else 9)


def _keep(kind: str, *, detached: bool) -> int:
    """Start a server, say where, then obey: lines ``stop kill start``, until the input ends."""
    os.environ["SLUICEWAY_KIND"] = kind
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = _Process(kind)
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
        deadline = time.monotonic() + _STOP_SECONDS + 10
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
