"""The file for Prefect, and tasks by hand, in a real Prefect 3."""

from __future__ import annotations

import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from scripts.servers import free_port
from tests.integration.orchestrated import (
    FILES,
    LOST,
    add_long,
    environment_of,
    installed,
    judge,
    listed,
    run_in,
    runs_of,
    said_by,
)

from sluiceway.integrations.exporting import exported
from sluiceway.spec.project import load_project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def prefect() -> str:
    return installed("orchestrators")


@pytest.fixture
def made(make_project: Any) -> Any:
    return make_project(FILES)


def write(made: Any) -> None:
    made.write("ex_prefect.py", exported("prefect", load_project(made.folder)).text)


def settings(made: Any) -> dict[str, str]:
    from scripts.orchestrators import QUIET

    patient = {"PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120"}  # other tests run beside it
    return {"PREFECT_HOME": str(made.folder / "prefect"), **patient, **QUIET}


WHOLE = """
import ex_prefect, json
said = ["nothing"]
try:
    ex_prefect.everything("2026-11-28T06:00:00+00:00")
except Exception as error:
    said = [type(error).__name__, str(error).splitlines()[-1].strip()]
raw = ex_prefect.raw
print("SAID", json.dumps([*said, raw.retries, raw.retry_delay_seconds, sorted(raw.tags)]))
"""


def test_prefect_runs_them_in_order(made: Any, prefect: str) -> None:
    write(made)
    said = said_by(run_in(made, prefect, "-c", WHOLE, **settings(made)))
    assert said == ["Blocked", "range:v (block): 1 of 3", 2, [1, 2], ["daily", "sluiceway"]]
    judge(made)
    assert {run["nominal_at"] for run in listed(made)} == {"2026-11-28T06:00:00.000000Z"}


BY_HAND = """
import json, os, pathlib, signal, threading
from prefect import flow
from sluiceway.integrations.elsewhere import stopping
from sluiceway.integrations.prefect import sluiceway_flow, sluiceway_task

def results():
    return set(pathlib.Path().glob(".sluiceway/staging/*/result"))

def kill(before):
    while results() <= before:
        pass
    os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts behind it ignores it
slow = sluiceway_task("long", os.getcwd(), timeout_seconds=25)
long = sluiceway_task("long", os.getcwd())

@flow
def limited():
    return slow.submit().result()  # in a thread of Prefect's

@flow
def interrupted():
    with stopping():
        return long.submit().result()

lost = sluiceway_flow("lost", os.getcwd(), retries=1, retry_delay_seconds=1)
bad = sluiceway_flow("bad", os.getcwd(), retries=1, retry_delay_seconds=1)
said = []
for one in (lost, bad, limited):
    state = one(return_state=True)
    said.append(state.type.value)
threading.Thread(target=kill, args=[results()], daemon=True).start()  # a blocked run keeps its own
try:
    interrupted()
except BaseException as error:
    said.append(type(error).__name__)
print("SAID", json.dumps(said))
"""


def test_tasks_by_hand_are_tried_again_and_stopped(made: Any, prefect: str) -> None:
    """A lost connection is tried again and a block is not; a time limit and Ctrl-C stop the run too, though
    Prefect's threads go on."""
    made.write("pipelines/lost.yml", LOST)
    add_long(made)
    said = said_by(run_in(made, prefect, "-c", BY_HAND, **settings(made)))
    assert said == ["FAILED", "FAILED", "FAILED", "KeyboardInterrupt"]
    assert runs_of(made)[:3] == [("lost", "failed"), ("lost", "failed"), ("bad", "blocked")]
    assert runs_of(made)[3:] == [("long", "cancelled"), ("long", "cancelled")]
    assert not made.exists("mart.long")


@contextmanager
def running(made: Any, *command: str, **more: str) -> Iterator[None]:
    with (made.folder / "log.txt").open("ab") as log:
        process = subprocess.Popen(
            ["env", "--default-signal=INT", *command],  # what Prefect ends its server by
            cwd=made.folder, env=environment_of(made, **more), stdout=log, stderr=log,
        )  # fmt: skip
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


WAITING = """
from prefect.client.orchestration import get_client
from prefect.client.schemas.sorting import FlowRunSort
with get_client(sync_client=True) as client:  # its server takes no null for what is left out
    runs = client.read_flow_runs(sort=FlowRunSort.ID_DESC, limit=200)
    flows = {run.flow_id: client.read_flow(run.flow_id).name for run in runs}
print(sorted(flows[run.flow_id] for run in runs if not run.auto_scheduled))
"""


def test_a_served_file_keeps_its_schedule_and_runs_what_waits(made: Any, prefect: str) -> None:
    """``raw`` stands for the moments of its schedule; ``mart`` has none, and runs when ``raw`` did."""
    made.write("pipelines/raw.yml", FILES["pipelines/raw.yml"].replace('"0 6 * * *"', "every 20s"))
    write(made)
    port = free_port()
    more = {**settings(made), "PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}
    server = (prefect, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port))
    probe = f"import urllib.request as u; u.urlopen('http://127.0.0.1:{port}/api/health')"
    with running(made, *server, "--no-ui", **more):
        until(lambda: "Error" not in run_in(made, prefect, "-c", probe), made)
        with running(made, prefect, "ex_prefect.py", **more):
            until(lambda: ("raw", "succeeded") in runs_of(made), made)
    assert {run["pipeline"] for run in listed(made)} == {"raw"}
    assert listed(made)[0]["nominal_at"] is not None
    # Prefect 3.8's server on SQLite learns of new automations when it is started
    with running(made, *server, "--no-ui", **more):
        until(lambda: "Error" not in run_in(made, prefect, "-c", probe), made)
        run_in(made, prefect, "-c", "import ex_prefect; ex_prefect.raw_flow()", **more)
        until(lambda: "mart" in run_in(made, prefect, "-c", WAITING, **more), made)
        with running(made, prefect, "ex_prefect.py", **more):
            until(lambda: ("mart", "succeeded") in runs_of(made), made)
    moments = {run["pipeline"]: run["nominal_at"] for run in listed(made)}
    assert moments["mart"] is None
    assert made.rows("mart.a") == [(1, 5, 10), (3, 9, 18)]


def until(there: Callable[[], bool], made: Any) -> None:
    """Servers say nothing when they are ready: they are asked again and again."""
    end = time.monotonic() + 150
    while not there():
        assert time.monotonic() < end, (made.folder / "log.txt").read_text()[-4000:]
        time.sleep(0.5)
