"""``sluiceway workers``: who there is to run what the queue holds; pause and drain one from elsewhere."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import click

from sluiceway.cli.options import Options, common

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["command"]

_DAY = timedelta(days=1)


@click.group()
def command() -> None:
    """Workers and schedulers: who there is, and what they are asked to do."""


@command.command("list")
@common
def list_(options: Options) -> None:
    """List workers and schedulers that were heard of within a day."""
    from sluiceway.store.store import Store

    project = options.project()
    environment = options.environment_of(project).name
    now = datetime.now(UTC)
    with Store.open(project.metadata) as store:
        found = store.workers.list(environment, heard_since=now - _DAY)
        runs = Counter(job["worker"] for job in store.queue.running(environment))
    silent = now - timedelta(seconds=project.orchestrate.lost_after)
    for worker in found:
        worker["runs"] = runs[worker["id"]]
        worker["lost"] = _lost(worker, silent)
    rows = [
        (
            w["id"],
            w["kind"],
            "lost" if w["lost"] else w["state"],
            w["runs"],
            w["slots"] or "",
            w["heartbeat_at"],
        )
        for w in found
    ]
    options.console.table(("name", "kind", "state", "runs", "slots", "heard"), rows, ("runs", "slots"))
    if not found:
        options.console.say("nobody was heard of within a day; start one with: sluiceway worker")
    options.console.document({"workers": found})


def _lost(worker: Mapping[str, Any], silent: datetime) -> bool:
    from sluiceway.store.process import alive

    if worker["state"] == "stopped":
        return False
    return alive(worker) is False or datetime.fromisoformat(worker["heartbeat_at"]) < silent


@command.command()
@click.argument("worker")
@common
def pause(options: Options, worker: str) -> None:
    """Let WORKER begin nothing more until it is resumed. What runs goes on."""
    _ask(options, worker, "paused")


@command.command()
@click.argument("worker")
@common
def resume(options: Options, worker: str) -> None:
    """Let a paused WORKER go on."""
    _ask(options, worker, "running")


@command.command()
@click.argument("worker")
@common
def drain(options: Options, worker: str) -> None:
    """Let WORKER finish what it runs, and end."""
    _ask(options, worker, "draining")


def _ask(options: Options, worker: str, state: Literal["running", "paused", "draining"]) -> None:
    from sluiceway.errors import StoreError, did_you_mean
    from sluiceway.store.store import Store

    project = options.project()
    environment = options.environment_of(project).name
    with Store.open(project.metadata) as store:
        known = [
            found["id"]
            for found in store.workers.list(environment, heard_since=datetime.now(UTC) - _DAY)
            if found["kind"] == "worker" and found["state"] != "stopped"
        ]
        if worker not in known:
            hint = did_you_mean(worker, known) or "see: sluiceway workers list"
            raise StoreError(f"there is no worker '{worker}'", hint=hint)
        store.workers.ask(worker, state)
    options.console.say(f"{worker} is asked to be {state}: it hears of it within a heartbeat")
    options.console.document({"worker": worker, "asked": state})
