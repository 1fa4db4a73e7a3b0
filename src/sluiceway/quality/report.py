"""A report on datasets: is the data fit, what changed since last time, what to do.

What runs and checks left in the metadata store is read; unless told not to, the data is looked at too. What
can't be had is said in the report's notes, and the rest is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sluiceway.errors import PlanError, SluicewayError, StoreError
from sluiceway.quality.loaded import classified
from sluiceway.quality.ranges import TimeRange, parse_range
from sluiceway.quality.reportmodel import LEVELS, CheckLine, DatasetReport, QualityReport, RunLine
from sluiceway.quality.verdict import answer_of, todo_of
from sluiceway.quality.words import in_words
from sluiceway.rules.metrics import finite
from sluiceway.run.standing import kind_of_file
from sluiceway.secrets import MASK
from sluiceway.spec.resolve import environment_of
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from sluiceway.quality.model import Profile
    from sluiceway.quality.trendmodel import TrendAnalysis
    from sluiceway.spec.model import Project

__all__ = ["dataset_report", "quality_report", "report_of", "reported_datasets"]

T = TypeVar("T")
_DIMENSIONS = ("accuracy", "completeness", "consistency", "timeliness", "uniqueness")
_RUNS = 90


def quality_report(
    datasets: Sequence[str] = (),
    *,
    project: Project,
    environment: str | None = None,
    time_range: str = "30d",
    look: bool = True,
    show_pii: bool = False,
    now: datetime | None = None,
) -> QualityReport:
    """Report on ``datasets``, or on all that a run has loaded or judged.

    Args:
        datasets: names, or files: whatever ``profile`` takes by name.
        time_range: how far back trends look, as in ``parse_range``.
        look: open the data for its profile and its anomalies; else only the metadata store is read.
        show_pii: show values of columns that look personal. Masked and classified ones stay hidden.
        now: when the report is made.

    Raises:
        StoreError: the store can't be read, or it knows no dataset at all.
        PlanError: a name is neither a known dataset nor data that can be opened.
        ConfigError: no such range or environment.
    """
    made = now or datetime.now(UTC)
    env = environment_of(project, environment).name
    parse_range(time_range, made)  # a mistake is told before anything is read
    with Store.open(project.metadata) as store:
        names = list(dict.fromkeys(datasets)) or reported_datasets(store, env)
    if not names:
        raise StoreError(
            f"no run has loaded or judged anything in {env}",
            hint="sluiceway run PIPELINE, or name a file: sluiceway quality report data.csv",
        )
    found = [
        dataset_report(
            name, project=project, environment=env, time_range=time_range, look=look, show_pii=show_pii,
            now=made,
        )
        for name in names
    ]  # fmt: skip
    return report_of(project, *found, now=made)


def report_of(project: Project, *datasets: DatasetReport, now: datetime | None = None) -> QualityReport:
    """Reports on datasets of one environment as one, the worst first."""
    ordered = sorted(datasets, key=lambda d: (LEVELS.index(d.level), d.dataset))
    env = datasets[0].environment if datasets else project.environments[0].name
    return QualityReport(project.name, env, _iso(now or datetime.now(UTC)), tuple(ordered))


def reported_datasets(store: Store, environment: str) -> list[str]:
    """What pipelines load or checks have judged, by name."""
    found = []
    for row in store.datasets(environment):
        name = row["alias"] or row["name"]
        if row["pipeline"] is not None or store.measured(row["dataset"], environment=environment, limit=1):
            found.append(str(name))
    return sorted(set(found))


def dataset_report(
    name: str,
    *,
    project: Project,
    environment: str | None = None,
    time_range: str = "30d",
    look: bool = True,
    show_pii: bool = False,
    now: datetime | None = None,
    contract: Path | None = None,
    profile: Profile | None = None,
    data: Any = None,
) -> DatasetReport:
    """The report on one dataset; the other arguments and the errors are those of ``quality_report``.

    Args:
        contract: whose classified columns are hidden; for a dataset its pipeline's own if absent.
        profile: one that was made a moment ago, so that the data is not read again for it.
        data: the rows that are called ``name``, where Python holds them.
    """
    env = environment_of(project, environment).name
    within = parse_range(time_range, now)
    gathered = _Gathered(name, project, env, now or datetime.now(UTC), data=data, profile=profile)
    with Store.open(project.metadata) as store:
        gathered.from_store(store)
    if gathered.runs:
        gathered.from_history(within)
    hidden = gathered.tried("classified columns", lambda: classified(gathered.target, project, contract))
    if hidden is not None:  # where it is not known what is secret, nothing of the data is shown
        gathered.hidden = hidden if show_pii else None
        if look:
            gathered.from_data(hidden, show_pii)
    if gathered.known is None and gathered.profile is None:
        why = gathered.notes[-1] if gathered.notes else "no run has seen it"
        raise PlanError(
            f"there is nothing to report of '{name}': {why}", hint="sluiceway quality report --all"
        )
    return gathered.report()


@dataclass
class _Gathered:
    """What was found so far. A part that can't be had leaves a note."""

    name: str
    project: Project
    environment: str
    now: datetime
    known: Mapping[str, Any] | None = None
    judged: Mapping[str, Any] | None = None
    runs: tuple[RunLine, ...] = ()
    quarantine: tuple[Mapping[str, Any], ...] = ()
    upstream: tuple[Mapping[str, Any], ...] = ()
    change: str = ""
    score: float | None = None
    data: Any = None
    monitoring: Any = None
    trends: TrendAnalysis | None = None
    profile: Profile | None = None
    findings: tuple[Any, ...] = ()
    hidden: frozenset[str] | None = None
    """Columns whose values are not shown. None: it is not known which are secret, so no row is shown."""
    notes: list[str] = field(default_factory=list)

    @property
    def target(self) -> Any:
        """What is opened to look at the data."""
        return self.name if self.data is None else self.data

    def tried(self, what: str, call: Callable[[], T]) -> T | None:
        """What ``call`` gives, or None with a note that says why it could not be had."""
        try:
            return call()
        except SluicewayError as error:
            self.notes.append(f"{what}: {error.message}")
            return None

    def from_store(self, store: Store) -> None:
        try:
            self.known = store.dataset(self.name, self.environment)
        except StoreError as error:
            if "no run has seen" not in error.message:
                raise
            return
        env, full = self.environment, str(self.known["dataset"])
        self.name = str(self.known["alias"] or self.known["name"])
        self.runs = tuple(_run_line(run) for run in store.measured(full, environment=env, limit=_RUNS))
        for run in self.known["runs"]:
            if run["kind"] in ("run", "check") and run["status"] in ("succeeded", "blocked"):
                self.judged = store.run(run["run_id"])
                break
        graph = store.lineage(full, None, "up", None, env)
        self.upstream = tuple(
            {"dataset": n["dataset"], "name": _short(str(n["name"]), self.project), "depth": n["depth"]}
            for n in graph["nodes"]
            if n["depth"] > 0
        )

    def from_history(self, within: TimeRange) -> None:
        from sluiceway.quality.analytics import analyze_quality_trends
        from sluiceway.quality.monitor import monitor_data_quality
        from sluiceway.quality.score import quality_score

        who: dict[str, Any] = {"project": self.project, "environment": self.environment}
        explained = self.tried("score", lambda: quality_score(self.name, **who))
        if explained is not None:
            self.score, self.change = explained.now.score, explained.sentence
        self.monitoring = self.tried(
            "monitoring", lambda: monitor_data_quality(self.name, now=self.now, **who)
        )
        self.trends = self.tried(
            "trends", lambda: analyze_quality_trends(self.name, within, now=self.now, **who)
        )

    def from_data(self, hidden: frozenset[str], show_pii: bool) -> None:
        from sluiceway.quality.anomalies import anomalies
        from sluiceway.quality.profile import profile

        who: dict[str, Any] = {"project": self.project, "environment": self.environment}
        self.profile = self.profile or self.tried(
            "profile", lambda: profile(self.target, hide="classified" if show_pii else "pii", **who)
        )
        if self.profile is None:
            return
        personal = [] if show_pii else [c.name.casefold() for c in self.profile.columns if c.pii is not None]
        self.hidden = hidden.union(personal)
        if self.known is not None and self.data is None and kind_of_file(self.name) is None:
            self.quarantine = self.tried("quarantine", self._quarantine) or ()
        if not self.profile.rows:
            return
        masked = [c.name for c in self.profile.columns if c.name.casefold() in self.hidden]
        found = self.tried(
            "anomalies", lambda: anomalies(self.target, hidden=sorted(masked), samples=5, **who)
        )
        self.findings = found or ()

    def _quarantine(self) -> tuple[Mapping[str, Any], ...]:
        from sluiceway.run.quarantine import list_quarantine

        assert self.known is not None
        pipeline = self.known["pipeline"]
        if pipeline is None:
            return ()
        rows = list_quarantine(self.project, self.environment, pipeline=pipeline)
        return tuple({k: row[k] for k in ("run_id", "phase", "source", "reasons", "rows")} for row in rows)

    def report(self) -> DatasetReport:
        known = self.known or {}
        checks = (
            () if self.judged is None else tuple(_check_line(c, self.hidden) for c in self.judged["checks"])
        )
        issues = () if self.monitoring is None else self.monitoring.issues
        newest = next((r for r in known.get("runs", ()) if r["kind"] in ("run", "check")), None)
        waiting = self._waiting()
        level, answer, reasons = answer_of(newest, checks, issues, sum(int(r["rows"]) for r in waiting))
        notes = list(self.notes)
        if self.hidden is None and any(c.get("samples") for c in (self.judged or {}).get("checks", ())):
            notes.append("rows that fail are not shown: which columns are personal was not looked at")
        if self.monitoring is not None:
            notes += [f"what is usual can't be told yet ({note})" for note in self.monitoring.notes]
        return DatasetReport(
            self.name, self.environment, level, answer, reasons,
            score=self.score, change=self.change,
            dimensions={} if self.judged is None else dict(self.judged["dimensions"]),
            judged_by=None if self.judged is None else self.judged["run_id"],
            judged_at=None if self.judged is None else self.judged["started_at"],
            pipeline=known.get("pipeline"), owner=known.get("owner") or "",
            description=known.get("description") or "",
            checks=checks, runs=self.runs, issues=tuple(issues),
            profile=self.profile, findings=self.findings, trends=self.trends,
            quarantine=waiting, upstream=self.upstream,
            todo=todo_of(self.name, newest, checks, waiting, self.trends, known.get("pipeline")),
            notes=tuple(notes),
        )  # fmt: skip

    def _waiting(self) -> tuple[Mapping[str, Any], ...]:
        """What lies in the warehouse; where that was not looked at, what the store remembers of one run."""
        if self.quarantine or self.profile is not None or self.judged is None:
            return self.quarantine
        return tuple(
            {"run_id": self.judged["run_id"], "phase": "gate", "source": "", "reasons": [row["check_id"]],
             "rows": row["waiting"]}
            for row in self.judged["quarantine"]
            if row["waiting"]
        )  # fmt: skip


