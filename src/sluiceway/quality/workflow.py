"""The whole round over one dataset: profile, rules, validate, monitor, report, handle what was found."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from sluiceway.alerts.model import Alert, at_least
from sluiceway.errors import SluicewayError
from sluiceway.quality.doorconfig import QualityAlert, QualityConfig, QualityWorkflowResult
from sluiceway.quality.judging import Judge, is_name, judge_for, judged, rules_from
from sluiceway.quality.words import outcome

if TYPE_CHECKING:
    from sluiceway.alerts.model import Severity
    from sluiceway.quality.fix import Proposal
    from sluiceway.quality.model import Profile
    from sluiceway.quality.monitor import MonitoringResult
    from sluiceway.run.doors import QualityResult
    from sluiceway.run.result import CheckResult
    from sluiceway.spec.model import Project

__all__ = ["name_of", "raise_alerts", "run_workflow"]

T = TypeVar("T")
_SURE = 0.5
"""As ``sluiceway suggest`` leaves out what is less sure."""
_LOG = logging.getLogger("sluiceway.quality")


def name_of(target: Any, config: QualityConfig) -> str:
    """What the history calls ``target``."""
    from pathlib import Path

    return str(target) if isinstance(target, str | Path) else config.dataset_id


def run_workflow(
    target: Any, config: QualityConfig, project: Project, environment: str | None
) -> QualityWorkflowResult:
    """Profile ``target``, judge it, watch it, report on it, and handle what was found.

    The data and its rules must be readable; whatever else goes wrong is a note of the result.

    Raises:
        PlanError, SpecError, SourceError, EngineError: the data or the rules can't be read, or there is
            nothing to judge: an empty table that nobody declared rules for.
    """
    return _Workflow(target, config, project, environment).go()


@dataclass
class _Workflow:
    target: Any
    config: QualityConfig
    project: Project
    environment: str | None
    notes: list[str] = field(default_factory=list)

    def go(self) -> QualityWorkflowResult:
        from sluiceway.quality.profile import profile

        name = name_of(self.target, self.config)
        found = profile(
            self.target, project=self.project, environment=self.environment, sample=self.config.sample,
            contract=self.config.contract, hide="classified" if self.config.show_pii else "pii",
        )  # fmt: skip
        rules: tuple[Mapping[str, Any], ...] = tuple(self.config.rules)
        judge = judge_for(self.target, self.config, self.project, self.environment)
        suggested = judge is None
        if judge is None:
            rules = self._suggested(found)
            if rules:
                judge = judge_for(self.target, self.config, self.project, self.environment, rules)
        run, validation = judged(self.target, judge, self.config, self.project, self.environment)
        assert judge is not None
        self.notes += [f"rule {kind} was left out: it needs other data" for kind in judge.left_out]
        monitoring = self.tried("monitoring", lambda: self._monitored(name))
        fixes = self.tried("fixes", lambda: self._fixes(judge, validation))
        alerts = self._handled(name, run.run_id, validation, monitoring)
        return QualityWorkflowResult(
            validation.passes_threshold, name, validation.score,
            len(validation.issues) + (0 if monitoring is None else len(monitoring.issues)),
            self.tried("report", lambda: self._report(name, found)) or "",
            found, validation, monitoring, rules, suggested, alerts, fixes, tuple(self.notes),
        )  # fmt: skip

    def _suggested(self, found: Profile) -> tuple[Mapping[str, Any], ...]:
        """Rules that the data speaks for, as warnings: nobody has looked at them yet."""
        from sluiceway.quality.suggest import suggest
        from sluiceway.quality.suggest_model import MIN_ROWS

        if found.rows >= MIN_ROWS:
            told = self.tried(
                "suggested rules",
                lambda: suggest(
                    self.target, min_confidence=_SURE, project=self.project, environment=self.environment,
                    contract=self.config.contract, profiled=found,
                ),
            )  # fmt: skip
            if told is not None and told.rules:
                self.notes.append("nobody declared rules: these were suggested by the data, and only warn")
                return tuple({**rule, "severity": "warning"} for rule in told.rules)
        else:
            self.notes.append(f"{found.rows:,} rows are too few to suggest rules from: {MIN_ROWS} at least")
        self.notes.append(
            "nobody declared rules: these were made from the profile (what is filled in, what is a key), "
            "and only warn"
        )
        return tuple(rules_from(found))

    def tried(self, what: str, call: Callable[[], T]) -> T | None:
        try:
            return call()
        except (SluicewayError, OSError) as error:
            words = error.message if isinstance(error, SluicewayError) else str(error)
            self.notes.append(f"{what}: {words}")
            return None

    def _monitored(self, name: str) -> MonitoringResult:
        from sluiceway.quality.monitor import monitor_data_quality

        return monitor_data_quality(
            name, project=self.project, environment=self.environment, thresholds=self.config.thresholds,
            sensitivity=self.config.sensitivity, min_training_set_size=self.config.min_training_set_size,
        )  # fmt: skip

    def _fixes(self, judge: Judge, validation: QualityResult) -> Proposal | None:
        """What could be put right; in a dataset of the warehouse it is, if the configuration says so."""
        from sluiceway.quality.mending import Mending, apply_dataset
        from sluiceway.run.standing import standing

        if not validation.issues:
            return None
        if self.config.auto_fix and is_name(self.target) and not self.config.rules:
            applied = self.tried(
                "the fixes were not applied",
                lambda: apply_dataset(
                    self.target, self.config.contract, project=self.project, environment=self.environment,
                    key=tuple(self.config.key),
                ),
            )  # fmt: skip
            if applied is not None:
                return applied
        elif self.config.auto_fix:
            self.notes.append("fixes are proposed only: they are applied to datasets with declared rules")
        with standing(self.target, project=self.project, environment=self.environment) as data:
            return Mending.of(data, judge.contract.rules, hidden=judge.contract.classified).proposal()

    def _handled(
        self, name: str, run_id: str, validation: QualityResult, monitoring: MonitoringResult | None
    ) -> tuple[QualityAlert, ...]:
        """Log every issue, and alert of those that are bad enough."""
        from sluiceway.quality.alerting import alert_of

        raised = []
        for check in validation.issues:
            alert = _alert_of(name, run_id, check)
            _LOG.warning("%s", alert.title)
            raised.append(alert)
        for issue in () if monitoring is None else monitoring.issues:
            assert monitoring is not None
            alert = alert_of(issue, monitoring)
            _LOG.warning("%s", alert.title)
            raised.append(alert)
        bad = [alert for alert in raised if at_least(alert.severity, self.config.alert_from)]
        return self.tried("alerts", lambda: raise_alerts(self.project, self.environment, bad)) or ()

    def _report(self, name: str, found: Profile) -> str:
        from sluiceway.quality.report import dataset_report, report_of
        from sluiceway.quality.writereport import default_file, rendered, write_text

        one = dataset_report(
            name, project=self.project, environment=self.environment, time_range=self.config.time_range,
            show_pii=self.config.show_pii, contract=self.config.contract, profile=found, data=self.target,
        )  # fmt: skip
        file = self.config.report or default_file(self.project, name)
        write_text(rendered(report_of(self.project, one)), file)
        return file.absolute().as_uri()


def _alert_of(name: str, run_id: str, check: CheckResult) -> Alert:
    document = check.as_dict()
    severity: Severity = check.check.rule.severity
    return Alert(
        kind="quality_check",
        severity=severity,
        key=f"quality_check:{name}:{check.check.id}",
        title=f"{name}: {check.check.id}: {outcome(document)}",
        message=check.message or outcome(document),
        dataset=name,
        run_id=run_id,
        details={"next": f"sluiceway runs show {run_id}"},
    )


def raise_alerts(project: Project, environment: str | None, alerts: list[Alert]) -> tuple[QualityAlert, ...]:
    """Tell the project's channels, and say what became of it. A channel that fails raises nothing.

    Raises:
        StoreError: the alerts could not be written down.
    """
    from sluiceway.alerts.dispatch import dispatch
    from sluiceway.spec.resolve import environment_of

    if not alerts:
        return ()
    told = dispatch(project, environment_of(project, environment).name, alerts)
    return tuple(
        QualityAlert(
            a.dataset or "", a.severity, a.title, a.message, a.key, a.run_id,
            tuple(delivery for delivery in told if delivery.key == a.key),
        )
        for a in alerts
    )  # fmt: skip
