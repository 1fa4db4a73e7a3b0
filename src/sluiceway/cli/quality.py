"""``sluiceway quality``: what is wrong with data, how good it is, how it changes. One file a subcommand."""

from __future__ import annotations

import click

from sluiceway.cli.lazy import Subcommands

__all__ = ["SUBCOMMANDS", "command"]

SUBCOMMANDS = ("anomalies", "monitor", "score", "trends", "drift")
"""In the order of ``--help``. ``NAME`` is ``sluiceway.cli.quality_NAME:command``."""


@click.group(cls=Subcommands, prefix="quality", names=SUBCOMMANDS)
def command() -> None:
    """Look at data's quality: anomalies and, over time, what became of it."""
