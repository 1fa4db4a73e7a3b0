"""A pipeline as it is declared: ``pipelines/NAME.yml``, or the same names in Python.

``PipelineConfig`` keeps what was written, ``${VAR}`` included; ``spec.resolve`` makes of it, for one
environment, what the planner sees.
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ConfigDict, Field, PrivateAttr, ValidationError, field_validator, model_validator

from sluiceway.errors import SpecError, Where, did_you_mean
from sluiceway.spec.aliases import canonical
from sluiceway.spec.fields import (
    Duration,
    Int,
    Names,
    Share,
    Size,
    Strict,
    Weight,
)
from sluiceway.spec.schedule import ScheduleConfig, schedule_of
from sluiceway.spec.validate import COMMA_HINT, Place, brief, build, field_names, spec_error
from sluiceway.spec.variables import has_variable
from sluiceway.spec.yaml import Document, KeyPath, key_text, read_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "DestinationConfig",
    "PipelineConfig",
    "QualityConfig",
    "RetryConfig",
    "SchemaContractConfig",
]

Evolution = Literal["evolve", "freeze", "discard_row", "discard_value"]


def _python_place(path: KeyPath) -> Where:
    return Where("PipelineConfig", None, key_text(path) or None)


_PLACE: ContextVar[Place] = ContextVar("place", default=_python_place)
"""Pydantic calls ``__init__`` in ``model_validate`` too; only there a file's lines are known."""

_NAME = re.compile(r"\w[\w.\-]{0,127}")


class RetryConfig(Strict):
    """What to do after a try that failed."""

    attempts: Int = Field(1, description="tries in all, the first one included")
    backoff: Literal["exponential", "linear", "constant"] = Field(
        "exponential", description="how the wait grows: exponential, linear or constant"
    )
    delay: Duration = Field("30s", description="the wait before the second try")


class QualityConfig(Strict):
    """The score of a run, and what it must reach."""

    thresholds: dict[str, Share] = Field(
        default_factory=dict,
        description="the least value, 0 to 1, of `score` or of a dimension; below it the run is blocked",
    )
    weights: dict[str, Weight] = Field(
        default_factory=dict, description="the weight of each dimension in the score; equal if absent"
    )
    samples: int = Field(10, ge=0, le=10, description="failing rows kept for each check; 0 keeps none")
    metrics: Literal["basic", "full", "off"] = Field(
        "basic",
        description="what is kept of each run for the history: basic, what costs nothing; full, "
        "each column's distinct values, mean, deviation and quantiles too, in the gate's scan; or off",
    )
    columns: Names = Field(
        default_factory=list, description="the columns whose metrics are kept; all if absent"
    )
    freshness_column: str | None = Field(
        None,
        description="the date or timestamp column whose newest value is the data's age; that of a "
        "freshness rule or a cursor if absent",
    )

    @field_validator("thresholds", "weights")
    @classmethod
    def _names(cls, value: dict[str, float]) -> dict[str, float]:
        known = ["accuracy", "completeness", "consistency", "timeliness", "uniqueness"]
        for name in value:
            if name not in (*known, "score"):
                raise ValueError(f"unknown dimension '{name}'; {did_you_mean(name, [*known, 'score'])}")
        return value


class SchemaContractConfig(Strict):
    """What may happen to the destination's columns, and to values of another type."""

    columns: Evolution = Field(
        "evolve", description="new columns: evolve, freeze (block), discard_row or discard_value"
    )
    data_type: Evolution = Field(
        "freeze", description="values of another type: evolve, freeze (block), discard_row or discard_value"
    )


