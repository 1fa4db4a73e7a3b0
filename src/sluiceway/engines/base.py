"""What an engine is: ten methods, and its differences as data.

The planner speaks DuckDB's SQL as sqlglot trees with primitives; ``dialect`` says what they are
lowered to. An engine stages, the destination publishes: ``handoff`` says how the rows change hands.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from sluiceway.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa
    from sqlglot import exp

__all__ = ["Capabilities", "Engine", "EngineSettings", "Stage"]


@dataclass(frozen=True)
class EngineSettings:
    """``engine:`` of an environment. ``memory_limit`` is the engine's own buffer, such as '4GB'."""

    type: str = "duckdb"
    threads: int | None = None
    memory_limit: str | None = None
    spill: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Capabilities:
    """``dialect`` is sqlglot's name. ``files``: a stage leaves Parquet files that a sink may take.
    ``prunes``: a condition in a WHERE of its own reads less (statistics, dictionaries) than one counted
    beside others in one scan saves.
    """

    dialect: str
    files: bool
    streams: bool = True
    sandbox: bool = False
    prunes: bool = False


@dataclass(frozen=True)
class Stage:
    """A staged relation. ``relation`` can stand in FROM; ``good`` and ``bad`` are its two parts.

    ``files`` and ``bad_files`` are their Parquet files, if any; ``rows`` counts both, ``bad_rows`` those
    set apart. ``bounds``: what the files' footers prove: column -> (min, max, null_count).
    """

    name: str
    relation: str
    good: str
    bad: str
    schema: Schema
    rows: int
    bad_rows: int = 0
    files: tuple[Path, ...] = ()
    bad_files: tuple[Path, ...] = ()
    bounds: Mapping[str, tuple[Any, Any, int | None]] = field(default_factory=dict)


class Engine(Protocol):
    """Where SQL runs. Every failure is an EngineError (or a PlanError for the user's SQL)."""

    name: str
    capabilities: Capabilities
    connection: Any
    """The engine's own handle (DuckDB's connection, Spark's session) for native scans and sinks."""

    def connect(self, settings: EngineSettings, staging: Path) -> None:
        """Open; ``staging`` is this run's folder."""
        ...

    def seal(self, folders: Sequence[Path]) -> None:
        """From now on users' SQL can touch ``folders`` and what is attached, and nothing else."""
        ...

    def execute(self, sql: str, parameters: Mapping[str, Any] | None = None) -> None: ...

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Small results only."""
        ...

    def columns(self, sql: str) -> Schema: ...

    def stage(
        self,
        name: str,
        rows: exp.Query | str | pa.RecordBatchReader,
        *,
        parameters: Mapping[str, Any] | None = None,
        bad: str | None = None,
        keep: bool = False,
    ) -> Stage:
        """Materialise once. ``bad`` is a condition over the result that sets rows apart; ``keep`` says
        that the destination may take the files as they are."""
        ...

    def batches(
        self, sql: str, batch_size: int, parameters: Mapping[str, Any] | None = None
    ) -> pa.RecordBatchReader:
        """For Python steps and for sinks that take Arrow."""
        ...

    def explain(self, sql: str) -> str:
        """The engine's own plan of a query, as text."""
        ...

    def drop(self, stage: Stage) -> None: ...

    def close(self) -> None: ...
