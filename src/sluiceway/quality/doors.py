"""``DataQualityManager`` and ``DataQualityWorkflow``: the Python doors of data quality. Thin: async, and no
logic of their own.

Data is a list of dicts, an Arrow table, a pandas or Polars frame, a path, or a dataset's name alike.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.quality.doorconfig import QualityAlert, QualityConfig, QualityWorkflowResult
from sluiceway.spec.model import Project

if TYPE_CHECKING:
    from sluiceway.quality.model import Profile
    from sluiceway.quality.monitor import MonitoringResult, QualityIssue
    from sluiceway.run.doors import QualityResult

__all__ = ["DataQualityManager", "DataQualityWorkflow"]


class _Door:
    """
    Args:
        config: how data is judged.
        project: the project, or its folder; found upward from the working folder if absent. Without one: the
            history is kept under ``.sluiceway`` of the working folder.
    """

    def __init__(
        self,
        config: QualityConfig | None = None,
        *,
        project: Project | Path | str | None = None,
        environment: str | None = None,
    ) -> None:
        self.config = config or QualityConfig()
        self.environment = environment
        self._project = project

    @property
    def project(self) -> Project:
        from sluiceway.spec.project import project_at

        if not isinstance(self._project, Project):
            self._project = project_at(None if self._project is None else Path(self._project))
        return self._project


class DataQualityManager(_Door):
    """Profile, validate and watch data by completeness, accuracy, consistency, timeliness and uniqueness.

    >>> import asyncio, os, tempfile
    >>> os.chdir(tempfile.mkdtemp())
    >>> manager = DataQualityManager(QualityConfig(rules=[{"not_null": "email"}]))
    >>> rows = [{"id": 1, "email": "a@example.com"}, {"id": 2, "email": None}]
    >>> result = asyncio.run(manager.validate_data(rows))
    >>> result.passed, result.score, dict(result.dimensions)
    (False, 0.5, {'completeness': 0.5})
    """

    async def profile_data(self, data: Any) -> Profile:
        """What the data is like. Values of personal columns are hidden unless the configuration shows them.

        Raises:
            PlanError: no such data. SourceError, EngineError: it can't be read.
        """
        from sluiceway.quality.profile import profile

        return await asyncio.to_thread(
            profile, data, project=self.project, environment=self.environment, sample=self.config.sample,
            contract=self.config.contract, hide="classified" if self.config.show_pii else "pii",
        )  # fmt: skip

    async def validate_data(self, data: Any) -> QualityResult:
        """Judge the data as it stands; what was measured goes into its history.

        Raises:
            PlanError: nothing says what the data must be like, or the rules don't fit it.
        """
        return await asyncio.to_thread(self._validate, data)

    async def monitor_data_quality(self, data: Any) -> MonitoringResult:
        """The newest state of a dataset against thresholds and its own history. Rows and files are judged
        first, so that there is a newest state.

        Raises:
            StoreError: nothing was measured of the dataset yet.
        """
        return await asyncio.to_thread(self._monitor, data)

    async def detect_quality_degradation(self, data: Any) -> tuple[QualityIssue, ...]:
        """What is worse than, or unlike, the dataset's history; as ``monitor_data_quality`` finds it."""
        found = await self.monitor_data_quality(data)
        return tuple(issue for issue in found.issues if issue.kind in ("degradation", "anomaly"))

    async def alert_quality_issues(self, result: MonitoringResult) -> tuple[QualityAlert, ...]:
        """Tell the project's channels of the issues that monitoring found.

        Raises:
            StoreError: the alerts could not be written down. A channel that fails raises nothing.
        """
        from sluiceway.quality.alerting import alert_of
        from sluiceway.quality.workflow import raise_alerts

        alerts = [alert_of(issue, result) for issue in result.issues]
        return await asyncio.to_thread(raise_alerts, self.project, self.environment, alerts)

    def _validate(self, data: Any) -> QualityResult:
        from sluiceway.quality.judging import judge_for, judged

        judge = judge_for(data, self.config, self.project, self.environment)
        return judged(data, judge, self.config, self.project, self.environment)[1]

    def _monitor(self, data: Any) -> MonitoringResult:
        from sluiceway.quality.judging import is_name
        from sluiceway.quality.monitor import monitor_data_quality
        from sluiceway.quality.workflow import name_of

        if not is_name(data):
            self._validate(data)
        return monitor_data_quality(
            name_of(data, self.config), project=self.project, environment=self.environment,
            thresholds=self.config.thresholds, sensitivity=self.config.sensitivity,
            min_training_set_size=self.config.min_training_set_size,
        )  # fmt: skip


class DataQualityWorkflow(_Door):
    """Profile, define rules, validate, monitor, report, handle what was found.

    >>> import asyncio, os, tempfile
    >>> os.chdir(tempfile.mkdtemp())
    >>> done = asyncio.run(DataQualityWorkflow().execute_quality_workflow([{"id": 1}, {"id": 2}]))
    >>> done.success, done.dataset_id, done.quality_score, done.issues_count, done.report_url[:8]
    (True, 'data', 1.0, 0, 'file:///')
    """

    async def execute_quality_workflow(self, dataset: Any) -> QualityWorkflowResult:
        """The whole round over one dataset, a file or rows. Each issue is logged; those of severity
        ``alert_from`` are told to the project's channels; fixes are proposed, or applied with ``auto_fix``.

        Raises:
            PlanError, SpecError, SourceError, EngineError: the data or its rules can't be read.
        """
        from sluiceway.quality.workflow import run_workflow

        return await asyncio.to_thread(run_workflow, dataset, self.config, self.project, self.environment)
