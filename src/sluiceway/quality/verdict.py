"""Is data fit for use? One answer out of its newest run, its checks, its history and its quarantine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sluiceway.quality.reportmodel import CheckLine, Level, Todo
from sluiceway.quality.words import outcome

if TYPE_CHECKING:
    from sluiceway.quality.monitor import QualityIssue
    from sluiceway.quality.trendmodel import TrendAnalysis

__all__ = ["answer_of", "todo_of"]

_MOST = 8
_TURNED_AWAY = ("quarantine", "fix")
"""What such a rule finds is not among the rows that were published."""


def answer_of(
    newest: Mapping[str, Any] | None,
    checks: Sequence[CheckLine],
    issues: Sequence[QualityIssue],
    waiting: int,
) -> tuple[Level, str, tuple[str, ...]]:
    """The level, the answer in a sentence, and the reasons, the worst first.

    Unfit: what stands was judged and turned down, a critical rule fails in rows that were published, or a
    threshold is missed. A run that the gate turned down left what stood before: that asks for a look.

    Args:
        newest: the newest run or check, whatever became of it.
        waiting: rows in quarantine.

    >>> answer_of(None, (), (), 0)
    ('unknown', 'No run or check has judged this data yet.', ())
    """
    if newest is None:
        return "unknown", "No run or check has judged this data yet.", ()
    bad, look = [], []
    standing = newest["kind"] == "check" and str(newest["pipeline"]).startswith("check ")
    day = str(newest["started_at"])[:10]
    if newest["status"] == "blocked":
        if standing:
            bad.append(f"the data as it stands was turned down on {day}")
        else:
            look.append(f"the delivery of {day} was turned away; what stands is of an earlier run")
    elif newest["status"] not in ("succeeded", "running", "queued"):
        look.append(f"the run of {day} ended as {newest['status']}; what stands is of an earlier one")
    for check in checks:
        if check.passed or not check.failing or check.severity == "info":
            continue
        stands = newest["status"] == "succeeded" and check.on_fail not in _TURNED_AWAY
        said = f"{check.words}: {outcome(vars(check))}"
        (bad if check.severity == "critical" and stands else look).append(said)
    for issue in issues:
        (bad if issue.kind == "threshold" or issue.severity == "critical" else look).append(issue.message)
    if waiting:
        look.append(f"{waiting:,} rows wait in quarantine")
    reasons = tuple(dict.fromkeys((*bad, *look)))
    if bad:
        return "unfit", f"The data should not be used as it is: {reasons[0]}.", reasons
    if look:
        return "attention", f"The data can be used with care: {reasons[0]}.", reasons
    if not checks:
        return "unknown", "Runs have measured this data, but no rule judges it.", ()
    return "fit", f"The data is fit for use: it passes all {len(checks)} checks.", ()


def todo_of(
    dataset: str,
    newest: Mapping[str, Any] | None,
    checks: Sequence[CheckLine],
    quarantine: Sequence[Mapping[str, Any]],
    trends: TrendAnalysis | None,
    pipeline: str | None,
) -> tuple[Todo, ...]:
    """What to do next, each command once, the most pressing first."""
    if newest is None:
        return (
            Todo(
                "have the data judged by a contract", f"sluiceway check {dataset} --contract FILE.odcs.yaml"
            ),
        )
    found = []
    if newest["status"] in ("blocked", "failed"):
        found.append(Todo("see why the newest run was stopped", f"sluiceway runs show {newest['run_id']}"))
    if quarantine:
        run_id = quarantine[0]["run_id"]
        found.append(Todo("look at rows that were turned away", f"sluiceway quarantine show --run {run_id}"))
        if pipeline is not None:
            again = f"sluiceway quarantine replay {pipeline} --all"
            found.append(Todo("once the cause is gone, let them in again", again))
    failing = [check for check in checks if check.failing and not check.passed]
    if failing and pipeline is not None:
        found.append(Todo("see which failing values can be put right", f"sluiceway fix {pipeline}"))
    if not checks and pipeline is not None:
        found.append(Todo("say what the data must be like: add rules", f"sluiceway explain {pipeline}"))
    if trends is not None:
        found += [Todo(advice.message, advice.command) for advice in trends.recommendations]
    single: dict[str, Todo] = {}
    for todo in found:
        single.setdefault(todo.command, todo)
    return tuple(single.values())[:_MOST]
