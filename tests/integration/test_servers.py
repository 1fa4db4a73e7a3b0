"""The servers of the tests themselves: they stop, come back, and never outlive who started them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from scripts import installing, servers

ROOT = Path(__file__).resolve().parents[2]


def _alive(folder: str) -> bool:
    """Some process still names the folder on its command line."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if folder.encode() in entry.read_bytes():
                return True
    return False


def _wait_until_gone(folder: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and (_alive(folder) or Path(folder).exists()):
        time.sleep(0.05)  # there is no event for the end of a process that is not ours
    assert not _alive(folder)
    assert not Path(folder).exists()


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_stop_kill_and_restart_keep_the_data(kind: str) -> None:
    try:
        server = servers.start(kind)
    except servers.ServerUnavailableError as error:
        pytest.skip(f"no {kind}: {error}")
    with server:
        name = server.create_database()
        server.execute("CREATE TABLE t (a int)", "INSERT INTO t VALUES (1)", database=name)
        server.stop()
        with pytest.raises(Exception, match=r"(?i)refused|can't connect"):
            server.connect(name)
        server.restart()
        assert server.execute("SELECT a FROM t", database=name) == [(1,)]
        server.kill()
        server.restart()
        assert server.execute("SELECT a FROM t", database=name) == [(1,)]
        folder = server.address.folder
    assert not Path(folder).exists()
    assert not _alive(folder)


@pytest.mark.chaos
@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_a_killed_test_run_leaves_nothing(kind: str) -> None:
    code = (
        "import sys, time; from scripts import servers\n"
        f"server = servers.start({kind!r}); print(server.address.folder, flush=True); time.sleep(600)"
    )
    child = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    with child, child.stdout:
        folder = child.stdout.readline().strip()
        if not folder:
            pytest.skip(f"no {kind}: it did not start")
        assert _alive(folder)
        os.kill(child.pid, signal.SIGKILL)
    _wait_until_gone(folder)


def test_what_cant_be_installed_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installing, "is_installed", lambda kind: False)
    monkeypatch.setattr(installing, "_root_prefix", lambda: None)
    with pytest.raises(servers.ServerUnavailableError, match="apt-get"):
        servers.install("postgres")
