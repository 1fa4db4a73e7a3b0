"""``sluiceway serve``: scheduler and worker on one machine."""

from __future__ import annotations

import click

from sluiceway.cli.options import Options, common

__all__ = ["command"]


@click.command()
@click.option("--slots", type=click.IntRange(1, 256), help="Runs at once; orchestrate.slots if absent.")
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65_535),
    metavar="PORT",
    help="Serve Prometheus' metrics on this port of 127.0.0.1; 0 takes a free one.",
)
@common
def command(options: Options, slots: int | None, metrics_port: int | None) -> None:
    """Schedule and run everything on this machine, until told to stop.

    SIGTERM drains: nothing more is begun, and what runs is waited for. A second one gives the runs back to
    the queue. With --json each event is a line.
    """
    from sluiceway.cli.longrun import drained_by_signals, teller
    from sluiceway.orchestrate.serve import Service

    project = options.project()
    service = Service(
        project, options.environment_of(project).name, slots=slots, metrics_port=metrics_port,
        say=teller(options.console, as_json=options.console.json),
    )  # fmt: skip
    with drained_by_signals(service.drain, service.stop):
        service.run()
