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
@click.option("--jobs", type=click.IntRange(1, 64), metavar="N", help="Pipelines at once, each a process.")
@click.option("--fail-fast", is_flag=True, help="Begin no other when one did not succeed.")
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
    jobs: int | None,
    fail_fast: bool,
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
    if jobs is not None and not selected and len(pipelines) < 2:
        raise ConfigError("--jobs is for several pipelines", hint="sluiceway run --select '*' --jobs 4")
    chosen, graph = choose(options, project, pipelines, selected, exclude, variables_of(values))
    _load_ahead(chosen)
    if graph is not None:
        from sluiceway.cli.several import run_several
        from sluiceway.orchestrate.together import Asked

        asked = Asked(
            full_refresh, dry_run, None if moment is None else moment.isoformat(), not no_retry,
            variables_of(values), jobs or 1, fail_fast,
        )  # fmt: skip
        return run_several(options, chosen, graph, asked)
    with Progress(options.console) as progress:
        result = run_one(
            chosen[0], progress, full_refresh=full_refresh, dry_run=dry_run, at=moment, retries=not no_retry
        )
    print_result(options.console, result, judged_only=dry_run)
    options.console.document(result.as_dict())
    return exit_code(result)


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
