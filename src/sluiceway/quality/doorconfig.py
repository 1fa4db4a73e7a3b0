"""What the doors of data quality take and give: ``QualityConfig`` and the results of a workflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from sluiceway.alerts.model import Severity

if TYPE_CHECKING:
    from sluiceway.alerts.model import Delivery
    from sluiceway.quality.fix import Proposal
    from sluiceway.quality.model import Profile
    from sluiceway.quality.monitor import MonitoringResult
    from sluiceway.run.doors import QualityResult

__all__ = ["QualityAlert", "QualityConfig", "QualityWorkflowResult"]


class QualityConfig(BaseModel):
    """How data is judged. Without ``rules`` and ``contract`` a dataset is judged by the rules of the pipeline
    that loads it.

    >>> QualityConfig(rules=[{"not_null": "id"}]).rules
    [{'not_null': 'id'}]
    """

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    rules: list[dict[str, Any]] = Field(
        default_factory=list, description="rules, as in a pipeline's file",
        validation_alias=AliasChoices("rules", "validation_rules"),
    )  # fmt: skip
    contract: Path | None = Field(None, description="an ODCS file whose rules judge the data")
    thresholds: dict[str, float] = Field(
        default_factory=dict, description="score or a dimension -> the least that is right, 0..1",
        validation_alias=AliasChoices("thresholds", "quality_thresholds"),
    )  # fmt: skip
    weights: dict[str, float] = Field(
        default_factory=dict, description="what a dimension weighs in the score"
    )
    dataset_id: str = Field("data", min_length=1, description="what rows that Python holds are called")
    sample: int = Field(100_000, ge=1, description="rows that a profile looks at closely")
    sensitivity: float = Field(
        3.0, gt=0, description="robust standard deviations that are too far from usual"
    )
    min_training_set_size: int = Field(14, ge=2, description="runs it takes to say what is usual")
    time_range: str = Field("30d", description="how far back trends look")
    alert_from: Severity = Field("critical", description="the mildest severity that a workflow alerts of")
    auto_fix: bool = Field(False, description="put right what can be, in a dataset; else only propose it")
    key: list[str] = Field(default_factory=list, description="what tells rows apart, for fixes")
    report: Path | None = Field(None, description="the page's file; under .sluiceway/reports if absent")
    show_pii: bool = Field(False, description="show values of columns that look personal")


@dataclass(frozen=True)
class QualityAlert:
    """An alert that was raised, and what became of telling it: one delivery a channel that it goes to."""

    dataset: str
    severity: Severity
    title: str
    message: str
    key: str
    run_id: str | None = None
    deliveries: tuple[Delivery, ...] = ()


@dataclass(frozen=True)
class QualityWorkflowResult:
    """What ``execute_quality_workflow`` found and did.

    Attributes:
        success: the data passes its rules and reaches its thresholds.
        quality_score: 0..1, None where no check counts.
        issues_count: checks that fail, and what monitoring found.
        report_url: the page, a ``file:`` URL.
        rules: those that judged the data, as in a pipeline's file; empty where a contract or a pipeline has
            them. ``suggested``: nobody had declared any, they were made from the data.
        fixes: what could be put right; ``applied`` where it was.
        notes: what could not be done, and why.
    """

    success: bool
    dataset_id: str
    quality_score: float | None
    issues_count: int
    report_url: str
    profile: Profile
    validation: QualityResult
    monitoring: MonitoringResult | None = None
    rules: tuple[Mapping[str, Any], ...] = ()
    suggested: bool = False
    alerts: tuple[QualityAlert, ...] = ()
    fixes: Proposal | None = None
    notes: tuple[str, ...] = ()
