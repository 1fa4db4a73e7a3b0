"""What an alert is, and what became of telling somebody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

__all__ = ["SEVERITIES", "Alert", "Delivery", "Severity", "at_least"]

Severity = Literal["info", "warning", "error", "critical"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""From the mildest to the worst."""


def at_least(severity: str, least: str) -> bool:
    """Whether ``severity`` is as bad as ``least`` or worse.

    >>> at_least("error", "warning"), at_least("info", "warning")
    (True, False)
    """
    return SEVERITIES.index(severity) >= SEVERITIES.index(least)


@dataclass(frozen=True)
class Alert:
    """One problem that somebody should know of.

    Args:
        kind: what sort of problem: ``run_failed``, ``gate_blocked``, ``quality_degradation``, …
        severity: info, warning, error or critical.
        key: what makes it the same problem as before, ``KIND:WHAT``; alerts of one key are one line in
            ``sluiceway alerts list``, are throttled together, and are resolved by this key.
        title: one line. It begins with what it is about: ``orders: the gate blocked the run``.
        message: the rest, in plain text: the reasons, the numbers. No rows and no values of rows.
        dataset: as it is named in the pipeline, such as ``mart.orders``.
        details: JSON. ``next`` is the command to type, ``reasons`` a list of texts, ``records`` the
            counts of the run: messages show them.

    Raises:
        ValueError: another severity, or an empty key.

    >>> Alert("run_failed", "error", "run_failed:orders", "orders: the run failed", "no disk").severity
    'error'
    """

    kind: str
    severity: Severity
    key: str
    title: str
    message: str
    pipeline: str | None = None
    dataset: str | None = None
    owner: str = ""
    run_id: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.severity not in SEVERITIES:
            raise ValueError(f"a severity is one of {', '.join(SEVERITIES)}, not {self.severity!r}")
        if not self.key:
            raise ValueError("an alert needs a key")


@dataclass(frozen=True)
class Delivery:
    """What became of one alert at one channel.

    ``status``: ``sent``; ``failed``, with ``error``; ``throttled``, it was told a moment ago; ``held``
    for the next message of its group; ``silenced``. ``kind`` is ``raised``, ``resolved`` or ``test``.
    """

    channel: str
    key: str
    kind: Literal["raised", "resolved", "test"]
    status: Literal["sent", "failed", "throttled", "held", "silenced"]
    error: str | None = None
