"""Emulators of cloud warehouses for the tests: each from PyPI, in an environment of its own.

    python -m scripts.emulators install snowflake

As a library: ``with start("snowflake") as emulator: emulator.port``. It listens on a free port of
127.0.0.1, keeps its data in a temporary folder, and the kernel ends it with the process that started it.

An emulator shows that our statements are understood and what they do to rows. It is not the warehouse:
nothing that was run here alone is called tested on the real thing.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.servers import ServerUnavailableError, die_with_parent, free_port

__all__ = ["KINDS", "Emulator", "install", "start"]

ROOT = Path(__file__).resolve().parent.parent
_START_SECONDS = 90.0
_STOP_SECONDS = 10.0


@dataclass(frozen=True)
class _Kind:
    """``pythons`` are tried in turn; ``command`` gets the environment's folder, the port and the data
    folder. ``alone`` are packages that are installed without what they ask for."""

    packages: tuple[str, ...]
    pythons: tuple[str, ...]
    command: Callable[[Path, int, Path], list[str]]
    alone: tuple[str, ...] = ()


def _bigquery(venv: Path, port: int, folder: Path) -> list[str]:
    """Rows in Arrow come from a second port, which stands in the file ``storage``."""
    storage = free_port()
    (folder / "storage").write_text(str(storage))
    return [
        str(venv / "bin" / "python"), str(ROOT / "scripts" / "bigquery_emulator.py"), "--host", "127.0.0.1",
        "--port", str(port), "--grpc-port", str(storage), "--data-dir", str(folder / "data"),
        "--project", "emulator",
    ]  # fmt: skip


KINDS: dict[str, _Kind] = {
    "snowflake": _Kind(
        packages=("fakesnow[server]==0.12.1", "snowflake-connector-python==4.8.1", "duckdb==2.0.1",
                  "sqlglot==30.22.0"),
        pythons=("python3.11", "python3.12", "python3.13", "python3"),
        command=lambda venv, port, _: [str(venv / "bin" / "fakesnow"), "--server", "--port", str(port)],
    ),
    # It asks for DuckDB 2, of which no extension has a wheel; it runs on 1.5.5 (see bigquery_emulator.py).
    "bigquery": _Kind(
        packages=("duckdb==1.5.5", "duckdb-extension-ducklake==1.5.5", "duckdb-extension-icu==1.5.5",
                  "duckdb-extension-spatial==1.5.5", "fastapi==0.165.0", "fastavro==1.13.1",
                  "google-cloud-bigquery-storage==2.43.0", "grpcio==1.85.3", "mini-racer==0.14.1",
                  "numpy==2.5.5", "prompt-toolkit==3.0.53", "pyarrow==26.0.1",
                  "pydantic-settings==2.16.3", "pygments==2.21.0", "sqlglot==30.30.0", "uvicorn==0.54.0"),
        pythons=("python3.13",),
        command=_bigquery,
        alone=("local-bigquery==0.4.0",),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Emulator:
    kind: str
    port: int
    folder: Path
    log: Path

    @property
    def host(self) -> str:
        return "127.0.0.1"


def _environment(kind: str) -> Path:
    return ROOT / f".venv-{kind}"


def install(kind: str) -> Path:
    """The environment of an emulator, made if need be; its folder.

    Raises:
        ServerUnavailableError: no fitting Python, or pip could not bring the packages.
    """
    folder, wanted = _environment(kind), KINDS[kind]
    stamp = folder / "packages"
    listed = "\n".join((*wanted.packages, *wanted.alone))
    lock_path = Path(tempfile.gettempdir()) / f"sluiceway-emulator-{kind}.lock"
    with lock_path.open("w") as lock:  # test workers that start together install once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == listed:
            return folder
        python = next((p for name in wanted.pythons if (p := _python(name))), None)
        if python is None:
            raise ServerUnavailableError(f"{kind}: none of {', '.join(wanted.pythons)} is here")
        shutil.rmtree(folder, ignore_errors=True)
        for command in (
            [python, "-m", "venv", str(folder)],
            [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet",
             "--disable-pip-version-check", *wanted.packages],
            *([[str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-deps",
                "--disable-pip-version-check", *wanted.alone]] if wanted.alone else []),
        ):  # fmt: skip
            done = subprocess.run(command, check=False, capture_output=True, text=True, env=_clean())
            if done.returncode != 0:
                tail = " ".join((done.stderr or done.stdout).split())[-300:]
                raise ServerUnavailableError(f"{kind}: {command[1:3]} failed: {tail}")
        stamp.write_text(listed)
    return folder


def _python(name: str) -> str | None:
    """The first of that name that starts: $PYTHON313 and the like, PATH, what pyenv has. A shim of pyenv's
    stands in PATH even where its version is not the one that is on."""
    version = name.removeprefix("python")
    given = os.environ.get(f"PYTHON{version.replace('.', '')}")
    places = [given] if given else []
    places += [str(Path(folder) / name) for folder in os.environ.get("PATH", "").split(os.pathsep)]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    places += [str(path) for path in sorted(pyenv.glob(f"{version}.*/bin/{name}"), reverse=True)]
    return next((place for place in places if os.access(place, os.X_OK) and _starts(place)), None)


def _starts(python: str) -> bool:
    done = subprocess.run([python, "-c", "import venv"], check=False, capture_output=True)
    return done.returncode == 0


@contextlib.contextmanager
def start(kind: str) -> Iterator[Emulator]:
    """Install if need be, start, and wait until its port answers.

    Raises:
        ServerUnavailableError: why it can't be had.
    """
    environment, port = install(kind), free_port()
    folder = Path(tempfile.mkdtemp(prefix=f"sluiceway-{kind}-"))
    log = folder / "server.log"
    try:
        with log.open("wb") as out:
            process = subprocess.Popen(
                KINDS[kind].command(environment, port, folder), stdin=subprocess.DEVNULL,
                stdout=out, stderr=out, cwd=folder, env=_variables(folder),
                preexec_fn=die_with_parent,  # noqa: PLW1509 - nothing but a system call
            )  # fmt: skip
        try:
            _wait(kind, process, port, log)
            yield Emulator(kind, port, folder, log)
        finally:
            _stop(process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _variables(folder: Path) -> dict[str, str]:
    """Its own home, and no packages but those of its environment."""
    return {**_clean(), "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}


def _clean() -> dict[str, str]:
    """Without our own PYTHONPATH: what lies there is of another Python."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def _wait(kind: str, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        if process.poll() is not None:
            words = " ".join(log.read_text(errors="replace").split())[-300:]
            raise ServerUnavailableError(f"{kind} did not start: {words}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if time.monotonic() > deadline:
            raise ServerUnavailableError(f"{kind} did not answer within {_START_SECONDS:.0f} s")
        time.sleep(0.1)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


if __name__ == "__main__":
    for name in sys.argv[2:]:
        install(name)
