"""Watching: what takes too long, what is late, what nobody works on. Problems are alerts, and end as such."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any

from sluiceway.alerts.dispatch import dispatch
from sluiceway.alerts.model import Alert
from sluiceway.errors import StoreError
from sluiceway.orchestrate.freshness import stale
from sluiceway.orchestrate.health import reckon
from sluiceway.orchestrate.near import KINDS as NEAR
from sluiceway.orchestrate.near import near
from sluiceway.orchestrate.requests import once_key
from sluiceway.store.store import Store
from sluiceway.units import spoken

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sluiceway.orchestrate.index import Entry
    from sluiceway.spec.model import Project

__all__ = ["Execution", "Usual", "monitor_pipeline_execution", "sweep", "usual"]

FEW = 5
MOST = 200
"""Pipelines whose health is reckoned in one sweep."""
LEAST = 60.0
"""Seconds: no shorter run is called long."""
STUCK = timedelta(minutes=15)
"""A job that has been due for so long, with no worker about, is told of."""
_YEAR = timedelta(days=370)
KINDS = ("sla_missed", "run_long", *NEAR, "queue_stuck", "dataset_stale", "health_low")


@dataclass(frozen=True)
class Usual:
    """How long runs take: the median of the last ones, and beyond what a run is called long, in seconds."""

    seconds: float
    long: float


def usual(seconds: Sequence[float]) -> Usual | None:
    """Of runs that succeeded; None while they are too few.

    A run is long beyond the median and six times the median of the deviations from it, scaled to a standard
    deviation (Leys et al. 2013), twice the median at least, a minute at least.

    >>> usual([10.0, 11.0, 9.0, 10.0, 10.0])
    Usual(seconds=10.0, long=60.0)
    """
    if len(seconds) < FEW:
        return None
    middle = median(seconds)
    spread = 1.4826 * median(abs(x - middle) for x in seconds)
    return Usual(middle, max(middle + 6 * spread, 2 * middle, LEAST))


@dataclass(frozen=True)
class Execution:
    """A run as it goes. ``seconds`` so far; ``usual`` is how long it takes else, None while that is not
    known; ``progress`` is what its worker last heard of it: node, rows, memory in bytes."""

    run_id: str
    pipeline: str
    status: str
    attempt: int
    seconds: float | None
    usual: float | None
    is_long: bool
    progress: Mapping[str, Any]
    error: Mapping[str, Any] | None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def said(self) -> str:
        """In words.

        >>> now = {"node": "stage", "rows": 5}
        >>> Execution("r1", "orders", "running", 1, 180.0, 42.0, True, now, None).said()
        'orders: running, stage, 5 rows before it, for 180 s, which is long: usually it is 42 s'
        """
        parts = [self.status]
        if self.status == "running" and self.progress.get("node"):
            parts.append(str(self.progress["node"]))
        if self.status == "running" and self.progress.get("rows") is not None:
            parts.append(f"{self.progress['rows']:,} rows before it")
        if self.progress.get("peak"):
            parts.append(f"{spoken(self.progress['peak'])} of memory at most")
        if self.attempt > 1:
            parts.append(f"try {self.attempt}")
        if self.seconds is not None:
            parts.append(f"for {self.seconds:.0f} s{', which is long' if self.is_long else ''}")
        usually = "" if self.usual is None else f": usually it is {self.usual:.0f} s"
        wrong = (self.error or {}).get("message")
        return f"{self.pipeline}: {', '.join(parts)}{usually}" + (f": {wrong}" if wrong else "")


def monitor_pipeline_execution(run_id: str, project: Project, *, now: datetime | None = None) -> Execution:
    """How a run of the queue goes, or went.

    Raises:
        StoreError: the queue has no such run.
    """
    at = now or datetime.now(UTC)
    with Store.open(project.metadata) as store:
        found = store.queue.jobs(run_id=run_id, limit=1)
        if not found:
            raise StoreError(f"the queue knows no run '{run_id}'", hint="see: sluiceway runs list")
        (job,) = found
        known = _usual_of(store, job["pipeline"], job["environment"])
    begun = None if job["claimed_at"] is None else datetime.fromisoformat(job["claimed_at"])
    ended = at if job["finished_at"] is None else datetime.fromisoformat(job["finished_at"])
    seconds = None if begun is None else max(0.0, (ended - begun).total_seconds())
    return Execution(
        run_id, job["pipeline"], job["status"], job["attempt"], seconds,
        None if known is None else known.seconds,
        bool(known and seconds is not None and seconds > known.long),
        job["progress"] or {}, job["error"],
    )  # fmt: skip


def _usual_of(store: Store, pipeline: str, environment: str) -> Usual | None:
    runs = store.runs(limit=30, pipeline=pipeline, environment=environment, status="succeeded", kind="run")
    return usual([run["execution_time"] for run in runs if run["execution_time"]])


def sweep(
    project: Project, environment: str, entries: Iterable[Entry], store: Store, now: datetime
) -> list[Alert]:
    """Look once at everything that may be late or stuck; raise what is, and resolve what is no more.

    Called each minute by ``serve``. Where nobody is told, ``alerts:`` being empty, health alone is looked at
    and kept: metrics show it.
    """
    known = {entry.name: entry for entry in entries}
    unwell = _unwell(project, known, environment, store, now)
    if not project.alerts:
        return []
    # first: what a worker raises from here on is not among them, and is not taken for over
    before = store.alerts.alerts(environment, limit=None)
    running = store.queue.jobs(environment, status=("running",), limit=None)
    raised = [
        *_late(known, environment, store, now),
        *_long(running, known, environment, store, now),
        *_near(running, known),
        *_stuck(environment, store, now, project.orchestrate.lost_after),
        *stale(project, known, environment, store, now),
        *unwell,
    ]
    keys = {alert.key for alert in raised}
    over = [alert["key"] for alert in before if alert["kind"] in KINDS and alert["key"] not in keys]
    dispatch(project, environment, raised, over, store=store)
    return raised


def _late(known: Mapping[str, Entry], environment: str, store: Store, now: datetime) -> Iterable[Alert]:
    """Moments after which no run has succeeded in the time that ``sla:`` gives."""
    promised = {name: entry for name, entry in known.items() if entry.config.sla is not None}
    states = store.schedules.all(environment, promised) if promised else {}
    moments = {
        name: due
        for name, entry in promised.items()
        if (due := _promised(entry, states.get(name), now)) is not None
    }
    keys = {name: once_key(name, due) for name, due in moments.items()}
    queued = store.tally.queued(environment, keys.values())
    # a moment before the schedule was first seen, or edited, or left out by its policy, is no promise
    owed = {name: due for name, due in moments.items() if keys[name] in queued}
    done = store.tally.succeeded(environment, owed)
    for name, due in owed.items():
        if name in done:
            continue
        config = known[name].config
        yield Alert(
            "sla_missed", "error", f"sla_missed:{name}", f"{name}: it is late",
            f"the run of {due:%Y-%m-%d %H:%M} UTC should have succeeded within {config.sla}",
            pipeline=name, owner=config.owner, details={"next": f"sluiceway runs list --pipeline {name}"},
        )  # fmt: skip


def _promised(entry: Entry, state: Mapping[str, Any] | None, now: datetime) -> datetime | None:
    """The last moment whose run should have succeeded by now."""
    declared, spec = entry.sla, entry.schedule
    if declared is None or spec is None or not spec.timed:
        return None
    if state is None or state["paused"] or state["last_at"] is None:
        return None
    until = min(now - timedelta(seconds=declared), state["last_at"])
    return spec.latest(until - _YEAR, until)


def _near(running: Iterable[Mapping[str, Any]], known: Mapping[str, Entry]) -> Iterable[Alert]:
    """Limits that are nearly used up: the worker told of it at once, if it lived to."""
    found = {}
    for job in running:
        entry = known.get(job["pipeline"])
        for alert in near(job, entry.config.owner if entry else ""):
            found[alert.key] = alert  # of two runs of a pipeline one is told
    return found.values()


def _long(
    running: Iterable[Mapping[str, Any]],
    known: Mapping[str, Entry],
    environment: str,
    store: Store,
    now: datetime,
) -> Iterable[Alert]:
    for job in running:
        if job["claimed_at"] is None:
            continue
        seconds = (now - datetime.fromisoformat(job["claimed_at"])).total_seconds()
        often = _usual_of(store, job["pipeline"], environment) if seconds > LEAST else None
        if often is not None and seconds > often.long:
            name, entry = job["pipeline"], known.get(job["pipeline"])
            yield Alert(
                "run_long", "warning", f"run_long:{name}", f"{name}: the run takes long",
                f"it has taken {seconds:.0f} s; usually it is {often.seconds:.0f} s",
                pipeline=name, owner=entry.config.owner if entry else "", run_id=job["run_id"],
                details={"next": f"sluiceway runs logs {job['run_id']} -f"},
            )  # fmt: skip


def _stuck(environment: str, store: Store, now: datetime, lost_after: float) -> Iterable[Alert]:
    since, workers = store.tally.waiting(environment, now - timedelta(seconds=max(60.0, lost_after)))
    if since is not None and now - since > STUCK and not workers:
        minutes = (now - since).total_seconds() / 60
        yield Alert(
            "queue_stuck", "critical", f"queue_stuck:{environment}", f"{environment}: nobody works",
            f"a run has been due for {minutes:.0f} minutes, and no worker was heard of",
            details={"next": "sluiceway worker"},
        )  # fmt: skip


def _unwell(
    project: Project, known: Mapping[str, Entry], environment: str, store: Store, now: datetime
) -> list[Alert]:
    """Pipelines whose health is low or fell. It is reckoned again when a run has ended since, of ``MOST``
    pipelines at a time, those first that wait longest."""
    spec, kept = project.orchestrate.health, store.health.newest(environment)
    ended = {run.pipeline: run.ended for run in store.tally.last(environment) if run.pipeline in known}
    due = [name for name, at in ended.items() if name not in kept or kept[name]["at"] < at]
    for name in sorted(due, key=lambda name: (ended[name], name))[:MOST]:
        found = reckon(store, spec, name, environment, now, known[name].config.memory_limit)
        if found.score is not None:
            issues = [asdict(issue) for issue in found.issues]
            kept[name] = {"at": now, "score": found.score, "issues": issues}
    alerts = []
    for name in sorted(known.keys() & ended.keys() & kept.keys()):
        score, issues = kept[name]["score"], kept[name]["issues"]
        fell = any(issue["kind"] == "health_drop" for issue in issues)
        if score < spec.least or fell:
            said = "; ".join(issue["message"] for issue in issues) or "see its parts"
            alerts.append(
                Alert(
                    "health_low", "error", f"health_low:{name}", f"{name}: its health is {score:g} of 100",
                    said, pipeline=name, owner=known[name].config.owner,
                    details={"next": f"sluiceway health {name}"},
                )
            )  # fmt: skip
    return alerts
