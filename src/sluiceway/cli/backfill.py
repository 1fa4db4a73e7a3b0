"""``sluiceway backfill``: run a pipeline over the intervals of a range of time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from sluiceway.cli.options import Options, common, moment_of
from sluiceway.errors import ConfigError

if TYPE_CHECKING:
    from sluiceway.spec.model import Project
    from sluiceway.store.store import Store

__all__ = ["command"]


@click.group()
def command() -> None:
    """Run a pipeline over the intervals of a range of time; see, cancel and go on with backfills."""


@command.command()
@click.argument("pipeline")
@click.option("--from", "begin", required=True, metavar="TIME", help="The range's begin, in it.")
@click.option("--to", "end", required=True, metavar="TIME", help="The range's end, not in it.")
@click.option("--every", metavar="DURATION", help="An interval's length; the schedule's moments if absent.")
@click.option("--chunk", default=1, show_default=True, type=click.IntRange(1), help="Intervals of one run.")
@click.option("--again", is_flag=True, help="Run intervals that were run before too.")
@click.option("--dry-run", is_flag=True, help="Show the intervals, queue nothing.")
@click.option("--detach", is_flag=True, help="Queue the runs and end; workers do them.")
@common
def start(
    options: Options,
    pipeline: str,
    begin: str,
    end: str,
    every: str | None,
    chunk: int,
    again: bool,
    dry_run: bool,
    detach: bool,
) -> int:
    """Run PIPELINE over each interval from --from up to --to, and follow it.

    Each interval is a run of its own, once: given again after whatever happened, the command goes on where it
    was. Incremental sources read the interval's rows and no cursor is moved.
    """
    from sluiceway.orchestrate import backfill
    from sluiceway.run.window import refuse
    from sluiceway.spec.pipeline import PipelineConfig
    from sluiceway.spec.project import find_pipeline
    from sluiceway.store.store import Store

    project = options.project()
    environment = options.environment_of(project).name
    resolved = options.pipeline(pipeline, project)
    refuse(resolved)
    first, last = moment_of(begin), moment_of(end)
    assert first is not None
    assert last is not None
    cut = backfill.intervals(first, last, resolved.schedule, every, chunk)
    if dry_run:
        found = [{"from": a.isoformat(), "to": b.isoformat()} for a, b in cut]
        options.console.table(("from", "to"), [(f["from"], f["to"]) for f in found])
        options.console.document({"pipeline": resolved.name, "intervals": found})
        return 0
    config = PipelineConfig.load(find_pipeline(project, pipeline))
    with Store.open(project.metadata) as store:
        made = backfill.begin(store, environment, config, cut, datetime.now(UTC), again=again)
        options.console.say(f"backfill {made.id}: {made.queued} of {made.intervals} intervals queued")
        if made.queued < made.intervals:
            options.console.say("the others were queued before; run them again with --again")
        if detach:
            options.console.document(made.as_dict())
            return 0
        return _follow(options, project, environment, store, made.id)


def _follow(options: Options, project: Project, environment: str, store: Store, id: str) -> int:
    """Work until the backfill is over; others may work on it too."""
    from sluiceway.cli.longrun import drained_by_signals
    from sluiceway.orchestrate.worker import Worker

    total = sum((store.groups.one(id) or {"jobs": {}})["jobs"].values())
    done = 0

    def tell(event: Any) -> None:
        nonlocal done
        if event["event"] == "run ended":
            done += 1
            said = f"  {event['published']:,} rows" if event.get("published") is not None else ""
            options.console.note(f"[{done}/{total}] {event['status']}  {event['seconds']:.1f} s{said}")

    worker = Worker(project, environment, say=tell)
    with drained_by_signals(worker.drain, worker.stop):
        worker.run("idle")
    group = store.groups.one(id)
    assert group is not None
    jobs: dict[str, int] = group["jobs"]
    over = not any(jobs.get(status) for status in ("queued", "running"))
    if over:
        store.groups.set(id, datetime.now(UTC), state="finished")
    options.console.say(", ".join(f"{n} {status}" for status, n in sorted(jobs.items())) or "nothing to do")
    if not over:
        options.console.say(f"go on with: sluiceway backfill resume {id}")
    options.console.document({**group, "over": over})
    return next((code for status, code in (("failed", 1), ("blocked", 3)) if jobs.get(status)), 0)


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
    options.console.document({"backfills": found})


@command.command()
@click.argument("id", metavar="BACKFILL")
@common
def cancel(options: Options, id: str) -> None:
    """End what waits of a backfill, and ask what runs to stop."""
    from sluiceway.store.store import Store

    project = options.project()
    environment = options.environment_of(project).name
    with Store.open(project.metadata) as store:
        _known(store, id)
        waiting, running = store.queue.cancel(environment, datetime.now(UTC), group_id=id)
        store.groups.set(id, datetime.now(UTC), state="cancelled")
    options.console.say(f"{waiting} runs were taken out of the queue, {running} were told to stop")
    options.console.document({"backfill": id, "cancelled": waiting, "stopping": running})


@command.command()
@click.argument("id", metavar="BACKFILL")
@common
def resume(options: Options, id: str) -> int:
    """Go on with a backfill that was interrupted, and follow it."""
    from sluiceway.store.store import Store

    project = options.project()
    environment = options.environment_of(project).name
    with Store.open(project.metadata) as store:
        _known(store, id)
        return _follow(options, project, environment, store, id)


def _known(store: Store, id: str) -> None:
    if store.groups.one(id) is None:
        raise ConfigError(f"there is no backfill '{id}'", hint="see: sluiceway backfill list")
