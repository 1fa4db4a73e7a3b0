"""``sluiceway runs``: what ran and how it went; runs of the queue followed, cancelled, run again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sluiceway.cli.options import Options, common, moment_of

if TYPE_CHECKING:
    from sluiceway.spec.model import Project

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


@command.command()
@click.argument("run", metavar="RUN|GROUP")
@common
def retry(options: Options, run: str) -> int:
    """Run RUN again, out of the queue: the same moment, interval and variables, as a new run.

    Of a GROUP, which `run --select` names, what failed and what was skipped for it is run here and now, and
    what succeeded is not.
    """
    from dataclasses import replace
    from datetime import UTC, datetime

    from sluiceway.errors import ConfigError
    from sluiceway.ids import new_run_id
    from sluiceway.orchestrate.requests import request_of
    from sluiceway.spec.pipeline import PipelineConfig
    from sluiceway.spec.project import find_pipeline
    from sluiceway.store.queue import ENDED
    from sluiceway.store.store import Store

    project = options.project()
    environment = options.environment_of(project).name
    with Store.open(project.metadata) as store:
        group = store.groups.one(run)
        if group is not None:
            return _rest(options, project, group, store.groups.last(run))
        jobs = store.queue.jobs(environment, run_id=run, limit=1)
        if jobs and jobs[0]["status"] not in ENDED:
            raise ConfigError(
                f"run {run} is {jobs[0]['status']}: it needs no other", hint=f"sluiceway runs cancel {run}"
            )
        document = store.run(run)
        if document["status"] == "succeeded":
            options.console.say(f"run {run} had succeeded; it is run once more")
        config = PipelineConfig.load(find_pipeline(project, document["pipeline"]))
        moment = document.get("nominal_at")
        # not the version that a broken file was run by: the file could just be read
        payload = {k: v for k, v in jobs[0]["payload"].items() if k != "text"} if jobs else {}
        request = request_of(
            config, "retry", payload=payload,
            nominal_at=None if moment is None else datetime.fromisoformat(moment),
            group_id=document.get("group_id"),
        )  # fmt: skip
        made = new_run_id()
        store.queue.put(environment, [replace(request, run_id=made)], datetime.now(UTC))
    options.console.say(f"queued as run {made}; a worker takes it: sluiceway worker --until-idle")
    options.console.document({"run_id": made, "of": run})
    return 0


def _rest(options: Options, project: Project, group: dict[str, Any], last: dict[str, str]) -> int:
    """What of a selection did not succeed, with the settings of that call."""
    from dataclasses import replace

    from sluiceway.cli.selection import choose
    from sluiceway.cli.several import run_several
    from sluiceway.errors import ConfigError
    from sluiceway.orchestrate.together import Asked

    id, payload = group["id"], group["payload"]
    if group["kind"] != "selection":
        raise ConfigError(
            f"{id} is a {group['kind']}", hint=f"sluiceway {group['kind']} resume {id} --rerun-failed"
        )
    names = tuple(name for name in payload["pipelines"] if last.get(name) != "succeeded")
    if not names:
        options.console.say(f"all {len(last)} pipelines of {id} succeeded")
        options.console.document({"group": id, "runs": []})
        return 0
    asked = Asked(**{k: v for k, v in payload.items() if k != "pipelines"})
    options = replace(options, environment=group["environment"])
    chosen, graph = choose(options, project, names, (), (), dict(asked.variables), whole=True)
    assert graph is not None
    return run_several(options, chosen, graph, asked, id)
