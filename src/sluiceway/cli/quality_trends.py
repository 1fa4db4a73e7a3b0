"""``sluiceway quality trends``: how a dataset's quality develops, and what to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sluiceway.cli.options import Options, common

if TYPE_CHECKING:
    from sluiceway.cli.console import Console
    from sluiceway.quality.trendmodel import Trend, TrendAnalysis

__all__ = ["command"]


@click.command()
@click.argument("dataset")
@click.option(
    "--range", "range_", default="30d", show_default=True, metavar="RANGE",
    help="How far back: 30d, 12w, 24h, or dates: 2026-01-01..2026-01-31.",
)  # fmt: skip
@click.option("--metric", metavar="NAME", help="Only this metric: completeness, null_share, failing_share, …")
@click.option(
    "--min-points", default=10, show_default=True, type=click.IntRange(4), metavar="N",
    help="Metrics with fewer runs are listed, and nothing is said of them.",
)  # fmt: skip
@click.option(
    "--sensitivity", default=3.5, show_default=True, type=click.FloatRange(1), metavar="Z",
    help="Robust standard deviations that an unusual run is off by, at least.",
)  # fmt: skip
@common
def command(
    options: Options, dataset: str, range_: str, metric: str | None, min_points: int, sensitivity: float
) -> None:
    """Show trends, changes of level and unusual runs in the history of DATASET.

    The history is what runs and checks left in the metadata store: scores, dimensions, counts, the
    share of nulls of each column, the share of failing rows of each check.
    """
    from sluiceway.quality.analytics import analyze_quality_trends

    project = options.project()
    analysis = analyze_quality_trends(
        dataset,
        range_,
        project=project,
        environment=options.environment_of(project).name,
        metric=metric,
        min_points=min_points,
        sensitivity=sensitivity,
    )
    _print(options.console, analysis)
    options.console.document(analysis.as_dict())


def _print(console: Console, analysis: TrendAnalysis) -> None:
    span = f"{analysis.start[:10]} to {analysis.end[:10]}"
    console.say(
        f"{analysis.dataset}, {span}: {analysis.points:,} points of {len(analysis.trends)} metrics", "bold"
    )
    told = [t for t in analysis.trends if t.direction != "unknown"]
    columns = ("metric", "runs", "first", "last", "trend", "a day", "band", "p", "season")
    console.table(columns, [_row(t) for t in told], ("runs", "first", "last", "a day", "p"))
    few = len(analysis.trends) - len(told)
    if few:
        console.say(f"{few} metrics have too few runs to be judged; a wider --range has more")
    if analysis.insights:
        console.say()
    for insight in analysis.insights:
        style = "bold red" if insight.severity in ("critical", "error") else None
        console.say(f"{insight.severity}: {insight.type}: {insight.message}", style)
    if told and not analysis.insights:
        console.say("nothing unusual")
    if analysis.recommendations:
        console.say()
        console.say("next:", "bold")
    for advice in analysis.recommendations:
        console.say(f"  {advice.message}")
        console.say(f"    {advice.command}")
    for note in analysis.notes:
        console.say(f"note: {note}")


def _row(trend: Trend) -> tuple[object, ...]:
    direction = trend.direction if trend.meaning == "neutral" else f"{trend.direction}, {trend.meaning}"
    if trend.shape == "steps":
        direction = f"{len(trend.change_points)} change{'s' if len(trend.change_points) > 1 else ''} of level"
    band = "" if trend.low is None or trend.high is None else f"{trend.low:.3g} .. {trend.high:.3g}"
    season = "" if trend.season == "none" else trend.season
    return (
        trend.name, trend.points, trend.first, trend.last, direction, trend.slope, band, trend.p_adjusted,
        season,
    )  # fmt: skip
