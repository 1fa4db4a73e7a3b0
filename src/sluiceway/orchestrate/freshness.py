"""Datasets that are older than somebody promised.

What is looked at is when a dataset was last published, which the store knows, and not its rows: no data can
be younger than the publish that brought it. So whoever is told here is told rightly; that data was old when
it was published is for the ``freshness`` rule to say.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sluiceway.alerts.model import Alert
from sluiceway.errors import PlanError, SpecError
from sluiceway.schema import TableName
from sluiceway.spec.contract import read_contract_document
from sluiceway.spec.contract_diff_terms import promised_age
from sluiceway.units import duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sluiceway.orchestrate.index import Entry
    from sluiceway.spec.model import Project
    from sluiceway.store.store import Store

__all__ = ["promise_of", "stale"]

SHORT = timedelta(minutes=15)
"""By its schedule alone no dataset is called stale that is younger."""


def promise_of(entry: Entry, folder: Path) -> tuple[float, str] | None:
    """(seconds, who says so): the shortest age that the pipeline's ``freshness`` rules or its contract's
    ``latency`` or ``freshness`` allow; None where neither speaks of it."""
    rules = _of_rules(entry.config.rules)
    found = [(seconds, f"the rule freshness of {column}") for column, seconds in rules]
    if entry.config.contract is not None:
        seconds = _of_contract(folder / entry.config.contract)
        found += [] if seconds is None else [(seconds, entry.config.contract)]
    return min(found, default=None)


def _of_rules(rules: list[Any]) -> Iterator[tuple[str, float]]:
    for rule in rules:
        declared = rule.get("freshness") if isinstance(rule, dict) else None
        if isinstance(declared, dict) and rule.get("status") != "shadow":
            try:
                yield str(declared.get("column")), duration(declared.get("max_age"))
            except ValueError:
                continue  # a run of it says what is wrong with it


def _of_contract(path: Path) -> float | None:
    try:
        status = path.stat()
    except OSError:
        return None  # as above
    return _read(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=20_000)
def _read(path: Path, _changed: int, _size: int) -> float | None:
    try:
        return promised_age(read_contract_document(path))
    except SpecError:
        return None  # as above


def stale(
    project: Project, known: Mapping[str, Entry], environment: str, store: Store, now: datetime
) -> Iterator[Alert]:
    """An alert for each dataset that is older than its promise; without one, for each whose pipeline has a
    schedule and published nothing for the last two of its moments."""
    tables = {name: table for name, entry in known.items() if (table := _table(entry)) is not None}
    published = store.schedules.published(environment, set(tables.values())) if tables else {}
    rows = store.schedules.all(environment, tables) if tables else {}
    for name, table in tables.items():
        if table not in published:
            continue  # never published: what should have done it has failed, or is late
        entry, at = known[name], datetime.fromisoformat(published[table])
        said = _too_old(entry, at, rows.get(name), project.folder, now)
        if said is not None:
            hours = (now - at).total_seconds() / 3600
            yield Alert(
                "dataset_stale", "error", f"dataset_stale:{table}", f"{table}: it is stale",
                f"it was published {hours:.1f} hours ago; {said}",
                pipeline=name, dataset=table, owner=entry.config.owner,
                details={"next": f"sluiceway runs list --pipeline {name}"},
            )  # fmt: skip


def _table(entry: Entry) -> str | None:
    if entry.config.destination is None:
        return None
    try:
        return str(TableName.parse(entry.config.destination.table))
    except PlanError:
        return None  # a run of it says what is wrong with it


def _too_old(
    entry: Entry, at: datetime, row: Mapping[str, Any] | None, folder: Path, now: datetime
) -> str | None:
    promise = promise_of(entry, folder)
    if promise is not None:
        seconds, who = promise
        late = (now - at).total_seconds() > seconds
        return f"{who} allows {seconds / 3600:.1f} hours" if late else None
    spec = entry.schedule
    if spec is None or not spec.timed or row is None or row["paused"] or row["last_at"] is None:
        return None
    last = row["last_at"]
    if at >= last or now - at <= SHORT or last > now:
        return None
    before = spec.latest(last - timedelta(days=370), last - timedelta(microseconds=1))
    if before is None or at >= before:
        return None
    return f"its pipeline was due at {before:%Y-%m-%d %H:%M} and {last:%Y-%m-%d %H:%M} UTC since then"
