"""``sluiceway rules``: what is declared, what it would have done, what counts. One file a subcommand."""

from __future__ import annotations

import click

from sluiceway.cli.lazy import Subcommands

__all__ = ["SUBCOMMANDS", "command"]

SUBCOMMANDS = ("list", "backtest", "promote")


@click.group(cls=Subcommands, prefix="rules", names=SUBCOMMANDS)
def command() -> None:
    """Look after rules: list them, try them on the past, enforce them or put them in shadow."""
