"""The queue's promises one by one, on SQLite and PostgreSQL. At random: test_property_queue.py."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from sluiceway.errors import StoreError
from sluiceway.store.queue import Claim, JobRequest, Queue
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
POOLS = {"default": 1_000}


def put(store: Store, *requests: JobRequest) -> list[int | None]:
    return store.queue.put("dev", requests, NOW)


def claim(store: Store, limit: int = 1, now: datetime = NOW, **pools: int) -> list[Claim]:
    return store.queue.claim("dev", "w", pools or POOLS, now, limit)


def finish(store: Store, claims: Sequence[Claim], status: str = "succeeded") -> None:
    for one in claims:
        assert store.queue.finish(one, status, NOW)


def states(store: Store) -> dict[str, str]:
    return {job["pipeline"]: job["status"] for job in store.queue.jobs("dev", limit=None)}


def test_a_thousand_jobs_of_one_pipeline_do_not_stand_before_the_first_of_another(store: Store) -> None:
    put(store, *[JobRequest("a")] * 1_000)
    finish(store, claim(store, 100))
    put(store, *[JobRequest("b")] * 10)
    order = [one.pipeline for one in claim(store, 20)]
    assert Counter(order) == {"a": 10, "b": 10}
    for length in range(2, 20):
        counted = Counter(order[:length])
        assert abs(counted["a"] - counted["b"]) <= 1


def test_who_was_served_before_gets_no_more_than_its_turn(store: Store) -> None:
    """A pipeline that had been idle does not catch up on what it never asked for."""
    put(store, JobRequest("idle"))
    finish(store, claim(store))
    put(store, *[JobRequest("a")] * 50)
    finish(store, claim(store, 30))
    running = claim(store, 1)
    put(store, *[JobRequest("idle")] * 20)
    order = [one.pipeline for one in claim(store, 10)]
    assert Counter(order) == {"a": 5, "idle": 5}
    finish(store, running)


def test_an_urgent_job_goes_first_and_fairness_is_among_equals(store: Store) -> None:
    put(store, *[JobRequest("a")] * 5, JobRequest("late", priority=1), JobRequest("later", priority=-1))
    assert [one.pipeline for one in claim(store, 10)] == ["late", *"aaaaa", "later"]


def test_a_job_is_not_claimed_before_it_is_due(store: Store) -> None:
    soon = NOW + timedelta(seconds=1)
    put(store, JobRequest("a", due_at=soon))
    assert claim(store) == []
    assert [one.pipeline for one in claim(store, now=soon)] == ["a"]


def test_keys_once_and_in_the_queue(store: Store) -> None:
    first, second = put(store, JobRequest("a", once_key="tick 1"), JobRequest("a", once_key="tick 1"))
    assert (first is None, second) == (False, None)
    finish(store, claim(store))
    assert put(store, JobRequest("a", once_key="tick 1")) == [None]
    [waits] = put(store, JobRequest("b", dedup_key="b"))
    assert put(store, JobRequest("b", dedup_key="b")) == [None]
    [running] = claim(store)
    assert running.id == waits
    [another] = put(store, JobRequest("b", dedup_key="b"))  # one runs, one waits
    assert another is not None
    assert put(store, JobRequest("b", dedup_key="b")) == [None]
    assert store.queue.again(running, NOW, NOW)  # both wait now: the second may, without its key
    assert [job["dedup_key"] for job in store.queue.jobs("dev", status=["queued"])] == ["b", None]


def test_environments_are_apart(store: Store) -> None:
    put(store, JobRequest("a", once_key="k", concurrency_key="a", pool="one"))
    assert store.queue.put("prod", [JobRequest("a", once_key="k", concurrency_key="a", pool="one")], NOW) != [
        None
    ]
    assert len(claim(store, 5, one=1)) == 1
    assert len(store.queue.claim("prod", "w", {"one": 1}, NOW, 5)) == 1


def test_one_of_a_key_runs_at_once_and_others_go_on(store: Store) -> None:
    put(store, *[JobRequest("a", concurrency_key="a")] * 200, JobRequest("b", concurrency_key="b"))
    got = claim(store, 10)
    assert [one.pipeline for one in got] == ["a", "b"]
    assert claim(store, 10) == []
    finish(store, got[:1])
    assert [one.pipeline for one in claim(store, 10)] == ["a"]


def test_a_key_of_several_slots_and_one_that_was_made_smaller(store: Store) -> None:
    put(store, *[JobRequest("a", concurrency_key="g", concurrency=3)] * 10)
    got = claim(store, 10)
    assert len(got) == 3
    put(store, JobRequest("b", concurrency_key="g", concurrency=1, priority=9))
    finish(store, got[:2])
    # one still runs: whoever wants to be alone waits, whoever does not goes on
    assert [one.pipeline for one in claim(store, 1)] == ["a"]
    assert states(store)["b"] == "queued"


def test_a_full_pool_holds_nobody_up(store: Store) -> None:
    put(store, *[JobRequest("a", pool="db", priority=5)] * 100, JobRequest("b"))
    assert [one.pipeline for one in claim(store, 10, db=2, default=4)] == ["a", "a", "b"]
    assert claim(store, 10, db=2, default=4) == []
    assert claim(store, 10, other=4) == []


def test_an_old_token_says_nothing(store: Store) -> None:
    put(store, JobRequest("a"))
    [old] = claim(store)
    [lost] = store.queue.orphans("dev", {old.id: old.token}, NOW)
    assert (lost["status"], lost["lost"]) == ("queued", 1)
    [new] = claim(store)
    assert (new.id, new.run_id, new.token) == (old.id, old.run_id, old.token + 1)
    queue = store.queue
    assert queue.heartbeat(old, NOW) == "gone"
    assert not queue.is_claimed(old.id, old.token)
    assert not queue.finish(old, "succeeded", NOW)
    assert not queue.again(old, NOW, NOW)
    assert not queue.give_back(old, NOW)
    assert queue.orphans("dev", {old.id: old.token}, NOW) == []
    [job] = queue.jobs("dev")
    assert (job["status"], job["token"], job["attempt"], job["lost"]) == ("running", new.token, 1, 1)
    assert queue.is_claimed(new.id, new.token)


def test_a_job_that_loses_its_third_worker_is_failed_and_its_run_says_so(store: Store) -> None:
    put(store, JobRequest("a"), JobRequest("b", needs=(0,)))
    for _ in range(3):
        [one] = claim(store)
        store.begin_run(one.run_id, "a", "dev", NOW)
        [job] = store.queue.orphans("dev", {one.id: one.token}, NOW, poison=3)
    assert job["status"] == "failed"
    assert "3 workers" in job["error"]["message"]
    assert claim(store, 5) == []
    runs = {run["pipeline"]: (run["status"], run["error"]["message"]) for run in store.runs()}
    assert runs["a"] == ("failed", job["error"]["message"])
    assert runs["b"] == ("skipped", "a, which it needs, failed")


@pytest.mark.parametrize(
    ("status", "how"), [("failed", "failed"), ("blocked", "was blocked"), ("cancelled", "was cancelled")]
)
def test_what_needs_it_is_skipped_with_the_reason(store: Store, status: str, how: str) -> None:
    put(store, JobRequest("a"), JobRequest("b"), JobRequest("c", needs=(0, 1)), JobRequest("d", needs=(2,)))
    got = claim(store, 5)
    assert [one.pipeline for one in got] == ["a", "b"]
    finish(store, got[:1])
    assert claim(store) == []
    finish(store, got[1:], status)
    assert states(store) == {"a": "succeeded", "b": status, "c": "skipped", "d": "skipped"}
    said = {run["pipeline"]: run["error"]["message"] for run in store.runs(status="skipped")}
    assert said == {"c": f"b, which it needs, {how}", "d": "c, which it needs, was skipped"}


def test_a_chain_of_two_thousand_is_run_in_order_or_skipped_to_its_end(store: Store) -> None:
    chain = [JobRequest(f"p{n}", needs=(n - 1,) if n else ()) for n in range(2_000)]
    put(store, *chain)
    for n in range(3):
        [one] = claim(store, 5)
        assert one.pipeline == f"p{n}"
        finish(store, [one])
    [one] = claim(store)
    finish(store, [one], "failed")
    assert store.queue.counts("dev") == {"succeeded": 3, "failed": 1, "skipped": 1_996}
    assert not store.queue.busy("dev")


def test_a_need_that_was_left_out_is_not_waited_for(store: Store) -> None:
    put(store, JobRequest("a", dedup_key="a"))
    ids = put(store, JobRequest("a", dedup_key="a"), JobRequest("b"), JobRequest("c", needs=(0, 1)))
    assert [found is None for found in ids] == [True, False, False]
    finish(store, claim(store, 2))
    assert [one.pipeline for one in claim(store, 5)] == ["c"]


def test_a_job_that_needs_a_later_one_is_a_mistake_of_the_caller(store: Store) -> None:
    with pytest.raises(ValueError, match="stand before"):
        put(store, JobRequest("a", needs=(1,)), JobRequest("b"))
    with pytest.raises(ValueError, match="name a run"):
        store.queue.cancel("dev", NOW)
    assert store.queue.jobs() == []


def test_all_of_a_put_or_nothing(store: Store) -> None:
    with pytest.raises(StoreError):
        put(store, JobRequest("a"), JobRequest("b", trigger=None))  # type: ignore[arg-type]
    assert store.queue.jobs() == []


def test_cancel_ends_what_waits_and_asks_what_runs(store: Store) -> None:
    put(store, *[JobRequest("a", group_id="g")] * 3, JobRequest("b", needs=(0,)), JobRequest("z"))
    [runs] = claim(store)
    assert store.queue.cancel("dev", NOW, group_id="g") == (2, 1)
    assert store.queue.heartbeat(runs, NOW) == "cancel"
    assert Counter(run["status"] for run in store.runs()) == {"cancelled": 2}
    # its worker tries again, or drains, or dies: it is over all the same
    assert store.queue.again(runs, NOW, NOW)
    assert states(store) == {"a": "cancelled", "b": "skipped", "z": "queued"}
    assert [one.pipeline for one in claim(store, 5)] == ["z"]


def test_a_job_that_was_cancelled_does_not_come_back_from_a_worker_that_died(store: Store) -> None:
    put(store, JobRequest("a"))
    [one] = claim(store)
    store.begin_run(one.run_id, "a", "dev", NOW)
    store.queue.cancel("dev", NOW, run_id=one.run_id)
    [job] = store.queue.orphans("dev", {one.id: one.token}, NOW)
    assert (job["status"], job["lost"]) == ("cancelled", 0)
    assert store.run(one.run_id)["status"] == "cancelled"


def test_given_back_it_stands_where_it_stood(store: Store) -> None:
    put(store, JobRequest("a", due_at=NOW - timedelta(hours=1)), JobRequest("b"))
    before = store.queue.jobs("dev", pipeline="a")
    [one] = claim(store)
    assert store.queue.give_back(one, NOW)
    [after] = store.queue.jobs("dev", pipeline="a")
    assert after == {**before[0], "token": 1}
    assert claim(store)[0].pipeline == "a"


def test_the_next_try_waits_and_is_counted(store: Store) -> None:
    put(store, JobRequest("a", attempts=3))
    [one] = claim(store)
    later = NOW + timedelta(seconds=30)
    assert store.queue.again(one, later, NOW, {"message": "lost the connection"})
    assert claim(store) == []
    [two] = claim(store, now=later)
    assert (two.attempt, two.attempts, two.run_id) == (2, 3, one.run_id)


def test_running_names_the_process_of_the_worker(store: Store) -> None:
    store.workers.hello("w", "worker", "dev", NOW)
    put(store, JobRequest("a"), JobRequest("b"))
    mine, others = claim(store)[0], store.queue.claim("dev", "unheard of", POOLS, NOW)[0]
    found = {job["id"]: job for job in store.queue.running("dev")}
    assert found[mine.id]["pid"] is not None
    assert (found[others.id]["worker"], found[others.id]["pid"]) == ("unheard of", None)
    assert found[mine.id]["heartbeat_at"] == NOW


def test_what_ended_long_ago_is_forgotten_and_what_waits_is_not(store: Store) -> None:
    put(store, *[JobRequest("a", once_key=f"k{n}", group_id="old") for n in range(2_050)])
    store.queue.cancel("dev", NOW, group_id="old")
    put(store, JobRequest("b", once_key="b"))
    assert store.queue.prune(NOW) == 0
    assert store.queue.prune(NOW + timedelta(seconds=1)) == 2_050
    assert store.queue.counts() == {"queued": 1}
    again = put(store, JobRequest("a", once_key="k0"), JobRequest("b", once_key="b"))
    assert [found is None for found in again] == [False, True]


def test_the_next_job_is_found_by_the_index_however_long_the_queue(tmp_path: Path) -> None:
    """Without it each claim sorts the whole queue."""
    from sqlalchemy import event

    said: list[tuple[str, Any]] = []
    with Store.open(f"sqlite:///{tmp_path}/m.db") as store:
        put(store, *[JobRequest("a", concurrency_key=f"k{n % 3}") for n in range(50)])

        @event.listens_for(store._engine, "before_cursor_execute")
        def _(con: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
            said.append((statement, parameters))

        claim(store, 2)
        put(store, JobRequest("a"))
        queries = [one for one in said if one[0].startswith("SELECT") and "FROM jobs" in one[0]]
        with store._engine.connect() as con:
            plans = [
                " ".join(row[3] for row in con.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values))
                for sql, values in queries
            ]
    assert any("ix_jobs_next" in plan for plan in plans)
    assert any("ix_jobs_turn" in plan for plan in plans)
    assert [plan for plan in plans if "SCAN jobs" in plan or "FOR ORDER BY" in plan] == []


def test_nothing_is_asked_of_a_queue_by_nobody(store: Store) -> None:
    queue: Queue = store.queue
    assert queue.put("dev", [], NOW) == []
    assert queue.orphans("dev", {}, NOW) == []
    assert queue.running("dev") == []
    assert claim(store, 0) == []
