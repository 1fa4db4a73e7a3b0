"""A project whose schedulers are driven by hand, and what they look at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sluiceway.events import RunFinished, RunStarted
from sluiceway.ids import new_run_id
from sluiceway.orchestrate.scheduler import Scheduler
from sluiceway.spec.project import load_project
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path

START = datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


class Clocked:
    """A project whose schedulers are driven by hand."""

    def __init__(self, folder: Path, metadata: str | None = None) -> None:
        self.folder = folder
        folder.joinpath("pipelines").mkdir(parents=True)
        told = "" if metadata is None else f"metadata: {metadata}\n"
        folder.joinpath("sluiceway.yml").write_text(f"project: t\n{told}")
        self.said: list[dict[str, Any]] = []

    def pipeline(self, name: str, schedule: str, more: str = "") -> Path:
        file = self.folder / "pipelines" / f"{name}.yml"
        file.write_text(
            f"pipeline: {name}\nschedule: {schedule}\nsources: {{a: {{type: csv, path: a.csv}}}}\n"
            f"destination: {{table: mart.{name}}}\n{more}"
        )
        return file

    def open(self) -> Scheduler:
        project = load_project(self.folder)
        self.store = Store.open(project.metadata)
        return Scheduler(project, "dev", say=lambda event: self.said.append(dict(event)))

    def queued(self, name: str = "p") -> list[str | None]:
        jobs = self.store.queue.jobs("dev", pipeline=name, limit=None)
        return [job["nominal_at"] and job["nominal_at"][11:16] for job in reversed(jobs)]


def publish(store: Store, table: str, at: datetime, status: str = "succeeded") -> None:
    """Publishes a dataset, as a run's events tell the store; another status publishes nothing."""
    run_id = new_run_id()
    output = {"namespace": "lake", "name": f"main.{table}", "source": table, "columns": []}
    store.record_event(RunStarted(run_id, "x", at, environment="dev", output=output))
    store.record_event(
        RunFinished(run_id, "x", at, environment="dev", status=status, output=output, table=table)
    )
