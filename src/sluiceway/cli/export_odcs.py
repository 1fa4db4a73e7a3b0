"""``sluiceway export odcs``: what a pipeline declares as a data contract."""

from __future__ import annotations

from pathlib import Path

import click

from sluiceway.cli.options import Options, common
from sluiceway.errors import ConfigError

__all__ = ["command"]


@click.command()
@click.argument("target", metavar="PIPELINE|DATASET")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write to this file, not to stdout.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@common
def command(options: Options, target: str, output: Path | None, force: bool) -> None:
    """Write the contract of a pipeline's table, or of a dataset (Open Data Contract Standard 3.1).

    Columns, key, rules, owner, schedule and freshness as they are declared; what the pipeline's own
    contract says beside that stays as it is. Reads no rows.
    """
    from sluiceway.run.contracts import exported
    from sluiceway.spec.yaml_edit import write_text

    if output is not None and output.exists() and not force:
        raise ConfigError(f"{output} is there already", hint="give another -o, or --force to write over it")
    found = exported(target, options.project(), options.environment)
    if output is not None:
        write_text(output, found.text)
        options.console.say(f"{output}: {found.columns} columns, {found.rules} rules")
    elif not options.console.json:
        click.echo(found.text, nl=False)
    options.console.document(
        {"contract": found.document, "file": None if output is None else str(output), "rules": found.rules}
    )
