"""What a person reads after a run: the verdict, the records, the checks that matter, what to type next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sluiceway.cli.console import Console
    from sluiceway.run.result import CheckResult, RunResult

__all__ = ["exit_code", "print_result"]

_STYLE = {"succeeded": "bold green", "blocked": "bold red", "failed": "bold red", "cancelled": "yellow"}


def exit_code(result: RunResult) -> int:
    """0 succeeded or skipped, 3 blocked; an error has its own, anything else is 1."""
    if result.status in ("succeeded", "skipped"):
        return 0
    if result.status == "blocked":
        return 3
    return result.error.exit_code if result.error is not None else 1


def print_result(console: Console, result: RunResult, *, judged_only: bool = False) -> None:
    """The summary of one run. ``judged_only``: a check or a dry run, which publishes nothing."""
    console.say()
    console.say(_headline(result, judged_only=judged_only), _STYLE.get(result.status))
    console.say(f"  {_records(result, judged_only=judged_only)}")
    _checks(console, result)
    if result.quality_score is not None:
        parts = ", ".join(f"{name} {value:.4g}" for name, value in sorted(result.dimensions.items()))
        console.say(f"  quality score {result.quality_score:.4g}" + (f"  ({parts})" if parts else ""))
    if result.error is not None:
        _why(console, result)
    for text in result.notes:
        console.say(f"  note: {text}")
    tail = [f"run {result.run_id}", f"{result.execution_time:.2f} s"]
    if result.snapshot is not None:
        tail.insert(1, f"snapshot {result.snapshot}")
    console.say("  " + "   ".join(tail))
    for text, command in _next(result, judged_only=judged_only):
        console.say(f"  {text}: {command}")


def _headline(result: RunResult, *, judged_only: bool) -> str:
    outcome = result.verdict.outcome if result.verdict is not None else None
    table = result.table or result.pipeline
    if result.status == "succeeded" and judged_only:
        said = {"pass": "would be published", "quarantine": "would be published, some rows quarantined"}
        return f"{result.pipeline}: passed; {said.get(outcome or 'pass', 'checked')}"
    if result.status == "succeeded":
        said = {"pass": "every row passed the gate", "quarantine": "some rows were quarantined"}
        return f"{result.pipeline}: published to {table}; {said.get(outcome or 'pass', '')}".rstrip("; ")
    if result.status == "blocked":
        return f"{result.pipeline}: BLOCKED by the gate; {table} is as it was"
    return f"{result.pipeline}: {result.status}"


def _records(result: RunResult, *, judged_only: bool) -> str:
    records = result.records
    parts = [] if records.read is None else [f"{records.read:,} read"]
    if records.rejected:
        parts.append(f"{records.rejected:,} rejected at the source")
    parts.append(f"{records.staged:,} staged")
    if not judged_only:
        parts += [f"{records.published:,} published", f"{records.quarantined:,} quarantined"]
        if records.late:
            parts.append(f"{records.late:,} of them late")
    return "   ".join(parts)


def _checks(console: Console, result: RunResult) -> None:
    """The checks that found something, one a line; the others are counted."""
    shadow = [check for check in result.checks if check.check.rule.shadow]
    enforced = [check for check in result.checks if not check.check.rule.shadow]
    found = [check for check in enforced if check.failing]
    rows = [
        (check.check.id, check.check.phase, check.failing, check.total, _share(check), _mark(check, result))
        for check in found
    ]
    console.table(("check", "phase", "failing", "of", "share", "result"), rows, ("failing", "of", "share"))
    proven = sum(check.proven for check in enforced)
    said = f", {proven} of them proven from metadata" if proven else ""
    if enforced:
        console.say(f"  {len(enforced) - len(found)} of {len(enforced)} checks found nothing{said}")
    if shadow:
        _shadow(console, shadow)


def _shadow(console: Console, shadow: list[CheckResult]) -> None:
    """Rules on trial, apart from those that count."""
    found = [check for check in shadow if check.failing]
    would = [check for check in found if not check.passed]
    said = f"; {len(would)} would not have passed" if would else ""
    console.say(f"  in shadow: {len(shadow) - len(found)} of {len(shadow)} checks found nothing{said}")
    rows = [(check.check.id, check.failing, check.total, _share(check)) for check in found]
    console.table(("shadow check", "failing", "of", "share"), rows, ("failing", "of", "share"))


def _share(check: CheckResult) -> str:
    return f"{100 * check.failing / check.total:.2f}%" if check.total else ""


def _mark(check: CheckResult, result: RunResult) -> str:
    """What came of a check that found something.

    A check beyond its tolerance blocks; one within it lets its rows pass or quarantines them.
    """
    if check.exceeded:
        return "BLOCKS" if result.status == "blocked" else "blocks"
    on_fail = check.check.rule.effective_on_fail
    if on_fail == "warn":
        return "noted" if check.check.rule.severity == "info" else "warning"
    if on_fail == "quarantine":
        return "quarantined"
    if on_fail == "fix":
        rest = check.failing - check.fixed
        return f"{check.fixed:,} fixed" + (f", {rest:,} quarantined" if rest else "")
    return f"tolerated (up to {check.check.rule.tolerance})"


def _why(console: Console, result: RunResult) -> None:
    error = result.error
    assert error is not None
    where = f"{error.where}: " if error.where and str(error.where) else ""
    console.say(f"  why: {where}{error.message}", "red")
    for check in result.checks:
        if check.exceeded:
            if check.message and check.message not in error.message:
                console.say(f"    {check.check.id}: {check.message}")
            _samples(console, check.check.id, result.samples.get(check.check.id, []))
    hint = error.hint or ""
    if result.run_id not in hint:  # the command that shows this run stands at the end anyway
        for line in hint.splitlines():
            console.say(f"    {line}")


def _samples(console: Console, check: str, samples: list[dict[str, Any]]) -> None:
    if samples:
        columns = tuple(samples[0])
        console.say(f"    rows that fail {check}, for example:")
        console.table(columns, [tuple(row.get(c) for c in columns) for row in samples[:3]])


def _next(result: RunResult, *, judged_only: bool) -> list[tuple[str, str]]:
    """What to type next: one or two commands that make sense after this outcome."""
    if result.status == "blocked":
        if judged_only:
            return [("see the plan and its rules", f"sluiceway explain {result.pipeline}")]
        return [
            ("look at this run", f"sluiceway runs show {result.run_id}"),
            ("judge again without loading", f"sluiceway check {result.pipeline}"),
        ]
    if result.status != "succeeded":
        return []
    if judged_only:
        return [("load it", f"sluiceway run {result.pipeline}")]
    commands = []
    if result.records.quarantined or result.records.rejected:
        commands.append(("the rows turned away", f"sluiceway quarantine list --run {result.run_id}"))
    if any(check.fixed for check in result.checks):
        commands.append(("what was put right", f"sluiceway fix list --run {result.run_id}"))
    if result.table:
        commands.append(("where it comes from", f"sluiceway lineage {result.table}"))
    return commands
