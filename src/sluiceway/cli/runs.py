"""``sluiceway runs``: what ran and how it went; runs of the queue followed, cancelled, run again."""

from __future__ import annotations

from typing import Any

import click

from sluiceway.cli.options import Options, common, moment_of
from sluiceway.cli.retry import retry

__all__ = ["command"]


@click.group()
def command() -> None:
    """Runs: list them, show one, follow it, cancel it, run it again."""


@command.command("list")
@click.option("--pipeline", help="Only this pipeline's runs.")
@click.option(
    "--status",
    type=click.Choice(("queued", "running", "succeeded", "blocked", "failed", "cancelled", "skipped")),
    help="Only runs with this status.",
)
@click.option("--at", metavar="TIME", help="Only runs that stand for this moment.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="Runs at most.")
@common
def list_(options: Options, pipeline: str | None, status: str | None, at: str | None, limit: int) -> None:
    """List runs, newest first."""
    from sluiceway.store.store import Store

    project = options.project()
    environment = None if options.environment is None else options.environment_of(project).name
    with Store.open(project.metadata) as store:
        runs = store.runs(
            pipeline=pipeline, environment=environment, status=status, limit=limit, nominal_at=moment_of(at)
        )
    columns = ("run", "kind", "pipeline", "env", "status", "started", "seconds", "published", "quarantined")
    rows = [
        (
            run["run_id"],
            run["kind"],
            run["pipeline"],
            run["environment"],
            run["status"],
            str(run["started_at"])[:19].replace("T", " "),
            run["execution_time"],
            run["records"]["published"],
            run["records"]["quarantined"],
        )
        for run in runs
    ]
    options.console.table(columns, rows, ("seconds", "published", "quarantined"))
    if not runs:
        options.console.say("nothing has run yet; start with: sluiceway run PIPELINE")
    options.console.document({"runs": runs})


@command.command()
@click.argument("run")
@common
def show(options: Options, run: str) -> None:
    """Show one run: its checks, its nodes, its error. ``last`` is the newest one."""
    from sluiceway.store.store import Store

    with Store.open(options.project().metadata) as store:
        newest = store.runs(limit=1) if run == "last" else []
        document = store.run(newest[0]["run_id"] if newest else run)
    _print(options, document)
    options.console.document(document)


def _print(options: Options, run: dict[str, Any]) -> None:
    console = options.console
    console.say(f"run {run['run_id']}: {run['pipeline']} in {run['environment']}: {run['status']}")
    records = ", ".join(f"{n:,} {what}" for what, n in run["records"].items() if n is not None)
    console.say(f"  {records}")
    checks = [
        (
            c["id"],
            c["phase"],
            "shadow" if c["shadow"] else c["on_fail"],
            c["failing"],
            c["total"],
            c["passed"],
            c["message"],
        )
        for c in run.get("checks", [])
    ]
    columns = ("check", "phase", "on_fail", "failing", "of", "passed", "message")
    console.table(columns, checks, ("failing", "of"))
    nodes = [(node["name"], node["seconds"], node["rows"]) for node in run.get("nodes", [])]
    console.table(("node", "seconds", "rows"), nodes, ("seconds", "rows"))
    error = run.get("error")
    if error:
        console.say(f"  error: {error['message']}", "red")
        for line in (error.get("hint") or "").splitlines():
            console.say(f"    {line}")


@command.command()
@click.argument("run")
@click.option("-f", "--follow", is_flag=True, help="Go on until the run has ended.")
@common
def logs(options: Options, run: str, follow: bool) -> None:
    """Show what RUN wrote on its outputs. With --json each chunk is a line."""
    import time

    from sluiceway.errors import StoreError
    from sluiceway.store.queue import ENDED
    from sluiceway.store.store import Store

    with Store.open(options.project().metadata) as store:
        last = -1
        while True:
            jobs = store.queue.jobs(run_id=run, limit=1)
            over = not jobs or jobs[0]["status"] in ENDED
            chunks = store.logs.read(run, after=last)
            for chunk in chunks:
                last = chunk["seq"]
                if options.console.json:
                    options.console.event({"run_id": run, **chunk})
                else:
                    options.console.say(chunk["text"])
            if not jobs and last < 0:
                raise StoreError(
                    f"no worker ran '{run}', so nothing was kept of its outputs",
                    hint="see: sluiceway runs list; a run of `sluiceway run` writes to your terminal alone",
                )
            if over or not follow:
                return
            time.sleep(0.5)


@command.command()
@click.argument("run")
@click.option("--once", is_flag=True, help="Say how it goes now, and end.")
@common
def watch(options: Options, run: str, once: bool) -> int:
    """Follow RUN of the queue: its node, rows and memory, its time beside what is usual.

    Ends with it, as `sluiceway run` would have: 0 succeeded, 1 failed, 3 blocked. With --json each change
    is a line.
    """
    import time

    from sluiceway.orchestrate.watch import monitor_pipeline_execution
    from sluiceway.store.queue import ENDED

    project, before = options.project(), None
    while True:
        seen = monitor_pipeline_execution(run, project)
        now = (seen.status, seen.attempt, seen.progress.get("node"), seen.progress.get("done"), seen.is_long)
        if now != before:
            options.console.event(seen.as_dict())
            options.console.say(seen.said())
            before = now
        over = seen.status in ENDED
        if over or once:
            return (
                {"blocked": 3, "failed": 1, "cancelled": 1, "skipped": 1}.get(seen.status, 0) if over else 0
            )
        time.sleep(0.5)


@command.command()
@click.argument("run")
@common
def cancel(options: Options, run: str) -> None:
    """Take RUN out of the queue, or tell it to stop; nothing is published then."""
    from datetime import UTC, datetime

    from sluiceway.errors import ConfigError
    from sluiceway.store.store import Store

    project = options.project()
    environment = options.environment_of(project).name
    with Store.open(project.metadata) as store:
        waiting, running = store.queue.cancel(environment, datetime.now(UTC), run_id=run)
    if not waiting and not running:
        raise ConfigError(
            f"'{run}' neither waits in the queue of {environment} nor runs from it",
            hint="see: sluiceway runs list",
        )
    options.console.say("it was taken out of the queue" if waiting else "it was told to stop")
    options.console.document({"run_id": run, "cancelled": bool(waiting), "stopping": bool(running)})


command.add_command(retry)