class DestinationConfig(Strict):
    """Where the rows go. Further keys are the connector's own and override the environment's warehouse."""

    model_config = ConfigDict(extra="allow", defer_build=True)

    table: str = Field(description="the table, as NAMESPACE.NAME")
    type: str | None = Field(None, description="the connector; the environment's warehouse if absent")
    connection: str | None = Field(None, description="an entry of the project's connections")
    mode: Literal["append", "replace", "merge", "scd2"] = Field(
        "append", description="how rows are loaded: append, replace, merge or scd2"
    )
    primary_key: Names = Field(default_factory=list, description="the key of merge and scd2")
    version: str | None = Field(
        None, description="merge: a row wins only if this column is at least as new as the stored row's"
    )
    effective_at: str | None = Field(
        None, description="scd2: the column that says since when a row holds; the run's start if absent"
    )
    late: Literal["split", "block"] = Field(
        "block", description="scd2: a row older than the current one splits an interval or blocks the run"
    )
    on_delete: Literal["ignore", "close"] = Field(
        "ignore", description="scd2: keys missing from the batch stay, or are closed (full snapshots only)"
    )
    valid_from: str = Field("valid_from", description="scd2: the column where a row's interval begins")
    valid_to: str = Field("valid_to", description="scd2: the column where it ends; NULL while it is current")
    schema_contract: Evolution | SchemaContractConfig = Field(
        default_factory=SchemaContractConfig, description="what may change in the table; one word for both"
    )
    allow_empty: bool = Field(False, description="let a replace publish no row at all")
    lock_timeout: Duration = Field("60s", description="how long to wait for another run of this table")
    load_batch_size: Int | None = Field(None, description="rows a batch, where the destination takes batches")


