"""The queue against a list in memory that does the same by hand, on SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from sluiceway.ids import new_run_id
from sluiceway.store.queue import Claim, JobRequest, Queue
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
POOLS = ("default", "db")


@dataclass
class Job:
    """What the model knows of a job."""

    id: int
    request: JobRequest
    due_at: datetime
    turn: int
    needs: set[int]
    status: str = "queued"
    token: int = 0
    attempt: int = 1
    lost: int = 0
    cancel: bool = False
    dedup_key: str | None = None
    slots: tuple[int | None, int] | None = None
    reason: str | None = None


@dataclass
class Model:
    """Statement by statement what queue.py promises, in the most obvious way."""

    jobs: dict[int, Job] = field(default_factory=dict)

    def having(self, *status: str) -> list[Job]:
        return [job for job in self.jobs.values() if job.status in status]

    def waits_for(self, job: Job) -> int:
        return sum(self.jobs[need].status != "succeeded" for need in job.needs)

    def is_new(self, request: JobRequest) -> bool:
        once = request.once_key is not None and request.once_key in {
            j.request.once_key for j in self.jobs.values()
        }
        twice = request.dedup_key is not None and request.dedup_key in {
            j.dedup_key for j in self.having("queued")
        }
        return not once and not twice

    def served(self) -> dict[tuple[str, int], int]:
        """The turn that each pool and priority has come to."""
        found: dict[tuple[str, int], int] = {}
        for job in self.having("queued"):
            if self.waits_for(job) == 0:
                place = (job.request.pool, job.request.priority)
                found[place] = min(found.get(place, job.turn), job.turn)
        running: dict[tuple[str, int], int] = {}
        for job in self.having("running"):
            place = (job.request.pool, job.request.priority)
            running[place] = max(running.get(place, 0), job.turn)
        return found | running

    def last(self) -> dict[tuple[str, str, int], int]:
        found: dict[tuple[str, str, int], int] = {}
        for job in self.having("queued", "running"):
            place = (job.request.pipeline, job.request.pool, job.request.priority)
            found[place] = max(found.get(place, -1), job.turn)
        return found

    def claimable(self, pools: dict[str, int], now: datetime) -> Job | None:
        def used(**same: Any) -> int:
            return sum(
                all(getattr(j.request, k) == v for k, v in same.items()) for j in self.having("running")
            )

        ready = [
            job
            for job in self.having("queued")
            if self.waits_for(job) == 0
            and job.due_at <= now
            and used(pool=job.request.pool) < pools.get(job.request.pool, 0)
            and (
                job.request.concurrency_key is None
                or used(concurrency_key=job.request.concurrency_key) < job.request.concurrency
            )
        ]
        return min(ready, key=lambda j: (-j.request.priority, j.turn, j.id), default=None)

    def end(self, job: Job, status: str) -> None:
        job.status = status
        if status == "succeeded":
            return
        for other in self.having("queued"):
            if job.id in other.needs:
                self.end(other, "skipped")

    def requeue(self, job: Job) -> None:
        if job.cancel:
            self.end(job, "cancelled")
            return
        if job.dedup_key in {j.dedup_key for j in self.having("queued")}:
            job.dedup_key = None
        job.status = "queued"


def requests() -> st.SearchStrategy[list[JobRequest]]:
    one = st.builds(
        JobRequest,
        pipeline=st.sampled_from(["a", "a", "b", "c"]),
        once_key=st.sampled_from([None, None, None, "o1", "o2"]),
        dedup_key=st.sampled_from([None, None, "d1", "d2"]),
        concurrency_key=st.sampled_from([None, None, "k1", "k2"]),
        concurrency=st.integers(1, 2),
        pool=st.sampled_from(POOLS),
        priority=st.sampled_from([0, 0, 0, 1]),
        attempts=st.just(3),
        group_id=st.sampled_from([None, "g"]),
        due_at=st.sampled_from([None, None, None, START + timedelta(seconds=8)]),
        run_id=st.builds(new_run_id),
        needs=st.one_of(
            st.just(()), st.sets(st.integers(0, 5), max_size=2).map(lambda found: tuple(sorted(found)))
        ),
    )

    def possible(found: list[JobRequest]) -> list[JobRequest]:
        return [
            JobRequest(**{**vars(r), "needs": tuple(n for n in r.needs if n < place)})
            for place, r in enumerate(found)
        ]

    return st.lists(one, min_size=1, max_size=6).map(possible)


class Machine(RuleBasedStateMachine):
    """Each rule does one thing to both, and compares what is said."""

    store: Store

    def __init__(self) -> None:
        super().__init__()
        self.queue: Queue = self.store.queue
        self.environment = new_run_id()  # its own, so that one database serves all
        self.model = Model()
        self.now = START
        self.claims: list[Claim] = []

    @rule(wanted=requests())
    def put(self, wanted: list[JobRequest]) -> None:
        served, last = self.model.served(), self.model.last()
        ids = self.queue.put(self.environment, wanted, self.now)
        for request, given in zip(wanted, ids, strict=True):
            place = (request.pipeline, request.pool, request.priority)
            turn = max(last.get(place, -1) + 1, served.get(place[1:], 0))
            last[place] = turn
            assert (given is not None) == self.model.is_new(request)
            if given is None:
                continue
            needs = {need for at in request.needs if (need := ids[at]) is not None}
            job = Job(given, request, request.due_at or self.now, turn, needs, dedup_key=request.dedup_key)
            self.model.jobs[given] = job

    @rule(
        pools=st.sampled_from([{"default": 9, "db": 9}, {"default": 9, "db": 1}, {"db": 2}, {"default": 2}]),
        limit=st.integers(0, 4),
    )
    def claim(self, pools: dict[str, int], limit: int) -> None:
        got = self.queue.claim(self.environment, "w", pools, self.now, limit)
        for claim in got:
            expected = self.model.claimable(pools, self.now)
            assert expected is not None
            assert claim.id == expected.id
            expected.status, expected.token = "running", expected.token + 1
            assert claim.token == expected.token
            assert (claim.run_id, claim.attempt) == (expected.request.run_id, expected.attempt)
        if len(got) < limit:
            assert self.model.claimable(pools, self.now) is None
        self.claims += got

    def held(self, claim: Claim) -> Job | None:
        job = self.model.jobs[claim.id]
        return job if (job.status, job.token) == ("running", claim.token) else None

    def any_claim(self, data: st.DataObject) -> Claim | None:
        """One that stands, or one that stood once."""
        if not self.claims:
            return None
        standing = [claim for claim in self.claims if self.held(claim)]
        running = {job.id for job in self.model.having("running")}
        fenced = [claim for claim in self.claims if claim.id in running and not self.held(claim)]
        return data.draw(st.sampled_from(standing + fenced + fenced + self.claims[-1:]))

    @rule(data=st.data(), status=st.sampled_from(["succeeded", "succeeded", "failed", "blocked"]))
    def finish(self, data: st.DataObject, status: str) -> None:
        if (claim := self.any_claim(data)) is None:
            return
        job = self.held(claim)
        assert self.queue.is_claimed(claim.id, claim.token) == (job is not None)
        assert self.queue.finish(claim, status, self.now) == (job is not None)
        if job is not None:
            self.model.end(job, status)

    @rule(data=st.data(), wait=st.integers(0, 10))
    def again(self, data: st.DataObject, wait: int) -> None:
        if (claim := self.any_claim(data)) is None:
            return
        job, due = self.held(claim), self.now + timedelta(seconds=wait)
        assert self.queue.again(claim, due, self.now) == (job is not None)
        if job is not None:
            self.model.requeue(job)
            if job.status == "queued":
                job.attempt, job.due_at = job.attempt + 1, due

    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        if (claim := self.any_claim(data)) is None:
            return
        job = self.held(claim)
        assert self.queue.give_back(claim, self.now) == (job is not None)
        if job is not None:
            self.model.requeue(job)

    @rule(data=st.data())
    def heartbeat(self, data: st.DataObject) -> None:
        if (claim := self.any_claim(data)) is None:
            return
        job = self.held(claim)
        said = self.queue.heartbeat(claim, self.now, {"node": "stage"})
        assert said == ("gone" if job is None else "cancel" if job.cancel else "go on")

    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        if (claim := self.any_claim(data)) is None:
            return
        job = self.held(claim)
        found = self.queue.orphans(self.environment, {claim.id: claim.token}, self.now, poison=2)
        assert [one["id"] for one in found] == ([] if job is None else [claim.id])
        if job is None:
            return
        if not job.cancel and job.lost + 1 >= 2:
            self.model.end(job, "failed")
        else:
            self.model.requeue(job)
            job.lost += job.status == "queued"

    @rule(pipeline=st.sampled_from(["a", "b"]), group=st.sampled_from([None, "g"]))
    def cancel(self, pipeline: str, group: str | None) -> None:
        def meant(job: Job) -> bool:
            return job.request.pipeline == pipeline and group in (None, job.request.group_id)

        running = [job for job in self.model.having("running") if meant(job)]
        queued = [job for job in self.model.having("queued") if meant(job)]
        said = self.queue.cancel(self.environment, self.now, pipeline=pipeline, group_id=group)
        assert said == (len(queued), len(running))
        for job in running:
            job.cancel = True
        for job in queued:
            job.status = "cancelled"
        for job in queued:
            self.model.end(job, "cancelled")

    @rule(seconds=st.integers(1, 10))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @invariant()
    def both_say_the_same(self) -> None:
        found = {job["id"]: job for job in self.queue.jobs(self.environment, limit=None)}
        assert found.keys() == self.model.jobs.keys()
        for job in self.model.jobs.values():
            row = found[job.id]
            assert (row["status"], row["token"], row["attempt"], row["lost"], row["turn"], row["cancel"]) == (
                job.status, job.token, job.attempt, job.lost, job.turn, job.cancel,
            )  # fmt: skip
            if job.status == "queued":
                assert (row["waiting"], row["dedup_key"]) == (self.model.waits_for(job), job.dedup_key)
            assert (row["pool_slot"] is not None) == (job.status == "running")
        running = [row for row in found.values() if row["status"] == "running"]
        slots = [(r["concurrency_key"], r["slot"]) for r in running if r["concurrency_key"]]
        assert len(slots) == len(set(slots))


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Store]:
    url = (
        f"sqlite:///{tmp_path}/m.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    )
    with Store.open(url) as opened:
        yield opened


def test_the_queue_does_what_a_list_in_memory_does(store: Store) -> None:
    machine = type("Bound", (Machine,), {"store": store})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=50, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck),
            # a run that is shrunk takes minutes: add Phase.shrink by hand where one is to be looked at
            phases=(Phase.explicit, Phase.reuse, Phase.generate),
        ),
    )  # fmt: skip
