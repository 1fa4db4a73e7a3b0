"""The command behind every export to another orchestrator."""

from __future__ import annotations

from pathlib import Path

import click

from sluiceway.cli.options import Options, common
from sluiceway.errors import ConfigError

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
        from sluiceway.spec.yaml_edit import write_text

        if output is not None and output.exists() and not force:
            raise ConfigError(
                f"{output} is there already", hint="give another -o, or --force to write over it"
            )
        project = options.project()
        text = exported(tool, project, options.environment_of(project).name, select or ("*",))
        if output is None:
            if not options.console.json:
                options.console.out.write(text)
        else:
            write_text(output, text)
            options.console.say(f"wrote {output}")
        options.console.document(
            {"tool": tool, "path": None if output is None else str(output), "text": text}
        )

    return command
