"""What an engine is: eleven methods, and its differences as data.

The planner speaks DuckDB's SQL as sqlglot trees with primitives; ``dialect`` says what they are
lowered to. An engine stages, the destination publishes. Beside every engine stands an embedded one,
``local``, which is where connectors live; DuckDB is its own. ``adopt`` brings rows from there into the
engine, ``handoff`` brings what the engine staged back to where the destination can take it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from sluiceway.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa
    from pydantic import BaseModel
    from sqlglot import exp

    from sluiceway.exchange import Location

__all__ = ["BatchFunction", "Capabilities", "Engine", "EnginePlan", "EngineSettings", "Spools", "Stage"]

BatchFunction = Callable[[Any], Any]
"""From a reader or an iterator of Arrow batches to an iterator of them."""


@dataclass(frozen=True)
class EngineSettings:
    """``engine:`` of an environment. ``memory_limit`` is the engine's own buffer, such as '4GB'."""

    type: str = "duckdb"
    threads: int | None = None
    memory_limit: str | None = None
    spill: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Spools:
    """What stagings keep that are cheap to scan several times. ``exact``: types, by name without width,
    that come back as they were. ``reserved``: names in lower case that ``Stage.row`` uses; rows with such
    a column can't be told apart.
    """

    exact: frozenset[str]
    reserved: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Capabilities:
    """``dialect`` is sqlglot's name. ``prunes``: a condition in a WHERE of its own reads less
    (statistics, dictionaries) than one counted beside others in one scan saves. ``cte_hints``: WITH
    takes MATERIALIZED and NOT MATERIALIZED. ``spools``: None where scanning a staging several times is
    not cheap. ``publishes``: destinations take rows where the engine staged them, by its own SQL; else
    they take them from ``local``. ``options``: the keys of its own under ``engine:``; None: it has none.
    """

    dialect: str
    sandbox: bool = False
    prunes: bool = False
    cte_hints: bool = False
    spools: Spools | None = None
    publishes: bool = False
    python: bool = True
    options: type[BaseModel] | None = None
    crossing: Callable[[Schema], Mapping[str, str]] = lambda _: {}


@dataclass(frozen=True)
class Stage:
    """A staged relation. ``relation`` can stand in FROM; ``good`` and ``bad`` are its two parts.

    ``files`` and ``bad_files`` are their Parquet files, if any; ``rows`` counts both, ``bad_rows`` those
    set apart. ``bounds``: what the files' footers prove: column -> (min, max, null_count). ``row``: an
    expression that tells the rows of ``relation`` apart, the same in every scan; '' where there is none.
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
    row: str = ""


@dataclass(frozen=True)
class EnginePlan:
    """The engine's own plan as text. ``scans``: its operators that read stored rows; None: not known."""

    text: str
    scans: int | None = None


class Engine(Protocol):
    """Where SQL runs. Every failure is an EngineError (or a PlanError for the user's SQL)."""

    name: str
    capabilities: Capabilities
    connection: Any
    """The engine's own handle (DuckDB's connection, Spark's session) for native scans and sinks."""
    staging: Path
    """This run's folder: what it staged and did not publish lies there."""

    @property
    def local(self) -> Engine:
        """The embedded engine beside it, where connectors read and write; it stages readers too."""
        ...

    def connect(self, settings: EngineSettings, staging: Path) -> None:
        """Open; ``staging`` is this run's folder."""
        ...

    def seal(self, folders: Sequence[Path]) -> None:
        """From now on users' SQL can touch ``folders`` and what is attached, and nothing else."""
        ...

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Small results only."""
        ...

    def stage(
        self,
        name: str,
        rows: exp.Query | str | pa.RecordBatchReader,
        *,
        parameters: Mapping[str, Any] | None = None,
        bad: exp.Expr | str | None = None,
        keep: bool = False,
        schema: Schema | None = None,
    ) -> Stage:
        """Materialise once. ``bad`` is a condition over the result that sets rows apart; ``keep`` says
        that the destination may take the files as they are; ``schema`` has the types that columns have
        by the plan, where the engine's own would differ."""
        ...

    def adopt(self, rows: Stage | Location) -> str | None:
        """A SELECT of rows that ``local`` staged, or that lie at a location; None where the engine
        can't read them there."""
        ...

    def handoff(self, stage: Stage) -> Stage:
        """The stage as the destination takes it: in ``local``'s SQL, unless the engine ``publishes``."""
        ...

    def map(self, name: str, sql: str, function: BatchFunction, schema: Schema, batch_size: int) -> Stage:
        """Stage what a Python function makes of the batches of a SELECT."""
        ...

    def batches(
        self, sql: str, batch_size: int, parameters: Mapping[str, Any] | None = None
    ) -> pa.RecordBatchReader:
        """For Python's doors and for sinks that take Arrow."""
        ...

    def explain(self, sql: str) -> EnginePlan:
        """The engine's own plan of a query, which does not run."""
        ...

    def drop(self, stage: Stage) -> None: ...

    def close(self) -> None: ...
