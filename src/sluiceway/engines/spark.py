"""Apache Spark: the same plan where one machine is not enough.

What Spark stages are zstd Parquet files, like the embedded engine's, so a destination takes them the
same way; the embedded engine beside it reads their footers and publishes. Rows go from executors to
files and from files to the destination: none pass through the driver but results and samples.
"""

from __future__ import annotations

import logging
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.duck import cast_select, literal
from sluiceway.engines.base import BatchFunction, Capabilities, Engine, EnginePlan, EngineSettings, Stage
from sluiceway.engines.duckdb import DuckDBEngine, scan_files
from sluiceway.engines.spark_errors import spark_errors
from sluiceway.engines.spark_jdbc import SparkDelivery, has_driver, jdbc_frame
from sluiceway.engines.spark_options import SparkOptions, options_of
from sluiceway.engines.spark_scan import mapped, readable_there, scanned
from sluiceway.engines.spark_session import executors_apart, open_session, stop_session
from sluiceway.engines.spark_types import crossing, spark_schema
from sluiceway.errors import EngineError
from sluiceway.exchange import Location
from sluiceway.schema import Column, Schema
from sluiceway.sql.names import quoted
from sluiceway.sql.primitives import render
from sluiceway.sql.types import from_engine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa
    from sqlglot import exp

__all__ = ["SparkEngine"]

_SCAN = re.compile(r"^\(\d+\) (?:Scan|BatchScan|InMemoryTableScan)\b", re.MULTILINE)
"""How the details of EXPLAIN FORMATTED begin, one an operator."""

log = logging.getLogger("sluiceway.engines.spark")
_BAD = "_sluiceway_bad"
_ASKED = 16
"""Tasks that look whether executors can read text files: more than most clusters have executors."""


