"""``sluiceway quality show``: a dataset's health on one screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sluiceway.cli.options import Options, common

if TYPE_CHECKING:
    from sluiceway.quality.reportmodel import DatasetReport

__all__ = ["command", "overview"]

_STYLES = {"fit": "bold green", "attention": "bold yellow", "unfit": "bold red", "unknown": "bold"}
_MOST = 8


@click.command()
@click.argument("dataset")
@common
def command(options: Options, dataset: str) -> int:
    """Show a dataset's health on one screen: is it fit, its score, what fails, what to do.

    Reads the metadata store alone; `quality report` looks at the data too.
    """
    from sluiceway.quality.report import dataset_report
    from sluiceway.quality.reportmodel import plain_json

    found = dataset_report(dataset, project=options.project(), environment=options.environment, look=False)
    _print(options, found)
    from dataclasses import asdict

    options.console.document(plain_json(asdict(found)))
    return 0


def _print(options: Options, found: DatasetReport) -> None:
    from sluiceway.quality.words import level_words, outcome, percent

    console = options.console
    console.say(f"{found.dataset}: {level_words(found.level)}. {found.answer}", _STYLES[found.level])
    for reason in found.reasons[1:_MOST]:
        console.say(f"  {reason}")
    if found.change:
        console.say(f"score {found.change}")
    parts = [(name, percent(value)) for name, value in found.dimensions.items()]
    console.table(("dimension", "score"), parts, ("score",))
    failed = [(c.id, outcome(vars(c)), c.severity, c.on_fail) for c in found.failed]
    console.table(("failing check", "outcome", "severity", "on_fail"), failed[:_MOST])
    runs = [(r.at[:16].replace("T", " "), r.status, percent(r.score), r.rows) for r in reversed(found.runs)]
    console.table(("newest runs", "status", "score", "rows"), runs[:5], ("score", "rows"))
    if found.todo:
        console.say("next:", "bold")
    for todo in found.todo:
        console.say(f"  {todo.message}")
        console.say(f"    {todo.command}")
    for note in found.notes:
        console.say(f"note: {note}")


def overview(options: Options) -> int:
    """``sluiceway quality`` alone: a line for each dataset, the worst first."""
    from sluiceway.quality.report import quality_report
    from sluiceway.quality.words import level_words, percent

    report = quality_report(project=options.project(), environment=options.environment, look=False)
    options.console.say(report.answer, "bold")
    rows = [
        (d.dataset, level_words(d.level), percent(d.score), len(d.failed), d.waiting,
         (d.judged_at or "")[:16].replace("T", " "))
        for d in report.datasets
    ]  # fmt: skip
    numbers = ("score", "failed checks", "in quarantine")
    options.console.table(("dataset", "answer", *numbers, "judged"), rows, numbers)
    options.console.say("  one of them:  sluiceway quality show DATASET")
    options.console.document(report.as_dict())
    return 0
