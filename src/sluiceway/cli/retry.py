"""``sluiceway runs retry``: a run once more, or what is left of a selection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sluiceway.cli.options import Options, common
from sluiceway.errors import ConfigError

if TYPE_CHECKING:
    from sluiceway.spec.model import Project
    from sluiceway.store.store import Store

__all__ = ["retry"]


@click.command()
@click.argument("run", metavar="RUN|GROUP")
@common
def retry(options: Options, run: str) -> int:
    """Run RUN again, out of the queue: the same environment, moment, interval and variables, as a new run.

    Of a GROUP, which `run --select` names, what failed and what was skipped for it is run here and now, and
    what succeeded is not.
    """
    from dataclasses import replace
    from datetime import UTC, datetime

    from sluiceway.ids import new_run_id
    from sluiceway.orchestrate.requests import request_of
    from sluiceway.spec.pipeline import PipelineConfig
    from sluiceway.spec.project import find_pipeline
    from sluiceway.store.queue import ENDED
    from sluiceway.store.store import Store

    project = options.project()
    with Store.open(project.metadata) as store:
        group = store.groups.one(run)
        if group is not None:
            _same_environment(options, project, run, group["environment"])
            return _rest(options, project, group, store.groups.last(run))
        jobs = store.queue.jobs(run_id=run, limit=1)
        if jobs and jobs[0]["status"] not in ENDED:
            raise ConfigError(
                f"run {run} is {jobs[0]['status']}: it needs no other", hint=f"sluiceway runs cancel {run}"
            )
        document = _document(store, run, jobs)
        environment = document["environment"]
        _same_environment(options, project, run, environment)
        if document["status"] == "succeeded":
            options.console.say(f"run {run} had succeeded; it is run once more")
        config = PipelineConfig.load(find_pipeline(project, document["pipeline"]))
        moment = document.get("nominal_at")
        payload = _payload(store, document, jobs)
        request = request_of(
            config, "retry", payload=payload,
            nominal_at=datetime.fromisoformat(moment) if isinstance(moment, str) else moment,
            group_id=document.get("group_id"),
        )  # fmt: skip
        made = new_run_id()
        store.queue.put(environment, [replace(request, run_id=made)], datetime.now(UTC))
    if payload is None:
        options.console.note(
            f"how run {run} was called was not kept; with --vars or --full-refresh: "
            f"sluiceway runs cancel {made}, and sluiceway run {document['pipeline']} with them"
        )
    options.console.say(f"queued as run {made}; a worker takes it: sluiceway worker --until-idle")
    options.console.document({"run_id": made, "of": run})
    return 0


def _same_environment(options: Options, project: Project, run: str, environment: str) -> None:
    """What ran in one environment is not run again in another, whatever is this call's default."""
    if options.environment is not None and options.environment_of(project).name != environment:
        raise ConfigError(
            f"{run} ran in {environment}, not in {options.environment}",
            hint="leave out --env: it is run again where it ran",
        )


def _document(store: Store, run: str, jobs: list[dict[str, Any]]) -> dict[str, Any]:
    """The run as it was written down, or its job: what was cancelled in the queue was never a run.

    Raises:
        ConfigError: nothing was to be published by it, and a run of the queue would.
        StoreError: there is no such run.
    """
    from sluiceway.errors import StoreError

    try:
        document = store.run(run)
    except StoreError:
        if not jobs:
            raise
        return jobs[0]
    if document["kind"] not in ("run", "backfill"):
        check = document["kind"] == "check"
        raise ConfigError(
            f"{run} is a {document['kind']}, and no run that publishes its batch",
            hint=f"sluiceway {'check ' + document['pipeline'] if check else 'runs show ' + run}",
        )
    return document


def _payload(store: Store, document: dict[str, Any], jobs: list[dict[str, Any]]) -> dict[str, Any] | None:
    """How the run was called: by the queue, or as one of a selection. None where that was not kept."""
    if jobs:
        # not the version that a broken file was run by: the file could just be read
        return {k: v for k, v in jobs[0]["payload"].items() if k != "text"}
    id = document.get("group_id")
    group = store.groups.one(id) if id else None
    if group is None or group["kind"] != "selection":
        return None
    return {"vars": group["payload"]["variables"], "full_refresh": group["payload"]["full_refresh"]}


def _rest(options: Options, project: Project, group: dict[str, Any], last: dict[str, str]) -> int:
    """What of a selection did not succeed, with the settings of that call."""
    from dataclasses import replace

    from sluiceway.cli.selection import choose
    from sluiceway.cli.several import run_several
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
