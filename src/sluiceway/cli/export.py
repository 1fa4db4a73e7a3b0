"""``sluiceway export``: what the project declares, in the words of other tools. One file a format."""

from __future__ import annotations

import click

from sluiceway.cli.lazy import Subcommands

__all__ = ["SUBCOMMANDS", "command"]

SUBCOMMANDS = ("odcs", "airflow", "dagster", "luigi", "prefect", "grafana", "prometheus", "datadog")


@click.group(cls=Subcommands, prefix="export", names=SUBCOMMANDS)
def command() -> None:
    """Write what the project declares in the words of other tools."""
