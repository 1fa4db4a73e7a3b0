"""``sluiceway quality``: what is wrong with data, how good it is, how it changes. One file a subcommand."""

from __future__ import annotations

import importlib

import click

from sluiceway.cli.options import Options, common
from sluiceway.errors import did_you_mean

__all__ = ["SUBCOMMANDS", "command"]

SUBCOMMANDS = ("show", "report", "score", "monitor", "trends", "drift", "anomalies")
"""In the order of ``--help``. ``NAME`` is ``sluiceway.cli.quality_NAME:command``."""


class LazySubcommands(click.Group):
    """Finds a subcommand's file when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in SUBCOMMANDS:
            return None
        found = importlib.import_module(f"sluiceway.cli.quality_{cmd_name}").command
        assert isinstance(found, click.Command)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in SUBCOMMANDS and not args[0].startswith("-"):
            hint = did_you_mean(args[0], SUBCOMMANDS)
            raise click.UsageError(f"there is no command 'quality {args[0]}'; {hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=LazySubcommands, invoke_without_command=True)
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
