"""``orchestrate.health``: what counts how much for a pipeline's health, and what is too little."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import Field, field_validator

from sluiceway.spec.fields import Duration, Strict, Weight
from sluiceway.units import duration

__all__ = ["HealthConfig", "HealthSpec"]

WEIGHTS = {
    "success_rate": 0.3, "data_quality": 0.25, "execution_time": 0.2, "resource_usage": 0.15,
    "error_rate": 0.1,
}  # fmt: skip


class HealthConfig(Strict):
    """How a pipeline's health is reckoned."""

    weights: dict[str, Weight] = Field(
        default_factory=dict,
        description="the weight of success_rate, data_quality, execution_time, resource_usage, error_rate",
    )
    least: float = Field(70, ge=0, le=100, description="a score below this is told as an alert")
    window: Duration = Field("7d", description="the runs of so long are looked at")

    @field_validator("weights")
    @classmethod
    def _known(cls, value: dict[str, float]) -> dict[str, float]:
        unknown = sorted(set(value) - set(WEIGHTS))
        if unknown:
            raise ValueError(f"'{unknown[0]}' is no part of health; expected one of: {', '.join(WEIGHTS)}")
        return value


@dataclass(frozen=True)
class HealthSpec:
    """``HealthConfig`` with its values; ``window`` in seconds."""

    weights: Mapping[str, float] = field(default_factory=lambda: dict(WEIGHTS))
    least: float = 70.0
    window: float = 7 * 86_400.0

    @classmethod
    def of(cls, config: HealthConfig) -> HealthSpec:
        """
        >>> HealthSpec.of(HealthConfig(weights={"error_rate": 0})).weights["error_rate"]
        0.0
        """
        return cls({**WEIGHTS, **config.weights}, float(config.least), duration(config.window))
