"""What monitoring finds, as alerts of the project: raised, and resolved when they are over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluiceway.alerts.model import Alert

if TYPE_CHECKING:
    from sluiceway.alerts.model import Delivery
    from sluiceway.quality.monitor import MonitoringResult, QualityIssue
    from sluiceway.spec.model import Project

__all__ = ["alert_of", "tell"]

_KINDS = {
    "threshold": "quality_threshold", "degradation": "quality_degradation",
    "anomaly": "quality_anomaly", "silent": "quality_silent",
}  # fmt: skip


def alert_of(issue: QualityIssue, result: MonitoringResult) -> Alert:
    """An issue as an alert; its key is the same as long as the same metric is wrong."""
    return Alert(
        kind=_KINDS[issue.kind],
        severity=issue.severity,
        key=f"{_KINDS[issue.kind]}:{result.dataset}:{issue.key}",
        title=f"{result.dataset}: {issue.message}",
        message=f"{issue.message}. Measured by run {result.run_id} of {result.pipeline}.",
        pipeline=result.pipeline,
        dataset=result.dataset,
        run_id=result.run_id,
        details={"next": f"sluiceway quality score {result.dataset}", "metric": issue.metric},
    )


def tell(project: Project, result: MonitoringResult) -> tuple[Delivery, ...]:
    """Raise an alert for each issue, and resolve those of this dataset that are over.

    Raises:
        StoreError: they could not be written down. A channel that fails raises nothing.
    """
    from sluiceway.alerts.dispatch import dispatch
    from sluiceway.store.store import Store

    raised = [alert_of(issue, result) for issue in result.issues]
    keys = {alert.key for alert in raised}
    with Store.open(project.metadata) as store:
        standing = store.alerts.alerts(result.environment, limit=None)
        mine = (a for a in standing if a["kind"] in _KINDS.values() and a["dataset"] == result.dataset)
        over = [alert["key"] for alert in mine if alert["key"] not in keys]
        return dispatch(project, result.environment, raised, over, store=store)
