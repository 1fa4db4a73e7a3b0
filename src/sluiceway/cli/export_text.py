"""The command behind every export that is one text and needs no project."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from sluiceway.cli.options import Options, common
from sluiceway.errors import ConfigError

__all__ = ["command_for", "write"]


def command_for(name: str, help: str, text: Callable[[], str]) -> click.Command:
    """``sluiceway export NAME``."""

    @click.command(name, help=help)
    @click.option(
        "-o", "--output", type=click.Path(path_type=Path), help="Write to this file, not to stdout."
    )
    @click.option("--force", is_flag=True, help="Write over a file that is there.")
    @common
    def command(options: Options, output: Path | None, force: bool) -> None:
        write(options, name, output, force, text)

    return command


def write(options: Options, name: str, output: Path | None, force: bool, text: Callable[[], str]) -> None:
    """To the file, or to stdout; with --json as part of the document."""
    from sluiceway.spec.yaml_edit import write_text

    if output is not None and output.exists() and not force:
        raise ConfigError(f"{output} is there already", hint="give another -o, or --force to write over it")
    made = text()
    if output is not None:
        write_text(output, made)
        options.console.say(f"wrote {output}")
    elif not options.console.json:
        options.console.out.write(made)
    options.console.document({"export": name, "path": None if output is None else str(output), "text": made})
