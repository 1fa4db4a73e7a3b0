"""A quality report as a page: the answer first, then each dataset, the worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sluiceway.quality.html.build import Html, el, join, table, text
from sluiceway.quality.html.charts import lines
from sluiceway.quality.html.page import document
from sluiceway.quality.html.profile import profile_part
from sluiceway.quality.words import figure, level_words, outcome, percent

if TYPE_CHECKING:
    from sluiceway.quality.reportmodel import CheckLine, DatasetReport, QualityReport, RunLine

__all__ = ["report_page"]

_RUNS = 30
_CHECKS = 100
_ROWS = 10
_WIDE = 12
"""Columns of a sample row."""
_LISTED = 25
_COLUMNS = ("dataset", "answer", "score", "failed checks", "in quarantine", "judged")


def report_page(report: QualityReport) -> str:
    """The document that ``quality report`` writes. Its size is bounded whatever the data is like."""
    title = f"Data quality of {report.project}"
    many = len(report.datasets) > 1
    summary = table(
        "Datasets, the worst first", _COLUMNS,
        [_summary(i, d) for i, d in enumerate(report.datasets)], _COLUMNS[2:5],
    )  # fmt: skip
    return document(
        title,
        el("h1", title),
        el("p", f"Environment {report.environment}, {_when(report.made_at)}", class_="soft"),
        el("p", el("strong", report.answer), class_=f"answer {report.level}") if many else None,
        summary if many else None,
        *(_dataset(i, d) for i, d in enumerate(report.datasets)),
        _legend(),
        made_at=_when(report.made_at),
    )


def _summary(place: int, d: DatasetReport) -> tuple[Any, ...]:
    return (
        el("a", d.dataset, href=f"#d{place}"), el("b", level_words(d.level), class_=d.level),
        percent(d.score), figure(len(d.failed)), figure(d.waiting), _when(d.judged_at),
    )  # fmt: skip


def _dataset(place: int, d: DatasetReport) -> Html:
    parts = (
        _answer(d), _todo(d), _failed(d.failed), _score(d), _issues(d), _trends(d), _quarantine(d),
        _anomalies(d), _profile(d), _upstream(d), _history(d.runs), _passed(d), _notes(d),
    )  # fmt: skip
    return el("section", el("h2", d.dataset, id=f"d{place}"), *parts, aria_labelledby=f"d{place}")


def _answer(d: DatasetReport) -> Html:
    about = ", ".join(
        filter(
            None, (d.description, d.owner and f"owner {d.owner}", d.pipeline and f"loaded by {d.pipeline}")
        )
    )
    reasons = el("ul", *(el("li", r) for r in d.reasons[:_LISTED])) if len(d.reasons) > 1 else None
    cards = [
        ("score", percent(d.score) or "none"), *((name, percent(v)) for name, v in d.dimensions.items()),
        ("failed checks", f"{len(d.failed)} of {len(d.checks)}"), ("in quarantine", figure(d.waiting)),
    ]  # fmt: skip
    return join(
        (
            el("p", about, class_="soft") if about else None,
            el(
                "div",
                el("p", el("strong", el("b", level_words(d.level), class_=d.level), ". ", d.answer)),
                reasons,
                class_=f"answer {d.level}",
            ),
            el("ul", *(el("li", el("b", value), name) for name, value in cards), class_="cards"),
            el("p", el("b", "Since last time: "), d.change) if d.change else None,
        )
    )


def _part(title: str, *content: Any) -> Html:
    """A heading and what is under it; nothing where there is nothing."""
    inner = join(content)
    return Html("") if not inner else join((el("h3", title), inner))


def _todo(d: DatasetReport) -> Html:
    return _part(
        "What to do",
        el("ol", *(el("li", t.message, ": ", el("code", t.command)) for t in d.todo)) if d.todo else None,
    )


def _failed(checks: Sequence[CheckLine]) -> Html:
    shown = [_check(check) for check in checks[:_CHECKS]]
    left = len(checks) - len(shown)
    return _part("Rules that fail", *shown, el("p", f"and {left} more", class_="soft") if left > 0 else None)


def _check(check: CheckLine) -> Html:
    said = el("p", el("b", f"{check.words}."), f" {outcome(vars(check))}.")
    told = f"{check.severity}, {_ON_FAIL.get(check.on_fail, check.on_fail)}; check {check.id}"
    rows = check.samples[:_ROWS]
    names = list(dict.fromkeys(name for row in rows for name in row))[:_WIDE]
    return join(
        (
            said,
            el("p", told, class_="soft"),
            table("Some of these rows", names, [[_value(row.get(name)) for name in names] for row in rows])
            if names
            else None,
        )
    )


_ON_FAIL = {
    "block": "a delivery that fails is turned away",
    "quarantine": "rows that fail are set aside",
    "fix": "rows that fail are put right, or set aside",
    "warn": "rows that fail are let through",
}


def _score(d: DatasetReport) -> Html:
    labels = [_when(run.at) for run in d.runs]
    names = list(dict.fromkeys(name for run in d.runs for name in run.dimensions))
    return _part(
        "Score over time",
        lines("Quality score by run", labels, [("score", [run.score for run in d.runs])], share=True),
        lines(
            "Dimensions by run", labels, [(n, [run.dimensions.get(n) for run in d.runs]) for n in names],
            share=True,
        )
        if len(names) > 1
        else None,
        lines("Rows by run", labels, [("rows", [run.rows for run in d.runs])]),
    )  # fmt: skip


def _issues(d: DatasetReport) -> Html:
    rows = [
        (i.message, _KINDS.get(i.kind, i.kind), i.severity, i.column or "the table")
        for i in d.issues[:_LISTED]
    ]
    return _part(
        "Unlike what was asked or usual",
        table("Found by monitoring", ("what", "kind", "severity", "column"), rows),
    )


_KINDS = {
    "threshold": "beyond a threshold", "degradation": "worse than usual", "anomaly": "unusual",
    "silent": "no run for long",
}  # fmt: skip


def _trends(d: DatasetReport) -> Html:
    if d.trends is None:
        return Html("")
    told = [
        el("li", el("b", _INSIGHTS.get(i.type, i.type)), f": {i.message}")
        for i in d.trends.insights[:_LISTED]
    ]
    return _part("How it develops", el("ul", *told) if told else None)


_INSIGHTS = {
    "quality_degradation": "worse",
    "quality_improvement": "better",
    "quality_anomaly": "unusual",
}


def _quarantine(d: DatasetReport) -> Html:
    rows = [
        (row["run_id"], ", ".join(map(str, row["reasons"])), figure(int(row["rows"])))
        for row in d.quarantine[:_LISTED]
    ]
    return _part(
        "Rows waiting in quarantine",
        table("By run and reasons", ("run", "failed checks", "rows"), rows, ("rows",)),
    )


def _anomalies(d: DatasetReport) -> Html:
    said = []
    for finding in d.findings[:_LISTED]:
        names = list(finding.rows[0])[:_WIDE] if finding.rows else []
        said.append(
            el(
                "details",
                el("summary", f"{finding.column}: {finding.message}"),
                table("Some of these rows", names, [[_value(r.get(n)) for n in names] for r in finding.rows])
                if names
                else None,
            )
        )
    return _part("Odd values in the data", *said)


def _profile(d: DatasetReport) -> Html:
    return Html("") if d.profile is None else _part("What the data is like", profile_part(d.profile))


def _upstream(d: DatasetReport) -> Html:
    rows = [(row["name"], figure(row["depth"])) for row in d.upstream[:_LISTED]]
    return _part(
        "What it is made of", table("Upstream data", ("dataset", "steps away"), rows, ("steps away",))
    )


def _history(runs: Sequence[RunLine]) -> Html:
    rows = [
        (_when(r.at), r.kind, r.status, percent(r.score), figure(r.rows), r.run_id) for r in reversed(runs)
    ][:_RUNS]
    return _part(
        "History of runs",
        table(
            "The newest first", ("when", "kind", "status", "score", "rows", "run"), rows, ("score", "rows")
        ),
    )


def _passed(d: DatasetReport) -> Html:
    rows = [(c.words, outcome(vars(c)), c.dimension, c.id) for c in d.checks if c not in d.failed]
    shown = table("Checks", ("rule", "outcome", "dimension", "check"), rows[:_CHECKS])
    left = len(rows) - _CHECKS
    return _part(
        "Rules that hold",
        el(
            "details",
            el("summary", f"{len(rows)} rules" if len(rows) > 1 else "1 rule"),
            shown,
            f"and {left} more" if left > 0 else None,
        )
        if rows
        else None,
    )


def _notes(d: DatasetReport) -> Html:
    return _part("What could not be said", el("ul", *(el("li", n) for n in d.notes)) if d.notes else None)


def _legend() -> Html:
    words = (
        ("Score", "the mean of the dimensions; 100% is a dataset without a failing row."),
        (
            "Dimensions",
            "completeness: is it filled in; accuracy: are values valid; timeliness: is it recent;",
        ),
        ("", "consistency: do things fit together; uniqueness: is each thing there once."),
        ("Quarantine", "rows that a rule turned away, kept until somebody lets them in or lets them go."),
    )
    terms = [part for term, said in words for part in (el("dt", term), el("dd", said))]
    return el("section", el("h2", "How to read this"), el("dl", *terms))


def _value(value: Any) -> Html:
    if value is None:
        return el("span", "empty", class_="soft")
    shown = dict(value) if isinstance(value, Mapping) else value
    return text(figure(shown), 120)


def _when(at: str | None) -> str:
    """
    >>> _when("2026-11-27T06:00:00Z"), _when(None)
    ('2026-11-27 06:00', '')
    """
    return "" if at is None else at[:16].replace("T", " ")
