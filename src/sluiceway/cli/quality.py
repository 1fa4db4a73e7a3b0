"""``sluiceway quality``: what is wrong with data, how good it is, how it changes. One file a subcommand."""

from __future__ import annotations

import click

from sluiceway.cli.lazy import Subcommands
from sluiceway.cli.options import Options, common

__all__ = ["SUBCOMMANDS", "command"]

SUBCOMMANDS = ("show", "report", "score", "monitor", "trends", "drift", "anomalies")
"""In the order of ``--help``. ``NAME`` is ``sluiceway.cli.quality_NAME:command``."""


@click.group(cls=Subcommands, prefix="quality", names=SUBCOMMANDS, invoke_without_command=True)
@common
@click.pass_context
def command(context: click.Context, options: Options) -> int:
    """Is the data fit for use? Without a command: every dataset in a line, the worst first."""
    if context.invoked_subcommand is not None:
        if options.project_folder or options.environment or options.console.json:
            hint = f"sluiceway quality {context.invoked_subcommand} … --project DIR --env NAME --json"
            raise click.UsageError(f"options go behind the command: {hint}", context)
        return 0
    from sluiceway.cli.quality_show import overview

    return overview(options)