class PipelineConfig(Strict):
    """A pipeline, as declared.

    >>> config = PipelineConfig(
    ...     pipeline="orders",
    ...     sources={"orders": {"type": "csv", "path": "orders.csv"}},
    ...     rules=[{"not_null": "order_id"}],
    ...     destination={"table": "mart.orders"},
    ... )
    >>> config.pipeline, config.destination.mode
    ('orders', 'append')

    Other names that are understood: ``extract_query``, ``batch_size``, ``filters`` and
    ``validation_rules`` (of the only source), ``transformation_rules``, ``quality_thresholds``,
    ``destination_table``, ``load_mode``, ``load_batch_size``.

    Raises:
        SpecError: an unknown key, a wrong type or a missing key, with its place.
    """

    pipeline: str = Field(description="the pipeline's name, unique in the project")
    description: str = Field("", description="what a row of the result is")
    owner: str = Field("", description="the team or person to ask")
    tags: list[str] = Field(default_factory=list, description="words to select pipelines by")
    schedule: ScheduleConfig | str | None = Field(
        None,
        description="when it runs: a cron expression, `@daily`, `every 15m`, or a mapping; docs/schedules.md",
    )
    timezone: str = Field("UTC", description="the zone of the schedule, and of nothing else")
    depends_on: list[str] = Field(
        default_factory=list, description="what must be fresh first: `pipeline:NAME` or `dataset:NAME`"
    )
    pool: str = Field("default", description="the pool of orchestrate.pools that its runs take a slot of")
    max_active_runs: Int = Field(
        1, description="runs of it at once; those that read from a cursor go one after another all the same"
    )
    priority: int = Field(0, ge=-100, le=100, description="runs with a greater one go first")
    sla: Duration | None = Field(
        None, description="how long after its moment a run should have succeeded, such as 2h"
    )
    retry: RetryConfig = Field(default_factory=RetryConfig, description="tries after a failure")
    timeout: Duration | None = Field(None, description="the longest a run may take, such as 30m")
    memory_limit: Size | None = Field(
        None, description="memory of the whole process, such as 4GB; the engine takes 60 % of it"
    )
    variables: dict[str, Any] = Field(
        default_factory=dict, description="values of `:name` in SQL, unless --vars gives others"
    )
    sources: dict[str, Any] = Field(
        default_factory=dict, description="what is read: a name, and a connector's keys"
    )
    transform: list[Any] = Field(
        default_factory=list, description="steps; each reads the one before it, or any named one"
    )
    contract: str | None = Field(None, description="an ODCS file; its rules join the pipeline's own")
    rules: list[Any] = Field(default_factory=list, description="what must hold before rows are published")
    quality: QualityConfig = Field(default_factory=QualityConfig, description="thresholds of the score")
    destination: DestinationConfig | None = Field(None, description="the table that is loaded, and how")

    _file: Path | None = PrivateAttr(None)
    _document: Document = PrivateAttr(default_factory=lambda: Document(None))
    _moved: dict[KeyPath, KeyPath] = PrivateAttr(default_factory=dict)

    def __init__(self, **data: Any) -> None:
        moved: dict[KeyPath, KeyPath] = {}
        place = _PLACE.get()
        data = canonical(data, moved, place)
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise spec_error(error, data, place, type(self)) from None
        self._moved = moved

    def __repr__(self) -> str:
        """The name only: what was declared may hold secrets."""
        return f"PipelineConfig({self.pipeline!r})"

    __str__ = __repr__

    @field_validator("pipeline")
    @classmethod
    def _name(cls, value: str) -> str:
        if not _NAME.fullmatch(value):  # no variables either: a name is how others find the pipeline
            raise ValueError(
                f"{value!r} can't be a pipeline's name: letters, digits, '_', '-' and '.', 128 at most"
            )
        return value

    @field_validator("timezone")
    @classmethod
    def _timezone(cls, value: str) -> str:
        import zoneinfo

        known = zoneinfo.available_timezones() if value != "UTC" and "${" not in value else set()
        if known and value not in known:  # a machine without the zone database can't check
            raise ValueError(f"'{value}' is not a time zone; {did_you_mean(value, known)[:200]}")
        return value

    @field_validator("schedule")
    @classmethod
    def _schedule(cls, value: str | ScheduleConfig | None) -> str | ScheduleConfig | None:
        if isinstance(value, str) and not has_variable(value):
            schedule_of(value)
        return value

    @field_validator("depends_on")
    @classmethod
    def _depends_on(cls, value: list[str]) -> list[str]:
        for item in value:
            kind, _, name = item.partition(":")
            if kind not in ("pipeline", "dataset") or not name:
                raise ValueError(f"expected 'pipeline:NAME' or 'dataset:NAME', got '{item}'")
        return value

    @model_validator(mode="after")
    def _names(self) -> PipelineConfig:
        for name in self.sources:
            if not name.strip() or name.startswith("_"):
                raise ValueError(f"a source can't be called '{name}': names with a leading _ are reserved")
        return self

    @classmethod
    def load(cls, path: str | Path) -> PipelineConfig:
        """Read a pipeline file; the path is relative to the working folder.

        Raises:
            SpecError: with file, line and key.
        """
        path = Path(path)
        return cls._of(read_yaml(path), path.absolute())

    @classmethod
    def _of(cls, document: Document, file: Path | None) -> PipelineConfig:
        moved: dict[KeyPath, KeyPath] = {}
        if not isinstance(document.value, dict):
            what = "is empty" if document.value is None else f"is {brief(document.value)}, not a mapping"
            raise SpecError(f"the file {what}", where=document.where(), hint="begin it with pipeline: NAME")
        if document.bare:
            first = min(document.bare, key=lambda path: document.lines[path])
            raise SpecError(f"'{first[-1]}' has no value", where=document.where(first), hint=COMMA_HINT)
        data = canonical(document.value, moved, document.where)
        config = build_config(cls, data, lambda path: document.where(original(path, moved)))
        return config._placed(document, file, moved)  # noqa: SLF001  an instance of this very class

    def _placed(self, document: Document, file: Path | None, moved: dict[KeyPath, KeyPath]) -> PipelineConfig:
        self._document, self._file, self._moved = document, file, moved
        return self

    @property
    def file(self) -> Path | None:
        """The file that it was read from."""
        return self._file

    def where(self, path: KeyPath = ()) -> Where:
        """The place of a key, for errors; ``path`` is in the canonical names."""
        found = self._document.where(original(path, self._moved))
        return found if found.key or not path else Where(found.file, found.line, key_text(path))

    def declared(self) -> dict[str, Any]:
        """What was written, under the canonical names, ``${VAR}`` unresolved."""
        return self.model_dump(exclude_unset=True, by_alias=True, warnings=False)


def build_config(cls: type[PipelineConfig], data: Mapping[str, Any], where: Place) -> PipelineConfig:
    """``PipelineConfig`` of a mapping in canonical names, with places found by ``where``."""
    unknown = [key for key in data if key not in cls.model_fields]
    if unknown:
        raise SpecError(
            f"unknown key '{unknown[0]}'",
            where=where((unknown[0],)),
            hint=did_you_mean(unknown[0], field_names(cls)),
        )
    token = _PLACE.set(where)
    try:
        return build(cls, dict(data), where)
    finally:
        _PLACE.reset(token)


def original(path: KeyPath, moved: Mapping[KeyPath, KeyPath]) -> KeyPath:
    """The path as the user wrote it, where an alias moved it."""
    for length in range(len(path), 0, -1):
        if path[:length] in moved:
            return (*moved[path[:length]], *path[length:])
    return path
