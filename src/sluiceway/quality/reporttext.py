"""A quality report for machines and for pull requests: JUnit XML and Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from sluiceway.quality.words import figure, level_words, outcome, percent
from sluiceway.secrets import redact

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from sluiceway.quality.reportmodel import CheckLine, DatasetReport, QualityReport

__all__ = ["as_junit", "as_markdown"]

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_FAILED = 20
_MARKS = re.compile(r"([\\`*_{}\[\]<>|#~!&@])")


def as_markdown(report: QualityReport) -> str:
    """Short: the answer, a table, and what fails. Nothing in a name or a message can become markup."""
    out = [f"# Data quality of {_md(report.project)}", "", f"**{_md(report.answer)}**", ""]
    out += [
        "| dataset | answer | score | failed checks | in quarantine |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for d in report.datasets:
        cells = (
            _md(d.dataset),
            level_words(d.level),
            percent(d.score),
            figure(len(d.failed)),
            figure(d.waiting),
        )
        out.append(f"| {' | '.join(cells)} |")
    for d in report.datasets:
        out += _dataset(d)
    return "\n".join(out) + "\n"


def _dataset(d: DatasetReport) -> list[str]:
    out = ["", f"## {_md(d.dataset)}", "", _md(d.answer)]
    if d.change:
        out += ["", f"Score {_md(d.change)}."]
    failed = [f"- {_md(c.words)}: {_md(outcome(vars(c)))} (`{_code(c.id)}`)" for c in d.failed[:_FAILED]]
    left = len(d.failed) - _FAILED
    if failed:
        out += ["", *failed, *([f"- and {left} more"] if left > 0 else [])]
    if d.todo:
        out += ["", *(f"- {_md(t.message)}: `{_code(t.command)}`" for t in d.todo)]
    if d.notes:
        out += ["", *(f"- not said: {_md(note)}" for note in d.notes)]
    return out


def _md(words: str) -> str:
    """
    >>> _md("a|b <script>\\nc")
    'a\\\\|b \\\\<script\\\\> c'
    """
    return _MARKS.sub(r"\\\1", " ".join(redact(words)[:500].split()))


def _code(words: str) -> str:
    return " ".join(redact(words).replace("`", "'").split())


def as_junit(report: QualityReport) -> str:
    """JUnit XML: a test suite a dataset, a test case a check.

    A check of severity error or critical that does not pass is a failure; what warns is told in the suite's
    output. A dataset that nobody has judged has one test case with an error. It keeps to what both the schema
    of Ant (JUnit.xsd) and that of Jenkins (jenkins-junit.xsd) allow.
    """
    root = ET.Element("testsuites")
    for place, d in enumerate(report.datasets):
        root.append(_suite(place, d, report))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _suite(place: int, d: DatasetReport, report: QualityReport) -> Element:
    failed = [c for c in d.failed if c.severity in ("error", "critical")]
    unknown = not d.checks
    suite = ET.Element(
        "testsuite",
        {
            "id": str(place), "package": _xml(report.project), "name": _xml(d.dataset),
            "timestamp": (d.judged_at or report.made_at)[:19], "hostname": "localhost",
            "tests": str(len(d.checks) or 1), "failures": str(len(failed)), "errors": str(int(unknown)),
            "time": "0",
        },
    )  # fmt: skip
    properties = ET.SubElement(suite, "properties")
    said = (("level", d.level), ("score", d.score), ("run_id", d.judged_by), ("environment", d.environment))
    for name, value in said:
        ET.SubElement(properties, "property", {"name": name, "value": _xml(value)})
    if unknown:
        case = _case(suite, d.dataset, "judged")
        ET.SubElement(case, "error", {"type": "unknown", "message": _xml(d.answer)})
    for check in d.checks:
        case = _case(suite, f"{d.dataset}.{check.phase}", check.id)
        if check in failed:
            attributes = {"type": _xml(check.rule), "message": _xml(f"{check.words}: {outcome(vars(check))}")}
            ET.SubElement(case, "failure", attributes).text = _xml(_told(check))
    warned = [c for c in d.failed if c not in failed]
    ET.SubElement(suite, "system-out").text = _xml("\n".join(_told(c) for c in warned))
    ET.SubElement(suite, "system-err").text = _xml("\n".join(d.notes))
    return suite


def _case(suite: Element, classname: str, name: str) -> Element:
    given = {"classname": _xml(classname), "name": _xml(name), "time": "0"}
    return ET.SubElement(suite, "testcase", given)


def _told(check: CheckLine) -> str:
    rows: Sequence[Any] = check.samples[:10]
    lines = [f"{check.severity}: {check.words}: {outcome(vars(check))}", check.message]
    return "\n".join([*filter(None, lines), *(str(dict(row))[:500] for row in rows)])


def _xml(value: Any) -> str:
    return _NOT_XML.sub("\ufffd", redact("" if value is None else str(value)))
