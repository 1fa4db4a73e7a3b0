"""Apache Iceberg tables, read and written by ``engine: spark``."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from sluiceway.connectors.base import Connector, ConnectorContext, SinkConfig
from sluiceway.connectors.dialects import SPARK
from sluiceway.connectors.tableformat import MARK, TableFormat, marked
from sluiceway.connectors.tablesink import TableSink
from sluiceway.connectors.tablesource import TableSource, TableSourceConfig
from sluiceway.schema import TableName
from sluiceway.sql.types import to_engine

__all__ = ["CONNECTOR", "IcebergFormat", "IcebergSinkConfig", "IcebergSourceConfig"]

_METADATA = re.compile(r"v(\d+)(?:\.gz)?\.metadata\.json(?:\.gz)?")


class IcebergSourceConfig(TableSourceConfig):
    """An Iceberg table: of a folder (``path``, a Hadoop catalog) or of a catalog that engine.conf sets up."""

    path: str | None = Field(
        None, description="the folder of a Hadoop catalog, or its URI; if absent, table names a catalog too"
    )
    table: str = Field(description="NAMESPACE.NAME in path, or CATALOG.NAMESPACE.NAME as Spark knows it")
    version: int | None = Field(None, description="the id of a snapshot to read; the newest if absent")


class IcebergSinkConfig(SinkConfig):
    """A folder of Iceberg tables (a Hadoop catalog): table mart.orders is the folder mart/orders in it."""

    path: str = Field(description="the warehouse's folder, relative to the project")


class IcebergFormat(TableFormat):
    name = "iceberg"
    marker = f"spark.sql.iceberg.snapshot-property.{MARK}"
    needs = "org.apache.iceberg.spark.SparkCatalog"
    jar = "org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:1.12.0"
    wider: ClassVar[Mapping[str, str]] = {"TINYINT": "INTEGER", "SMALLINT": "INTEGER"}

    def parts(self, engine: Any, root: str, table: TableName | None) -> tuple[str, ...]:
        catalog = f"sluiceway_{hashlib.sha256(root.encode()).hexdigest()[:12]}"
        settings = {
            "": self.needs,
            ".type": "hadoop",
            ".warehouse": root,
            ".cache-enabled": "false",  # others write too
        }
        for key, value in settings.items():
            engine.connection.conf.set(f"spark.sql.catalog.{catalog}{key}", value)
        return (catalog,) if table is None else (catalog, table.namespace, table.name)

    def exists(self, folder: Path) -> bool:
        return self._newest(folder) is not None

    def _newest(self, folder: Path) -> Path | None:
        found = [(int(m[1]), p) for p in folder.glob("metadata/v*") if (m := _METADATA.fullmatch(p.name))]
        return max(found)[1] if found else None

    def _metadata(self, folder: Path) -> Mapping[str, Any]:
        path = self._newest(folder)
        if path is None:
            return {}
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            import gzip

            data = gzip.decompress(data)
        found: Mapping[str, Any] = json.loads(data)
        return found

    def head(self, folder: Path) -> str | None:
        found = self._metadata(folder).get("current-snapshot-id")
        return None if found in (None, -1) else str(found)

    def committed(self, folder: Path, run_id: str, since: str | None) -> str | None:
        for snapshot in reversed(self._metadata(folder).get("snapshots", ())):
            if marked(snapshot.get("summary", {}).get(MARK), run_id):
                return str(snapshot["snapshot-id"])
        return None

    def current(self, engine: Any, relation: str) -> str | None:
        found = engine.query(f"SELECT snapshot_id FROM {relation}.refs WHERE name = 'main'")
        return str(found[0][0]) if found else None

    def restore(self, engine: Any, relation: str, snapshot: str | None) -> str:
        """Written anew: a snapshot that is only pointed at again would carry no receipt. The old one may
        lack columns that came since."""
        now = engine.columns(f"SELECT * FROM {relation}")
        if snapshot is None:
            return f"INSERT OVERWRITE {relation} SELECT * FROM {relation} WHERE FALSE"
        old = f"{relation} VERSION AS OF {int(snapshot)}"
        there = engine.columns(f"SELECT * FROM {old}")
        listed = ", ".join(
            f"CAST({SPARK.ident(c.name) if c.name in there else 'NULL'} AS {to_engine(c.type, 'spark')})"
            for c in now
        )
        return f"INSERT OVERWRITE {relation} SELECT {listed} FROM {old}"


_FORMAT = IcebergFormat()


def _source(config: Any, ctx: ConnectorContext) -> TableSource:
    return TableSource(_FORMAT, config, ctx)


def _sink(config: Any, ctx: ConnectorContext) -> TableSink:
    return TableSink(_FORMAT, config, ctx)


CONNECTOR = Connector(
    name="iceberg",
    doc="Apache Iceberg tables, by engine: spark. engine.conf needs spark.jars.packages: "
    f"{IcebergFormat.jar} (for pyspark 4.1).",
    source_config=IcebergSourceConfig,
    source=_source,
    sink_config=IcebergSinkConfig,
    sink=_sink,
    extra="spark",
    examples=(
        "type: iceberg\npath: lake\ntable: mart.orders",
        "type: iceberg\ntable: prod.mart.orders\nincremental: {cursor: updated_at}",
    ),
    rescan=True,
)
