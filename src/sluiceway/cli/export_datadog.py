"""``sluiceway export datadog``: a dashboard of the metrics that ``serve`` gives, and the Agent's settings."""

from __future__ import annotations

from pathlib import Path

import click

from sluiceway.cli.export_text import write
from sluiceway.cli.options import Options, common

__all__ = ["command"]


@click.command("datadog")
@click.option("--agent", is_flag=True, help="Not the dashboard, but the Agent's openmetrics.d/conf.yaml.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write to this file, not to stdout.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@common
def command(options: Options, agent: bool, output: Path | None, force: bool) -> None:
    """Write a Datadog dashboard of the metrics that `serve --metrics-port` gives, as its API takes it."""
    from sluiceway.integrations import datadog

    write(options, "datadog", output, force, datadog.agent if agent else datadog.dashboard)
