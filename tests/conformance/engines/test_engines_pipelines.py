"""The same pipeline file gives the same rows, quarantine and counts on every engine, cell for cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sluiceway.errors import PlanError
from sluiceway.sql.differences import GAPS, Gap
from sluiceway.testing import PIPELINES, outcome, same_on

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SAMPLE = {
    "spark": {"derived", "historised", "judged", "python", "unfolded"},
    "postgres": {
        "aggregated", "blocked", "derived", "fresh", "historised", "joined", "judged", "lists", "masked",
        "merged", "pivoted", "received", "weighed", "windowed",
    },
}  # fmt: skip
"""What ``make test`` runs: a run on Spark takes seconds, one in PostgreSQL one."""


def _whole(engine: str) -> list[Any]:
    """Pipelines that must be the same on the engine; the others are told by a gap."""
    told = {gap.pipeline for gap in GAPS if gap.engine == engine}
    assert told <= set(PIPELINES)
    assert SAMPLE[engine] <= set(PIPELINES) - told
    return [
        name if name in SAMPLE[engine] else pytest.param(name, marks=pytest.mark.slow)
        for name in PIPELINES
        if name not in told
    ]


@pytest.mark.spark
@pytest.mark.usefixtures("spark")
@pytest.mark.parametrize("name", _whole("spark"))
def test_spark_gives_what_duckdb_gives(project: Path, sources: Callable[[int], None], name: str) -> None:
    same_on(project, name, "embedded", "spark", runs=PIPELINES[name].runs, before=sources)


@pytest.mark.postgres
@pytest.mark.parametrize("name", _whole("postgres"))
def test_postgres_pushed_down_gives_what_duckdb_gives(
    project: Path,
    sources: Callable[[int], None],
    postgres_pair: tuple[str, str],
    left_inside: Callable[[], int],
    name: str,
) -> None:
    same_on(project, name, *postgres_pair, runs=PIPELINES[name].runs, before=sources)
    assert left_inside() == 0


@pytest.mark.postgres
@pytest.mark.parametrize(
    "gap", [gap for gap in GAPS if gap.engine == "postgres"], ids=lambda gap: gap.pipeline
)
def test_what_postgres_can_t_run_is_told(
    project: Path, sources: Callable[[int], None], postgres_pair: tuple[str, str], gap: Gap
) -> None:
    """The error that the list names, and nothing published."""
    sources(0)
    try:
        left = outcome(project, gap.pipeline, postgres_pair[1])
    except PlanError as error:
        said, rows = str(error), ()
    else:
        said, rows = left.error or "it ran", left.rows
    assert gap.error in said
    assert rows == ()
