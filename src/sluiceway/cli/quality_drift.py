"""``sluiceway quality drift``: whether two sides of data are distributed alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sluiceway.cli.options import Options, common
from sluiceway.errors import ConfigError, SpecError

if TYPE_CHECKING:
    from sluiceway.cli.console import Console
    from sluiceway.quality.drift_model import ColumnDrift, Drift
    from sluiceway.spec.model import Project

__all__ = ["command"]

_HINT = (
    "quality drift A B, quality drift DATASET --from SNAPSHOT [--to SNAPSHOT], or "
    "quality drift DATASET --column TIME --before RANGE --after RANGE"
)


@click.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="[B]", required=False)
@click.option("--from", "from_", metavar="SNAPSHOT|RUN", help="A as of this snapshot of the warehouse.")
@click.option("--to", metavar="SNAPSHOT|RUN", help="… compared with this one; with A as it stands if absent.")
@click.option(
    "--column", metavar="TIME", help="A date or timestamp column, of which two ranges are compared."
)
@click.option("--before", "before_range", metavar="RANGE", help="The earlier range: 60d..30d, or dates.")
@click.option("--after", "after_range", metavar="RANGE", help="The later range: 30d, or dates.")
@click.option("--columns", metavar="A,B,…", help="Compare only these columns.")
@click.option("--fail", is_flag=True, help="Exit with 1 where any column has drifted largely.")
@common
def command(
    options: Options,
    before: str,
    after: str | None,
    from_: str | None,
    to: str | None,
    column: str | None,
    before_range: str | None,
    after_range: str | None,
    columns: str | None,
    fail: bool,
) -> int:
    """Compare how columns are distributed in A and B, or in A at two times.

    A and B are files, datasets of the warehouse or CONNECTION:TABLE. The verdict is by effect (PSI, KS,
    Cramér's V), and asks that chance is no explanation.
    """
    ranges = (column, before_range, after_range)
    ways = [after is not None, from_ is not None or to is not None, any(ranges)]
    if sum(ways) != 1 or (to is not None and from_ is None) or (ways[2] and None in ranges):
        raise ConfigError("say what A is to be compared with, in one way", hint=_HINT)
    project = _project(options, before, after)
    environment = options.environment if project is None else options.environment_of(project).name
    how: dict[str, Any] = {
        "project": project,
        "environment": environment,
        "columns": [name.strip() for name in columns.split(",")] if columns else (),
        "hidden": _hidden(project, before, after),
    }
    if after is not None:
        from sluiceway.quality.drift import drift

        found = drift(before, after, **how)
    elif from_ is not None:
        found = _snapshots(before, from_, to, how)
    else:
        found = _ranges(before, str(column), str(before_range), str(after_range), how)
    _print(options.console, found)
    options.console.document(found.as_dict())
    return 1 if fail and found.verdict == "large" else 0


def _snapshots(dataset: str, from_: str, to: str | None, how: dict[str, Any]) -> Drift:
    from sluiceway.quality.drift import drift_of_snapshots

    if how["project"] is None:
        raise ConfigError(f"there is no project to look for {dataset} in", hint="pass --project DIR")
    ends = _snapshot(how["project"], from_), None if to is None else _snapshot(how["project"], to)
    return drift_of_snapshots(dataset, *ends, **how)


def _snapshot(project: Project, text: str) -> int:
    """A snapshot by its number, or by the run that made it."""
    if text.isdigit():
        return int(text)
    from sluiceway.store.store import Store

    with Store.open(project.metadata) as store:
        snapshot = store.run(text)["snapshot"]
    if snapshot is None or not str(snapshot).isdigit():
        raise ConfigError(
            f"run {text} made no snapshot", hint="sluiceway runs list shows which were published"
        )
    return int(snapshot)


def _ranges(target: str, column: str, before: str, after: str, how: dict[str, Any]) -> Drift:
    from datetime import UTC, datetime

    from sluiceway.quality.drift import drift_of_ranges
    from sluiceway.quality.ranges import parse_range

    now = datetime.now(UTC)
    return drift_of_ranges(target, column, parse_range(before, now), parse_range(after, now), **how)


def _project(options: Options, *targets: str | None) -> Project | None:
    """Files can be compared outside a project; datasets need one to know their warehouse."""
    try:
        return options.project()
    except SpecError:
        from sluiceway.run.standing import kind_of_file

        if options.project_folder is not None or any(t and kind_of_file(t) is None for t in targets):
            raise
        return None


def _hidden(project: Project | None, *targets: str | None) -> frozenset[str]:
    """Columns that the pipeline which loads a dataset, or its contract, hides."""
    from sluiceway.quality.loaded import classified

    return frozenset().union(*(classified(t, project, None) for t in targets if t is not None))


def _print(console: Console, found: Drift) -> None:
    console.say(
        f"{found.before} ({found.rows_before:,} rows) and {found.after} ({found.rows_after:,} rows)", "bold"
    )
    columns = ("column", "drift", "PSI", "KS", "V", "d", "why")
    console.table(columns, [_row(c) for c in found.columns], ("PSI", "KS", "V", "d"))
    for what, names in (("added", found.added), ("removed", found.removed), ("retyped", found.retyped)):
        if names:
            console.say(f"{what}: {', '.join(names)}")
    for column in found.columns:
        for note in column.notes:
            console.say(f"note: {column.column}: {note}")
    for note in found.notes:
        console.say(f"note: {note}")
    console.say(f"drift: {found.verdict}")


def _row(column: ColumnDrift) -> tuple[object, ...]:
    v = column.v if column.kind == "category" else None
    return column.column, column.verdict, column.psi, column.ks, v, column.d, "; ".join(column.reasons)
