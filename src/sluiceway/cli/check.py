"""``sluiceway check``: judge data where it is, without loading anything."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from sluiceway.cli.options import Options, common, variables_of
from sluiceway.errors import ConfigError, SpecError

if TYPE_CHECKING:
    from sluiceway.run.result import RunResult
    from sluiceway.spec.model import Project

__all__ = ["command"]


@click.command()
@click.argument("target", metavar="PIPELINE|DATASET|FILE|CONNECTION:TABLE")
@click.option(
    "--contract",
    type=click.Path(path_type=Path),
    help="An Open Data Contract Standard file (*.odcs.yaml): judge data by it as it stands.",
)
@click.option("--vars", "values", multiple=True, metavar="K=V|JSON", help="Values of :names in SQL.")
@click.option(
    "--metrics",
    type=click.Choice(("basic", "full", "off")),
    default="basic",
    show_default=True,
    help="With --contract: what is kept for the history. A pipeline says it in quality.metrics.",
)
@common
def command(
    options: Options,
    target: str,
    contract: Path | None,
    values: tuple[str, ...],
    metrics: Literal["basic", "full", "off"],
) -> int:
    """Judge a pipeline's result, a dataset, a file or a connection's table; publish nothing.

    A pipeline's sources, steps and rules are computed and judged as a run would. With --contract, a
    dataset of the warehouse, a file (Parquet, CSV, JSON) or CONNECTION:TABLE is judged as it stands.
    """
    from sluiceway.cli.progress import Progress
    from sluiceway.cli.summary import exit_code, print_result

    if contract is None:
        from sluiceway.run.check import check_pipeline

        pipeline = options.pipeline(target, variables=variables_of(values))
        with Progress(options.console) as progress:
            result = check_pipeline(pipeline, progress=progress)
    else:
        result = _by_contract(options, target, contract, metrics)
    print_result(options.console, result, judged_only=True)
    options.console.document(result.as_dict())
    return exit_code(result)


def _by_contract(
    options: Options, target: str, contract: Path, metrics: Literal["basic", "full", "off"]
) -> RunResult:
    from sluiceway.run.check import check_data
    from sluiceway.spec.model import QualitySpec

    if not contract.is_file():
        raise ConfigError(f"there is no contract '{contract}'", hint="give --contract a *.odcs.yaml file")
    return check_data(
        target,
        contract,
        project=_project(options, target),
        environment=options.environment,
        quality=QualitySpec(metrics=metrics),
    )


def _project(options: Options, target: str) -> Project | None:
    """A file can be judged outside a project; a dataset needs one to know its warehouse."""
    try:
        return options.project()
    except SpecError:
        if options.project_folder is not None or not Path(target).exists():
            raise
        return None
