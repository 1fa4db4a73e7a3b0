"""What a comparison of two sides says: plain frozen values, JSON-ready through ``as_dict``."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["ColumnDrift", "Drift", "DriftBin", "SideValues", "Verdict", "worst"]

Verdict = Literal["none", "moderate", "large", "unknown"]
_ORDER: tuple[Verdict, ...] = ("unknown", "none", "moderate", "large")


def worst(verdicts: list[Verdict]) -> Verdict:
    """The strongest of them; ``unknown`` of none at all.

    >>> worst(["none", "large", "unknown"])
    'large'
    """
    return max(verdicts, key=_ORDER.index, default="unknown")


@dataclass(frozen=True)
class DriftBin:
    """A category, or the numbers ``lower <= value < upper`` (times as text), and its rows on both sides.
    The outer bounds are None: they hold what lies further out too."""

    label: str
    before: int
    after: int
    lower: Any = None
    upper: Any = None


@dataclass(frozen=True)
class SideValues:
    """A column on one side; ``special`` counts NaN and infinities. Times as text."""

    rows: int
    nulls: int
    special: int = 0
    mean: Any = None
    deviation: float | None = None
    minimum: Any = None
    maximum: Any = None


@dataclass(frozen=True)
class ColumnDrift:
    """One column. ``psi``: population stability index over ``bins``; ``ks`` with ``ks_p``, and ``ks_at``,
    the value at which the sides differ most, of numbers and times; ``chi_square`` over ``bins`` with its
    ``p`` and Cramér's ``v``; ``d``: Cohen's, the distance of the means in deviations (seconds for times).

    ``verdict`` is by effect, and asks that chance is no explanation; ``reasons`` say why in words.
    """

    column: str
    kind: Literal["numeric", "time", "category", "other"]
    verdict: Verdict
    before: SideValues
    after: SideValues
    reasons: tuple[str, ...] = ()
    psi: float | None = None
    ks: float | None = None
    ks_p: float | None = None
    ks_at: Any = None
    chi_square: float | None = None
    degrees: int | None = None
    p: float | None = None
    v: float | None = None
    d: float | None = None
    bins: tuple[DriftBin, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Drift:
    """Two sides compared. ``added``, ``removed`` and ``retyped`` are columns that one side alone has, or
    that changed their type: ``name: OLD -> NEW``. ``scans``: how often each side was read whole."""

    before: str
    after: str
    rows_before: int
    rows_after: int
    verdict: Verdict
    columns: tuple[ColumnDrift, ...]
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    retyped: tuple[str, ...] = ()
    scans: int = 1
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    def __getitem__(self, column: str) -> ColumnDrift:
        return next(c for c in self.columns if c.column == column)

    def as_dict(self) -> dict[str, Any]:
        """The document of ``quality drift --json``; what is no finite number is null.

        >>> Drift("a", "b", 0, 0, "unknown", ()).as_dict()["verdict"]
        'unknown'
        """
        document: dict[str, Any] = _plain(asdict(self))
        return document


def _plain(value: Any) -> Any:
    match value:
        case float() if not math.isfinite(value):
            return None
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
    return value
