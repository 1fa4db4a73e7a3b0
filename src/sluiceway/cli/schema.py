"""``sluiceway schema``: the JSON Schema of the files that users write."""

from __future__ import annotations

import click

from sluiceway.cli.options import Options, common

__all__ = ["command"]


@click.command()
@click.argument("file", type=click.Choice(("pipeline", "project")))
@common
def command(options: Options, file: str) -> None:
    """Print the JSON Schema of pipeline files, or of sluiceway.yml, for editors.

    Put it where your editor finds it, and name it in the file's first line:
    # yaml-language-server: $schema=../schemas/pipeline.json
    """
    import json

    from sluiceway.spec.jsonschema import pipeline_schema, project_schema

    document = pipeline_schema() if file == "pipeline" else project_schema()
    # The schema is the command's document, with --json or without.
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))
