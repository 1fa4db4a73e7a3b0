"""Runs near their limits are alerts, while they run, and told to be over. Real runs, a real webhook."""

from __future__ import annotations

import json
import queue
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from tests.integration.working import ORDERS, STEPS, Work, pipeline

from sluiceway.orchestrate.index import Index
from sluiceway.orchestrate.watch import sweep
from sluiceway.spec.project import load_project

HOLDS = '''
def holds(batches):
    """Nine tenths of its memory_limit, until the test has heard of it."""
    page, limit = os.sysconf("SC_PAGESIZE"), 900_000_000
    held = []
    while int(Path("/proc/self/statm").read_text().split()[1]) * page < 0.9 * limit:
        held.append(bytearray(b"x") * 5_000_000)
    _begun(os.getpid())
    with open(HERE / "go") as fifo:
        fifo.read()
    yield from batches
'''
FAST = "orchestrate: {heartbeat: 1s, lost_after: 4s, stop_grace: 1s}\n"
Told = tuple[str, str]


class Hook(ThreadingHTTPServer):
    """A webhook: ``heard`` has (kind of message, key of the alert) in order."""

    def __init__(self) -> None:
        hook = self
        self.heard: queue.SimpleQueue[Told] = queue.SimpleQueue()
        self.alerts: list[dict[str, Any]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                for alert in message["alerts"]:
                    hook.alerts.append(alert)
                    hook.heard.put((message["kind"], alert["key"]))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"webhook+http://127.0.0.1:{self.server_address[1]}/"


@pytest.fixture
def hook() -> Iterator[Hook]:
    with Hook() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


Make = Callable[[str, str], Work]


@pytest.fixture
def work(make_project: Callable[..., Any]) -> Iterator[Make]:
    made: list[Work] = []

    def make(url: str, text: str) -> Work:
        files = {"steps.py": STEPS + HOLDS, "orders.csv": ORDERS, "pipelines/p.yml": text}
        alerts = f"alerts: [{{to: '{url}', throttle: 0, kinds: 'run_near_*'}}]\n"
        made.append(Work(make_project(files, settings=f"project: test\n{FAST}{alerts}")))
        return made[-1]

    yield make
    for one in made:
        one.store.close()


MEMORY = pipeline("holds", "owner: sales\nmemory_limit: 900MB\n")
TIMEOUT = pipeline("waits", "owner: sales\ntimeout: 20s\n")
NEAR = [
    pytest.param("memory", MEMORY, "of the 900.0 MB that it may have"),
    pytest.param("timeout", TIMEOUT, "s of its 20 s", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("of", "text", "said"), NEAR)
def test_a_run_near_a_limit_is_told_of_before_it_and_once_and_then_that_it_is_over(
    work: Make, hook: Hook, of: str, text: str, said: str
) -> None:
    made = work(hook.url, text)
    [run] = made.put()
    thread = made.beside(made.worker())
    made.begun()
    key = f"run_near_{of}:p"
    assert hook.heard.get(timeout=60) == ("raised", key)
    assert made.job(run)["status"] == "running"  # there is still time to do something
    [alert] = hook.alerts
    assert (alert["severity"], alert["owner"], alert["run_id"]) == ("warning", "sales", run)
    assert said in alert["message"]
    assert alert["details"]["next"] == f"sluiceway runs watch {run}"
    made.go()
    assert hook.heard.get(timeout=60) == ("resolved", key)
    thread.join(timeout=60)
    assert made.job(run)["status"] == "succeeded", made.job(run)["error"]
    assert hook.heard.empty()
    assert made.store.alerts.alerts("dev", limit=None) == []
    assert f"warning: {alert['message']}" in made.log(run)


def test_a_run_far_from_its_limits_is_told_to_nobody(work: Make, hook: Hook) -> None:
    made = work(hook.url, pipeline("waits", "memory_limit: 8GB\ntimeout: 10m\n"))
    [run] = made.put()
    thread = made.beside(made.worker())
    made.begun()
    made.go()
    thread.join(timeout=60)
    assert made.job(run)["status"] == "succeeded"
    assert hook.heard.empty()
    assert made.store.alerts.alerts("dev", state=None, limit=None) == []


@pytest.mark.slow
def test_a_channel_that_hangs_takes_no_run_from_its_worker(work: Make) -> None:
    with socket.socket() as silent:  # takes connections, and never answers: for 5 seconds it is waited for
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        silent.settimeout(60)
        made = work(f"webhook+http://127.0.0.1:{silent.getsockname()[1]}/", MEMORY)
        [run] = made.put()
        thread = made.beside(made.worker())
        made.begun()
        with silent.accept()[0]:
            told = datetime.now(UTC)
            while datetime.fromisoformat(made.job(run)["heartbeat_at"]) < told + timedelta(seconds=2):
                assert thread.is_alive()  # it says that it lives, while the channel is waited for
            [open_] = made.store.alerts.alerts("dev", limit=None)
            [delivery] = made.store.alerts.history("dev")
            assert (open_["kind"], delivery["status"]) == ("run_near_memory", "sending")
            made.go()
            thread.join(timeout=60)
    assert made.job(run)["status"] == "succeeded"
    assert made.job(run)["lost"] == 0
    assert not made.events("run lost")


@pytest.mark.slow
def test_what_a_worker_that_was_killed_left_open_is_resolved_by_the_sweep(work: Make, hook: Hook) -> None:
    made = work(hook.url, MEMORY)
    project = load_project(made.project.folder)
    index = Index(project)
    index.refresh()

    def look() -> list[str]:
        found = sweep(project, "dev", index.entries.values(), made.store, datetime.now(UTC))
        return [alert.key for alert in found if alert.kind.startswith("run_near")]

    [run] = made.put()
    worker = made.spawn()
    made.begun()
    assert hook.heard.get(timeout=60) == ("raised", "run_near_memory:p")
    assert look() == ["run_near_memory:p"]
    worker.send_signal(signal.SIGKILL)
    worker.communicate()
    made.project.write("pipelines/p.yml", pipeline())
    made.work()  # takes it over, and is nowhere near
    assert made.job(run)["status"] == "succeeded"
    assert [alert["key"] for alert in made.store.alerts.alerts("dev", limit=None)] == ["run_near_memory:p"]
    assert look() == []
    assert hook.heard.get(timeout=60)[0] == "raised"  # by the first look: throttle is 0
    assert hook.heard.get(timeout=60) == ("resolved", "run_near_memory:p")
    assert made.store.alerts.alerts("dev", limit=None) == []
