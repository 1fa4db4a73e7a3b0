"""What a worker tells the process of a run, and what that one answers: JSON lines over a pipe."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MARK", "Order"]

MARK = "SLUICEWAY_RUN"
"""The variable that all processes of a run have: its value names the run and the claim."""


@dataclass(frozen=True)
class Order:
    """One run. ``at`` is ISO 8601 in UTC; ``claim`` is the job's id, ``token`` the right to speak of it;
    ``patience`` is for how many seconds it asks a store that is away whether it may publish; ``more``: this
    is not its last try. ``claim`` 0 is nobody's: the run asks no queue whether it may publish. ``retries``:
    it tries again itself."""

    project: str
    environment: str
    pipeline: str
    run_id: str
    attempt: int
    claim: int
    token: int
    at: str | None = None
    group_id: str | None = None
    full_refresh: bool = False
    dry_run: bool = False
    retries: bool = False
    variables: Mapping[str, Any] = field(default_factory=dict)
    interval: tuple[str, str] | None = None
    nice: int = 0
    more: bool = False
    patience: float = 0.0
    process_environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def mark(self) -> str:
        return f"{self.run_id}.{self.token}"

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, raw: bytes) -> Order:
        """
        >>> order = Order("/p", "dev", "orders", "r1", 1, 7, 2, interval=("a", "b"))
        >>> Order.decode(order.encode()) == order
        True
        """
        values = json.loads(raw)
        if values["interval"] is not None:
            values["interval"] = tuple(values["interval"])
        return cls(**values)
