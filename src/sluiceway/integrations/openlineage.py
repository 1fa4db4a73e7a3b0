"""OpenLineage 2-0-2: a run as START and one of COMPLETE, FAIL, ABORT, to a file, by HTTP or on stderr.

``succeeded`` is COMPLETE; ``failed`` and ``blocked`` are FAIL, since neither gave the output that was
asked for; ``cancelled`` is ABORT. What a run did not publish is not told as published: only COMPLETE
carries the output's schema, column lineage and statistics. Events never hold rows or samples.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sluiceway import __version__
from sluiceway.errors import ConfigError, Where, did_you_mean
from sluiceway.events import Event, RunFinished, RunStarted
from sluiceway.integrations.base import Integration, Listener
from sluiceway.integrations.openlineage_facets import (
    PRODUCER,
    assertions,
    column_lineage,
    data_source,
    facet,
    quality_metrics,
    schema,
    tests_run,
)
from sluiceway.integrations.openlineage_transports import TRANSPORTS
from sluiceway.secrets import redact_tree

if TYPE_CHECKING:
    from sluiceway.spec.model import Project

__all__ = ["INTEGRATION", "build_finish", "build_start", "listener"]

_SCHEMA_URL = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
_TYPES = {"succeeded": "COMPLETE", "failed": "FAIL", "blocked": "FAIL", "cancelled": "ABORT"}


def listener(config: Mapping[str, Any], project: Project) -> Listener:
    """The listener for ``lineage:`` of a project.

    Raises:
        ConfigError: an unknown type or key, or one that is missing.
    """
    where = Where(str(project.file) if project.file else None, None, "lineage")
    kind = config.get("type")
    if not isinstance(kind, str) or kind not in TRANSPORTS:
        what = f"'{kind}' is no OpenLineage transport" if kind else "the transport's type is missing"
        raise ConfigError(what, where=where, hint=f"type: {' | '.join(sorted(TRANSPORTS))}")
    allowed, make = TRANSPORTS[kind]
    for key in config:
        if key not in {"type", "namespace", *allowed}:
            raise ConfigError(
                f"unknown key '{key}' for the {kind} transport",
                where=where,
                hint=did_you_mean(str(key), ["type", "namespace", *allowed]),
            )
    send = make(config, project.folder, where)
    return _Listener(send, config.get("namespace"), project.name)


class _Listener:
    """Keeps what a run's start told until its end, since the job's facets belong to both."""

    def __init__(self, send: Callable[[dict[str, Any]], None], namespace: str | None, project: str) -> None:
        self._send = send
        self._namespace = namespace
        self._project = project
        self._runs: dict[str, RunStarted] = {}

    def __call__(self, event: Event) -> None:
        match event:
            case RunStarted():
                self._runs[event.run_id] = event
                self._send(build_start(event, self._place(event.environment)))
            case RunFinished():
                place = self._place(event.environment)
                begun = self._runs.pop(event.run_id, None)
                if begun is None:  # it failed before its plan was made; an end wants a beginning
                    begun = _unannounced(event)
                    self._send(build_start(begun, place))
                self._send(build_finish(event, place, begun))

    def _place(self, environment: str) -> str:
        """The job's namespace. dev and prod run the same pipelines: they are not the same jobs."""
        return self._namespace or "/".join(part for part in (self._project, environment) if part)


def _unannounced(event: RunFinished) -> RunStarted:
    at = event.at - timedelta(seconds=event.seconds)
    return RunStarted(
        event.run_id,
        event.pipeline,
        at,
        environment=event.environment,
        inputs=event.inputs,
        output=event.output,
    )


def build_start(event: RunStarted, namespace: str) -> dict[str, Any]:
    """The START event of a run, as a plain dict; RUNNING for another attempt of the same run."""
    kind = "START" if event.attempt == 1 else "RUNNING"
    outputs = [] if event.output is None else [_dataset(event.output, known_schema=False)]
    inputs = [_dataset(item) for item in event.inputs]
    return _redacted(_event(kind, event, namespace, event, inputs, outputs))


def build_finish(event: RunFinished, namespace: str, begun: RunStarted | None = None) -> dict[str, Any]:
    """The event that ends a run. ``begun`` is the same run's start, which knows its job's facets."""
    kind = _TYPES.get(event.status, "FAIL")
    inputs = [_input(item, event) for item in event.inputs]
    outputs = [] if event.output is None else [_output(event.output, event)]
    built = _event(kind, event, namespace, begun, inputs, outputs)
    run, job = built["run"]["facets"], built["job"]["facets"]
    if event.error is not None:
        message = str(event.error.get("message") or event.status)
        hint = event.error.get("hint")
        run["errorMessage"] = facet(
            "ErrorMessageRunFacet",
            message=f"{message}\n  {hint}" if hint else message,
            programmingLanguage="PYTHON",
        )
    if event.checks:
        run["test"] = tests_run(event.checks)
    if event.sql:
        job["sql"] = facet("SQLJobFacet", query=event.sql, dialect="duckdb")
    return _redacted(built)


def _event(
    kind: str,
    event: Event,
    namespace: str,
    begun: RunStarted | None,
    inputs: list[dict[str, Any]],
    outputs: list[dict[str, Any]],
) -> dict[str, Any]:
    environment = getattr(event, "environment", "")
    return {
        "eventType": kind,
        "eventTime": _time(event.at),
        "producer": PRODUCER,
        "schemaURL": _SCHEMA_URL,
        "run": {"runId": event.run_id, "facets": _run_facets(begun, environment)},
        "job": {"namespace": namespace, "name": event.pipeline, "facets": _job_facets(begun)},
        "inputs": inputs,
        "outputs": outputs,
    }


