"""``sluiceway quality anomalies``: values that don't fit the rest of their column, with their rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sluiceway.cli.options import Options, common
from sluiceway.errors import SpecError

if TYPE_CHECKING:
    from sluiceway.quality.anomalies import Finding
    from sluiceway.spec.model import Project

__all__ = ["command"]


@click.command()
@click.argument("source", metavar="SOURCE")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(("outlier", "rare_category", "format", "gap")),
    help="Only this kind; may be given several times.",
)
@click.option("--column", "columns", multiple=True, metavar="NAME", help="Only this column; repeatable.")
@click.option("--key", multiple=True, metavar="NAME", help="A column that names a row; found if absent.")
@click.option("--hide", multiple=True, metavar="NAME", help="A column whose values are masked; repeatable.")
@click.option(
    "--contract",
    type=click.Path(path_type=Path),
    help="An Open Data Contract Standard file whose classified columns are masked.",
)
@click.option(
    "--samples", default=10, show_default=True, type=click.IntRange(0, 1000), help="Rows shown of each."
)
@common
def command(
    options: Options,
    source: str,
    kinds: tuple[str, ...],
    columns: tuple[str, ...],
    key: tuple[str, ...],
    hide: tuple[str, ...],
    contract: Path | None,
    samples: int,
) -> None:
    """Show outliers, rare categories, broken formats and gaps in time, each with its rows.

    SOURCE is a file (CSV, JSON, Parquet), a dataset of the warehouse, or CONNECTION:TABLE. Values of
    columns that look like personal data, or that a contract classifies, are masked.
    """
    from sluiceway.quality.anomalies import KINDS, anomalies

    found = anomalies(
        source,
        project=_project(options, source),
        environment=options.environment,
        kinds=kinds or KINDS,
        columns=columns,
        key=key,
        hidden=hide,
        contract=contract,
        samples=samples,
    )
    for finding in found:
        _show(options, finding)
    if not found:
        options.console.say("no anomaly was found")
    options.console.document({"dataset": source, "findings": [finding.as_dict() for finding in found]})


def _show(options: Options, finding: Finding) -> None:
    kind = finding.kind.replace("_", " ")
    options.console.say(f"{finding.column}: {kind}, {finding.message}", "bold")
    if finding.rows:
        names = list(finding.rows[0])
        cells = [[_cell(row[name]) for name in names] for row in finding.rows]
        options.console.table(names, cells)
        hidden = finding.count - len(finding.rows)
        if finding.kind != "gap" and hidden > 0:
            options.console.say(f"  and {hidden:,} rows more")


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= 60 else text[:59] + "…"


def _project(options: Options, source: str) -> Project | None:
    """A file needs no project; anything else needs one to be looked up in."""
    try:
        return options.project()
    except SpecError:
        if options.project_folder is not None or not _is_file(source):
            raise
        return None


def _is_file(source: str) -> bool:
    from sluiceway.run.standing import kind_of_file

    return kind_of_file(source) is not None or Path(source).exists()
