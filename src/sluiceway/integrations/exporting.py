"""What every export to another orchestrator begins with: pipelines, and how they hang together."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sluiceway.errors import ConfigError, SluicewayError
from sluiceway.orchestrate.graph import Graph
from sluiceway.orchestrate.select import chosen
from sluiceway.plan.build import names_read
from sluiceway.plan.nodes import AuditGate, AuditSource
from sluiceway.run.resolve import resolved
from sluiceway.spec.pipeline import PipelineConfig
from sluiceway.spec.project import find_pipeline
from sluiceway.spec.resolve import resolve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sluiceway.spec.model import Pipeline, Project

__all__ = ["TOOLS", "exported"]

TOOLS = ("airflow", "dagster", "luigi", "prefect")


def exported(
    tool: str, project: Project, environment: str | None = None, select: Sequence[str] = ("*",)
) -> str:
    """The file for ``tool``: one of ``TOOLS``.

    Raises:
        ConfigError: no such tool, nothing selected, a file that can't be read.
    """
    graph = Graph.load(project, environment)
    for error in graph.broken.values():
        raise error
    names = chosen(graph, select, folder=project.folder)
    pipelines = [
        resolve(PipelineConfig.load(find_pipeline(project, name)), project, environment=environment)
        for name in names
    ]
    folder = str(project.folder)
    match tool:
        case "airflow":
            from sluiceway.integrations.airflow import dags

            return dags(project, pipelines, graph, folder)
        case "luigi":
            from sluiceway.integrations.luigi import tasks

            return tasks(project, pipelines, graph, folder)
        case "prefect":
            from sluiceway.integrations.prefect import flows

            return flows(project, pipelines, graph, folder)
        case "dagster":
            from sluiceway.integrations.dagster import assets

            return assets(project, pipelines, graph, folder, {p.name: _checks(p) for p in pipelines})
    raise ConfigError(f"there is no export to '{tool}'", hint=f"expected one of: {', '.join(TOOLS)}")


def _checks(pipeline: Pipeline) -> list[str]:
    """Ids of its checks, out of its plan; of a pipeline whose sources can't be reached now none are known."""
    with tempfile.TemporaryDirectory(prefix="sluiceway-") as scratch:
        try:
            with resolved(
                pipeline,
                started_at=datetime.now(UTC),
                staging=Path(scratch) / "run",
                named=names_read(pipeline),
            ) as opened:
                plan = opened.plan()
        except SluicewayError:
            return []
    audits = [*plan.select(AuditSource), *plan.select(AuditGate)]
    return list(dict.fromkeys(check.id for audit in audits for check in audit.checks))
