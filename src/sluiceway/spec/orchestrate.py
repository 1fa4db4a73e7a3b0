"""``orchestrate:`` of sluiceway.yml: how many runs at once, and when a worker counts as lost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import Field

from sluiceway.spec.fields import Duration, Int, Strict
from sluiceway.spec.health import HealthConfig, HealthSpec
from sluiceway.units import duration

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["OrchestrateConfig", "OrchestrateSpec"]


class OrchestrateConfig(Strict):
    """How runs are orchestrated."""

    slots: Int = Field(2, description="runs that one worker has at once")
    pools: dict[str, Int] = Field(
        default_factory=dict,
        description="pools by name: how many runs of a pool there are at once, over all workers",
    )
    heartbeat: Duration = Field("5s", description="how often a worker says that it and its runs live")
    lost_after: Duration = Field(
        "60s", description="a run whose worker was silent for so long is given to another"
    )
    poison: Int = Field(3, description="a run that lost so many workers is failed, and given to no other")
    stop_grace: Duration = Field(
        "10s", description="from telling a run to stop to ending it, with all that it started"
    )
    nice: int = Field(0, ge=0, le=19, description="how much runs step back for other work; 19 most")
    env: list[str] = Field(
        default_factory=list,
        description="variables of the worker that runs get, beside those that their files name",
    )
    health: HealthConfig = Field(default_factory=HealthConfig, description="how health is reckoned")
    keep: Duration = Field("90d", description="how long jobs, logs and workers are remembered")


@dataclass(frozen=True)
class OrchestrateSpec:
    """``OrchestrateConfig`` with its values; durations in seconds."""

    slots: int = 2
    pools: Mapping[str, int] = field(default_factory=dict)
    heartbeat: float = 5.0
    lost_after: float = 60.0
    poison: int = 3
    stop_grace: float = 10.0
    nice: int = 0
    env: tuple[str, ...] = ()
    keep: float = 90 * 86_400.0
    health: HealthSpec = field(default_factory=HealthSpec)

    @classmethod
    def of(cls, config: OrchestrateConfig) -> OrchestrateSpec:
        """
        >>> OrchestrateSpec.of(OrchestrateConfig(lost_after="2m")).lost_after
        120.0
        """
        return cls(
            config.slots, dict(config.pools), duration(config.heartbeat), duration(config.lost_after),
            config.poison, duration(config.stop_grace), config.nice, tuple(config.env), duration(config.keep),
            HealthSpec.of(config.health),
        )  # fmt: skip
