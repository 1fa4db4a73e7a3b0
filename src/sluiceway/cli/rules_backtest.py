"""``sluiceway rules backtest``: what rules would have done in the runs of the past."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sluiceway.cli.options import Options, common

if TYPE_CHECKING:
    from sluiceway.cli.console import Console
    from sluiceway.quality.backtest_model import Backtest, RuleBacktest

__all__ = ["command", "print_backtest"]


@click.command()
@click.argument("target", metavar="PIPELINE|DATASET")
@click.argument("rules", metavar="[RULE]…", nargs=-1)
@click.option(
    "--contract",
    type=click.Path(path_type=Path),
    help="Try the rules of this contract, not the declared ones.",
)
@click.option("--last", type=click.IntRange(min=1), metavar="N", help="Only the newest N runs.")
@common
def command(
    options: Options, target: str, rules: tuple[str, ...], contract: Path | None, last: int | None
) -> int:
    """Judge rules again on the rows that each past run published.

    The rows come from the lake's snapshots; where there are none, from what runs recorded. Nothing is
    written. Exits with 0 whatever is found.
    """
    from sluiceway.quality.trial import tried

    found = tried(target, rules, options.project(), options.environment, contract=contract, last=last)
    print_backtest(options.console, found)
    options.console.document(found.as_dict())
    return 0


def print_backtest(console: Console, found: Backtest) -> None:
    """A line a rule, then the runs in which any of them fired."""
    console.say(f"{found.dataset}: {len(found.rules)} rules on {len(found.runs)} runs", "bold")
    rows = [(r.id, r.status, r.on_fail, len(r.outcomes), r.fired, r.blocked, r.verdict) for r in found.rules]
    columns = ("rule", "status", "if it fails", "runs", "fired", "blocked", "verdict")
    console.table(columns, rows, ("runs", "fired", "blocked"))
    for rule in found.rules:
        _runs(console, rule)
        if rule.reason:
            console.say(f"  {rule.id}: {rule.reason}")
    for note in found.notes:
        console.say(f"  note: {note}")


def _runs(console: Console, rule: RuleBacktest) -> None:
    rows = [
        (
            o.run_id, o.at[:19].replace("T", " "), o.failing, o.total, f"{100 * o.rate:.2f}%",
            "blocks" if o.blocked else rule.on_fail if rule.on_fail != "block" else "tolerated",
            o.judged,
        )
        for o in rule.outcomes
        if o.fired
    ]  # fmt: skip
    if rows:
        console.say(f"  {rule.id} fired in")
        console.table(
            ("run", "at", "failing", "of", "share", "", "judged by"), rows, ("failing", "of", "share")
        )
