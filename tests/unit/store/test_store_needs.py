"""``after``: a job waits for the last job of each pipeline that it needs, on SQLite and PostgreSQL."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from sluiceway.store.queue import Claim, JobRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sluiceway.store.store import Store

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
POOLS = {"default": 1_000}
MART = JobRequest("mart", after=("orders",))


def put(store: Store, *requests: JobRequest) -> list[int | None]:
    return store.queue.put("dev", requests, NOW)


def claim(store: Store, limit: int = 10) -> list[Claim]:
    return store.queue.claim("dev", "w", POOLS, NOW, limit)


def names(claims: Sequence[Claim]) -> list[str]:
    return [one.pipeline for one in claims]


def finish(store: Store, one: Claim, status: str = "succeeded") -> None:
    assert store.queue.finish(one, status, NOW)


def states(store: Store) -> list[tuple[str, str]]:
    return [(job["pipeline"], job["status"]) for job in reversed(store.queue.jobs("dev", limit=None))]


def test_it_waits_for_one_that_is_queued_and_for_one_that_runs(store: Store) -> None:
    put(store, JobRequest("orders"))
    put(store, MART)
    [orders] = claim(store)
    assert orders.pipeline == "orders"
    put(store, JobRequest("report", after=("orders", "nobody")))
    assert claim(store) == []
    finish(store, orders)
    assert sorted(names(claim(store))) == ["mart", "report"]


def test_of_several_the_last_one_before_it_counts(store: Store) -> None:
    put(store, JobRequest("orders"), MART, JobRequest("orders"), MART)
    first, second = claim(store)
    finish(store, first)
    assert names(claim(store)) == ["mart"]
    finish(store, second, "failed")
    assert states(store) == [
        ("orders", "succeeded"), ("mart", "running"), ("orders", "failed"), ("mart", "skipped"),
    ]  # fmt: skip


@pytest.mark.parametrize("status", ["failed", "blocked", "cancelled"])
def test_what_needs_a_run_that_did_not_succeed_is_skipped_with_the_reason(store: Store, status: str) -> None:
    put(store, JobRequest("orders"))
    [orders] = claim(store)
    finish(store, orders, status)
    put(store, MART, JobRequest("report", after=("mart",)))
    assert claim(store) == []
    assert states(store)[1:] == [("mart", "skipped"), ("report", "skipped")]
    jobs = {job["pipeline"]: job for job in store.queue.jobs("dev")}
    assert jobs["mart"]["error"]["message"].startswith("orders, which it needs, ")
    assert jobs["report"]["error"]["message"] == "mart, which it needs, was skipped"
    runs = {run["pipeline"]: run["status"] for run in store.runs()}
    assert (runs["mart"], runs["report"]) == ("skipped", "skipped")


def test_a_run_by_hand_that_succeeded_since_is_enough(store: Store) -> None:
    put(store, JobRequest("orders"))
    [orders] = claim(store)
    finish(store, orders, "failed")
    later = NOW + timedelta(minutes=1)
    store.begin_run("by-hand", "orders", "dev", later, 1, {}, kind="run")
    put(store, MART)
    assert claim(store) == []  # it has not ended
    store.mark("by-hand", "succeeded")
    put(store, MART)
    assert names(claim(store)) == ["mart"]


def test_a_backfill_and_another_environment_are_nobody_s_last(store: Store) -> None:
    put(store, JobRequest("orders", trigger="backfill"))
    store.queue.put("prod", [JobRequest("orders")], NOW)
    put(store, MART)
    assert sorted(names(claim(store))) == ["mart", "orders"]


def test_a_key_that_was_there_ties_nothing(store: Store) -> None:
    once = JobRequest("mart", after=("orders",), once_key="mart 1")
    put(store, once)
    put(store, JobRequest("orders"))
    assert put(store, once) == [None]
    assert sorted(names(claim(store))) == ["mart", "orders"]


def test_whoever_ends_one_while_another_is_tied_to_it_lets_it_go(store: Store) -> None:
    """At the same time: either the one that ends finds what follows, or that finds it ended."""
    for _ in range(60):
        put(store, JobRequest("orders"))
        [orders] = claim(store)
        gate = threading.Barrier(2)

        def end(one: Claim = orders, gate: threading.Barrier = gate) -> None:
            gate.wait()
            finish(store, one)

        thread = threading.Thread(target=end)
        thread.start()
        gate.wait()
        put(store, MART)
        thread.join()
        [mart] = claim(store)
        assert mart.pipeline == "mart"
        finish(store, mart)
