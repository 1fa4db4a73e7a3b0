"""Many at one queue at once: nobody gets what another has, and nobody waits for one who waits for him."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from sluiceway.errors import StoreError
from sluiceway.store.queue import Claim, JobRequest
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

WORK = """
import json, sys
from datetime import UTC, datetime
from sluiceway.store.store import Store
url, name, limit = sys.argv[1], sys.argv[2], int(sys.argv[3])
now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
done = []
with Store.open(url) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    while store.queue.busy("dev"):
        claims = store.queue.claim("dev", name, {"default": 1000, "small": 2}, now, limit)
        for claim in claims:
            assert store.queue.is_claimed(claim.id, claim.token)
            assert store.queue.finish(claim, "succeeded", now)
            done.append([claim.id, claim.token])
print(json.dumps(done), flush=True)
"""


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/m.db"
    found: str = request.getfixturevalue("postgres_url")
    return found


def crowd(url: str, count: int, limit: int) -> list[list[tuple[int, int]]]:
    """What each of ``count`` processes claimed and finished, in its order: (job, token)."""
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORK, url, f"w{n}", str(limit)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for n in range(count)
    ]  # fmt: skip
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    said = []
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    for worker in workers:
        out, _ = worker.communicate(timeout=300)
        assert worker.returncode == 0
        said.append([(job, token) for job, token in json.loads(out)])
    return said


def test_four_processes_share_thousands_of_jobs_and_none_is_claimed_twice(url: str) -> None:
    requests = [
        JobRequest(f"p{n % 20}", pool="small" if n % 10 == 0 else "default", concurrency_key=f"k{n % 20}")
        for n in range(2_000)
    ]
    with Store.open(url) as store:
        ids = store.queue.put("dev", requests, NOW)
        said = crowd(url, 4, 3)
        done = [one for worker in said for one in worker]
        assert sorted(done) == [(job, 1) for job in ids]
        assert store.queue.counts("dev") == {"succeeded": 2_000}
        assert sum(1 for worker in said if worker) > 1, "one did it all: nothing was tried"


class Storm:
    """Threads that do each thing that is done to a queue, over and over, until one has done enough."""

    def __init__(self, store: Store) -> None:
        self.queue = store.queue
        self.errors: list[BaseException] = []
        self.over = threading.Event()
        self.claims: list[Claim] = []

    def loop(self, act: Callable[[random.Random], None], seed: int, times: int) -> None:
        dice = random.Random(seed)
        try:
            for _ in range(times):
                act(dice)
        except BaseException as error:  # noqa: BLE001  shown below
            self.errors.append(error)

    def put(self, dice: random.Random) -> None:
        """The same keys by all, in another order each time."""
        keys = [f"d{n}" for n in range(8)]
        dice.shuffle(keys)
        requests = [
            JobRequest(
                f"p{n % 3}", dedup_key=key, pool=f"pool{n % 2}", concurrency_key=f"k{n % 3}",
                needs=(n - 1,) if n % 3 else (), group_id=f"g{dice.randrange(3)}", attempts=2,
            )
            for n, key in enumerate(keys)
        ]  # fmt: skip
        self.queue.put("dev", requests, NOW)

    def put_one(self, dice: random.Random) -> None:
        self.queue.put("dev", [JobRequest("p", dedup_key=f"d{dice.randrange(8)}", pool="pool0")], NOW)

    def work(self, dice: random.Random) -> None:
        pools = {"pool0": 3, "pool1": 3} if dice.random() < 0.5 else {"pool1": 3, "pool0": 3}
        for claim in self.queue.claim("dev", "w", pools, NOW, 3):
            self.claims.append(claim)
            self.queue.heartbeat(claim, NOW, {"rows": 1})
            match dice.randrange(6):
                case 0:
                    self.queue.again(claim, NOW, NOW)
                case 1:
                    self.queue.give_back(claim, NOW)
                case 2:
                    self.queue.finish(claim, "failed", NOW)
                case 3:
                    pass  # its worker is never heard of again
                case _:
                    self.queue.finish(claim, "succeeded", NOW)

    def cancel(self, dice: random.Random) -> None:
        self.queue.cancel("dev", NOW, group_id=f"g{dice.randrange(3)}")

    def sweep(self, _: random.Random) -> None:
        silent = {job["id"]: job["token"] for job in self.queue.running("dev")}
        self.queue.orphans("dev", silent, NOW, poison=3)
        self.queue.prune(NOW)


@pytest.fixture
def storm(url: str) -> Iterator[Storm]:
    with Store.open(url) as store:
        yield Storm(store)


def test_nobody_locks_another_out_and_nothing_is_left_over(storm: Storm) -> None:
    acts = [
        storm.put,
        storm.put,
        storm.put_one,
        storm.work,
        storm.work,
        storm.work,
        storm.cancel,
        storm.sweep,
    ]
    threads = [
        threading.Thread(target=storm.loop, args=(act, seed, 40), daemon=True)
        for seed, act in enumerate(acts)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
        assert not thread.is_alive()
    assert [error for error in storm.errors if isinstance(error, StoreError)] == []
    assert storm.errors == []
    tokens = Counter((claim.id, claim.token) for claim in storm.claims)
    assert tokens.most_common(1)[0][1] == 1
    # what is left can be worked off: nothing waits for what will never come
    storm.sweep(random.Random(0))
    for _ in range(2_000):
        claims = storm.queue.claim("dev", "w", {"pool0": 9, "pool1": 9}, NOW, 9)
        for claim in claims:
            storm.queue.finish(claim, "succeeded", NOW)
        if not claims:
            break
    assert not storm.queue.busy("dev"), storm.queue.jobs("dev", status=["queued", "running"])
