"""What a change of a contract is: its name, its class, and what it asks of the version."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["BREAKING", "INFORMATIONAL", "NON_BREAKING", "Change", "ContractDiff", "Level", "bumped"]

Level = Literal["breaking", "non-breaking", "informational"]
BREAKING: Level = "breaking"
NON_BREAKING: Level = "non-breaking"
INFORMATIONAL: Level = "informational"
_ORDER = (BREAKING, NON_BREAKING, INFORMATIONAL)
_BUMPS: dict[str, str] = {BREAKING: "major", NON_BREAKING: "minor", INFORMATIONAL: "patch"}
_SEMVER = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(?:[-+].*)?")


@dataclass(frozen=True)
class Change:
    """One difference. ``kind`` is its name, such as ``column_removed``; ``path`` says where."""

    kind: str
    level: Level
    path: str
    message: str
    old: Any = None
    new: Any = None

    def as_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind, "level": self.level, "path": self.path, "message": self.message,
            "old": self.old, "new": self.new,
        }  # fmt: skip


@dataclass(frozen=True)
class ContractDiff:
    """All changes, breaking ones first. ``old_version`` and ``new_version`` are as the files say."""

    changes: tuple[Change, ...]
    old_version: str = ""
    new_version: str = ""

    @classmethod
    def of(cls, changes: Iterable[Change], old_version: str = "", new_version: str = "") -> ContractDiff:
        ordered = sorted(changes, key=lambda c: _ORDER.index(c.level))  # stable: else in the file's order
        return cls(tuple(ordered), old_version, new_version)

    @property
    def breaking(self) -> bool:
        return any(change.level == BREAKING for change in self.changes)

    @property
    def bump(self) -> str:
        """``major``, ``minor``, ``patch`` or ``none``: by semantic versioning, the least that is honest."""
        return _BUMPS[self.changes[0].level] if self.changes else "none"

    @property
    def suggested_version(self) -> str | None:
        """The old version with that bump; None where it is no version of three numbers."""
        return bumped(self.old_version, self.bump)

    @property
    def version_suffices(self) -> bool | None:
        """Whether the new file's version is at least that; None where one of the two can't be read."""
        wanted, given = _SEMVER.fullmatch(self.suggested_version or ""), _SEMVER.fullmatch(self.new_version)
        if wanted is None or given is None:
            return None
        return tuple(map(int, given.groups())) >= tuple(map(int, wanted.groups()))

    def count(self, level: Level) -> int:
        return sum(change.level == level for change in self.changes)

    def as_dict(self) -> dict[str, Any]:
        return {
            "breaking": self.breaking,
            "counts": {level: self.count(level) for level in _ORDER},
            "bump": self.bump,
            "old_version": self.old_version,
            "new_version": self.new_version,
            "suggested_version": self.suggested_version,
            "version_suffices": self.version_suffices,
            "changes": [change.as_dict() for change in self.changes],
        }


def bumped(version: str, bump: str) -> str | None:
    """The next version; None for what is no semantic version.

    >>> bumped("1.2.3", "minor"), bumped("1.2.3", "major"), bumped("0.4.0", "major"), bumped("v9", "minor")
    ('1.3.0', '2.0.0', '0.5.0', None)

    Before 1.0.0 nothing is promised, and a breaking change raises the second number (semver.org, 4).
    """
    found = _SEMVER.fullmatch(version)
    if found is None:
        return None
    major, minor, patch = map(int, found.groups())
    if bump == "none":
        return f"{major}.{minor}.{patch}"
    if bump == "patch":
        return f"{major}.{minor}.{patch + 1}"
    if bump == "minor" or major == 0:
        return f"{major}.{minor + 1}.0"
    return f"{major + 1}.0.0"
