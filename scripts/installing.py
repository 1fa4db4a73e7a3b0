"""What tests take from the system: which packages are there, and the others by ``apt-get``."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = [
    "PACKAGES",
    "ServerUnavailableError",
    "apt_install",
    "install",
    "is_installed",
    "mariadb_tools",
    "postgres_bin",
]

PACKAGES = {
    "postgres": ["postgresql"],
    "mariadb": ["mariadb-server"],
    "java": ["openjdk-17-jre-headless"],  # no server: what Spark runs on
}
_POLICY = Path("/usr/sbin/policy-rc.d")


class ServerUnavailableError(Exception):
    """A server can't be had here; the message says why and what would help."""


# -- installing ------------------------------------------------------------------------------------


def postgres_bin() -> Path | None:
    folders = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: float(p.parent.name), reverse=True
    )
    on_path = shutil.which("initdb")
    if on_path:
        folders.append(Path(on_path).parent)
    return next((f for f in folders if (f / "initdb").exists() and (f / "postgres").exists()), None)


def mariadb_tools() -> tuple[str, str] | None:
    search = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
    server = shutil.which("mariadbd", path=search)
    installer = shutil.which("mariadb-install-db", path=search)
    return (server, installer) if server and installer else None


def is_installed(kind: str) -> bool:
    if kind == "java":
        return shutil.which("java") is not None or "JAVA_HOME" in os.environ
    return (postgres_bin() if kind == "postgres" else mariadb_tools()) is not None


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
    missing = [kind for kind in kinds if not is_installed(kind)]
    if not missing:
        return
    packages = [package for kind in missing for package in PACKAGES[kind]]
    apt_install(packages, lambda: not all(is_installed(kind) for kind in missing))
    still = [kind for kind in missing if not is_installed(kind)]
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
