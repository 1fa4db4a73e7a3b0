"""``sluiceway schedule``: put what is due into the queue; see, pause and resume schedules."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from sluiceway.cli.lazy import WithDefault
from sluiceway.cli.longrun import metrics_options
from sluiceway.cli.options import Options, common

if TYPE_CHECKING:
    from sluiceway.orchestrate.index import Entry

__all__ = ["command"]


@click.group(cls=WithDefault, default="run")
def command() -> None:
    """When pipelines run: the scheduler, and what it knows. `schedule` alone is `schedule run`."""


@command.command()
@click.option("--once", is_flag=True, help="Queue what is due now, and end.")
@metrics_options
@common
def run(options: Options, once: bool, metrics_port: int | None, metrics_host: str) -> None:
    """Queue what is due, until told to stop. Any number of schedulers may run at once."""
    from sluiceway.cli.longrun import drained_by_signals, teller
    from sluiceway.orchestrate.metrics import served
    from sluiceway.orchestrate.scheduler import Scheduler
    from sluiceway.store.store import Store

    project = options.project()
    environment = options.environment_of(project).name
    tell = teller(options.console, as_json=options.console.json and not once)
    scheduler = Scheduler(project, environment, say=tell if not (once and options.console.json) else _silent)
    scheduler.check()
    if not once:
        with (
            served(project, environment, metrics_host, metrics_port, tell),
            drained_by_signals(scheduler.stop, scheduler.stop),
        ):
            scheduler.run()
        return
    with Store.open(project.metadata) as store:
        queued = scheduler.tick(now := datetime.now(UTC), store)
        while scheduler.behind:
            queued += scheduler.tick(now, store)
    options.console.say(f"queued: {', '.join(queued) or 'nothing is due'}")
    options.console.document({"queued": queued})


def _silent(_: Any) -> None:
    return None


@command.command("list")
@common
def list_(options: Options) -> None:
    """List schedules: when each pipeline ran last, and when it runs next."""
    from sluiceway.orchestrate.index import Index
    from sluiceway.orchestrate.needs import Needs
    from sluiceway.store.store import Store
    from sluiceway.store.values import outgoing

    project = options.project()
    environment = options.environment_of(project).name
    index = Index(project)
    index.refresh()
    now = datetime.now(UTC)
    with Store.open(project.metadata) as store:
        known = store.schedules.all(environment)
    found = []
    for name, entry in sorted(index.entries.items()):
        spec, row = entry.schedule, known.get(name, {})
        if spec is None:
            continue
        paused = bool(row.get("paused"))
        next_at = None if paused or not spec.timed else spec.next(now)
        found.append(
            {
                "pipeline": name, "schedule": _said(entry), "timezone": spec.timezone, "paused": paused,
                "reason": row.get("reason"), "last_at": outgoing(row.get("last_at")),
                "next_at": outgoing(next_at), "error": row.get("error") or entry.error,
            }
        )  # fmt: skip
    rows = [
        (
            f["pipeline"],
            f["schedule"],
            _short(f["last_at"]),
            "paused" if f["paused"] else _short(f["next_at"]),
            f["error"] or f["reason"],
        )
        for f in found
    ]
    options.console.table(("pipeline", "schedule", "last", "next", "note"), rows)
    broken = {str(path): error for path, error in index.broken.items()}
    wrong = Needs(index.entries.values(), index.broken).error
    if wrong is not None:
        broken[str(wrong.where.file if wrong.where else "")] = str(wrong)
    for path, error in broken.items():
        options.console.say(f"{path}: {error}", "red")
    if not found:
        options.console.say('no pipeline has a schedule; give one: schedule: "0 6 * * *"')
    options.console.document({"schedules": found, "broken": broken})


def _said(entry: Entry) -> str:
    spec = entry.schedule
    assert spec is not None
    parts = [*spec.crons, *([] if spec.every is None else [f"every {spec.every:g} s"])]
    parts += [f"dataset {name}" for name in spec.datasets] + [f"files {pattern}" for pattern in spec.files]
    return ", ".join(parts)


def _short(value: str | None) -> str | None:
    return None if value is None else value[:19].replace("T", " ")


@command.command()
@click.argument("pipeline")
@click.option("--reason", help="Why, for those who wonder.")
@common
def pause(options: Options, pipeline: str, reason: str | None) -> None:
    """Queue no more runs of PIPELINE; what is queued already stays."""
    _set(options, pipeline, True, reason)
    options.console.say(f"{pipeline} is paused; go on with: sluiceway schedule resume {pipeline}")


@command.command()
@click.argument("pipeline")
@common
def resume(options: Options, pipeline: str) -> None:
    """Queue runs of PIPELINE again; missed moments are caught up with by its policy."""
    _set(options, pipeline, False, None)
    options.console.say(f"{pipeline} goes on")


def _set(options: Options, pipeline: str, paused: bool, reason: str | None) -> None:
    from sluiceway.spec.project import find_pipeline
    from sluiceway.store.store import Store

    project = options.project()
    environment = options.environment_of(project).name
    find_pipeline(project, pipeline)
    with Store.open(project.metadata) as store:
        store.schedules.pause(environment, pipeline, paused, reason, datetime.now(UTC))
    options.console.document({"pipeline": pipeline, "environment": environment, "paused": paused})


@command.command("next")
@click.argument("pipeline")
@click.option("-n", "count", default=5, show_default=True, type=click.IntRange(1, 1000), help="Moments.")
@common
def next_(options: Options, pipeline: str, count: int) -> None:
    """Show the moments at which PIPELINE runs next."""
    from itertools import islice
    from zoneinfo import ZoneInfo

    from sluiceway.errors import ConfigError

    found = options.pipeline(pipeline).schedule
    if found is None or not found.timed:
        raise ConfigError(f"{pipeline} runs by no clock", hint='give it one: schedule: "0 6 * * *"')
    moments = list(islice(found.moments(datetime.now(UTC)), count))
    for moment in moments:
        options.console.say(moment.astimezone(ZoneInfo(found.timezone)).isoformat())
    options.console.document({"pipeline": pipeline, "moments": [m.isoformat() for m in moments]})


@command.command()
@click.argument("pipeline")
@click.option("--vars", "values", multiple=True, metavar="K=V|JSON", help="Values of :names in SQL.")
@click.option("--full-refresh", is_flag=True, help="Forget cursors and read everything again.")
@click.option("--at", metavar="TIME", help="The moment that the run stands for.")
@common
def trigger(
    options: Options, pipeline: str, values: tuple[str, ...], full_refresh: bool, at: str | None
) -> None:
    """Put one run of PIPELINE into the queue now."""
    from sluiceway.cli.options import moment_of, variables_of
    from sluiceway.orchestrate.requests import trigger as put

    project = options.project()
    environment = options.environment_of(project).name
    run_id = put(
        project, environment, pipeline, at=moment_of(at), variables=variables_of(values),
        full_refresh=full_refresh,
    )  # fmt: skip
    options.console.say(f"queued as run {run_id}; a worker takes it: sluiceway worker --until-idle")
    options.console.document({"run_id": run_id, "pipeline": pipeline})
