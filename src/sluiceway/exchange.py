"""What engine, gate and destination hand each other in a run. Data only; no I/O here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from sluiceway.schema import Schema, TableName

__all__ = [
    "MASK_COLUMN",
    "QUARANTINE_COLUMNS",
    "SYSTEM_SCHEMA",
    "Cursor",
    "Delivery",
    "LoadMode",
    "Location",
    "Outcome",
    "PublishOrder",
    "Receipt",
    "Scd2",
    "Size",
    "Staged",
    "Verdict",
]

SYSTEM_SCHEMA = "_sluiceway"
MASK_COLUMN = "_sluiceway_mask"
"""First bitmask column of a staging table; more rules than 63 add ``_sluiceway_mask_1`` and so on."""

LoadMode = Literal["append", "replace", "merge", "scd2"]
Outcome = Literal["pass", "quarantine", "block"]

QUARANTINE_COLUMNS: Mapping[str, str] = {
    "quarantine_id": "VARCHAR",  # run_id:phase:source:n, unique in the warehouse
    "run_id": "VARCHAR",
    "pipeline": "VARCHAR",
    "dataset": "VARCHAR",
    "phase": "VARCHAR",  # source | gate
    "source": "VARCHAR",  # the source's name, or ''
    "reasons": "VARCHAR",  # JSON list of check ids
    "row": "VARCHAR",  # JSON object; every value as text that casts back to its type exactly
    "types": "VARCHAR",  # JSON object: column -> type
    "status": "VARCHAR",  # waiting | replayed | discarded
    "quarantined_at": "TIMESTAMP",
}
"""Layout of ``_sluiceway.quarantine``, in every destination."""


@dataclass(frozen=True)
class Cursor:
    """The mark of an incremental source. ``value`` is text that casts back to ``type`` exactly."""

    source: str
    column: str
    type: str
    value: str | None


@dataclass(frozen=True)
class Location:
    """Where rows lie, for engines that read it themselves.

    ``format`` is ``parquet csv json`` (then ``paths`` are files) or ``jdbc``: then ``options`` has ``driver
    jar url properties init table`` and ``parts``, conditions that each row fulfils one of; dates travel as
    days and timestamps as microseconds since 1970, or as texts, decimals as texts. Else ``options`` are the
    connector's, by its names. ``schema`` is in DuckDB's types. ``once``: reading it twice may give other
    rows, so it is staged before anything else looks at it.
    ``scans``: for text files, a SELECT of each in the embedded engine's SQL, that whoever has that engine
    beside the file may run; it names no other file.
    """

    format: str
    schema: Schema
    paths: tuple[str, ...] = ()
    scans: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    once: bool = False


@dataclass(frozen=True)
class Size:
    """How much a source holds, as its metadata says; about."""

    rows: int | None
    bytes: int


@dataclass(frozen=True)
class Verdict:
    """The gate's decision over exactly one staging. Without one nothing is published."""

    outcome: Outcome
    run_id: str
    staging_id: str
    reasons: tuple[str, ...] = ()


class Delivery(Protocol):
    """An engine's executors, which can write the good rows of a staging into a database themselves."""

    def takes(self, jar: str) -> bool:
        """They have a driver of this jar's name."""
        ...

    def write(self, to: Location) -> None:
        """Insert each row at least once, with its number: the same row has the same number each time.

        ``to`` is a Location ``jdbc`` whose ``schema`` are the columns of the table, in the types that values
        travel as; its options have ``names``, the staging's columns in that order, and ``number``, the column
        for the numbers. Dates and times that travel as BIGINT are days or microseconds since 1970.

        Raises:
            EngineError: some rows may have been written.
        """
        ...


@dataclass(frozen=True)
class Staged:
    """Rows that an engine staged, judged and split.

    ``good`` and ``quarantined`` are SELECTs in the dialect of ``engine``; ``quarantined`` has the
    layout of QUARANTINE_COLUMNS and is None when no row was turned away. ``files`` are Parquet files
    that hold exactly the good rows (with ``extra_columns`` to be ignored); None where the good rows
    are not files of their own, then ``good`` is the way.

    ``confirm`` is there where ``good`` reads a source where it lies: called after the rows were read and
    before anything is committed, it raises if they may be others than those that were judged. What reads
    files, a source's or staged ones, reads nothing else of the engine.
    ``delivery``: who can bring the good rows to a database without this process.
    """

    id: str
    engine: Any
    schema: Schema
    good: str
    rows: int
    published: int
    files: tuple[Path, ...] | None = None
    extra_columns: tuple[str, ...] = ()
    quarantined: str | None = None
    quarantined_rows: int = 0
    confirm: Callable[[], None] | None = None
    delivery: Delivery | None = None


@dataclass(frozen=True)
class Scd2:
    effective_at: str | None = None
    late: Literal["split", "block"] = "block"
    on_delete: Literal["ignore", "close"] = "ignore"
    valid_from: str = "valid_from"
    valid_to: str = "valid_to"


@dataclass(frozen=True)
class PublishOrder:
    """How the staged rows become visible. Everything in it goes into one transaction.

    ``add_columns`` and ``widen_columns`` are the evolution that the schema contract allowed.
    ``replays`` are quarantine ids whose rows are in this staging: they become ``replayed`` with it.
    """

    run_id: str
    pipeline: str
    table: TableName
    mode: LoadMode
    started_at: datetime
    key: tuple[str, ...] = ()
    version: str | None = None
    scd2: Scd2 | None = None
    add_columns: Mapping[str, str] = field(default_factory=dict)
    widen_columns: Mapping[str, str] = field(default_factory=dict)
    cursors: tuple[Cursor, ...] = ()
    replays: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Receipt:
    """Proof that a run was published, kept beside the data. ``snapshot`` names the state after it.

    ``published`` counts batch rows; ``late`` those among them that lost to a newer version.
    """

    run_id: str
    pipeline: str
    table: str
    mode: str
    published: int
    quarantined: int
    snapshot: str | None
    published_at: datetime
    late: int = 0
    rolled_back: bool = False
