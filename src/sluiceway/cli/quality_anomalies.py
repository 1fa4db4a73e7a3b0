"""``sluiceway quality anomalies``: values that don't fit the rest of their column, with their rows."""

from __future__ import annotations

import click

from sluiceway.cli.options import Options, common

__all__ = ["command"]


@click.command()
@click.argument("source", metavar="SOURCE")
@common
def command(options: Options, source: str) -> None:
    """Show outliers, rare categories, broken formats and gaps in time, each with its rows.

    SOURCE is a file (CSV, JSON, Parquet), a dataset of the warehouse, or CONNECTION:TABLE.
    """
    raise NotImplementedError(source)
