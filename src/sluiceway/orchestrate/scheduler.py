"""The scheduler: what is due goes into the queue, each moment once, however many schedulers there are.

There is no leader. A moment's job has a key that the queue takes once, so two schedulers that find the same
moment due queue one job. Catching up is by policy, and counts from the last moment that was queued:

- a pipeline that is new begins with its next moment, or with ``start``;
- a schedule whose text was changed begins anew, and nothing before the change is made up for;
- a clock that was put back queues nothing until it is past the last moment again; one that was put forward
  looks like an absence of that length. A last moment more than a day ahead is the mark of a clock that was
  wrong, and is forgotten: what is queued since then begins with the next moment.
"""

from __future__ import annotations

import heapq
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Any

from sluiceway.errors import StoreError
from sluiceway.ids import new_run_id
from sluiceway.orchestrate.arrivals import Drops, arrivals
from sluiceway.orchestrate.index import Entry, Index
from sluiceway.orchestrate.needs import Needs
from sluiceway.orchestrate.requests import once_key, request_of
from sluiceway.orchestrate.watch import sweep
from sluiceway.store.jobputs import chunks
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from sluiceway.spec.model import Project
    from sluiceway.spec.schedule import ScheduleSpec
    from sluiceway.store.queue import JobRequest

__all__ = ["Scheduler"]

log = logging.getLogger("sluiceway.scheduler")
LATE = timedelta(minutes=1)
"""``catchup: none`` still queues a moment that is no older than this: a scheduler looks each second."""
MOST = 500
"""Moments of one pipeline that ``catchup: all`` queues in one tick."""
AHEAD = timedelta(days=1)
AT_ONCE = 250
"""Runs that one tick queues, about: of more that are due in one second the rest is the next tick's, which
follows at once, so that workers get their turn at the queue in between."""
_REFRESH = timedelta(seconds=5)
_SWEEP = 60.0
_FIRST = 2.0
"""Seconds after which what is late or stuck is looked at first."""
Say = Callable[[Mapping[str, Any]], None]


@dataclass
class _State:
    """What is remembered of one pipeline."""

    entry: Entry
    last_at: datetime | None
    next_at: datetime | None
    paused: bool = False
    seen: dict[str, Any] = field(default_factory=dict)


