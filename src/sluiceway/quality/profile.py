"""``profile``: what data is like, in two reads of it and flat memory.

The first read takes a sample of about 100,000 rows, the second counts over all rows. Pairs of columns are
looked at in the sample alone. What is exact and what is estimated is said beside each figure.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.quality.model import Profile
from sluiceway.quality.profile_columns import column_profile
from sluiceway.quality.profile_sample import near, sampled
from sluiceway.quality.profile_scan import scan
from sluiceway.run.standing import standing

if TYPE_CHECKING:
    from sluiceway.run.standing import Standing
    from sluiceway.spec.model import Project

__all__ = ["SAMPLE", "profile", "profile_of"]

SAMPLE = 100_000


def profile(
    target: Any,
    *,
    project: Project | None = None,
    environment: str | None = None,
    folder: Path | None = None,
    sample: int = SAMPLE,
    hidden: Collection[str] = (),
    memory_limit: str | None = None,
    threads: int | None = None,
) -> Profile:
    """Profile whatever ``run.standing`` opens: a file, ``NAMESPACE.NAME``, ``CONNECTION:TABLE``, rows.

    Args:
        sample: rows that are looked at more closely.
        hidden: columns whose values are not shown.

    >>> found = profile([{"id": 1, "name": "Ada"}, {"id": 2, "name": None}])
    >>> found.rows, found["name"].nulls, found["id"].maximum
    (2, 1, 2)
    """
    opened = standing(
        target,
        project=project,
        environment=environment,
        folder=folder,
        memory_limit=memory_limit,
        threads=threads,
    )
    with opened as data:
        return profile_of(data, sample=sample, hidden=hidden)


def profile_of(data: Standing, *, sample: int = SAMPLE, hidden: Collection[str] = ()) -> Profile:
    """The profile of data that is open. ``dataset`` is the name it was opened by."""
    begun = time.monotonic()
    rows = near(data)
    covered = {name.casefold() for name in hidden}
    with sampled(rows, sample) as taken:
        table = scan(rows, taken)
        columns = tuple(
            column_profile(c, table.rows, taken, hidden=c.column.name.casefold() in covered)
            for c in table.columns
        )
        return Profile(
            dataset=data.name,
            rows=table.rows,
            columns=columns,
            duplicate_rows=table.duplicates,
            duplicates_exact=table.duplicates_exact,
            sampled=taken.rows,
            scans=rows.scans + 2,
            seconds=time.monotonic() - begun,
            notes=rows.notes,
        )
