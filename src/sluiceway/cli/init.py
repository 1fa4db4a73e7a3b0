"""``sluiceway init``: a small project that runs at once."""

from __future__ import annotations

import re
from pathlib import Path

import click

from sluiceway.cli.options import Options, common

__all__ = ["command"]


@click.command()
@click.argument("folder", default=".", metavar="[DIR]", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Write over a project that stands there.")
@common
def command(options: Options, folder: Path, force: bool) -> None:
    """Make a small project in DIR: a pipeline, its contract, sample data and a test."""
    from sluiceway.cli.scaffold import write_project

    name = re.sub(r"\W+", "_", folder.resolve().name).strip("_").lower() or "project"
    written = write_project("starter", folder, name=name, force=force)
    for path in written:
        options.console.say(f"  wrote {path}")
    command = "sluiceway run orders"
    if folder.resolve() != Path.cwd():
        command = f"cd {folder} && {command}"
    options.console.say(f"next: {command}")
    options.console.document({"project": name, "files": [str(path) for path in written], "next": command})
