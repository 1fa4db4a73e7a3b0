"""``sluiceway profile``: what data is like, before anything is promised about it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sluiceway.cli.options import Options, common
from sluiceway.errors import ConfigError, SpecError, did_you_mean

if TYPE_CHECKING:
    from sluiceway.quality.model import Profile
    from sluiceway.spec.model import Project

__all__ = ["command", "project_for", "references_for"]


@click.command()
@click.argument("source", metavar="FILE|DATASET|CONNECTION:TABLE")
@click.option("--column", "columns", multiple=True, metavar="NAME", help="Show it in full; repeat it.")
@click.option(
    "--references",
    multiple=True,
    metavar="DATASET|FILE",
    help="Look for columns that refer to its keys; repeat it. 'all': whatever the project's pipelines load.",
)
@click.option(
    "--sample", type=click.IntRange(min=1), default=100_000, show_default=True, metavar="ROWS",
    help="Rows that are looked at closely: order, shapes, pairs of columns.",
)  # fmt: skip
@click.option(
    "--contract",
    type=click.Path(path_type=Path),
    help="An Open Data Contract Standard file whose classified columns are hidden.",
)
@click.option(
    "--mask-pii/--no-mask",
    "mask",
    default=None,
    help="Hide values of what looks personal too, or none. Default: of what a contract classifies.",
)
@click.option(
    "--html", "page", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Write it as a page too: one file that fetches nothing.",
)  # fmt: skip
@common
def command(
    options: Options,
    source: str,
    columns: tuple[str, ...],
    references: tuple[str, ...],
    sample: int,
    contract: Path | None,
    mask: bool | None,
    page: Path | None,
) -> int:
    """Say what data is like: types, gaps, values, keys, what goes together.

    Reads a file (Parquet, CSV, JSON), a dataset of the warehouse or a table of a connection; changes
    nothing. What is estimated is marked with ~ or said to be so.
    """
    from sluiceway.quality.profile import profile

    project = project_for(options, source)
    found = profile(
        source,
        project=project,
        environment=options.environment,
        references=references_for(references, source, project),
        sample=sample,
        contract=contract,
        hide="classified" if mask is None else ("pii" if mask else "nothing"),
    )
    _known(columns, found)
    _show(options, found, columns)
    if page is not None:
        _write(options, found, page)
    options.console.document(found.as_dict())
    return 0


def _write(options: Options, found: Profile, page: Path) -> None:
    from datetime import UTC, datetime

    from sluiceway.quality.html.profile import profile_page
    from sluiceway.quality.writereport import write_text

    write_text(profile_page(found, f"{datetime.now(UTC):%Y-%m-%d %H:%M}"), page)
    options.console.say(f"  {page}")


def project_for(options: Options, target: str) -> Project | None:
    """A file can be looked at outside a project; a dataset needs one to know its warehouse."""
    from sluiceway.run.standing import kind_of_file

    try:
        return options.project()
    except SpecError:
        if options.project_folder is not None or kind_of_file(target) is None:
            raise
        return None


def references_for(named: tuple[str, ...], source: str, project: Project | None) -> list[str]:
    """What ``--references`` names; ``all`` is every other dataset that the project's pipelines load.

    Raises:
        ConfigError: ``all`` outside a project.
    """
    if "all" not in named:
        return list(named)
    if project is None:
        raise ConfigError("--references all asks for a project's datasets", hint="pass --project DIR")
    from sluiceway.quality.loaded import loaded_datasets

    return [name for name in loaded_datasets(project) if name != source]


def _known(columns: tuple[str, ...], found: Profile) -> None:
    there = [c.name for c in found.columns]
    for name in columns:
        if name not in there:
            raise ConfigError(f"{found.dataset} has no column '{name}'", hint=did_you_mean(name, there))


def _show(options: Options, found: Profile, columns: tuple[str, ...]) -> None:
    from sluiceway.quality.show_profile import HEADER, RIGHT, column_lines, findings, overview, table

    console = options.console
    console.say(overview(found), "bold")
    blocks = [block for name in columns for block in column_lines(found[name])]
    if not columns:
        console.table(HEADER, table(found), right=RIGHT)
        blocks = findings(found)
    for block in blocks:
        console.say(block.title, "bold")
        for line in block.lines:
            console.say(f"  {line}")
