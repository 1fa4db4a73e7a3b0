"""What schedulers and backfills remember, on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sluiceway.store.queue import JobRequest

if TYPE_CHECKING:
    from sluiceway.store.store import Store

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def row(name: str, **more: Any) -> dict[str, Any]:
    return {
        "pipeline": name, "spec": {"crons": ["0 * * * *"], "every": None, "jitter": 0.0},
        "last_at": NOW, "next_at": LATER, "seen": {"files": {"ä.csv": "1:2"}}, "error": None, **more,
    }  # fmt: skip


def test_what_is_written_is_read_again(store: Store) -> None:
    store.schedules.write("dev", [row("p"), row("q", error="p.yml:3: wrong")], NOW)
    store.schedules.write("prod", [row("p", last_at=LATER)], NOW)
    found = store.schedules.all("dev")
    assert sorted(found) == ["p", "q"]
    for key, value in row("p").items():
        assert found["p"][key] == value
    assert found["q"]["error"] == "p.yml:3: wrong"


def test_some_names_are_some_rows_however_many_there_are(store: Store) -> None:
    names = [f"p{n}" for n in range(2_500)]
    store.schedules.write("dev", [row(name) for name in names], NOW)
    assert sorted(store.schedules.all("dev", ["p7", "p2499", "none"])) == ["p2499", "p7"]
    assert len(store.schedules.all("dev", names[:1_200])) == 1_200  # more than one statement binds
    assert len(store.schedules.all("dev", names)) == 2_500
    assert store.schedules.all("dev", []) == {}


def test_a_pause_stays_while_schedulers_write(store: Store) -> None:
    store.schedules.pause("dev", "p", True, "holiday", NOW)  # before any scheduler saw it
    store.schedules.write("dev", [row("p")], NOW)
    assert store.schedules.paused("dev") == {"p"}
    assert store.schedules.paused("prod") == set()
    found = store.schedules.all("dev")["p"]
    assert (found["reason"], found["last_at"]) == ("holiday", NOW)
    store.schedules.pause("dev", "p", False, None, LATER)
    found = store.schedules.all("dev")["p"]
    assert (found["paused"], found["last_at"], found["seen"]) == (False, NOW, row("p")["seen"])


def group(store: Store, id: str, count: int) -> None:
    store.groups.begin(id, "dev", "backfill", "p", {"from": "a"}, NOW)
    store.queue.put("dev", [JobRequest("p", group_id=id) for _ in range(count)], NOW)


def test_held_jobs_are_nobody_s_and_no_work_that_is_left(store: Store) -> None:
    group(store, "g", 3)
    group(store, "h", 1)
    [running] = store.queue.claim("dev", "w", {"default": 10}, NOW)
    assert store.queue.hold("dev", "g") == 2
    assert store.queue.hold("prod", "g") == 0
    [other] = store.queue.claim("dev", "w", {"default": 10}, LATER, limit=10)
    assert (running.group_id, other.group_id) == ("g", "h")
    for one in (running, other):
        store.queue.finish(one, "succeeded", LATER)
    assert not store.queue.busy("dev")
    assert store.queue.release("dev", "g", LATER) == 2
    assert store.queue.release("dev", "g", LATER) == 0
    assert store.queue.busy("dev")
    assert len(store.queue.claim("dev", "w", {"default": 10}, LATER, limit=10)) == 2


def test_a_held_job_is_cancelled_as_any_other(store: Store) -> None:
    group(store, "g", 2)
    store.queue.hold("dev", "g")
    assert store.queue.cancel("dev", LATER, group_id="g") == (2, 0)
    assert store.queue.release("dev", "g", LATER) == 0


def test_a_group_is_finished_when_nothing_of_it_is_left(store: Store) -> None:
    group(store, "g", 2)
    for status in ("succeeded", "failed"):
        found = store.groups.one("g")
        assert found is not None
        assert found["state"] == "running"
        [claim] = store.queue.claim("dev", "w", {"default": 10}, NOW)
        store.queue.finish(claim, status, LATER)
    found = store.groups.one("g")
    assert found is not None
    assert (found["state"], found["jobs"]) == ("finished", {"succeeded": 1, "failed": 1})
    assert store.groups.one("none") is None
    assert [g["id"] for g in store.groups.all("dev", "backfill")] == ["g"]
    assert store.groups.all("prod") == []


def test_a_key_is_known_as_long_as_its_job(store: Store) -> None:
    store.queue.put("dev", [JobRequest("p", once_key="schedule p x")], NOW)
    assert store.tally.queued("dev", ["schedule p x", "schedule p y"]) == {"schedule p x"}
    assert store.tally.queued("prod", ["schedule p x"]) == set()
    [claim] = store.queue.claim("dev", "w", {"default": 1}, NOW)
    store.queue.finish(claim, "succeeded", NOW)
    assert store.tally.queued("dev", ["schedule p x"]) == {"schedule p x"}
    store.queue.prune(LATER)
    assert store.tally.queued("dev", ["schedule p x"]) == set()
