"""What ``suggest`` says: rules in the words of ``rules:``, each with why and how sure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sluiceway.schema import Schema

__all__ = ["MIN_ROWS", "Proposal", "Suggestion", "Suggestions", "chance_of_next", "held"]

MIN_ROWS = 30
"""Fewer rows say too little about the next ones."""
_Z = 1.96


@dataclass(frozen=True)
class Suggestion:
    """One rule. ``rule`` is an item of ``rules:``; ``confidence``, 0..1, that it holds on the next batch and
    means something; ``source`` is the method's name; of ``total`` rows ``failing`` break it today."""

    rule: Mapping[str, Any]
    columns: tuple[str, ...]
    source: str
    evidence: str
    confidence: float
    failing: int = 0
    total: int = 0

    @property
    def kind(self) -> str:
        return next(iter(self.rule))

    def as_dict(self) -> dict[str, Any]:
        return {
            "rule": dict(self.rule),
            "columns": list(self.columns),
            "source": self.source,
            "evidence": self.evidence,
            "confidence": round(self.confidence, 3),
            "failing": self.failing,
            "total": self.total,
        }


@dataclass(frozen=True)
class Suggestions:
    """``scans`` are the reads of all rows, the profile's included; ``refuted`` counts proposals that the
    rows themselves broke; ``known`` those that a contract or pipeline has already."""

    dataset: str
    rows: int
    items: tuple[Suggestion, ...] = ()
    refuted: int = 0
    known: int = 0
    scans: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    schema: Schema | None = None

    @property
    def rules(self) -> list[dict[str, Any]]:
        """The items of ``rules:``."""
        return [dict(item.rule) for item in self.items]

    def as_dict(self) -> dict[str, Any]:
        """The document of ``suggest --json``.

        >>> Suggestions("a.csv", 0).as_dict()["suggestions"]
        []
        """
        return {
            "dataset": self.dataset,
            "rows": self.rows,
            "rules": self.rules,
            "suggestions": [item.as_dict() for item in self.items],
            "refuted": self.refuted,
            "known": self.known,
            "scans": self.scans,
            "seconds": round(self.seconds, 3),
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Proposal:
    """A rule to be verified.

    ``proven``: the profile counted all rows, nothing is to be asked. ``mostly``: the least share of rows
    that must keep it; below 1 what fails becomes its tolerance. ``sure`` is the confidence in the method,
    before the number of rows is thought of.
    """

    rule: Mapping[str, Any]
    columns: tuple[str, ...]
    source: str
    evidence: str
    sure: float
    proven: bool = False
    mostly: float = 1.0
    options: Mapping[str, Any] = field(default_factory=dict)


def held(rows: int) -> float:
    """The least share of future rows that keep what ``rows`` rows all kept, at 97.5 %.

    Wilson's lower bound (Wilson 1927, JASA 22) for no failure: n / (n + z²).

    >>> round(held(100), 3), round(held(10_000), 4)
    (0.963, 0.9996)
    """
    return rows / (rows + _Z * _Z) if rows else 0.0


def chance_of_next(failing: int, rows: int, z: float = 4.5) -> float:
    """The share of failing rows that a batch of as many rows stays below.

    Wilson's upper bound at z = 4.5. As the next batch varies like this one, that is 3.2 deviations of
    the difference between the two (4.5 / sqrt 2): passed by chance once in a thousand batches.

    >>> round(chance_of_next(50, 1000), 3)
    0.091
    """
    if not rows:
        return 1.0
    p, zz = failing / rows, z * z
    middle = p + zz / (2 * rows)
    spread = z * ((p * (1 - p) + zz / (4 * rows)) / rows) ** 0.5
    return float(min(1.0, (middle + spread) / (1 + zz / rows)))
