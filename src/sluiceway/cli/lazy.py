"""Groups whose subcommands are a file each, imported when one is asked for."""

from __future__ import annotations

import importlib

import click

from sluiceway.errors import did_you_mean

__all__ = ["Subcommands", "WithDefault"]


class Subcommands(click.Group):
    """``NAME`` is ``sluiceway.cli.PREFIX_NAME:command``; a new one is a file and its name in the tuple."""

    def __init__(
        self, *args: object, prefix: str = "", names: tuple[str, ...] = (), **kwargs: object
    ) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.prefix, self.names = prefix, names

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.names:
            return None
        found = importlib.import_module(f"sluiceway.cli.{self.prefix}_{cmd_name}").command
        assert isinstance(found, click.Command)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.names and not args[0].startswith("-"):
            hint = did_you_mean(args[0], self.names)
            raise click.UsageError(f"there is no command '{ctx.info_name} {args[0]}'; {hint}", ctx)
        return super().resolve_command(ctx, args)


class WithDefault(click.Group):
    """``GROUP …`` is short for ``GROUP DEFAULT …`` where the first word is none of its commands."""

    def __init__(self, *args: object, default: str = "", **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.default = default

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = [self.default, *args]
        return super().parse_args(ctx, args)
