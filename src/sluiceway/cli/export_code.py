"""The command behind every export to another orchestrator."""

from __future__ import annotations

from pathlib import Path

import click

from sluiceway.cli.export_text import write
from sluiceway.cli.options import Options, common

__all__ = ["command_for"]


def command_for(tool: str, title: str) -> click.Command:
    """``sluiceway export TOOL``."""

    @click.command(
        tool,
        help=f"Write the project's pipelines as code for {title}, whose tasks run ours.\n\n"
        "Schedules, needs, retries and time limits come along. Reads no rows.",
    )
    @click.option(
        "-o", "--output", type=click.Path(path_type=Path), help="Write to this file, not to stdout."
    )
    @click.option("--force", is_flag=True, help="Write over a file that is there.")
    @click.option("--select", multiple=True, metavar="PATTERN", help="Only these pipelines, as in `run`.")
    @common
    def command(options: Options, output: Path | None, force: bool, select: tuple[str, ...]) -> None:
        from sluiceway.integrations.exporting import exported

        project = options.project()
        environment = options.environment_of(project).name
        write(options, tool, output, force, lambda: exported(tool, project, environment, select or ("*",)))

    return command
