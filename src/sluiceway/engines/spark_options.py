"""What ``engine: {type: spark}`` takes beside the keys of every engine, and what it fixes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from sluiceway.errors import PlanError, did_you_mean
from sluiceway.sql.sessions import SPARK

if TYPE_CHECKING:
    from sluiceway.engines.base import EngineSettings

__all__ = ["DRIVERS", "JARS", "SESSION", "SparkOptions", "driver_given", "is_local", "options_of"]

JARS = ("spark.jars", "spark.jars.packages", "spark.driver.extraClassPath")
"""Settings that give Spark a jar."""
DRIVERS = {
    "postgres": ("postgresql", "org.postgresql:postgresql:42.7.8"),
    "mysql": ("mariadb-java-client", "org.mariadb.jdbc:mariadb-java-client:3.5.6"),
}
"""By connector: what the name of its JDBC driver's jar holds, and the package that was tested."""

SESSION = {
    **SPARK,
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.sql.legacy.parquet.nanosAsLong": "false",
    "spark.sql.caseSensitive": "false",
    "spark.sql.parser.quotedRegexColumnNames": "false",
    "spark.sql.parquet.int96RebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.binaryAsString": "false",
    # transform() over lists that hold nothing but NULL reads past their dictionary's end in batches
    "spark.sql.parquet.enableNestedColumnVectorizedReader": "false",
    "spark.sql.files.ignoreCorruptFiles": "false",
    "spark.sql.files.ignoreMissingFiles": "false",
}
"""What the meaning of SQL depends on; ``conf:`` can't change it."""


class SparkOptions(BaseModel):
    """``engine: {type: spark, …}``. Neither ``master`` nor ``remote``: ``local[*]``."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    master: str | None = Field(None, description="local[N], local[*] or spark://HOST:PORT")
    remote: str | None = Field(
        None, description="sc://HOST:PORT of a Spark Connect server; needs no Java here"
    )
    conf: dict[str, str | int | float | bool] = Field(
        default_factory=dict, description="further settings of Spark, such as spark.jars.packages"
    )
    staging: str | None = Field(
        None, description="a folder that this machine and all executors see; the project's own if absent"
    )
    deploy_mode: Literal["client"] = Field("client", description="the driver runs in this process")

    @field_validator("master")
    @classmethod
    def _known_master(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("local", "spark://")):
            raise ValueError(f"'{value}' is not supported: write local[*], or spark://HOST:PORT")
        return value

    @field_validator("remote")
    @classmethod
    def _known_remote(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith("sc://"):
            raise ValueError("that is no address of Spark Connect: write sc://HOST:PORT")
        return value

    @field_validator("conf")
    @classmethod
    def _not_fixed(cls, value: dict[str, Any]) -> dict[str, Any]:
        for key in sorted(set(value) & set(SESSION)):
            raise ValueError(f"{key} can't be changed, the meaning of SQL depends on it: leave it out")
        return value

    @model_validator(mode="after")
    def _one_place(self) -> SparkOptions:
        if self.master and self.remote:
            raise ValueError("engine has both master and remote: keep one (remote is Spark Connect)")
        return self


def driver_given(jar: str, settings: Callable[[str], object]) -> bool:
    """Whether one of Spark's settings gives a jar of this name; Spark comes with no driver.

    >>> driver_given("postgresql", {"spark.jars": "/opt/postgresql-42.7.8.jar"}.get)
    True
    """
    return any(jar in str(settings(key) or "") for key in JARS)


def is_local(master: str) -> bool:
    """Whether the executors of a master are threads of the driver, not processes of their own.

    >>> [is_local(m) for m in ("local", "local[*]", "local[2,4]", "local-cluster[1,2,1024]", "spark://m:7077")]
    [True, True, True, False, False]
    """
    return master == "local" or master.startswith("local[")


def options_of(settings: EngineSettings) -> SparkOptions:
    """The engine's own keys.

    >>> from sluiceway.engines.base import EngineSettings
    >>> options_of(EngineSettings("spark", options={"master": "local[2]"})).master
    'local[2]'

    Raises:
        PlanError: an unknown or contradictory one. A project's file is checked before, with its lines.
    """
    try:
        return SparkOptions.model_validate(dict(settings.options))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(("engine", *map(str, first["loc"])))
        hint = (
            did_you_mean(key[7:], SparkOptions.model_fields) if first["type"] == "extra_forbidden" else None
        )
        raise PlanError(f"{key}: {first['msg'].removeprefix('Value error, ')}", hint=hint) from error
