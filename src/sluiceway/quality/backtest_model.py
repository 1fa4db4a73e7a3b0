"""What a back-test says: for each rule, what it would have done in each run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Backtest", "Outcome", "RuleBacktest"]


@dataclass(frozen=True)
class Outcome:
    """One rule in one run. ``by`` is ``snapshot`` where the rows were judged again, ``recorded`` where the
    run had judged the rule itself; ``judged`` names the rows. ``blocked``: it would have, enforced."""

    run_id: str
    at: str
    failing: int
    total: int
    blocked: bool
    by: Literal["snapshot", "recorded"]
    judged: str = ""
    snapshot: int | None = None
    message: str = ""

    @property
    def fired(self) -> bool:
        return self.failing > 0

    @property
    def rate(self) -> float:
        return self.failing / self.total if self.total else float(self.fired)


@dataclass(frozen=True)
class RuleBacktest:
    """One rule over the history. ``on_fail`` is what it does once enforced; ``reason`` says why there is no
    outcome, or which are missing."""

    id: str
    rule: dict[str, Any]
    status: str
    on_fail: str
    outcomes: tuple[Outcome, ...] = ()
    reason: str = ""

    @property
    def fired(self) -> int:
        return sum(o.fired for o in self.outcomes)

    @property
    def blocked(self) -> int:
        return sum(o.blocked for o in self.outcomes)

    @property
    def safe(self) -> bool:
        """It was looked at, and would have blocked no run."""
        return bool(self.outcomes) and not self.blocked

    @property
    def verdict(self) -> str:
        """
        >>> RuleBacktest("not_null:a", {}, "shadow", "block").verdict
        'no history to judge by'
        """
        runs = len(self.outcomes)
        if not runs:
            return "no history to judge by"
        if self.blocked:
            return f"would have blocked {self.blocked} of {runs} runs"
        if not self.fired:
            return f"safe to enforce: never fired in {runs} runs"
        rows = sum(o.failing for o in self.outcomes)
        acts = {"warn": "warned of", "quarantine": "quarantined", "fix": "fixed"}.get(
            self.on_fail, "tolerated"
        )
        return f"safe to enforce: would have {acts} {rows:,} rows in {self.fired} of {runs} runs"

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "rule": self.rule,
            "status": self.status,
            "on_fail": self.on_fail,
            "runs": len(self.outcomes),
            "fired": self.fired,
            "blocked": self.blocked,
            "safe": self.safe,
            "verdict": self.verdict,
            "reason": self.reason or None,
            "outcomes": [{**vars(o), "fired": o.fired, "rate": round(o.rate, 6)} for o in self.outcomes],
        }


@dataclass(frozen=True)
class Backtest:
    """``runs`` are those of the history that was looked at, oldest first."""

    dataset: str
    rules: tuple[RuleBacktest, ...] = ()
    runs: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default_factory=tuple)

    @property
    def safe(self) -> bool:
        return all(rule.safe for rule in self.rules)

    def __getitem__(self, rule: str) -> RuleBacktest:
        return next(r for r in self.rules if r.id == rule)

    def as_dict(self) -> dict[str, Any]:
        """The document of ``rules backtest --json``."""
        return {
            "dataset": self.dataset,
            "runs": list(self.runs),
            "safe": self.safe,
            "rules": [rule.as_dict() for rule in self.rules],
            "notes": list(self.notes),
        }
