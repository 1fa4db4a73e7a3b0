"""``sluiceway run``: run pipelines, gate and publish them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sluiceway.cli.options import Options, common, moment_of, variables_of
from sluiceway.errors import ConfigError, GateError
from sluiceway.ids import new_run_id

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sluiceway.cli.progress import Progress
    from sluiceway.run.result import RunResult
    from sluiceway.spec.model import EnvironmentSpec, Pipeline

__all__ = ["command", "run_one"]


@click.command()
@click.argument("pipelines", nargs=-1, metavar="PIPELINE…")
@click.option("--full-refresh", is_flag=True, help="Forget cursors and read everything again.")
@click.option("--vars", "values", multiple=True, metavar="K=V|JSON", help="Values of :names in SQL.")
@click.option("--dry-run", is_flag=True, help="Compute and judge, publish nothing.")
@click.option(
    "--at",
    metavar="TIME",
    help="The moment that the run stands for, as in a backfill: what rules and SQL take for now.",
)
@click.option("--no-retry", is_flag=True, help="Try once, whatever retry: says: who calls counts the tries.")
@click.option(
    "--select",
    "selected",
    multiple=True,
    metavar="PATTERN",
    help="Pipelines by dbt's selectors: 'sales_*', mart.orders, tag:daily, +x, x+; each after what it needs.",
)
@click.option(
    "--exclude", multiple=True, metavar="PATTERN", help="What --select shall not choose, in the same words."
)
@common
def command(
    options: Options,
    pipelines: tuple[str, ...],
    full_refresh: bool,
    values: tuple[str, ...],
    dry_run: bool,
    at: str | None,
    no_retry: bool,
    selected: tuple[str, ...],
    exclude: tuple[str, ...],
) -> int:
    """Run pipelines: extract, validate, transform, gate, publish."""
    from sluiceway.cli.progress import Progress
    from sluiceway.cli.selection import choose
    from sluiceway.cli.summary import exit_code, print_result

    moment = moment_of(at)
    project = options.project()
    _open_ahead(options.environment_of(project))
    if exclude and not selected:
        raise ConfigError("--exclude takes away from --select", hint="sluiceway run --select '*' --exclude …")
    chosen, graph = choose(options, project, pipelines, selected, exclude, variables_of(values))
    _load_ahead(chosen)
    group = new_run_id() if graph is not None else None
    results: list[RunResult] = []
    with Progress(options.console) as progress:
        for pipeline in chosen:
            # whatever lies between them, selected or not: its rows would be those of before
            needs = graph.ancestors(pipeline.name) if graph and pipeline.name in graph.nodes else ()
            stopped = [r for r in results if r.status != "succeeded" and r.pipeline in needs]
            results.append(
                skipped(pipeline, stopped[0], group, dry_run=dry_run)
                if stopped
                else run_one(
                    pipeline,
                    progress,
                    full_refresh=full_refresh,
                    dry_run=dry_run,
                    at=moment,
                    group=group,
                    retries=not no_retry,
                    one_of_several=graph is not None,
                )
            )
    for result in results:
        print_result(options.console, result, judged_only=dry_run)
    documents = [result.as_dict() for result in results]
    several = len(pipelines) != 1 or bool(selected)
    options.console.document({"runs": documents} if several else documents[0])
    codes = {exit_code(result) for result in results}
    return next((code for code in (2, 1, 3) if code in codes), 0)


def _open_ahead(environment: EnvironmentSpec) -> None:
    """DuckDB opens while the rest of the program is imported."""
    from sluiceway import plugins
    from sluiceway.duck import open_ahead

    kind = environment.warehouse.get("type")
    if environment.engine.type == "duckdb" and kind in plugins.names("connectors"):
        extensions = plugins.load("connectors", kind).extensions
        if extensions:
            open_ahead(extensions)


def _load_ahead(pipelines: Sequence[Pipeline]) -> None:
    """What the first pipeline's sources need of DuckDB, into the instance that opens."""
    from sluiceway.duck import open_ahead

    if pipelines and pipelines[0].environment.engine.type == "duckdb":
        sources = pipelines[0].sources.values()
        needed = sorted({name for s in sources for name in s.connector.extensions})
        if needed:
            open_ahead(needed)


def run_one(
    pipeline: Pipeline,
    progress: Progress,
    *,
    full_refresh: bool = False,
    dry_run: bool = False,
    at: datetime | None = None,
    group: str | None = None,
    retries: bool = True,
    one_of_several: bool = False,
) -> RunResult:
    """One run's result; a gate that raised gives the result that it carries. A setting that can't be used is
    raised, unless others are to run beside this one: then it is how this one failed."""
    from sluiceway.run.runner import run
    from sluiceway.run.ticket import Ticket

    ticket = Ticket(new_run_id(), group_id=group, retries=retries)
    try:
        return run(
            pipeline, full_refresh=full_refresh, dry_run=dry_run, progress=progress, at=at, ticket=ticket
        )
    except GateError as error:
        if error.result is None:
            raise
        result: Any = error.result
        return result  # type: ignore[no-any-return]
    except ConfigError as error:
        if not one_of_several:
            raise
        from sluiceway.run.result import RunResult

        name, environment = pipeline.name, pipeline.environment.name
        return RunResult(ticket.run_id, name, environment, status="failed", error=error)


def skipped(pipeline: Pipeline, because: RunResult, group: str | None, *, dry_run: bool) -> RunResult:
    """A pipeline whose need did not succeed in this call; it is written down as a run that was skipped."""
    from datetime import UTC, datetime

    from sluiceway.run.result import RunResult
    from sluiceway.store.store import Store

    how = {"blocked": "was blocked", "skipped": "was skipped", "cancelled": "was cancelled"}
    reason = f"{because.pipeline}, which it needs, {how.get(because.status, because.status)}"
    run_id = new_run_id()
    if not dry_run:
        with Store.open(pipeline.project.metadata) as store:
            store.record_skipped(
                run_id, pipeline.name, pipeline.environment.name, datetime.now(UTC), reason, group_id=group
            )
    return RunResult(
        run_id=run_id,
        pipeline=pipeline.name,
        environment=pipeline.environment.name,
        status="skipped",
        notes=(reason,),
    )
