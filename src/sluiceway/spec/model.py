"""What ``plan`` and ``run`` see of the user's files: resolved, typed, frozen, with places for errors.

``spec.project`` and ``spec.pipeline`` read and check; everything below here only looks at these.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from sluiceway.errors import Where
from sluiceway.exchange import LoadMode, Scd2
from sluiceway.spec.orchestrate import OrchestrateSpec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sluiceway.connectors.base import Connector, Incremental, SinkConfig, SourceConfig
    from sluiceway.engines.base import EngineSettings
    from sluiceway.errors import SpecError
    from sluiceway.rules.base import Rule
    from sluiceway.schema import Schema, TableName
    from sluiceway.spec.schedule import ScheduleSpec
    from sluiceway.transforms.base import Step

__all__ = [
    "ContractSpec",
    "DeclaredRule",
    "DeclaredStep",
    "DestinationSpec",
    "EnvironmentSpec",
    "Pipeline",
    "Project",
    "QualitySpec",
    "RetrySpec",
    "SchemaContract",
    "SourceSpec",
]

Evolution = Literal["evolve", "freeze", "discard_row", "discard_value"]


@dataclass(frozen=True)
class EnvironmentSpec:
    """One entry of ``environments``. ``connections`` has its overrides merged.

    Variables of ``warehouse`` and of a connection are put in when it is read, so that only those used
    need to be defined. ``error`` says why the environment can't be used at all; ``resolve`` raises it.
    """

    name: str
    engine: EngineSettings
    warehouse: Mapping[str, Any]
    connections: Mapping[str, Mapping[str, Any]]
    error: SpecError | None = None


@dataclass(frozen=True)
class Project:
    """``sluiceway.yml``. ``metadata`` is a SQLAlchemy URL, a relative SQLite path made absolute."""

    name: str
    folder: Path
    file: Path | None
    environments: tuple[EnvironmentSpec, ...]
    metadata: str
    alerts: tuple[Mapping[str, Any], ...] = ()
    lineage: Mapping[str, Any] = field(default_factory=dict)
    """``lineage:``, the OpenLineage transport: {type: file|http|console, path|url, …}; empty: none."""
    orchestrate: OrchestrateSpec = field(default_factory=OrchestrateSpec)
    observe: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """``observe:``: integration -> its configuration."""


@dataclass(frozen=True)
class DeclaredRule:
    rule: Rule
    where: Where
    origin: Literal["pipeline", "contract", "implied"] = "pipeline"


@dataclass(frozen=True)
class DeclaredStep:
    step: Step
    where: Where


@dataclass(frozen=True)
class SourceSpec:
    name: str
    connector: Connector
    config: SourceConfig
    where: Where
    incremental: Incremental | None = None
    rules: tuple[DeclaredRule, ...] = ()
    window: str | None = None
    """The column by which a backfill reads an interval; ``config.filters`` have its bounds."""


@dataclass(frozen=True)
class SchemaContract:
    """What may happen to the destination's columns, and to values of another type."""

    columns: Evolution = "evolve"
    data_type: Evolution = "freeze"


@dataclass(frozen=True)
class DestinationSpec:
    table: TableName
    mode: LoadMode
    connector: Connector
    config: SinkConfig
    where: Where
    key: tuple[str, ...] = ()
    version: str | None = None
    scd2: Scd2 | None = None
    schema_contract: SchemaContract = field(default_factory=SchemaContract)
    allow_empty: bool = False
    lock_timeout: float = 60.0
    load_batch_size: int | None = None


@dataclass(frozen=True)
class ContractSpec:
    """An ODCS file as the gate needs it. ``schema`` freezes the table when it declares columns;
    ``classified`` are columns whose samples are masked."""

    id: str
    file: Path
    schema: Schema | None
    rules: tuple[DeclaredRule, ...] = ()
    classified: frozenset[str] = frozenset()
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class QualitySpec:
    """``quality:``. ``thresholds``: ``score`` or a dimension -> least value; ``samples``: kept a check;
    ``columns``: those whose metrics are kept, empty: all."""

    thresholds: Mapping[str, float] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    samples: int = 10
    metrics: Literal["basic", "full", "off"] = "basic"
    columns: tuple[str, ...] = ()
    freshness_column: str | None = None


@dataclass(frozen=True)
class RetrySpec:
    """``attempts`` is the total number of tries; ``delay`` in seconds."""

    attempts: int = 1
    backoff: Literal["exponential", "linear", "constant"] = "exponential"
    delay: float = 30.0


@dataclass(frozen=True)
class Pipeline:
    """A pipeline of one environment, ready to be planned. ``raw`` keeps ``${VAR}`` unresolved.

    ``timeout`` and ``sla`` are in seconds, ``memory_limit`` in bytes.
    """

    name: str
    project: Project
    environment: EnvironmentSpec
    sources: Mapping[str, SourceSpec]
    steps: tuple[DeclaredStep, ...]
    rules: tuple[DeclaredRule, ...]
    destination: DestinationSpec
    quality: QualitySpec = field(default_factory=QualitySpec)
    contract: ContractSpec | None = None
    description: str = ""
    owner: str = ""
    tags: tuple[str, ...] = ()
    schedule: ScheduleSpec | None = None
    timezone: str = "UTC"
    pool: str = "default"
    max_active_runs: int = 1
    priority: int = 0
    sla: float | None = None
    depends_on: tuple[str, ...] = ()
    retry: RetrySpec = field(default_factory=RetrySpec)
    timeout: float | None = None
    memory_limit: int | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    file: Path | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)
