"""``sluiceway import odcs``: a contract of another tool or team, into the project."""

from __future__ import annotations

from pathlib import Path

import click

from sluiceway.cli.options import Options, common

__all__ = ["command"]


@click.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--pipeline", metavar="NAME", help="Make it this pipeline's contract.")
@click.option("--name", metavar="NAME", help="What the file is called in contracts/; as it is if absent.")
@click.option("--force", is_flag=True, help="Write over another contract of that name.")
@common
def command(options: Options, file: Path, pipeline: str | None, name: str | None, force: bool) -> None:
    """Add an Open Data Contract Standard file to the project, as it is, under contracts/.

    With --pipeline the pipeline's file gets a contract: key; no other line of it changes.
    """
    from sluiceway.run.contracts import imported

    done = imported(file, options.project(), pipeline=pipeline, name=name, force=force)
    project = options.project()
    there = done.path.relative_to(project.folder)
    options.console.say(f"{there}: {'added' if done.written else 'there already'}, {done.rules} rules")
    for problem in done.problems:
        options.console.say(f"{problem.where}: {problem.level}: {problem.message}", "yellow")
    if pipeline is not None:
        said = f"contract: {there}" if done.linked else "has that contract already"
        options.console.say(f"{pipeline}: {said}")
        options.console.say(f"next: sluiceway check {pipeline}")
    options.console.document(
        {
            "file": str(there),
            "written": done.written,
            "rules": done.rules,
            "pipeline": pipeline,
            "linked": done.linked,
            "problems": [problem.as_dict() for problem in done.problems],
        }
    )
