"""What a run would take of memory and disk, guessed from metadata before a row is read.

A guess, and said to be one: rows come from footers, catalogs and the first lines of text files; widths
from types. It is there to tell a pipeline that one machine will do from one that it will not.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sluiceway.plan.nodes import AuditGate, Extract, Transform
from sluiceway.units import size, spoken

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sluiceway.exchange import Size
    from sluiceway.plan.nodes import Plan
    from sluiceway.run.resolve import Resolved
    from sluiceway.schema import Schema

__all__ = ["Estimate", "advice", "estimate", "width"]

_WIDTHS = {
    "integer": 8, "decimal": 16, "float": 8, "text": 40, "boolean": 1, "date": 4, "time": 8,
    "timestamp": 8, "timestamptz": 8, "interval": 16, "uuid": 16, "blob": 64, "json": 64, "nested": 64,
    "unknown": 32,
}  # fmt: skip
"""Bytes of a value while it is worked on; a text is its header and some twenty letters."""
_KEPT = 0.35
"""What zstd leaves of that, and lz4 of what is spooled."""
_SPOOLED = 0.6
_ENTRY = 24
"""Bytes that a hash table adds to each entry."""
_SHARE = 0.8
"""Of the machine's memory that DuckDB takes by itself."""
_COMFORT = 10
"""Spilling this many times the memory makes one machine the wrong place."""


@dataclass(frozen=True)
class Estimate:
    """Bytes, all about. ``rows`` None: a source does not say. ``working``: what must be at hand at one
    time; above ``memory`` it is spilled. ``disk``: staging, spools and spill. ``free``: on that disk."""

    rows: int | None
    working: int
    memory: int
    disk: int
    free: int
    heaviest: str = ""

    def as_dict(self, *, engine: str, environment: str) -> dict[str, Any]:
        said, hint = advice(self, engine=engine, environment=environment)
        return {**asdict(self), "said": said, "hint": hint}


def estimate(plan: Plan, opened: Resolved) -> Estimate:
    """Of a run of ``plan`` on the embedded engine."""
    sizes = {name: _size_of(source) for name, source in opened.sources.items()}
    rows = _rows_of(plan, sizes)
    spooled = sum(
        _bytes(rows.get(node.source), plan.relations[node.source]) * _SPOOLED
        for node in plan.select(Extract)
        if node.spool
    )
    staged = _bytes(rows.get(plan.last), plan.output) * _KEPT
    steps = {node.relation: _held(node, plan, rows) for node in plan.select(Transform)}
    checks = {
        check.id: _counted(check, rows.get(plan.last), plan.output)
        for check in plan.select(AuditGate)[0].checks
        if check.measures.queries
    }
    working, heaviest = _heaviest(steps, checks, plan)
    memory = _memory(opened)
    spill = max(0, working - memory)
    return Estimate(
        rows=rows.get(plan.last),
        working=int(working),
        memory=memory,
        disk=int(spooled + staged + spill),
        free=shutil.disk_usage(_there(opened.staging)).free,
        heaviest=heaviest,
    )


def advice(found: Estimate, *, engine: str, environment: str) -> tuple[str, str | None]:
    """In words, and what to change where the embedded engine will not do.

    >>> GB = 10**9
    >>> advice(Estimate(100, GB, 4 * GB, GB, 50 * GB), engine="duckdb", environment="prod")[0]
    'fits in memory: about 1.0 GB of 4.0 GB; about 1.0 GB of disk'
    """
    have = f"{spoken(found.free)} free"
    if found.rows is None:
        return "not known: a source does not say how large it is", None
    if engine != "duckdb":
        return f"about {spoken(found.disk)} staged by {engine}", None
    elsewhere = (
        f"in sluiceway.yml give environments.{environment}.engine a spill folder with room, or let a cluster "
        "or the database do it: engine: {type: spark, master: 'spark://HOST:7077'} or engine: warehouse"
    )
    if found.disk > found.free:
        return (
            f"one machine will not do: about {spoken(found.disk)} of disk are needed, {have}",
            elsewhere,
        )
    if found.working > _COMFORT * found.memory:
        return (
            (
                f"one machine will be slow: {found.heaviest} holds about {spoken(found.working)}, memory is "
                f"{spoken(found.memory)}"
            ),
            elsewhere,
        )
    if found.working > found.memory:
        over = spoken(found.working - found.memory)
        return f"spills about {over} to disk ({found.heaviest}); {have}", None
    return (
        (
            f"fits in memory: about {spoken(found.working)} of {spoken(found.memory)}; "
            f"about {spoken(found.disk)} of disk"
        ),
        None,
    )


def width(schema: Schema) -> int:
    """Bytes of a row while it is worked on."""
    return sum(_WIDTHS[column.family] for column in schema) or 1


def _size_of(source: Any) -> Size | None:
    tell = getattr(source, "size", None)
    found: Size | None = tell() if tell is not None else None
    return found


def _rows_of(plan: Plan, sizes: Mapping[str, Size | None]) -> dict[str, int | None]:
    """Rows of every relation: a step has no more than what it reads first, as far as anybody knows."""
    rows: dict[str, int | None] = {}
    for name, found in sizes.items():
        rows[name] = None if found is None else found.rows
    for node in plan.select(Transform):
        rows[node.relation] = rows.get(node.reads[0]) if node.reads else 1
    return rows


def _bytes(rows: int | None, schema: Schema) -> float:
    return 0.0 if rows is None else float(rows * width(schema))


def _held(node: Transform, plan: Plan, rows: Mapping[str, int | None]) -> float:
    """What a step keeps at hand: the joined side, the rows that are sorted by key, the groups."""
    given, other = (plan.relations[n] if n else None for n in (*node.reads[:2], None, None)[:2])
    count = rows.get(node.reads[0]) or 0 if node.reads else 0
    match node.kind:
        case "join" if other is not None:
            held = rows.get(node.reads[1])
            return _bytes(held, other) + (held or 0) * _ENTRY
        case "deduplicate" if given is not None:
            return count * (width(given) + _ENTRY)
        case "aggregate" | "pivot":
            return count * (width(plan.relations[node.relation]) + _ENTRY)
    return 0.0


def _counted(check: Any, rows: int | None, schema: Schema) -> float:
    key = sum(_WIDTHS[schema[c].family] for c in check.rule.columns_used if c in schema)
    return float((rows or 0) * (key + _ENTRY))


def _heaviest(steps: Mapping[str, float], checks: Mapping[str, float], plan: Plan) -> tuple[float, str]:
    """Steps run in one statement, so they add up; checks come one after another."""
    together = sum(steps.values())
    alone = max(checks.values(), default=0.0)
    if together >= alone and steps:
        name = max(steps, key=lambda n: steps[n])
        kind = next(node.kind for node in plan.select(Transform) if node.relation == name)
        return together, kind if steps[name] else ""
    return alone, max(checks, key=lambda n: checks[n], default="")


def _memory(opened: Resolved) -> int:
    limit = opened.engine_settings.memory_limit
    if limit is not None:
        return size(limit)
    return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * _SHARE)


def _there(folder: Path) -> Path:
    return next(p for p in (folder, *folder.parents) if p.exists())