class Scheduler:
    """``tick(now)`` queues what is due; ``run()`` ticks each second until ``stop()``. ``behind``: more is due
    than the last tick queued."""

    def __init__(self, project: Project, environment: str, *, say: Say = lambda _: None) -> None:
        self.project, self.environment = project, environment
        self.name = f"scheduler:{new_run_id()[-12:]}"
        self.index = Index(project)
        self._say = say
        self._states: dict[str, _State] = {}
        self._heap: list[tuple[datetime, int, str]] = []
        self._refreshed: datetime | None = None
        self._ticked = False
        self._failed: BaseException | None = None
        self._pruned: datetime | None = None
        self._stopped = threading.Event()
        self._waiting: list[_State] = []
        self._drops = Drops(project.folder, say)
        self._needs = Needs()
        self.behind = False

    def stop(self) -> None:
        self._stopped.set()

    def check(self) -> None:
        """Before the start. Later the same is said, and the schedules go on.

        Raises:
            SpecError: pipelines need each other in a circle, or one that there is not.
        """
        self.index.refresh()
        self._needs = Needs(self.index.entries.values(), self.index.broken)
        if self._needs.error is not None:
            raise self._needs.error

    def run(self, every: float = 1.0) -> None:
        """Tick until told to stop. A store that is away is waited for.

        Raises:
            StoreError: it can't be reached at the start.
        """
        with Store.open(self.project.metadata) as store:
            store.workers.hello(self.name, "scheduler", self.environment, datetime.now(UTC))
            self._say({"event": "scheduler started", "scheduler": self.name})
            watch = threading.Thread(target=self._watch, name="watch", daemon=True)
            watch.start()
            while not self._stopped.wait(0.0 if self.behind else every):
                now = datetime.now(UTC)
                try:
                    self.tick(now, store)
                    self._ticked = True
                    store.workers.beat(self.name, now)
                    self._prune(now, store)
                except StoreError as error:
                    log.warning("%s; trying again", error.message)
            watch.join()
            store.workers.ask(self.name, "stopped")
            self._say({"event": "scheduler stopped", "scheduler": self.name})
        if self._failed is not None:
            raise self._failed

    def _watch(self) -> None:
        """Each minute what is late or stuck is told of; beside the ticks, for a channel may take seconds."""
        pause = _FIRST
        while not self._stopped.wait(pause):
            if not self._ticked:
                continue  # the files were not read yet: nothing would be late, and all be told to be over
            pause = _SWEEP
            try:
                with Store.open(self.project.metadata) as store:
                    entries = self.index.entries.values()
                    sweep(self.project, self.environment, entries, store, datetime.now(UTC))
            except StoreError as error:
                log.warning("%s; trying again", error.message)
            except Exception as bug:  # noqa: BLE001  raised again by run, in its own thread
                self._failed = bug
                self.stop()

    def _prune(self, now: datetime, store: Store) -> None:
        if self._pruned is None or not timedelta() <= now - self._pruned < timedelta(days=1):
            self._pruned = now
            before = now - timedelta(seconds=self.project.orchestrate.keep)
            for book in (store.queue, store.logs, store.workers, store.health):
                book.prune(before)

    def tick(self, now: datetime, store: Store) -> list[str]:
        """Queue what is due at ``now``; the names of pipelines that got a job, one for each.

        Raises:
            StoreError: nothing was queued; the next tick reckons it again.
        """
        try:
            return self._tick(now, store)
        except StoreError:
            # what was reckoned is ahead of what was written: begin again from that
            self._refreshed, self.behind = None, False
            self._states.clear()
            self._heap.clear()
            raise

    def _tick(self, now: datetime, store: Store) -> list[str]:
        if self._refreshed is None or not timedelta() <= now - self._refreshed < _REFRESH:
            self._refresh(now, store)
        requests: list[JobRequest] = []
        touched: set[str] = set()
        while self._heap and self._heap[0][0] <= now and len(requests) < AT_ONCE:
            _, _, name = heapq.heappop(self._heap)
            state = self._states.get(name)
            if state is None or state.paused or state.next_at is None or state.next_at > now:
                continue  # of an older schedule, or paused
            requests += self._due(state, now)
            touched.add(name)
        self.behind = bool(self._heap) and self._heap[0][0] <= now
        requests += self._arrived(touched, now, store)
        return self._queue(requests, touched, now, store)

    def _arrived(self, touched: set[str], now: datetime, store: Store) -> list[JobRequest]:
        """Runs for what was published, and for files that came."""
        awake = [(state, spec) for state in self._waiting if not state.paused and (spec := _spec(state))]
        if not awake:
            return []
        names = {name for _, spec in awake for name in spec.datasets}
        published = store.schedules.published(self.environment, names) if names else {}
        looked = self._drops.look({spec.files for _, spec in awake if spec.files}, now)
        found = []
        for state, spec in awake:
            files = self._drops.files(spec.files) if spec.files in looked else None
            if arrivals(state.entry, state.seen, published, files) is not None:
                found.append((state, files))
        # another scheduler may have answered it: what is remembered is the store's to say
        rows = store.schedules.all(self.environment, [s.entry.name for s, _ in found]) if found else {}
        requests = []
        for state, files in found:
            row = rows.get(state.entry.name)
            if row is not None and state.entry.schedule and row["spec"] == state.entry.schedule.as_dict():
                state.seen = dict(row["seen"])
            arrived = arrivals(state.entry, state.seen, published, files)
            if arrived is not None:
                if arrived.request is not None:
                    requests.append(replace(arrived.request, after=self._needs.of(state.entry.name)))
                state.seen = arrived.seen
                touched.add(state.entry.name)
        return requests

    def _queue(self, requests: list[JobRequest], touched: set[str], now: datetime, store: Store) -> list[str]:
        queued = []
        if requests:
            requests = self._needs.ordered(requests)
            # in parts, so that the others who wait for the queue get their turn in between
            ids = [id for part in chunks(requests) for id in store.queue.put(self.environment, part, now)]
            for request, job in zip(requests, ids, strict=True):
                if job is not None:
                    queued.append(request.pipeline)
                    at = None if request.nominal_at is None else request.nominal_at.isoformat()
                    about = {"pipeline": request.pipeline, "trigger": request.trigger, "at": at}
                    self._say({"event": "run queued", **about, "job": job})
        if touched:
            # after the jobs: a crash between the two finds the moments queued already, by their keys
            rows = [self._row(self._states[name]) for name in sorted(touched)]
            store.schedules.write(self.environment, rows, now)
        return queued

    def _row(self, state: _State) -> dict[str, Any]:
        spec = state.entry.schedule
        return {
            "pipeline": state.entry.name, "spec": {} if spec is None else spec.as_dict(),
            "last_at": state.last_at, "next_at": state.next_at, "seen": state.seen,
            "error": state.entry.error,
        }  # fmt: skip

    def _due(self, state: _State, now: datetime) -> list[JobRequest]:
        spec = state.entry.schedule
        assert spec is not None
        assert state.last_at is not None
        if spec.catchup == "all":
            chosen = list(islice(takewhile(lambda m: m <= now, spec.moments(state.last_at)), MOST))
        else:
            last = spec.latest(state.last_at, now)
            chosen = [] if last is None else [last]
        if chosen:
            state.last_at = chosen[-1]
        state.next_at = spec.next(state.last_at)
        self._plan(state)
        if spec.catchup == "none":
            chosen = [m for m in chosen if now - m <= LATE]
        entry, late = state.entry, spec.late(state.entry.name)
        return [
            request_of(
                entry.config, "schedule", nominal_at=moment, due_at=moment + late if late else None,
                once_key=once_key(entry.name, moment), text=entry.text_to_run,
                after=self._needs.of(entry.name),
            )
            for moment in chosen
        ]  # fmt: skip

    def _plan(self, state: _State) -> None:
        if state.next_at is not None:
            name = state.entry.name
            heapq.heappush(self._heap, (state.next_at, self._needs.rank(name), name))

    # --- files and what was remembered ---

    def _refresh(self, now: datetime, store: Store) -> None:
        """Changed files, and schedules that somebody paused or resumed."""
        changed = self.index.refresh()
        if changed:
            self._needs = Needs(self.index.entries.values(), self.index.broken)
            self._heap = [(at, self._needs.rank(name), name) for at, _, name in self._heap]
            heapq.heapify(self._heap)
            if (wrong := self._needs.error) is not None:
                file = wrong.where and wrong.where.file
                self._say({"event": "file broken", "file": file, "error": str(wrong)})
        first = self._refreshed is None or now < self._refreshed - AHEAD
        self._refreshed = now
        names = set(self.index.entries) if first else changed
        rows = store.schedules.all(self.environment, names) if names else {}
        written = []
        for name in sorted(names):
            entry = self.index.entries.get(name)
            if entry is None:
                self._states.pop(name, None)
                continue
            if entry.error is not None:
                self._say({"event": "file broken", "pipeline": name, "error": entry.error})
            self._states[name] = state = self._state(entry, rows.get(name), now)
            self._plan(state)
            if entry.schedule is not None:
                written.append(self._row(state))
        if changed or first:
            for path, error in self.index.broken.items():
                self._say({"event": "file broken", "file": str(path), "error": error})
        if written:
            store.schedules.write(self.environment, written, now)
        paused = store.schedules.paused(self.environment)
        for name, state in self._states.items():
            if state.paused and name not in paused:
                self._plan(state)  # what was due meanwhile is caught up with, by its policy
            state.paused = name in paused
        self._waiting = [
            s for s in self._states.values() if (x := s.entry.schedule) and (x.datasets or x.files)
        ]

    def _state(self, entry: Entry, row: Mapping[str, Any] | None, now: datetime) -> _State:
        spec = entry.schedule
        if spec is None:
            return _State(entry, None, None)
        known = row is not None and row["spec"] == spec.as_dict() and row["last_at"] is not None
        if known and row is not None and row["last_at"] <= now + AHEAD:
            last = row["last_at"]
        elif known:
            last = now
        else:
            begins = spec.begins()
            new = row is None or not row["spec"]
            last = begins - timedelta(microseconds=1) if begins is not None and new else now
        seen = dict(row["seen"]) if row is not None and known else {}
        return _State(entry, last, spec.next(last) if spec.timed else None, seen=seen)


def _spec(state: _State) -> ScheduleSpec | None:
    return state.entry.schedule
