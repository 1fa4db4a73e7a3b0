"""A pipeline opened, planned and with its sources bound: without locks, events or a publish."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sluiceway.plan.build import names_read
from sluiceway.run.execute import Execution
from sluiceway.run.reading import unchanged
from sluiceway.run.resolve import resolved

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sluiceway.plan.nodes import Plan
    from sluiceway.spec.model import Pipeline

__all__ = ["prepared"]


@dataclass
class _Untimed:
    rows: int | None = None


@contextmanager
def prepared(pipeline: Pipeline) -> Iterator[tuple[Plan, Execution]]:
    """For doors and checks that look at rows and publish none."""
    now = datetime.now(UTC)
    with (
        tempfile.TemporaryDirectory(prefix="sluiceway-") as scratch,
        resolved(
            pipeline, started_at=now, staging=Path(scratch) / "run", named=names_read(pipeline)
        ) as opened,
    ):
        plan = opened.plan()
        execution = Execution("unpublished", plan, opened, lambda _: nullcontext(_Untimed()))
        execution.open_scans()
        execution.bind_sources()
        yield plan, execution
        unchanged(opened)
