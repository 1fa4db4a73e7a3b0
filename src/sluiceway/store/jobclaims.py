"""Claims: which jobs may run now, and whose slots they take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, or_, select, update

from sluiceway.store.jobtables import jobs
from sluiceway.store.jobwords import QUEUED, READY, RUNNING, alone
from sluiceway.store.values import text

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Row

__all__ = ["Claim", "claim"]


@dataclass(frozen=True)
class Claim:
    """A job that a worker may run now. ``token`` is its right to speak of it; ``lost`` counts the workers
    before that were never heard of again."""

    id: int
    token: int
    run_id: str
    environment: str
    pipeline: str
    trigger: str
    payload: Mapping[str, Any]
    nominal_at: datetime | None
    attempt: int
    attempts: int
    lost: int
    group_id: str | None
    due_at: datetime
    pool: str


_NAMES = tuple(Claim.__dataclass_fields__)
_SEEN = tuple(jobs.c[name] for name in (*_NAMES, "concurrency_key", "concurrency", "rank", "turn"))


def claim(
    con: Connection, environment: str, worker: str, pools: Mapping[str, int], now: datetime, limit: int
) -> list[Claim]:
    """Up to ``limit`` jobs, those first that stand first."""
    if limit < 1:
        return []
    alone(con, environment)
    busy = _Busy(con, environment)
    taken: list[Row[Any]] = []
    slots: list[dict[str, Any]] = []
    while len(taken) < limit:
        # of what is found the first can be taken, so this ends
        found, more = _candidates(
            con, environment, pools, busy, now, limit - len(taken), [row.id for row in taken]
        )
        for row in found:
            slot = busy.take(row, pools)
            if slot is not None:
                taken.append(row)
                slots.append({"job": row.id, "next": row.token + 1, **slot})
                if len(taken) == limit:
                    break
        if not more:
            break
    if taken:
        con.execute(_take(worker, now), slots)
    return [
        Claim(**{name: getattr(row, name) for name in _NAMES} | {"token": row.token + 1}) for row in taken
    ]


def _take(worker: str, now: datetime) -> Any:
    return (
        update(jobs)
        .where(jobs.c.id == bindparam("job"))
        .values(
            status="running", token=bindparam("next"), worker=worker, slot=bindparam("its_slot"),
            pool_slot=bindparam("its_pool_slot"), claimed_at=now, heartbeat_at=now, progress=None,
        )
    )  # fmt: skip


def _candidates(
    con: Connection, environment: str, pools: Mapping[str, int], busy: _Busy, now: datetime, count: int,
    but: Sequence[int],
) -> tuple[list[Row[Any]], bool]:  # fmt: skip
    """The first jobs of each pool that has a slot, in their order, and whether there may be more. A pool
    that is full costs nothing, however long its queue is."""
    found: list[Row[Any]] = []
    more = False
    for pool, size in pools.items():
        free = min(count, size - len(busy.pools.get(pool, ())))
        if free < 1:
            continue
        statement = (
            select(*_SEEN)
            .where(
                jobs.c.environment == text(environment), QUEUED, READY, jobs.c.pool == pool,
                jobs.c.due_at <= now, busy.may_run(), jobs.c.id.not_in(but),
            )
            .order_by(jobs.c.rank, jobs.c.turn, jobs.c.id)
            .limit(free)
            .with_for_update(skip_locked=True)
        )  # fmt: skip
        rows = con.execute(statement).all()
        found += rows
        more = more or len(rows) == free
    return sorted(found, key=lambda row: (row.rank, row.turn, row.id)), more


class _Busy:
    """Slots that running jobs hold, by concurrency key and by pool."""

    def __init__(self, con: Connection, environment: str) -> None:
        self.keys: dict[str, set[int]] = {}
        self.pools: dict[str, set[int]] = {}
        statement = select(jobs.c.concurrency_key, jobs.c.slot, jobs.c.pool, jobs.c.pool_slot).where(
            jobs.c.environment == text(environment), RUNNING
        )
        for key, slot, pool, pool_slot in con.execute(statement):
            self._add(key, slot, pool, pool_slot)

    def _add(self, key: str | None, slot: int | None, pool: str, pool_slot: int) -> None:
        if key is not None and slot is not None:
            self.keys.setdefault(key, set()).add(slot)
        self.pools.setdefault(pool, set()).add(pool_slot)

    def may_run(self) -> ColumnElement[bool]:
        """Jobs whose key has a slot left. Each says itself how many of its key run at once."""
        key, sizes = jobs.c.concurrency_key, Counter(len(slots) for slots in self.keys.values())
        full = [
            and_(
                key.in_([k for k, slots in self.keys.items() if len(slots) == size]),
                jobs.c.concurrency > size,
            )
            for size in sorted(sizes)
        ]
        if not full:
            return and_(True)
        return or_(key.is_(None), key.not_in(list(self.keys)), *full)

    def take(self, row: Row[Any], pools: Mapping[str, int]) -> dict[str, Any] | None:
        """The slots that the job gets; None where there is none left."""
        key, pool = row.concurrency_key, row.pool
        slot = None if key is None else _free(self.keys.get(key, set()), row.concurrency)
        pool_slot = _free(self.pools.get(pool, set()), pools[pool])
        if (key is not None and slot is None) or pool_slot is None:
            return None
        self._add(key, slot, pool, pool_slot)
        return {"its_slot": slot, "its_pool_slot": pool_slot}


def _free(taken: set[int], size: int) -> int | None:
    """The first slot that is free. One above ``size``, from when there were more of them, is one less.

    >>> _free({0, 2}, 3), _free({0, 1}, 2), _free({5}, 1)
    (1, None, None)
    """
    return None if len(taken) >= size else next(n for n in range(size) if n not in taken)
