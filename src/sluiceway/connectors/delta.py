"""Delta Lake tables, read and written by ``engine: spark``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, model_validator

from sluiceway.connectors.base import Connector, ConnectorContext, SinkConfig
from sluiceway.connectors.tableformat import TableFormat, marked
from sluiceway.connectors.tablesink import TableSink
from sluiceway.connectors.tablesource import TableSource, TableSourceConfig
from sluiceway.schema import Schema, TableName

__all__ = ["CONNECTOR", "DeltaFormat", "DeltaSinkConfig", "DeltaSourceConfig"]

_COMMIT = re.compile(r"(\d{20})\.json")
_LETTERS = frozenset(" ,;{}()\n\t=")
"""What a name of a column can't hold without column mapping, which old readers lack."""


class DeltaSourceConfig(TableSourceConfig):
    """A Delta table: ``path``, or ``table`` of a catalog that engine.conf sets up."""

    path: str | None = Field(None, description="the table's folder, relative to the project, or a URI")
    table: str | None = Field(None, description="CATALOG.SCHEMA.NAME as Spark knows it, instead of path")

    @model_validator(mode="after")
    def _one_of(self) -> DeltaSourceConfig:
        if (self.path is None) == (self.table is None):
            raise ValueError("give either path or table")
        return self


class DeltaSinkConfig(SinkConfig):
    """A folder of Delta tables: table mart.orders is the folder mart/orders in it."""

    path: str = Field(description="the warehouse's folder, relative to the project")


class DeltaFormat(TableFormat):
    name = "delta"
    marker = "spark.databricks.delta.commitInfo.userMetadata"
    needs = "io.delta.sql.DeltaSparkSessionExtension"
    jar = "io.delta:delta-spark_4.1_2.13:4.4.0"
    settings: ClassVar[Mapping[str, str]] = {
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    }

    def parts(self, engine: Any, root: str, table: TableName | None) -> tuple[str, ...]:
        return ("delta", root if table is None else f"{root}/{table.namespace}/{table.name}")

    def exists(self, folder: Path) -> bool:
        # a killed CREATE leaves the folder and no commit in it
        return self.head(folder) is not None or any((folder / "_delta_log").glob("*.checkpoint*"))

    def head(self, folder: Path) -> str | None:
        found = [
            int(m[1]) for p in (folder / "_delta_log").glob("*.json") if (m := _COMMIT.fullmatch(p.name))
        ]
        return str(max(found)) if found else None

    def committed(self, folder: Path, run_id: str, since: str | None) -> str | None:
        version = int(since) + 1 if since is not None else 0
        while (file := folder / "_delta_log" / f"{version:020}.json").exists():
            with file.open(encoding="utf-8") as lines:
                for line in lines:
                    if line.startswith('{"commitInfo"'):
                        info = json.loads(line)["commitInfo"]
                        if marked(info.get("userMetadata"), run_id):
                            return str(version)
            version += 1
        return None

    def current(self, engine: Any, relation: str) -> str | None:
        return str(engine.query(f"DESCRIBE HISTORY {relation} LIMIT 1")[0][0])

    def restore(self, engine: Any, relation: str, snapshot: str | None) -> str:
        return f"RESTORE TABLE {relation} TO VERSION AS OF {int(snapshot or 0)}"

    def before(self, table: str, schema: Mapping[str, str], *, widens: bool) -> Sequence[str]:
        wanted = {"delta.feature.timestampNtz": "supported"} if _has_ntz(schema) else {}
        if widens:
            wanted["delta.enableTypeWidening"] = "true"
        listed = ", ".join(f"'{k}' = '{v}'" for k, v in wanted.items())
        return (f"ALTER TABLE {table} SET TBLPROPERTIES ({listed})",) if wanted else ()

    def unsupported(self, schema: Schema) -> dict[str, str]:
        out = super().unsupported(schema)
        for column in schema:
            if _LETTERS & set(column.name):
                out[column.name] = "rename it: Delta takes no space and none of ,;{}()= in a name"
        return out


def _has_ntz(types: Mapping[str, str]) -> bool:
    return any("TIMESTAMP_NTZ" in type_ for type_ in types.values())


_FORMAT = DeltaFormat()


def _source(config: Any, ctx: ConnectorContext) -> TableSource:
    return TableSource(_FORMAT, config, ctx)


def _sink(config: Any, ctx: ConnectorContext) -> TableSink:
    return TableSink(_FORMAT, config, ctx)


CONNECTOR = Connector(
    name="delta",
    doc="Delta Lake tables, by engine: spark. engine.conf needs spark.jars.packages: "
    f"{DeltaFormat.jar} (for pyspark 4.1), "
    f"{', '.join(f'{key}: {value}' for key, value in DeltaFormat.settings.items())}.",
    source_config=DeltaSourceConfig,
    source=_source,
    sink_config=DeltaSinkConfig,
    sink=_sink,
    extra="spark",
    examples=(
        "type: delta\npath: lake/mart/orders",
        "type: delta\npath: s3a://bucket/orders\nversion: 12",
        "type: delta\ntable: spark_catalog.mart.orders\nincremental: {cursor: updated_at}",
    ),
    rescan=True,
)
