"""The verdict: made from the checks of one run over one staging, and from nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluiceway.exchange import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sluiceway.run.result import CheckResult
    from sluiceway.spec.model import QualitySpec

__all__ = ["decide", "dimensions", "score", "shortened"]


def dimensions(results: Sequence[CheckResult]) -> dict[str, float]:
    """Dimension -> the mean over its checks of ``1 - failing/total``. Info checks don't count, nor those in
    shadow, nor those that were not able to judge; a dimension without a check is absent. After ISO/IEC 25012
    and DAMA."""
    values: dict[str, list[float]] = {}
    for result in results:
        rule = result.check.rule
        if rule.severity == "info" or rule.shadow or not result.scored:
            continue
        share = result.failing / result.total if result.total else float(result.failing > 0)
        values.setdefault(rule.effective_dimension, []).append(1.0 - min(1.0, share))
    return {name: sum(parts) / len(parts) for name, parts in sorted(values.items())}


def score(parts: Mapping[str, float], weights: Mapping[str, float]) -> float | None:
    """The weighted mean of the dimensions that are present; weights are 1 unless given.

    >>> score({"completeness": 1.0, "accuracy": 0.5}, {})
    0.75
    """
    total = sum(weights.get(name, 1.0) for name in parts)
    if not parts or total == 0:
        return None
    return sum(value * weights.get(name, 1.0) for name, value in parts.items()) / total


def decide(
    results: Sequence[CheckResult],
    quality: QualitySpec,
    *,
    run_id: str,
    staging_id: str,
    published: int,
    turned_away: int,
    replace_empty: bool,
) -> Verdict:
    """Pass, pass with quarantine, or block. Any block beats quarantine.

    Args:
        published: rows that would be published; ``turned_away`` those in quarantine.
        replace_empty: the run would replace a table by nothing, and was not told that it may.
    """
    reasons = [f"{r.check.id}: {r.message}" for r in results if r.exceeded]
    parts = dimensions(results)
    overall = score(parts, quality.weights)
    for name, least in quality.thresholds.items():
        value = overall if name == "score" else parts.get(name)
        if value is not None and value < least:
            reasons.append(f"quality: {name} is {value:.4f}, below {least:g}")
    if replace_empty and published == 0:
        reasons.append("replace would leave the table empty; allow_empty: true permits it")
    if reasons:
        return Verdict("block", run_id, staging_id, tuple(reasons))
    return Verdict("quarantine" if turned_away else "pass", run_id, staging_id)


def shortened(reasons: tuple[str, ...]) -> str:
    """The first three, and how many there are beside them.

    >>> shortened(("a", "b", "c", "d"))
    'a; b; c; and 1 more'
    """
    shown = "; ".join(reasons[:3])
    return shown if len(reasons) <= 3 else f"{shown}; and {len(reasons) - 3} more"
