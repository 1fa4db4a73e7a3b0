"""``sluiceway serve``: scheduler and worker on one machine."""

from __future__ import annotations

import click

from sluiceway.cli.longrun import metrics_options
from sluiceway.cli.options import Options, common

__all__ = ["command"]


@click.command()
@click.option("--slots", type=click.IntRange(1, 256), help="Runs at once; orchestrate.slots if absent.")
@metrics_options
@common
def command(options: Options, slots: int | None, metrics_port: int | None, metrics_host: str) -> None:
    """Schedule and run everything on this machine, until told to stop.

    SIGTERM drains: nothing more is begun, and what runs is waited for. A second one gives the runs back to
    the queue. With --json each event is a line.
    """
    from sluiceway.cli.longrun import drained_by_signals, teller
    from sluiceway.orchestrate.serve import Service

    project = options.project()
    service = Service(
        project, options.environment_of(project).name, slots=slots, metrics_port=metrics_port,
        metrics_host=metrics_host, say=teller(options.console, as_json=options.console.json),
    )  # fmt: skip
    service.scheduler.check()
    with drained_by_signals(service.drain, service.stop):
        service.run()