def _run_line(run: Mapping[str, Any]) -> RunLine:
    values = {name: finite(value) for (column, name), value in run["metrics"].items() if not column}
    rows = values.get("row_count")
    return RunLine(
        run["run_id"], run["pipeline"], run["kind"], run["status"], run["at"], values.get("quality_score"),
        {name: v for name in _DIMENSIONS if (v := values.get(name)) is not None},
        None if rows is None else int(rows),
    )  # fmt: skip


def _check_line(check: Mapping[str, Any], hidden: frozenset[str] | None) -> CheckLine:
    samples = tuple(
        {
            name: MASK if name.casefold() in hidden and value is not None else value
            for name, value in row.items()
        }
        for row in check.get("samples") or ()
        if hidden is not None
    )
    columns = tuple(check["columns"] or ())
    return CheckLine(
        check["id"], check["rule"], in_words(check["rule"], columns, check["message"] or ""), columns,
        check["dimension"],
        check["severity"], check["on_fail"], check["phase"], check["failing"] or 0, check["total"] or 0,
        bool(check["passed"]), check["message"] or "", samples,
    )  # fmt: skip


def _short(name: str, project: Project) -> str:
    """A path inside the project by its relative part."""
    return name.removeprefix(f"{project.folder.absolute()}/")


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
