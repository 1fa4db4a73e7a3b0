"""``sluiceway plan``: what a run would do, without its SQL."""

from __future__ import annotations

import click

from sluiceway.cli.explain import print_plan
from sluiceway.cli.options import Options, common, variables_of

__all__ = ["command"]


@click.command()
@click.argument("pipeline")
@click.option("--vars", "values", multiple=True, metavar="K=V|JSON", help="Values of :names in SQL.")
@common
def command(options: Options, pipeline: str, values: tuple[str, ...]) -> None:
    """Show what a run would do: steps, checks, destination. Reads no rows."""
    from sluiceway.run.explain import explain

    resolved = options.pipeline(pipeline, variables=variables_of(values))
    document = explain(resolved)
    print_plan(options.console, document, resolved.project.folder, sql=False)
    options.console.document(document)
