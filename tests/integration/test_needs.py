"""Scheduled runs wait for those of the pipelines in their ``depends_on``."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from tests.integration.clocked import MINUTE, START, Clocked

from sluiceway.orchestrate.scheduler import AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sluiceway.store.queue import Claim

POOLS = {"default": 100}


@pytest.fixture
def clocked(tmp_path: Path) -> Iterator[Clocked]:
    made = Clocked(tmp_path / "project")
    yield made
    made.store.close()


def claims(clocked: Clocked, minutes: int) -> list[Claim]:
    now = START + minutes * MINUTE + timedelta(seconds=30)
    return clocked.store.queue.claim("dev", "w", POOLS, now, 10)


def end(clocked: Clocked, claim: Claim, status: str = "succeeded") -> None:
    assert clocked.store.queue.finish(claim, status, START)


def test_runs_of_the_same_moment_go_in_order(clocked: Clocked) -> None:
    """Whatever they are called, and by the table too."""
    clocked.pipeline("a_report", "'*/10 * * * *'", 'depends_on: ["dataset:mart.b_mart"]')
    clocked.pipeline("b_mart", "'*/10 * * * *'", 'depends_on: ["pipeline:c_raw"]')
    clocked.pipeline("c_raw", "'*/10 * * * *'")
    scheduler = clocked.open()
    scheduler.tick(START, clocked.store)
    scheduler.tick(START + 10 * MINUTE, clocked.store)
    for expected in ("c_raw", "b_mart", "a_report"):
        [claim] = claims(clocked, 10)
        assert claim.pipeline == expected
        end(clocked, claim)


def test_what_needs_a_run_that_did_not_succeed_is_skipped_until_it_does(clocked: Clocked) -> None:
    clocked.pipeline("mart", "'*/10 * * * *'", 'depends_on: ["pipeline:raw"]')
    clocked.pipeline("raw", "'*/20 * * * *'")
    scheduler = clocked.open()
    scheduler.tick(START + MINUTE, clocked.store)
    for minutes, status in ((20, "blocked"), (40, "succeeded")):
        scheduler.tick(START + minutes * MINUTE, clocked.store)
        for claim in claims(clocked, minutes):
            end(clocked, claim, status if claim.pipeline == "raw" else "succeeded")
        for claim in claims(clocked, minutes):
            end(clocked, claim)
        scheduler.tick(START + (minutes + 10) * MINUTE, clocked.store)
        for claim in claims(clocked, minutes + 10):
            end(clocked, claim)
    jobs = [job for job in reversed(clocked.store.queue.jobs("dev")) if job["pipeline"] == "mart"]
    assert [job["status"] for job in jobs] == ["skipped", "skipped", "succeeded", "succeeded"]
    assert jobs[0]["error"]["message"] == "raw, which it needs, was blocked"


def test_a_tick_queues_a_part_of_what_is_due_at_once_and_the_next_one_the_rest(clocked: Clocked) -> None:
    """In order too: what is needed by one of the first is queued by its tick or by one before."""
    clocked.pipeline("a000", "'*/10 * * * *'", 'depends_on: ["pipeline:z"]')
    for n in range(1, AT_ONCE + 1):
        clocked.pipeline(f"a{n:03d}", "'*/10 * * * *'")
    clocked.pipeline("z", "'*/10 * * * *'")
    scheduler = clocked.open()
    scheduler.tick(START + MINUTE, clocked.store)
    now = START + 10 * MINUTE
    assert len(scheduler.tick(now, clocked.store)) == AT_ONCE
    assert scheduler.behind
    assert scheduler.tick(now, clocked.store) == ["z", "a000"]
    assert not scheduler.behind
    assert scheduler.tick(now, clocked.store) == []
    waiting = clocked.store.queue.jobs("dev", pipeline="a000")
    assert waiting[0]["waiting"] == 1


def test_each_moment_that_is_made_up_for_has_its_own(clocked: Clocked) -> None:
    clocked.pipeline("mart", "{every: 10m, catchup: all}", 'depends_on: ["pipeline:raw"]')
    clocked.pipeline("raw", "{every: 10m, catchup: all}")
    clocked.open().tick(START + MINUTE, clocked.store)
    clocked.open().tick(START + 31 * MINUTE, clocked.store)
    jobs = [(job["pipeline"], job["nominal_at"][14:16]) for job in reversed(clocked.store.queue.jobs("dev"))]
    assert jobs == [(name, moment) for moment in ("10", "20", "30") for name in ("raw", "mart")]


def test_a_circle_holds_nobody_up(clocked: Clocked) -> None:
    """It is an error elsewhere; schedules that were sound before go on."""
    clocked.pipeline("a", "'*/10 * * * *'", 'depends_on: ["pipeline:b"]')
    clocked.pipeline("b", "'*/10 * * * *'", 'depends_on: ["pipeline:a"]')
    scheduler = clocked.open()
    scheduler.tick(START + MINUTE, clocked.store)
    for minutes in (10, 20):
        scheduler.tick(START + minutes * MINUTE, clocked.store)
        for _ in range(2):
            for claim in claims(clocked, minutes):
                end(clocked, claim)
    assert {job["status"] for job in clocked.store.queue.jobs("dev")} == {"succeeded"}
    assert len(clocked.store.queue.jobs("dev")) == 4
    [said] = [event for event in clocked.said if event["event"] == "file broken"]
    assert "in a circle: a → b → a" in said["error"]


@pytest.mark.parametrize(
    "command", [("serve",), ("schedule", "run"), ("schedule", "run", "--once")], ids=" ".join
)
def test_a_circle_is_an_error_at_the_start(clocked: Clocked, command: tuple[str, ...]) -> None:
    clocked.pipeline("a", "'*/10 * * * *'", 'depends_on: ["pipeline:b"]')
    clocked.pipeline("b", "'*/10 * * * *'", 'depends_on: ["dataset:mart.a"]')
    clocked.open()
    words = [sys.executable, "-m", "sluiceway", *command, "--project", str(clocked.folder)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "a depends on pipeline:b" in done.stderr
    assert "b.yml:5" in done.stderr
    assert "Traceback" not in done.stderr
    listed = [
        sys.executable,
        "-m",
        "sluiceway",
        "schedule",
        "list",
        "--json",
        "--project",
        str(clocked.folder),
    ]
    done = subprocess.run(listed, capture_output=True, text=True, timeout=60, check=True)
    assert "in a circle" in str(json.loads(done.stdout)["broken"])
