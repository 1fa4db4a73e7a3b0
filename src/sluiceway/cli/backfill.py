"""``sluiceway backfill``: run a pipeline over the intervals of a range of time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from sluiceway.cli.lazy import WithDefault
from sluiceway.cli.options import Options, common

if TYPE_CHECKING:
    from sluiceway.spec.model import Project
    from sluiceway.store.store import Store

__all__ = ["command"]

WAITING = ("queued", "running")


@click.group(cls=WithDefault, default="start")
def command() -> None:
    """Run a pipeline over the intervals of a range of time. `backfill PIPELINE …` is `backfill start …`."""


@command.command()
@click.argument("pipeline")
@click.option("--from", "begin", required=True, metavar="TIME", help="The range's begin, in it.")
@click.option("--to", "end", required=True, metavar="TIME", help="The range's end, not in it.")
@click.option("--every", metavar="DURATION", help="An interval's length; the schedule's moments if absent.")
@click.option("--chunk", default=1, show_default=True, type=click.IntRange(1), help="Intervals of one run.")
@click.option("--reverse", is_flag=True, help="The last interval first.")
@click.option("--again", is_flag=True, help="Run intervals that were run before too.")
@click.option(
    "--parallel", type=click.IntRange(1, 100), metavar="N",
    help="Intervals at once; the pipeline's max_active_runs if absent.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Show the intervals, queue nothing.")
@click.option("--follow/--detach", default=True, help="Work on the runs here, or leave them to workers.")
@common
def start(
    options: Options,
    pipeline: str,
    begin: str,
    end: str,
    every: str | None,
    chunk: int,
    reverse: bool,
    again: bool,
    parallel: int | None,
    dry_run: bool,
    follow: bool,
) -> int:
    """Run PIPELINE over each interval from --from up to --to, and follow it.

    Each interval is a run of its own, once: given again after whatever happened, the command goes on where it
    was. Incremental sources read the interval's rows and no cursor is moved. Times without a zone are meant
    in the pipeline's `timezone`. Intervals run one after the other, unless --parallel says more.
    """
    from sluiceway.orchestrate import backfill
    from sluiceway.run.window import refuse
    from sluiceway.spec.pipeline import PipelineConfig
    from sluiceway.spec.project import find_pipeline
    from sluiceway.store.store import Store

    project = options.project()
    environment = options.environment_of(project).name
    resolved = options.pipeline(pipeline, project)
    at_once = parallel or resolved.max_active_runs
    refuse(resolved, again=again, reverse=reverse, parallel=at_once)
    first = backfill.moment(begin, resolved.timezone, "--from")
    last = backfill.moment(end, resolved.timezone, "--to")
    cut = backfill.intervals(first, last, resolved.schedule, every, chunk)
    if dry_run:
        found = [{"from": a.isoformat(), "to": b.isoformat()} for a, b in (cut[::-1] if reverse else cut)]
        options.console.table(("from", "to"), [(f["from"], f["to"]) for f in found])
        options.console.document({"pipeline": resolved.name, "intervals": found})
        return 0
    if resolved.destination.mode == "merge" and resolved.destination.version is None:
        options.console.say(
            "rows of the range overwrite newer ones of the same key; "
            "version: COLUMN in destination: keeps those"
        )
    config = PipelineConfig.load(find_pipeline(project, pipeline))
    with Store.open(project.metadata) as store:
        made = backfill.begin(
            store, environment, config, cut, datetime.now(UTC),
            again=again, reverse=reverse, parallel=at_once,
        )  # fmt: skip
        options.console.say(f"backfill {made.id}: {made.queued} of {made.intervals} intervals queued")
        if made.queued < made.intervals:
            options.console.say("the others were queued before; run them again with --again")
        if not follow:
            options.console.document(made.as_dict())
            return 0
        return _follow(options, project, environment, store, made.id)


def _follow(options: Options, project: Project, environment: str, store: Store, id: str) -> int:
    """Work until the backfill is over; others may work on it too."""
    from sluiceway.cli.longrun import drained_by_signals
    from sluiceway.orchestrate.worker import Worker

    def tell(event: Any) -> None:
        if event["event"] != "run ended":
            return
        jobs = (store.groups.one(id) or {"jobs": {}})[
            "jobs"
        ]  # others work on it too: the store has the count
        done, total = sum(n for status, n in jobs.items() if status not in WAITING), sum(jobs.values())
        said = f"  {event['published']:,} rows" if event.get("published") is not None else ""
        options.console.note(
            f"[{done}/{total}] {event['pipeline']} {event['status']}  {event['seconds']:.1f} s{said}"
        )

    group = store.groups.one(id)
    assert group is not None
    at_once = group["payload"].get("parallel", 1)
    worker = Worker(project, environment, say=tell, slots=max(at_once, project.orchestrate.slots))
    with drained_by_signals(worker.drain, worker.stop):
        worker.run("idle")
    group = store.groups.one(id) or group
    jobs: dict[str, int] = group["jobs"]
    over = not any(jobs.get(status) for status in WAITING)
    if over:
        store.groups.set(id, datetime.now(UTC), state="finished")
        group["state"] = "finished"
    options.console.say(", ".join(f"{n} {status}" for status, n in sorted(jobs.items())) or "nothing to do")
    if not over:
        options.console.say(f"go on with: sluiceway backfill resume {id}")
    elif jobs.keys() & {"failed", "blocked", "cancelled", "skipped"}:
        options.console.say(f"see: sluiceway backfill show {id}; then: backfill resume {id} --rerun-failed")
    options.console.document({**_slim(group), "over": over})
    return next((code for status, code in (("failed", 1), ("blocked", 3)) if jobs.get(status)), 0)


def _slim(group: dict[str, Any]) -> dict[str, Any]:
    return {**group, "payload": {k: v for k, v in group["payload"].items() if k != "cuts"}}


@command.command("list")
@common
def list_(options: Options) -> None:
    """List backfills, newest first, with how far each is."""
    from sluiceway.store.store import Store

    with Store.open(options.project().metadata) as store:
        found = store.groups.all(kind="backfill")
    rows = [
        (g["id"], g["pipeline"], g["payload"]["from"][:16], g["payload"]["to"][:16], g["state"],
         ", ".join(f"{n} {status}" for status, n in sorted(g["jobs"].items())))
        for g in found
    ]  # fmt: skip
    options.console.table(("backfill", "pipeline", "from", "to", "state", "runs"), rows)
    if not found:
        options.console.say(
            "no backfill yet; begin one with: sluiceway backfill start PIPELINE --from … --to …"
        )
    options.console.document({"backfills": [_slim(group) for group in found]})


@command.command()
@click.argument("id", metavar="BACKFILL")
@common
def show(options: Options, id: str) -> None:
    """Show the intervals of a backfill, each with its last run."""
    from sluiceway.orchestrate.backfill import known
    from sluiceway.store.store import Store

    with Store.open(options.project().metadata) as store:
        group = known(store, id)
        jobs = store.queue.jobs(group["environment"], group_id=id, limit=None)
    last: dict[tuple[str, ...], dict[str, Any]] = {}
    for job in reversed(jobs):
        last[tuple(job["payload"]["interval"])] = job
    found = [
        {
            "from": begin, "to": end, "status": job["status"], "run_id": job["run_id"],
            "error": (job["error"] or {}).get("message"),
        }
        for (begin, end), job in sorted(last.items())
    ]  # fmt: skip
    rows = [(f["from"][:16], f["to"][:16], f["status"], f["run_id"], f["error"]) for f in found]
    options.console.say(f"{group['pipeline']}: {group['state']}")
    options.console.table(("from", "to", "status", "run", "note"), rows)
    options.console.document({**_slim(group), "intervals": found})


@command.command()
@click.argument("id", metavar="BACKFILL")
@common
def cancel(options: Options, id: str) -> None:
    """End what waits of a backfill, and ask what runs to stop."""
    from sluiceway.orchestrate.backfill import known
    from sluiceway.store.store import Store

    project = options.project()
    environment = options.environment_of(project).name
    with Store.open(project.metadata) as store:
        known(store, id)
        waiting, running = store.queue.cancel(environment, datetime.now(UTC), group_id=id)
        store.groups.set(id, datetime.now(UTC), state="cancelled")
    options.console.say(f"{waiting} runs were taken out of the queue, {running} were told to stop")
    options.console.document({"backfill": id, "cancelled": waiting, "stopping": running})


@command.command()
@click.argument("id", metavar="BACKFILL")
@common
def pause(options: Options, id: str) -> None:
    """Begin no more runs of a backfill; what runs goes on to its end."""
    from sluiceway.orchestrate import backfill
    from sluiceway.store.store import Store

    project = options.project()
    environment = options.environment_of(project).name
    with Store.open(project.metadata) as store:
        held = backfill.pause(store, environment, id, datetime.now(UTC))
    options.console.say(f"{held} runs wait; go on with: sluiceway backfill resume {id}")
    options.console.document({"backfill": id, "held": held})


@command.command()
@click.argument("id", metavar="BACKFILL")
@click.option("--rerun-failed", is_flag=True, help="Run what failed, was blocked or was cancelled again too.")
@click.option("--follow/--detach", default=True, help="Work on the runs here, or leave them to workers.")
@common
def resume(options: Options, id: str, rerun_failed: bool, follow: bool) -> int:
    """Go on with a backfill that was paused or interrupted, and follow it."""
    from sluiceway.orchestrate import backfill
    from sluiceway.spec.pipeline import PipelineConfig
    from sluiceway.spec.project import find_pipeline
    from sluiceway.store.store import Store

    project = options.project()
    environment = options.environment_of(project).name
    now = datetime.now(UTC)
    with Store.open(project.metadata) as store:
        config = PipelineConfig.load(find_pipeline(project, backfill.known(store, id)["pipeline"]))
        again = backfill.rerun_failed(store, environment, config, id, now) if rerun_failed else 0
        made = backfill.resume(store, environment, config, id, now)
        options.console.say(f"backfill {id}: {again + made.queued} runs were put into the queue")
        if not follow:
            options.console.document({**made.as_dict(), "queued": again + made.queued})
            return 0
        return _follow(options, project, environment, store, id)
