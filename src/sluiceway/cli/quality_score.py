"""``sluiceway quality score``: how good a dataset is, and what changed that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sluiceway.cli.options import Options, common

if TYPE_CHECKING:
    from datetime import datetime

    from sluiceway.quality.score import Explanation

__all__ = ["command"]


@click.command()
@click.argument("dataset")
@click.option(
    "--since",
    type=click.DateTime(("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S")),
    help="Compare with the run at this time.",
)
@click.option("--against", metavar="RUN", help="Compare with this run; with the run before if absent.")
@click.option("--pipeline", help="Whose runs; of whoever judged the dataset last if absent.")
@common
def command(
    options: Options, dataset: str, since: datetime | None, against: str | None, pipeline: str | None
) -> None:
    """Show a dataset's quality score by rule, column and dimension, and what changed it.

    The contributions add up to the change exactly. Those of the data are told from those of a change of
    rules or weights, and each loss has the run where it began.
    """
    from sluiceway.quality.score import quality_score

    project = options.project()
    found = quality_score(
        dataset,
        project=project,
        environment=options.environment_of(project).name,
        pipeline=pipeline,
        since=since,
        against=against,
    )
    _print(options, found)
    options.console.document(found.as_dict())


def _print(options: Options, found: Explanation) -> None:
    console = options.console
    console.say(f"{found.dataset}: {found.sentence}")
    now = found.now
    for what, values in (("dimension", now.dimensions), ("column", now.columns), ("rule", now.rules)):
        console.table((what, "score"), [(k, f"{v:.4f}") for k, v in values.items()], ("score",))
    lost = sorted((check for check in now.checks if check.loss), key=lambda check: -check.loss)
    rows = [(c.check, c.dimension, f"{c.failed:.4%}", f"{c.weight:.4f}", f"{c.loss:.4f}") for c in lost]
    if rows:
        console.say("what the score lacks to 1:")
        console.table(("check", "dimension", "failed", "weight", "loss"), rows, ("failed", "weight", "loss"))
    if found.checks and found.before is not None:
        console.say(f"what changed since run {found.before.run_id}:")
        console.table(
            ("check", "change", "by data", "by rules", "since"),
            [
                (c.name, f"{c.change:+.4f}", f"{c.by_data:+.4f}", f"{c.by_rules:+.4f}", c.since_run)
                for c in found.checks
            ],
            ("change", "by data", "by rules"),
        )
