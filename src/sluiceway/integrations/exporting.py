"""What every export to another orchestrator begins with: pipelines, and how they hang together."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.errors import ConfigError, SluicewayError
from sluiceway.integrations.outline import Export, Outline, outlined
from sluiceway.orchestrate.graph import Graph
from sluiceway.orchestrate.select import chosen
from sluiceway.plan.build import names_read
from sluiceway.plan.nodes import AuditGate, AuditSource
from sluiceway.run.resolve import resolved
from sluiceway.spec.pipeline import PipelineConfig
from sluiceway.spec.project import find_pipeline
from sluiceway.spec.resolve import environment_of, resolve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sluiceway.spec.model import Pipeline, Project

__all__ = ["TOOLS", "exported"]

TOOLS = ("airflow", "dagster", "luigi", "prefect")


def exported(
    tool: str, project: Project, environment: str | None = None, select: Sequence[str] = ("*",)
) -> Export:
    """The file for ``tool``: one of ``TOOLS``.

    Raises:
        ConfigError: no such tool, nothing selected, a file that can't be read, what the tool can't have.
    """
    if tool not in TOOLS:
        raise ConfigError(f"there is no export to '{tool}'", hint=f"expected one of: {', '.join(TOOLS)}")
    graph = Graph.load(project, environment)
    for error in graph.broken.values():
        raise error
    names = chosen(graph, select, folder=project.folder)
    pipelines = [
        resolve(PipelineConfig.load(find_pipeline(project, name)), project, environment=environment)
        for name in names
    ]
    outlines, notes = [], []
    for pipeline in pipelines:
        outline = outlined(pipeline, graph, names)
        if tool == "dagster":
            outline, unknown = _with_checks(outline, pipeline)
            notes += unknown
        outlines.append(outline)
    made = _written(tool, project, environment_of(project, environment).name, outlines)
    return Export(made.text, (*notes, *made.notes), tuple(_document(outline) for outline in outlines))


def _written(tool: str, project: Project, environment: str, outlines: list[Outline]) -> Export:
    folder = str(project.folder)
    match tool:
        case "airflow":
            from sluiceway.integrations.airflow import dags

            return dags(project.name, folder, environment, outlines)
        case "luigi":
            from sluiceway.integrations.luigi import tasks

            return tasks(project.name, folder, environment, outlines)
        case "prefect":
            from sluiceway.integrations.prefect import flows

            return flows(project.name, folder, environment, outlines)
    from sluiceway.integrations.dagster import assets

    return assets(project.name, folder, environment, outlines)


def _with_checks(outline: Outline, pipeline: Pipeline) -> tuple[Outline, list[str]]:
    """With the checks of its plan; where its sources can't be reached now, without, and a note says so."""
    with tempfile.TemporaryDirectory(prefix="sluiceway-") as scratch:
        try:
            with resolved(
                pipeline,
                started_at=datetime.now(UTC),
                staging=Path(scratch) / "run",
                named=names_read(pipeline),
            ) as opened:
                plan = opened.plan()
        except SluicewayError as error:
            said = " ".join(str(error).split())
            return outline, [
                f"{pipeline.name}: its checks are left out, since it can't be planned now: {said}"
            ]
    audits = [*plan.select(AuditSource), *plan.select(AuditGate)]
    found = dict.fromkeys(check.id for audit in audits for check in audit.checks)
    return replace(outline, checks=tuple(found)), []


def _document(outline: Outline) -> dict[str, Any]:
    """For ``--json``."""
    made = asdict(outline)
    for key in ("start", "end"):
        at = made["when"][key]
        made["when"][key] = None if at is None else at.isoformat()
    return made
