"""A run that is killed right after its COMMIT: the next one says for it that it has succeeded, once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.openlineage_spec import validator

from sluiceway.spec.project import load_project
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from tests.integration.conftest import ProjectOnDisk

SETTINGS = """\
project: shop
lineage: {type: file, path: lineage.jsonl}
alerts: [{to: 'file:alerts.jsonl', throttle: 0}]
"""
PIPELINE = """\
pipeline: p
owner: sales
retry: {attempts: 2, delay: 0s}
sources: {a: {type: csv, path: a.csv}}
rules: [{not_null: id}, {range: {column: id, min: 0}}]
destination: {table: mart.p, mode: append}
"""
CHILD = """\
import os, signal, sys
from pathlib import Path
from sluiceway.events import NodeFinished
from sluiceway.run.runner import run
from sluiceway.run.ticket import Ticket
from sluiceway.spec.pipeline import PipelineConfig
from sluiceway.spec.project import find_pipeline, load_project
from sluiceway.spec.resolve import resolve

folder, run_id = sys.argv[1:]

def die(event):
    if isinstance(event, NodeFinished) and event.node == "publish":
        os.kill(os.getpid(), signal.SIGKILL)

project = load_project(Path(folder))
ticket = Ticket(run_id, retries=True) if run_id else None
run(resolve(PipelineConfig.load(find_pipeline(project, "p")), project), progress=die, ticket=ticket)
"""


@pytest.fixture
def shop(make_project: Any) -> ProjectOnDisk:
    made: ProjectOnDisk = make_project(
        {"a.csv": "id\n1\n2\n", "pipelines/p.yml": PIPELINE}, settings=SETTINGS
    )
    return made


def killed(project: ProjectOnDisk, run_id: str = "") -> str:
    """Its id."""
    command = [sys.executable, "-c", CHILD, str(project.folder), run_id]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with Store.open(load_project(project.folder).metadata) as store:
        (run,) = store.runs(limit=1)
    assert run["status"] == "running"
    return str(run["run_id"])


def told(project: ProjectOnDisk) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (project.folder / "lineage.jsonl").read_text().splitlines()]


def kinds(project: ProjectOnDisk) -> Counter[tuple[str, str]]:
    return Counter((event["run"]["runId"], event["eventType"]) for event in told(project))


def alerts(project: ProjectOnDisk) -> list[tuple[str, str]]:
    lines = (project.folder / "alerts.jsonl").read_text().splitlines()
    return [
        (alert["key"], message["kind"]) for message in map(json.loads, lines) for alert in message["alerts"]
    ]


def test_lineage_has_the_end_of_a_run_that_was_killed_after_its_commit(shop: ProjectOnDisk) -> None:
    dead = killed(shop)
    assert kinds(shop) == {(dead, "START"): 1}
    live = shop.run("p")
    assert live.error is None
    both = {(dead, "START"): 1, (dead, "RUNNING"): 1, (dead, "COMPLETE"): 1}
    assert kinds(shop) == both | {(live.run_id, "START"): 1, (live.run_id, "COMPLETE"): 1}
    (end,) = [e for e in told(shop) if e["eventType"] == "COMPLETE" and e["run"]["runId"] == dead]
    (output,) = end["outputs"]
    assert output["name"] == "mart.p"
    assert [field["name"] for field in output["facets"]["schema"]["fields"]] == ["id"]
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 2
    assert "dataQualityAssertions" not in output["facets"]  # nobody knows any more what its checks found
    again = shop.run("p")
    assert again.error is None
    assert kinds(shop)[(dead, "COMPLETE")] == 1
    assert shop.rows("mart.p") == [(1,)] * 3 + [(2,)] * 3


def test_what_is_told_fits_the_specification(shop: ProjectOnDisk) -> None:
    validate = validator()
    killed(shop)
    assert shop.run("p").error is None
    for event in told(shop):
        validate(event)


def test_another_try_of_the_killed_run_itself_says_it_once(shop: ProjectOnDisk) -> None:
    from sluiceway.run.ticket import Ticket

    dead = killed(shop, "01a21df6-467c-78d3-a461-97a380776ac9")
    for claim in ("2", "3"):
        assert shop.run("p", ticket=Ticket(dead, 1, claim)).status == "succeeded"
    assert kinds(shop) == {(dead, "START"): 1, (dead, "RUNNING"): 1, (dead, "COMPLETE"): 1}
    assert shop.rows("mart.p") == [(1,), (2,)]


def test_alerts_of_before_it_are_over_when_the_next_run_is(shop: ProjectOnDisk) -> None:
    shop.write("a.csv", "id\n-1\n")
    assert shop.run("p").status == "blocked"
    shop.write("a.csv", "id\n1\n2\n")
    killed(shop)
    shop.write("a.csv", "id\n-1\n")
    assert shop.run("p").status == "blocked"
    # the killed one put an end to what was before it, and to nothing that came after it
    assert alerts(shop) == [("gate_blocked:p", kind) for kind in ("raised", "resolved", "raised")]


def test_a_run_that_was_not_published_is_not_said_to_be(shop: ProjectOnDisk) -> None:
    child = CHILD.replace("NodeFinished", "NodeStarted")
    done = subprocess.run([sys.executable, "-c", child, str(shop.folder), ""], timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL
    live = shop.run("p")
    complete = [e["run"]["runId"] for e in told(shop) if e["eventType"] == "COMPLETE"]
    assert complete == [live.run_id]
    assert Path(shop.folder / "lineage.jsonl").exists()