def _redacted(event: dict[str, Any]) -> dict[str, Any]:
    """Nothing leaves without this, whatever it was built from."""
    return {key: redact_tree(value) for key, value in event.items()}


def _time(at: datetime) -> str:
    """
    >>> _time(datetime(2026, 1, 2, 3, 4, 5))
    '2026-01-02T03:04:05.000000Z'
    """
    moved = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return moved.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _run_facets(begun: RunStarted | None, environment: str) -> dict[str, Any]:
    engine = (begun.engine if begun else None) or {"name": "sluiceway", "version": __version__}
    facets = {
        "processing_engine": facet(
            "ProcessingEngineRunFacet",
            name=engine["name"],
            version=engine["version"],
            openlineageAdapterVersion=__version__,
        )
    }
    if environment:
        tag = {"key": "environment", "value": environment, "source": "SLUICEWAY"}
        facets["tags"] = facet("TagsRunFacet", tags=[tag])
    if begun is not None and begun.nominal_at is not None:
        facets["nominalTime"] = facet("NominalTimeRunFacet", nominalStartTime=_time(begun.nominal_at))
    parent = (begun.parent if begun else None) or _parent_of_environment()
    if parent:
        facets["parent"] = facet(
            "ParentRunFacet",
            run={"runId": parent["run_id"]},
            job={"namespace": parent["namespace"], "name": parent["job"]},
        )
    return facets


def _parent_of_environment() -> dict[str, str] | None:
    """OPENLINEAGE_PARENT_ID, ``namespace/job/run id``, by which an orchestrator says who started us.

    A namespace may hold slashes; a job's name and a run's id do not.
    """
    text = os.environ.get("OPENLINEAGE_PARENT_ID", "")
    namespace, _, run_id = text.rpartition("/")
    namespace, _, job = namespace.rpartition("/")
    if not (namespace and job and run_id):
        return None
    return {"namespace": namespace, "job": job, "run_id": run_id}


def _job_facets(begun: RunStarted | None) -> dict[str, Any]:
    facets = {
        "jobType": facet(
            "JobTypeJobFacet", processingType="BATCH", integration="SLUICEWAY", jobType="PIPELINE"
        )
    }
    if begun is not None and begun.description:
        facets["documentation"] = facet("DocumentationJobFacet", description=begun.description)
    if begun is not None and begun.owner:
        owner = {"name": begun.owner, "type": "OWNER"}
        facets["ownership"] = facet("OwnershipJobFacet", owners=[owner])
    return facets


def _dataset(dataset: Mapping[str, Any], *, known_schema: bool = True) -> dict[str, Any]:
    facets = {"dataSource": data_source(dataset)}
    if known_schema and dataset.get("columns"):
        facets["schema"] = schema(dataset["columns"])
    return {"namespace": dataset["namespace"], "name": dataset["name"], "facets": facets}


def _input(dataset: Mapping[str, Any], event: RunFinished) -> dict[str, Any]:
    """An input with what its source's rules said, where the checks tell which source it was."""
    built = _dataset(dataset)
    alone = len(event.inputs) == 1
    judged = [
        check
        for check in event.checks
        if check["phase"] == "source"
        and (check.get("source") == dataset.get("source") if check.get("source") else alone)
    ]
    facets: dict[str, Any] = {}
    if judged:
        facets["dataQualityAssertions"] = assertions(judged)
    if alone and event.records.get("read") is not None:
        facets["inputStatistics"] = facet("InputStatisticsInputDatasetFacet", rowCount=event.records["read"])
    if dataset.get("metrics"):
        facets["dataQualityMetrics"] = quality_metrics(
            dataset["metrics"], dataset.get("columns") or (), "DataQualityMetricsInputDatasetFacet"
        )
    if facets:
        built["inputFacets"] = facets
    return built


def _output(dataset: Mapping[str, Any], event: RunFinished) -> dict[str, Any]:
    """The output. A blocked or failed run left it as it was, so nothing is said of its content then;
    what the gate's checks found is told in any case."""
    published = event.status == "succeeded"
    built = _dataset(dataset, known_schema=published)
    facets = built["facets"]
    judged = [check for check in event.checks if check["phase"] == "gate"]
    if judged:
        facets["dataQualityAssertions"] = assertions(judged)
    if not published:
        return built
    if event.metrics:
        facets["dataQualityMetrics"] = quality_metrics(
            event.metrics, dataset.get("columns") or (), "DataQualityMetricsDatasetFacet"
        )
    if event.lineage:
        facets["columnLineage"] = column_lineage(event.lineage, event.inputs)
    if event.records.get("published") is not None:
        count = event.records["published"]
        built["outputFacets"] = {
            "outputStatistics": facet("OutputStatisticsOutputDatasetFacet", rowCount=count)
        }
    return built


INTEGRATION = Integration(
    name="openlineage",
    doc=__doc__,
    listener=listener,
    examples=(
        "lineage: {type: file, path: .sluiceway/openlineage.jsonl}",
        "lineage: {type: http, url: 'http://marquez:5000', auth: {type: api_key, api_key: '${LINEAGE_KEY}'}}",
        "lineage: {type: console}",
    ),
)
