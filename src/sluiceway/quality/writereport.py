"""A report as a file: in one of four formats, whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sluiceway.secrets import redact_tree

if TYPE_CHECKING:
    from sluiceway.quality.reportmodel import QualityReport
    from sluiceway.spec.model import Project

__all__ = ["FORMATS", "Format", "default_file", "rendered", "write_text"]

Format = Literal["html", "json", "markdown", "junit"]
FORMATS: tuple[Format, ...] = ("html", "json", "markdown", "junit")


def rendered(report: QualityReport, format_: Format = "html") -> str:
    """The report as text. What only one format needs is imported for it alone."""
    match format_:
        case "html":
            from sluiceway.quality.html.report import report_page

            return report_page(report)
        case "json":
            return json.dumps(redact_tree(report.as_dict()), indent=2, ensure_ascii=False) + "\n"
        case "markdown":
            from sluiceway.quality.reporttext import as_markdown

            return as_markdown(report)
        case "junit":
            from sluiceway.quality.reporttext import as_junit

            return as_junit(report)


def default_file(project: Project, name: str = "quality") -> Path:
    """Where a page goes if nobody says where."""
    safe = "".join(c if c.isalnum() or c in "._-" else "_" for c in name).strip(".")[:80] or "quality"
    return project.folder / ".sluiceway" / "reports" / f"{safe}.html"


def write_text(text: str, file: Path) -> None:
    """Put ``text`` in place of ``file``; its folder is made. A write that fails leaves the file as it was.

    Raises:
        OSError: it can't be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    begun = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        begun.write_text(text, "utf-8", errors="replace")
        begun.replace(file)
    finally:
        begun.unlink(missing_ok=True)
