"""``sluiceway runs``: what ran, and how it went."""

from __future__ import annotations

from typing import Any

import click

from sluiceway.cli.options import Options, common

__all__ = ["command"]


@click.group()
def command() -> None:
    """Past runs: list them, show one."""


@command.command("list")
@click.option("--pipeline", help="Only this pipeline's runs.")
@click.option(
    "--status",
    type=click.Choice(("queued", "running", "succeeded", "blocked", "failed", "cancelled", "skipped")),
    help="Only runs with this status.",
)
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="Runs at most.")
@common
def list_(options: Options, pipeline: str | None, status: str | None, limit: int) -> None:
    """List runs, newest first."""
    from sluiceway.store.store import Store

    project = options.project()
    environment = None if options.environment is None else options.environment_of(project).name
    with Store.open(project.metadata) as store:
        runs = store.runs(pipeline=pipeline, environment=environment, status=status, limit=limit)
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
