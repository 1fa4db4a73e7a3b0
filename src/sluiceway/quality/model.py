"""What a profile says: plain frozen values, filled by ``profile``, read by everything else here.

All of it is JSON-ready through ``as_dict``; times are seconds, sizes bytes, shares 0..1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

__all__ = [
    "Bin",
    "ColumnProfile",
    "Correlation",
    "Dependency",
    "KeyCandidate",
    "Length",
    "Outliers",
    "Pii",
    "Profile",
    "Reference",
    "Semantic",
    "Shape",
    "TextType",
    "Top",
]

Monotonicity = Literal["increasing", "strictly increasing", "decreasing", "strictly decreasing"]


@dataclass(frozen=True)
class TextType:
    """A type hidden in text. ``format`` is DuckDB's strptime format of dates and timestamps."""

    type: str
    share: float
    format: str | None = None


@dataclass(frozen=True)
class Semantic:
    """What a column's values are: ``email``, ``iban``, …; ``evidence`` says why in one sentence."""

    type: str
    share: float
    confidence: float
    evidence: str


@dataclass(frozen=True)
class Pii:
    """A column about persons. ``kind`` is ``email``, ``name``, ``phone``, …"""

    kind: str
    confidence: float
    evidence: str


@dataclass(frozen=True)
class Bin:
    """``lower <= value < upper``; the last one holds its upper bound too. Dates and times as text."""

    lower: Any
    upper: Any
    count: int


@dataclass(frozen=True)
class Top:
    value: Any
    count: int
    share: float


@dataclass(frozen=True)
class Shape:
    """A text's shape: letters are ``A`` or ``a``, digits ``9``, and runs are shortened."""

    pattern: str
    count: int
    share: float


@dataclass(frozen=True)
class Length:
    """In characters."""

    minimum: int
    maximum: int
    mean: float


@dataclass(frozen=True)
class Outliers:
    """Values outside ``lower..upper``. ``method`` is ``iqr`` or ``robust_z``."""

    method: str
    lower: float
    upper: float
    count: int


@dataclass(frozen=True)
class ColumnProfile:
    """One column. ``distinct_exact`` says whether ``distinct`` was counted or estimated (HyperLogLog).

    ``minimum`` and ``maximum`` are of the column's own kind: numbers, booleans, else text. ``quantiles``
    maps ``p01 p05 p25 p50 p75 p95 p99`` to numbers or, for dates and times, text.
    """

    name: str
    type: str
    count: int
    nulls: int
    distinct: int | None = None
    distinct_exact: bool = False
    minimum: Any = None
    maximum: Any = None
    mean: float | None = None
    stddev: float | None = None
    skewness: float | None = None
    nan: int | None = None
    infinite: int | None = None
    quantiles: Mapping[str, Any] = field(default_factory=dict)
    histogram: tuple[Bin, ...] = ()
    top: tuple[Top, ...] = ()
    length: Length | None = None
    shapes: tuple[Shape, ...] = ()
    zeros: int | None = None
    negatives: int | None = None
    blanks: int | None = None
    whitespace: int | None = None
    outliers: tuple[Outliers, ...] = ()
    monotonic: Monotonicity | None = None
    text_type: TextType | None = None
    semantic: Semantic | None = None
    pii: Pii | None = None
    notes: tuple[str, ...] = ()

    @property
    def completeness(self) -> float | None:
        """The share of values that are there; None for an empty table."""
        return None if self.count == 0 else 1 - self.nulls / self.count


@dataclass(frozen=True)
class KeyCandidate:
    columns: tuple[str, ...]
    share: float
    approximate: bool


@dataclass(frozen=True)
class Correlation:
    """``method`` is ``pearson`` or ``cramers_v``; ``value`` -1..1 or 0..1."""

    left: str
    right: str
    method: str
    value: float
    approximate: bool


@dataclass(frozen=True)
class Dependency:
    """``determinant`` decides ``dependent`` in this share of the rows."""

    determinant: str
    dependent: str
    share: float
    approximate: bool


@dataclass(frozen=True)
class Reference:
    """A foreign-key candidate: this share of the column's values is in ``dataset.to``."""

    column: str
    dataset: str
    to: str
    share: float
    approximate: bool


@dataclass(frozen=True)
class Profile:
    """A table. ``sampled`` is how many rows the pairwise part looked at; ``scans`` how often all were
    read; ``size`` what they take where they lie, if that is known."""

    dataset: str
    rows: int
    columns: tuple[ColumnProfile, ...]
    size: int | None = None
    duplicate_rows: int | None = None
    duplicates_exact: bool = True
    keys: tuple[KeyCandidate, ...] = ()
    correlations: tuple[Correlation, ...] = ()
    dependencies: tuple[Dependency, ...] = ()
    references: tuple[Reference, ...] = ()
    sampled: int | None = None
    scans: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    def __getitem__(self, column: str) -> ColumnProfile:
        return next(c for c in self.columns if c.name == column)

    def as_dict(self) -> dict[str, Any]:
        """The document of ``profile --json``.

        >>> Profile("mart.orders", 0, ()).as_dict()["rows"]
        0
        """
        return asdict(self)