class SparkEngine:
    """See ``sluiceway.engines.base.Engine``."""

    name = "spark"
    capabilities = Capabilities(dialect="spark", options=SparkOptions, crossing=crossing)
    connection: Any

    @property
    def local(self) -> Engine:
        return self._local

    def enter(self) -> None:
        """From now on the destination takes rows where Spark staged them, by Spark's own SQL."""
        self.capabilities = replace(self.capabilities, publishes=True)

    def connect(self, settings: EngineSettings, staging: Path) -> None:
        options = options_of(settings)
        self.staging = Path(options.staging) / staging.name if options.staging else staging
        self._local = DuckDBEngine()
        self._local.connect(EngineSettings(spill=staging / "spill"), self.staging)
        self._id = uuid.uuid4().hex[:8]
        self._views: list[str] = []
        self.connection, self._own = open_session(settings, self.staging.parent / "spark.log")
        self._apart = executors_apart(self.connection)
        # executors of this very machine see its files, and run this very Python
        self._afar = bool(options.remote) or self._apart

    def columns(self, sql: str) -> Schema:
        with spark_errors():
            fields = self.connection.sql(sql).schema.fields
        return Schema(
            tuple(Column(f.name, from_engine(f.dataType.simpleString(), "spark"), f.nullable) for f in fields)
        )

    def hold(self, path: Path) -> Callable[[], None]:
        """Let the JVM hold a lock on a file until the function that this gives is called: should this
        process be killed in the middle of a statement, others can wait for the JVM's end."""
        with spark_errors():
            jvm = self.connection.sparkContext._jvm  # noqa: SLF001 - the JVM has no public door
            channel = jvm.java.io.RandomAccessFile(str(path), "rw").getChannel()
            channel.lock()
        release: Callable[[], None] = channel.close
        return release

    def seal(self, folders: Sequence[Path]) -> None:
        self._local.seal([self.staging, *folders])

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        with spark_errors():
            return [tuple(row) for row in self._frame(sql, parameters).collect()]

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
        if hasattr(rows, "read_next_batch"):
            raise TypeError("rows of Arrow are staged by the local engine and adopted")
        sql = rows if isinstance(rows, str) else render(rows, "spark")
        with spark_errors():
            frame = self._frame(sql, parameters)
            if schema is not None:
                frame = frame.select(*_cast(frame, schema))
            if bad is not None:
                condition = bad if isinstance(bad, str) else render(bad, "spark")
                frame = frame.selectExpr("*", f"COALESCE({condition}, FALSE) AS {_BAD}")
            return self._written(name, frame, apart=bad is not None)

    def _frame(self, sql: str, parameters: Mapping[str, Any] | None) -> Any:
        used = {name: value for name, value in (parameters or {}).items() if f":{name}" in sql}
        return self.connection.sql(sql, args=used) if used else self.connection.sql(sql)

    def _written(self, name: str, frame: Any, *, apart: bool) -> Stage:
        folder = self.staging / name
        if folder.exists():
            shutil.rmtree(folder)
        counted, observation = _observed(frame)
        writer = counted.write.mode("overwrite")
        # the other algorithm shows a task's files before the task is known to have ended well
        writer = writer.option("mapreduce.fileoutputcommitter.algorithm.version", "1")
        if apart:
            writer = writer.partitionBy(_BAD)
        writer.parquet(_uri(folder))
        kept = [field for field in frame.schema.fields if field.name != _BAD]
        good_files = _files(folder / f"{_BAD}=false" if apart else folder)
        bad_files = _files(folder / f"{_BAD}=true") if apart else ()
        good_rows, bad_rows = self._count(good_files), self._count(bad_files)
        self._all_here(folder, good_rows + bad_rows, observation.get.get("rows", 0))
        shape = type(frame.schema)(kept)
        views = {
            part: self._view(name, part, files, shape)
            for part, files in (("all", (*good_files, *bad_files)), ("good", good_files), ("bad", bad_files))
        }
        return Stage(
            name=name,
            relation=views["all"], good=views["good"], bad=views["bad"],
            schema=self._schema_of(good_files or bad_files, shape),
            rows=good_rows + bad_rows,
            bad_rows=bad_rows,
            files=good_files,
            bad_files=bad_files,
            bounds=self._nulls((*good_files, *bad_files)),
        )  # fmt: skip

    def _all_here(self, folder: Path, found: int, written: int) -> None:
        """Executors of other machines write to a folder of their own where this one is not shared; then
        Spark calls it a success, and the rows are gone."""
        if found != written or not (folder / "_SUCCESS").exists():
            raise EngineError(
                f"Spark staged {written:,} rows, and {found:,} of them are in {folder} here",
                hint="give engine.staging a folder that this machine and all of Spark's see",
            )

    def _view(self, name: str, part: str, files: Sequence[Path], schema: Any) -> str:
        """A name for FROM: a temporary view, so that SQL needs no paths."""
        view = f"_sw_{self._id}_{name}_{part}"
        if files:
            frame = self.connection.read.schema(schema).parquet(*map(_uri, files))
        else:
            frame = self.connection.createDataFrame([], schema)
        frame.createOrReplaceTempView(view)
        self._views.append(view)
        return quoted(view, "spark")

    def _schema_of(self, files: Sequence[Path], shape: Any) -> Schema:
        """The types as the embedded engine reads them."""
        if files:
            return self._local.columns(f"SELECT * FROM {scan_files(files[:1], Schema(()))}")
        from inspect import signature

        from pyspark.sql.pandas.types import to_arrow_schema

        from sluiceway.sql.typing import schema_of_arrow

        # newer ones want to be told the zone of timestamps, older ones don't take it
        zone: dict[str, Any] = (
            {"timezone": "UTC"} if "timezone" in signature(to_arrow_schema).parameters else {}
        )
        return schema_of_arrow(to_arrow_schema(shape, **zone))

    def _count(self, files: Sequence[Path]) -> int:
        """Rows, by the footers."""
        if not files:
            return 0
        listed = ", ".join(literal(str(f)) for f in files)
        return int(
            self._local.query(f"SELECT sum(num_rows) FROM parquet_file_metadata([{listed}])")[0][0] or 0
        )

    def _nulls(self, files: Sequence[Path]) -> dict[str, tuple[Any, Any, int | None]]:
        """NULLs by column, by the footers; Spark's extremes of text are cut, so none are told."""
        if not files:
            return {}
        listed = ", ".join(literal(str(f)) for f in files)
        rows = self._local.query(
            "SELECT path_in_schema, sum(stats_null_count), count(*) - count(stats_null_count) "
            f"FROM parquet_metadata([{listed}]) GROUP BY 1"
        )
        return {name: (None, None, int(nulls)) for name, nulls, unknown in rows if not unknown}

    def adopt(self, rows: Stage | Location) -> str | None:
        if isinstance(rows, Location):
            return self._located(rows)
        with spark_errors():
            shape = spark_schema(rows.schema)
            view = self._view(rows.name, "adopted", (*rows.files, *rows.bad_files), shape)
        return f"SELECT * FROM {view}"

    def _located(self, location: Location) -> str | None:
        if location.scans:
            return self._text(location)
        if location.format == "jdbc":
            return self._jdbc(location)
        if location.format != "parquet" or crossing(location.schema):
            return None
        with spark_errors():
            schema = spark_schema(location.schema)
            paths = [Path(path).absolute() for path in location.paths]
            if self._afar and not readable_there(self.connection, location.paths, _ASKED, text=False):
                return None
            view = self._view(uuid.uuid4().hex[:8], "source", paths, schema)
        return f"SELECT * FROM {view}"

    def _text(self, location: Location) -> str | None:
        """Text files, a task each. One alone the embedded engine reads faster, with all its threads."""
        cast = crossing(location.schema)
        if len(location.paths) < 2:
            return None
        with spark_errors():
            if self._afar and not readable_there(self.connection, location.paths, _ASKED):
                return None
            scans = tuple(cast_select(scan, location.schema.names, cast) for scan in location.scans)
            frame = scanned(self.connection, replace(location, scans=scans), spark_schema(location.schema))
            return self._named(frame)

    def _jdbc(self, location: Location) -> str | None:
        if not has_driver(self.connection, location.options["jar"]):
            return None
        log.info("executors read over JDBC, in %d parts", len(location.options["parts"]))
        with spark_errors():
            return self._named(jdbc_frame(self.connection, location))

    def _named(self, frame: Any) -> str:
        name = f"_sw_{self._id}_{uuid.uuid4().hex[:8]}_source"
        frame.createOrReplaceTempView(name)
        self._views.append(name)
        return f"SELECT * FROM {quoted(name, 'spark')}"

    def handoff(self, stage: Stage) -> Stage:
        return stage if self.capabilities.publishes else self._near(stage)

    def _near(self, stage: Stage) -> Stage:
        """The stage in the embedded engine's SQL."""
        both = (*stage.files, *stage.bad_files)
        return Stage(
            name=stage.name,
            relation=scan_files(both, stage.schema),
            good=scan_files(stage.files, stage.schema),
            bad=scan_files(stage.bad_files, stage.schema),
            schema=stage.schema,
            rows=stage.rows,
            bad_rows=stage.bad_rows,
            files=stage.files,
            bad_files=stage.bad_files,
            bounds=stage.bounds,
        )

    def delivery(self, stage: Stage) -> SparkDelivery | None:
        """Who can write the good rows into a database; None where there are none, and where all rows pass
        one machine anyhow: the database's own bulk way is two to three times as fast there."""
        if not stage.files or not self._apart:
            return None
        return SparkDelivery(self.connection, tuple(map(_uri, stage.files)), spark_schema(stage.schema))

    def map(self, name: str, sql: str, function: BatchFunction, schema: Schema, batch_size: int) -> Stage:
        def given(batches: Iterator[Any]) -> Iterator[Any]:
            yield from function(batches)

        with spark_errors():
            self.connection.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", str(batch_size))
            frame = mapped(self.connection.sql(sql), given, spark_schema(schema))
            return self._written(name, frame, apart=False)

    def batches(
        self, sql: str, batch_size: int, parameters: Mapping[str, Any] | None = None
    ) -> pa.RecordBatchReader:
        stage = self._near(self.stage(f"batches_{uuid.uuid4().hex[:8]}", sql, parameters=parameters))
        return self._local.batches(f"SELECT * FROM {stage.relation} AS _rows", batch_size)

    def explain(self, sql: str) -> EnginePlan:
        with spark_errors():
            text = str(self.connection.sql(f"EXPLAIN FORMATTED {sql}").collect()[0][0])
        return EnginePlan(text, len(_SCAN.findall(text)))

    def drop(self, stage: Stage) -> None:
        shutil.rmtree(self.staging / stage.name, ignore_errors=True)

    def close(self) -> None:
        session, self._views[:] = self.connection, []
        if self._own:
            stop_session(session)
        self._local.close()
        if self.staging.exists() and not any(self.staging.iterdir()):
            self.staging.rmdir()


