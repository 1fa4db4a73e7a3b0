"""``sluiceway worker``: run what the queue holds."""

from __future__ import annotations

import click

from sluiceway.cli.options import Options, common

__all__ = ["command"]


@click.command()
@click.option("--slots", type=click.IntRange(1, 256), help="Runs at once; orchestrate.slots if absent.")
@click.option("--pool", "pools", multiple=True, metavar="NAME", help="Only runs of this pool.")
@click.option("--until-idle", is_flag=True, help="End when the queue is empty.")
@common
def command(options: Options, slots: int | None, pools: tuple[str, ...], until_idle: bool) -> None:
    """Run what the queue holds, until told to stop.

    SIGTERM drains: nothing more is begun, and what runs is waited for. A second one gives the runs back to
    the queue. With --json each event is a line.
    """
    from sluiceway.cli.longrun import drained_by_signals, teller
    from sluiceway.errors import ConfigError, did_you_mean
    from sluiceway.orchestrate.worker import Worker

    project = options.project()
    known = ("default", *project.orchestrate.pools)
    for pool in pools:
        if pool not in known:
            raise ConfigError(f"there is no pool '{pool}'", hint=did_you_mean(pool, known))
    worker = Worker(
        project, options.environment_of(project).name, slots=slots, pools=pools,
        say=teller(options.console, as_json=options.console.json),
    )  # fmt: skip
    with drained_by_signals(worker.drain, worker.stop):
        worker.run("idle" if until_idle else "stopped")
