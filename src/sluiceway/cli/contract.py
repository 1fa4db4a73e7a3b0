"""``sluiceway contract``: show, lint and compare data contracts. One file a subcommand."""

from __future__ import annotations

import click

from sluiceway.cli.lazy import Subcommands

__all__ = ["SUBCOMMANDS", "command"]

SUBCOMMANDS = ("show", "lint", "diff")


@click.group(cls=Subcommands, prefix="contract", names=SUBCOMMANDS)
def command() -> None:
    """Look at data contracts (Open Data Contract Standard, *.odcs.yaml): show, lint, diff."""
