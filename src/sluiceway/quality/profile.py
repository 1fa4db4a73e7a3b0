"""``profile``: what data is like, in two reads of it and flat memory.

The first read takes a sample of about 100,000 rows, the second counts over all rows. Pairs of columns are
looked at in the sample alone. What is exact and what is estimated is said beside each figure.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sluiceway.quality import pairs
from sluiceway.quality.detection import detected
from sluiceway.quality.loaded import classified
from sluiceway.quality.model import ColumnProfile, Profile
from sluiceway.quality.profile_columns import column_profile, covered
from sluiceway.quality.profile_keys import Wanted, keys_of, pairs_checked, references_to, wanted
from sluiceway.quality.profile_order import monotonic
from sluiceway.quality.profile_sample import Near, Sample, near, sampled
from sluiceway.quality.profile_scan import Table, scan
from sluiceway.quality.shapes import shapes
from sluiceway.run.standing import kind_of_file, standing

if TYPE_CHECKING:
    from sluiceway.run.standing import Standing
    from sluiceway.spec.model import Project

__all__ = ["SAMPLE", "Hide", "profile", "profile_of"]

SAMPLE = 100_000
Hide = Literal["nothing", "classified", "pii"]
"""Whose values are not shown. ``classified``: of columns that the contract says so of; ``pii``: of those that
look like data about persons too."""


def profile(
    target: Any,
    *,
    project: Project | None = None,
    environment: str | None = None,
    folder: Path | None = None,
    references: Sequence[Any] = (),
    sample: int = SAMPLE,
    contract: Path | None = None,
    hide: Hide = "classified",
    memory_limit: str | None = None,
    threads: int | None = None,
) -> Profile:
    """Profile whatever ``run.standing`` opens: a file, ``NAMESPACE.NAME``, ``CONNECTION:TABLE``, rows.

    Args:
        references: other datasets or files that columns may refer to, each whatever ``target`` may be.
        sample: rows that are looked at more closely; pairs of columns are compared in these alone.
        contract: whose classified columns are hidden; for a dataset that a pipeline of the project loads,
            its own contract if absent.
        hide: whose values are not shown.

    Raises:
        PlanError: no such thing. SourceError, EngineError: it can't be read.

    >>> found = profile([{"id": 1, "name": "Ada"}, {"id": 2, "name": None}])
    >>> found.rows, found["name"].nulls, found["id"].maximum, found.keys[0].columns
    (2, 1, 2, ('id',))
    """
    begun = time.monotonic()
    hidden = frozenset() if hide == "nothing" else classified(target, project, contract)
    opened = partial(
        standing,
        project=project,
        environment=environment,
        folder=folder,
        memory_limit=memory_limit,
        threads=threads,
    )
    with opened(target) as data:
        found, ours = _profiled(data, sample, hidden, hide_pii=hide == "pii", refers=bool(references))
    others = []
    for reference in references:
        with opened(reference) as other:
            others += references_to(other, ours)
    return replace(found, references=tuple(others), seconds=time.monotonic() - begun)


def profile_of(
    data: Standing, *, sample: int = SAMPLE, hidden: Collection[str] = (), hide_pii: bool = False
) -> Profile:
    """The profile of data that is open; ``hidden`` are columns whose values are not shown, and with
    ``hide_pii`` those that look like data about persons are too. No references are looked for."""
    return _profiled(data, sample, hidden, hide_pii=hide_pii)[0]


def _profiled(
    data: Standing, size: int, hidden: Collection[str], *, hide_pii: bool, refers: bool = False
) -> tuple[Profile, list[Wanted]]:
    begun = time.monotonic()
    rows = near(data)
    secret = {name.casefold() for name in hidden}
    with sampled(rows, size) as sample:
        table = scan(rows, sample)
        columns = _detected(rows, sample, _columns(rows, table, sample))
        more = _pairs(rows, sample, table, columns)
        ways, reads = _ways(data, rows, table)
        columns = tuple(replace(c, monotonic=ways.get(c.name)) for c in columns)
        ours = wanted(rows.engine, sample, table.columns, columns) if refers else []
    shown = tuple(
        covered(c) if c.name.casefold() in secret or (hide_pii and c.pii is not None) else c for c in columns
    )
    found = Profile(
        dataset=data.name,
        rows=table.rows,
        columns=shown,
        size=_size(data),
        duplicate_rows=table.duplicates,
        duplicates_exact=table.duplicates_exact,
        keys=more.keys,
        correlations=more.correlations,
        dependencies=more.dependencies,
        sampled=sample.rows,
        scans=rows.scans + 2 + reads + more.scans,
        seconds=time.monotonic() - begun,
        notes=(*rows.notes, *more.notes),
    )
    return found, ours


def _columns(rows: Near, table: Table, sample: Sample) -> tuple[ColumnProfile, ...]:
    texts = [c.name for c in rows.schema if c.family == "text"]
    found = shapes(rows.engine, sample.relation, texts)
    return tuple(
        column_profile(c, table.rows, sample, shapes=found.get(c.column.name, ())) for c in table.columns
    )


def _detected(rows: Near, sample: Sample, columns: tuple[ColumnProfile, ...]) -> tuple[ColumnProfile, ...]:
    """Types hidden in text and what the values are, from the sample."""
    if sample.rows == 0:
        return columns
    found = detected(rows.engine, sample.relation, rows.schema, sample.rows)
    return tuple(
        replace(c, text_type=d.text_type, semantic=d.semantic, pii=d.pii, notes=(*c.notes, *d.notes))
        if (d := found.get(c.name)) is not None
        else c
        for c in columns
    )


@dataclass
class _More:
    """What pairs of columns say."""

    keys: tuple[Any, ...] = ()
    correlations: tuple[Any, ...] = ()
    dependencies: tuple[Any, ...] = ()
    scans: int = 0
    notes: list[str] = field(default_factory=list)


def _pairs(rows: Near, sample: Sample, table: Table, columns: tuple[ColumnProfile, ...]) -> _More:
    keys = keys_of(table.columns, table.rows)
    found = _More(keys)
    data = pairs.coded(rows.engine, sample, rows.schema)
    if data is None:
        return found
    single = [k.columns[0] for k in keys]
    candidates = pairs.key_pairs(data, table.rows, columns, single)
    found.keys = (*keys, *pairs_checked(rows, candidates))
    found.scans = bool(candidates)
    found.correlations, found.dependencies = pairs.correlations(data), pairs.dependencies(data)
    if data.left_out:
        found.notes.append(
            f"pairs were looked at among the first {len(data.columns)} columns; {data.left_out} were left out"
        )
    return found


def _ways(data: Standing, rows: Near, table: Table) -> tuple[dict[str, Any], int]:
    """The order of the rows means something in files and in memory, nowhere else."""
    ordered = data.engine is rows.engine and (kind_of_file(data.name) is not None or data.name == "data")
    return monotonic(rows.engine, data.sql, table.rows, table.columns) if ordered else ({}, 0)


def _size(data: Standing) -> int | None:
    """Bytes of the files, where ``data`` is files."""
    namespace, path = data.dataset
    if namespace != "file" or kind_of_file(data.name) is None:
        return None
    place = Path(path)
    files = [place] if place.is_file() else place.parent.glob(place.name)
    return sum(file.stat().st_size for file in files if file.is_file()) or None
