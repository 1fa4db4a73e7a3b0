"""``sluiceway quality monitor``: a dataset's newest metrics against thresholds and its own history."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sluiceway.cli.options import Options, common
from sluiceway.errors import ConfigError

if TYPE_CHECKING:
    from sluiceway.quality.monitor import MonitoringResult

__all__ = ["command"]


@click.command()
@click.argument("dataset")
@click.option(
    "--threshold", "thresholds", multiple=True, metavar="NAME=VALUE",
    help="The least value of score, a dimension or a metric; the greatest of freshness (seconds).",
)  # fmt: skip
@click.option(
    "--sensitivity", default=3.0, show_default=True, type=click.FloatRange(0, 20, min_open=True),
    help="How far from usual is too far, in robust standard deviations.",
)  # fmt: skip
@click.option("--pipeline", help="Whose runs; of whoever measured the dataset last if absent.")
@click.option("--no-alert", is_flag=True, help="Tell nobody: only show what is found.")
@common
def command(
    options: Options,
    dataset: str,
    thresholds: tuple[str, ...],
    sensitivity: float,
    pipeline: str | None,
    no_alert: bool,
) -> int:
    """Compare a dataset's newest metrics with thresholds and with its history; tell who wants to know.

    Reads the metadata store alone. Issues are raised as alerts of the project, and resolved when they are
    over. Exits with 1 where there is an issue.
    """
    from sluiceway.quality.monitor import monitor_data_quality

    project = options.project()
    result = monitor_data_quality(
        dataset,
        project=project,
        environment=options.environment_of(project).name,
        pipeline=pipeline,
        thresholds=dict(_threshold(text) for text in thresholds),
        sensitivity=sensitivity,
    )
    document = result.as_dict()
    if not no_alert:
        from dataclasses import asdict

        from sluiceway.quality.alerting import tell

        document["deliveries"] = [asdict(delivery) for delivery in tell(project, result)]
    _print(options, result)
    options.console.document(document)
    return 0 if result.healthy else 1


def _threshold(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name.strip(), float(value)
    except ValueError:
        raise ConfigError(
            f"--threshold {text!r} is not NAME=VALUE", hint="write --threshold score=0.95"
        ) from None


def _print(options: Options, result: MonitoringResult) -> None:
    console = options.console
    console.say(f"{result.dataset}: run {result.run_id} of {result.pipeline}, {result.runs} runs known")
    rows = [(name, value) for name, value in result.metrics.items() if isinstance(value, int | float)]
    console.table(("metric", "value"), rows, ("value",))
    for note in result.notes:
        console.say(f"  {note}")
    if result.healthy:
        console.say("nothing is wrong")
    for issue in result.issues:
        colour = "red" if issue.severity in ("error", "critical") else "yellow"
        console.say(f"  {issue.severity}: {issue.message}", colour)
