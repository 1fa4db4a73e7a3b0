"""Sums over the store, on SQLite and PostgreSQL: what is counted, and what is the last."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sluiceway.events import RunFinished, RunStarted
from sluiceway.ids import new_run_id
from sluiceway.store.queue import JobRequest
from sluiceway.store.tally import BUCKETS

if TYPE_CHECKING:
    from sluiceway.store.store import Store

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def check(id: str, failing: int, **more: Any) -> dict[str, Any]:
    return {
        "id": id, "rule": "range", "phase": "gate", "dimension": "accuracy", "severity": "error",
        "on_fail": "quarantine", "failing": failing, "total": 9, "passed": not failing, **more,
    }  # fmt: skip


def ran(store: Store, at: datetime, *, run_id: str | None = None, status: str = "succeeded",
        seconds: float = 2.0, kind: str = "run", checks: tuple[Any, ...] = ()) -> str:  # fmt: skip
    made = run_id or new_run_id()
    store.record_event(RunStarted(made, "p", at - seconds * SECOND, environment="dev", kind=kind))
    store.record_event(
        RunFinished(
            made, "p", at, environment="dev", status=status, seconds=seconds, kind=kind, checks=checks,
            records={"published": 3, "quarantined": 1}, quality_score=0.5,
        )
    )  # fmt: skip
    return made


def test_sums_are_by_pipeline_and_status_and_buckets_hold_what_is_no_longer(store: Store) -> None:
    for seconds in (0.5, 1.0, 7.0, 90_000.0):
        ran(store, NOW, seconds=seconds)
    ran(store, NOW + SECOND, status="failed")
    ran(store, NOW + SECOND, kind="check")
    good, bad = sorted(store.tally.take("dev", NOW).runs, key=lambda r: r.status != "succeeded")
    assert (good.runs, good.seconds, good.published, good.quarantined) == (4, 90_008.5, 12, 4)
    assert (good.timed, good.ended) == (4, NOW)
    assert dict(zip(BUCKETS, good.buckets, strict=True)) == {
        bound: 2 if bound < 10 else 3 for bound in BUCKETS
    }  # fmt: skip
    assert (bad.status, bad.runs) == ("failed", 1)
    assert store.tally.take("prod", NOW).runs == []


def test_a_run_that_is_tried_again_counts_once_it_has_ended_for_good(store: Store) -> None:
    run_id = new_run_id()
    store.queue.put("dev", [JobRequest("p", run_id=run_id, attempts=2)], NOW)
    (claim,) = store.queue.claim("dev", "w", {"default": 1}, NOW)
    ran(store, NOW + SECOND, run_id=run_id, status="failed")
    store.queue.again(claim, NOW + SECOND, NOW + SECOND, None)
    counts = [sum(r.runs for r in store.tally.take("dev", NOW).runs)]
    (claim,) = store.queue.claim("dev", "w", {"default": 1}, NOW + 2 * SECOND)
    ran(store, NOW + 3 * SECOND, run_id=run_id)
    counts.append(sum(r.runs for r in store.tally.take("dev", NOW).runs))
    assert store.tally.last("dev") == []
    store.queue.finish(claim, "succeeded", NOW + 4 * SECOND)
    counts.append(sum(r.runs for r in store.tally.take("dev", NOW).runs))
    assert counts == [0, 0, 1]


def test_the_last_run_is_that_which_ended_last_with_its_lag(store: Store) -> None:
    early = new_run_id()
    ran(store, NOW)
    job = JobRequest("p", "schedule", nominal_at=NOW, run_id=early)
    store.queue.put("dev", [job], NOW)
    (claim,) = store.queue.claim("dev", "w", {"default": 1}, NOW + 90 * SECOND)
    store.queue.finish(claim, "succeeded", NOW + 100 * SECOND)
    ran(store, NOW + 100 * SECOND, run_id=early, status="blocked")
    (last,) = store.tally.last("dev")
    assert (last.run_id, last.status, last.ended) == (early, "blocked", NOW + 100 * SECOND)
    assert (last.quality_score, last.lag) == (0.5, 90.0)


def test_two_runs_that_ended_at_once_are_one_series(store: Store) -> None:
    ids = [ran(store, NOW) for _ in range(3)]
    assert [last.run_id for last in store.tally.last("dev")] == [max(ids)]


def test_checks_are_those_of_the_last_run_each_once_and_none_in_shadow(store: Store) -> None:
    ran(store, NOW, checks=(check("old", 9),))
    both = (check("range:v", 2, source="a"), check("range:v", 5, source="b"))
    ran(store, NOW + SECOND, checks=(*both, check("tried", 4, shadow=True), check("fine", 0)))
    found = store.tally.take("dev", NOW).checks
    assert found == [("p", "fine", "accuracy", "error", 0), ("p", "range:v", "accuracy", "error", 5)]


def test_who_waits_longest_and_who_works(store: Store) -> None:
    assert store.tally.waiting("dev", NOW) == (None, 0)
    later = JobRequest("p", due_at=NOW + 60 * SECOND)
    store.queue.put("dev", [later, JobRequest("q", due_at=NOW - 60 * SECOND)], NOW)
    store.workers.hello("w", "worker", "dev", NOW)
    store.workers.hello("s", "scheduler", "dev", NOW)
    assert store.tally.waiting("dev", NOW) == (NOW - 60 * SECOND, 1)
    assert store.tally.waiting("dev", NOW + SECOND)[1] == 0
    assert store.tally.waiting("prod", NOW) == (None, 0)


def test_the_newest_point_of_health_is_the_last_that_was_kept(store: Store) -> None:
    for score in (90.0, 40.0):
        store.health.keep("dev", "p", NOW, score, [], [{"kind": "health_drop"}])
    store.health.keep("dev", "q", NOW, 70.0, [], [])
    found = store.health.newest("dev")
    assert found["p"] == {"at": NOW, "score": 40.0, "issues": [{"kind": "health_drop"}]}
    assert sorted(found) == ["p", "q"]
    assert store.health.newest("prod") == {}


def test_who_has_succeeded_for_its_moment_or_a_later_one(store: Store) -> None:
    minute = 60 * SECOND
    moments = {"p": None, "early": NOW - minute, "same": NOW, "late": NOW + minute}
    for name, moment in moments.items():
        run_id = new_run_id()
        begun = RunStarted(run_id, name, NOW + minute, environment="dev", kind="run", nominal_at=moment)
        store.record_event(begun)
        ended = RunFinished(run_id, name, NOW + 2 * minute, environment="dev", status="succeeded", kind="run")
        store.record_event(ended)
    for name, status, kind in (("failed", "failed", "run"), ("checked", "succeeded", "check")):
        run_id = new_run_id()
        store.record_event(RunStarted(run_id, name, NOW + minute, environment="dev", kind=kind))
        store.record_event(
            RunFinished(run_id, name, NOW + 2 * minute, environment="dev", status=status, kind=kind)
        )
    asked = dict.fromkeys([*moments, "failed", "checked", "never"], NOW)
    assert store.tally.succeeded("dev", asked) == {"p", "same", "late"}  # p: from when it began
    assert store.tally.succeeded("dev", dict.fromkeys(asked, NOW + minute)) == {"p", "late"}
    # each by its own moment, whoever's is the first
    assert store.tally.succeeded("dev", {"same": NOW + SECOND, "early": NOW - 90 * minute}) == {"early"}
    assert store.tally.succeeded("prod", asked) == set()
    assert store.tally.succeeded("dev", {}) == set()
