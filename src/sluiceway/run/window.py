"""A pipeline over one interval of time, as a backfill runs it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sluiceway.duck import ident, literal
from sluiceway.errors import PlanError
from sluiceway.spec.lanes import refuse_side_by_side

if TYPE_CHECKING:
    from sluiceway.spec.model import Pipeline, SourceSpec

__all__ = ["over", "refuse"]


def over(pipeline: Pipeline, start: datetime, end: datetime) -> Pipeline:
    """The pipeline with every incremental source read from ``start`` up to ``end``, which is not in it.

    No cursor is looked at, and none is moved: the ordinary runs go on where they were. SQL has the interval
    as ``:interval_start`` and ``:interval_end``.

    Raises:
        PlanError: what runs of intervals one after the other would leave behind is not what is asked for.
    """
    refuse(pipeline)
    sources = {name: _within(spec, start, end) for name, spec in pipeline.sources.items()}
    bounds = {"interval_start": _text(start), "interval_end": _text(end)}
    return replace(pipeline, sources=sources, variables={**pipeline.variables, **bounds})


def refuse(pipeline: Pipeline, *, again: bool = False, reverse: bool = False, parallel: int = 1) -> None:
    """Raises PlanError where a backfill by interval makes no sense for this pipeline.

    Args:
        again: intervals that were run before are run too.
        reverse: the last interval is run first.
        parallel: intervals that are run at once.
    """
    mode = pipeline.destination.mode
    if parallel > 1 and mode != "replace":  # of which there is more to say
        table = str(pipeline.destination.table)
        refuse_side_by_side(mode, pipeline.destination.version, table, pipeline.destination.where)
    if mode == "append" and again:
        raise PlanError(
            f"{pipeline.name} appends: an interval that is run again would bring its rows twice",
            where=pipeline.destination.where,
            hint="write mode: merge and a primary_key: in destination:",
        )
    if mode == "merge" and reverse and pipeline.destination.version is None:
        raise PlanError(
            f"the last interval first: in {pipeline.destination.table} older rows of a key would overwrite "
            "newer ones",
            where=pipeline.destination.where,
            hint="write version: COLUMN in destination:, or leave out --reverse",
        )
    if mode == "replace":
        raise PlanError(
            f"each run of {pipeline.name} replaces all of {pipeline.destination.table}: of many intervals "
            "only the last would be left",
            where=pipeline.destination.where,
            hint=f"for one moment: sluiceway run {pipeline.name} --at TIME; for intervals: mode: merge",
        )
    spoken = repr(pipeline.raw)
    windowed = any(spec.incremental is not None for spec in pipeline.sources.values())
    if mode == "append" and windowed:
        raise PlanError(
            f"the ordinary runs of {pipeline.name} append the rows of each interval too, so a backfill would "
            "bring them twice",
            where=pipeline.destination.where,
            hint="write mode: merge and a primary_key: in destination:",
        )
    if not windowed and "interval_start" not in spoken and "interval_end" not in spoken:
        raise PlanError(
            f"no source of {pipeline.name} is incremental, and its SQL asks for no interval: every run would "
            "read everything",
            where=pipeline.destination.where,
            hint="give a source incremental: {cursor: COLUMN}, or use :interval_start in SQL",
        )


def _within(spec: SourceSpec, start: datetime, end: datetime) -> SourceSpec:
    if spec.incremental is None:
        return spec
    given = spec.config.filters or ()
    filters = (given,) if isinstance(given, str) else tuple(given)
    # filters see moments in UTC: what is written without a zone was given its source's by then
    column = f"CAST({ident(spec.incremental.cursor)} AS TIMESTAMP)"
    window = tuple(
        f"{column} {sign} CAST({literal(_text(moment))} AS TIMESTAMP)"
        for sign, moment in ((">=", start), ("<", end))
    )
    config = spec.config.model_copy(update={"filters": (*filters, *window)})
    return replace(spec, incremental=None, config=config, window=spec.incremental.cursor)


def _text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"
