"""``sluiceway import``: bring what other tools wrote into the project. One file a format."""

from __future__ import annotations

import click

from sluiceway.cli.lazy import Subcommands

__all__ = ["SUBCOMMANDS", "command"]

SUBCOMMANDS = ("odcs",)


@click.group(cls=Subcommands, prefix="import", names=SUBCOMMANDS)
def command() -> None:
    """Bring what other tools wrote into the project."""