def _cast(frame: Any, schema: Schema) -> list[Any]:
    """The columns, those of ``schema`` in its types."""
    types = {field.name: field.dataType for field in spark_schema(schema)}
    columns = []
    for field in frame.schema.fields:
        column = frame[quoted(field.name, "spark")]
        wanted = types.get(field.name)
        if wanted is not None and wanted.simpleString() != field.dataType.simpleString():
            # not as SQL: a type's name there can't say all names of fields
            column = column.cast(wanted).alias(field.name)
        columns.append(column)
    return columns


def _observed(frame: Any) -> tuple[Any, Any]:
    """The frame, and what tells how many rows passed through it when it was written."""
    f: Any
    if type(frame).__module__.startswith("pyspark.sql.connect"):
        from pyspark.sql.connect import functions as f
        from pyspark.sql.connect.observation import Observation
    else:
        from pyspark.sql import Observation  # type: ignore[assignment]
        from pyspark.sql import functions as f
    observation: Any = Observation()
    return frame.observe(observation, f.count(f.lit(1)).alias("rows")), observation


def _uri(path: Path) -> str:
    """Not ``as_uri``: Hadoop takes a path as it is, and a percent sign for one."""
    return f"file://{path.absolute()}"


def _files(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted(folder.glob("part-*.parquet")))
