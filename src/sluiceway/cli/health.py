"""``sluiceway health``: how pipelines fare."""

from __future__ import annotations

import click

from sluiceway.cli.options import Options, common

__all__ = ["command"]


@click.command()
@click.argument("pipelines", nargs=-1, metavar="[PIPELINE…]")
@click.option("--range", "window", metavar="DURATION", help="Look at the runs of so long; 7d if absent.")
@common
def command(options: Options, pipelines: tuple[str, ...], window: str | None) -> None:
    """Show the health of pipelines, of all if none is named: a score of 0 to 100, and what it is made of."""
    from datetime import timedelta

    from sluiceway.errors import ConfigError
    from sluiceway.orchestrate.health import monitor_pipeline_health
    from sluiceway.spec.project import pipeline_files
    from sluiceway.units import duration

    project = options.project()
    environment = options.environment_of(project).name
    try:
        span = None if window is None else timedelta(seconds=duration(window))
    except ValueError as error:
        raise ConfigError(f"--range {window}: {error}") from None
    names = pipelines or tuple(pipeline_files(project))
    found = [monitor_pipeline_health(name, project, environment, window=span) for name in names]
    for one in found:
        score = "no run yet" if one.score is None else f"{one.score:g} of 100, {one.status}"
        options.console.say(f"{one.pipeline}: {score} ({one.runs} runs)")
        rows = [
            (p.name, None if p.value is None else round(100 * p.value, 1), p.weight, p.why) for p in one.parts
        ]
        options.console.table(("part", "of 100", "weight", "why"), rows, ("of 100", "weight"))
        for issue in one.issues:
            options.console.say(f"  {issue.severity}: {issue.kind}: {issue.message}", "yellow")
    options.console.document({"health": [one.as_dict() for one in found]})
