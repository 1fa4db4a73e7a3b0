"""What a quality report says: plain frozen values, JSON-ready through ``as_dict``.

Shares and scores are 0..1, times ISO 8601 text in UTC.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from sluiceway.quality.anomalies import Finding
    from sluiceway.quality.model import Profile
    from sluiceway.quality.monitor import QualityIssue
    from sluiceway.quality.trendmodel import TrendAnalysis

__all__ = ["LEVELS", "CheckLine", "DatasetReport", "Level", "QualityReport", "RunLine", "Todo", "plain_json"]

Level = Literal["unfit", "attention", "unknown", "fit"]
LEVELS: tuple[Level, ...] = ("unfit", "attention", "unknown", "fit")
"""From the worst: ``unfit`` should not be used, ``attention`` may be, with a look at what is said;
``unknown`` was never judged."""


@dataclass(frozen=True)
class RunLine:
    """One run or check in a dataset's history; ``rows`` are those that it measured."""

    run_id: str
    pipeline: str
    kind: str
    status: str
    at: str
    score: float | None
    dimensions: Mapping[str, float]
    rows: int | None


@dataclass(frozen=True)
class CheckLine:
    """A check of the newest judged run. ``words`` say the rule in plain English; ``samples`` are rows that
    fail, the values of hidden columns masked."""

    id: str
    rule: str
    words: str
    columns: tuple[str, ...]
    dimension: str
    severity: str
    on_fail: str
    phase: str
    failing: int
    total: int
    passed: bool
    message: str
    samples: tuple[Mapping[str, Any], ...] = ()

    @property
    def share(self) -> float | None:
        """Of the rows that were looked at, those that fail."""
        return min(1.0, self.failing / self.total) if self.total else None


@dataclass(frozen=True)
class Todo:
    """What to do next: ``command`` is to be typed."""

    message: str
    command: str


@dataclass(frozen=True)
class DatasetReport:
    """All that is known of one dataset.

    Attributes:
        level: the answer, ``answer`` in a sentence, ``reasons`` why.
        change: what the score did since the run before, and which checks did it.
        judged_by: the run whose ``checks`` these are, None where none has judged it.
        runs: the history, oldest first.
        quarantine: rows that wait to be looked at: ``{run_id, source, reasons, rows}``.
        upstream: what it is made of: ``{dataset, name, depth}``, the nearest first.
        notes: what could not be said, and why.
    """

    dataset: str
    environment: str
    level: Level
    answer: str
    reasons: tuple[str, ...] = ()
    score: float | None = None
    change: str = ""
    dimensions: Mapping[str, float] = field(default_factory=dict)
    judged_by: str | None = None
    judged_at: str | None = None
    pipeline: str | None = None
    owner: str = ""
    description: str = ""
    checks: tuple[CheckLine, ...] = ()
    runs: tuple[RunLine, ...] = ()
    issues: tuple[QualityIssue, ...] = ()
    profile: Profile | None = None
    findings: tuple[Finding, ...] = ()
    trends: TrendAnalysis | None = None
    quarantine: tuple[Mapping[str, Any], ...] = ()
    upstream: tuple[Mapping[str, Any], ...] = ()
    todo: tuple[Todo, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[CheckLine, ...]:
        return tuple(check for check in self.checks if check.failing and not check.passed)

    @property
    def waiting(self) -> int:
        """Rows in quarantine that nobody has decided on."""
        return sum(int(row["rows"]) for row in self.quarantine)


@dataclass(frozen=True)
class QualityReport:
    """A report on datasets, the worst first; ``made_at`` is when it was made."""

    project: str
    environment: str
    made_at: str
    datasets: tuple[DatasetReport, ...]

    @property
    def level(self) -> Level:
        """That of the worst dataset."""
        return min((d.level for d in self.datasets), key=LEVELS.index, default="unknown")

    @property
    def score(self) -> float | None:
        """The mean of the datasets that have one."""
        known = [d.score for d in self.datasets if d.score is not None]
        return sum(known) / len(known) if known else None

    @property
    def answer(self) -> str:
        """
        >>> QualityReport("shop", "dev", "", ()).answer
        'There is no dataset to report on.'
        """
        if not self.datasets:
            return "There is no dataset to report on."
        if len(self.datasets) == 1:
            return self.datasets[0].answer
        counts = {level: sum(d.level == level for d in self.datasets) for level in LEVELS}
        words = {"unfit": "not fit for use", "attention": "to be looked at", "unknown": "never judged",
                 "fit": "fit for use"}  # fmt: skip
        said = ", ".join(f"{n} {words[level]}" for level, n in counts.items() if n)
        return f"{len(self.datasets)} datasets: {said}."

    def as_dict(self) -> dict[str, Any]:
        """The document of ``quality report --format json``; what is no finite number is null."""
        document: dict[str, Any] = plain_json(asdict(self))
        return {"level": self.level, "score": self.score, "answer": self.answer, **document}


def plain_json(value: Any) -> Any:
    """
    >>> plain_json({"a": (1, float("nan"))})
    {'a': [1, None]}
    """
    match value:
        case float() if not math.isfinite(value):
            return None
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            return {str(key): plain_json(item) for key, item in value.items()}
        case list() | tuple():
            return [plain_json(item) for item in value]
    return str(value)
