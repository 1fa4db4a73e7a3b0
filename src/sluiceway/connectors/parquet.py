"""Parquet files: read as they are; a warehouse of Parquet files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from sluiceway.connectors.base import Connector, ConnectorContext, Read, SinkConfig
from sluiceway.connectors.files import BadRow, FileSource
from sluiceway.connectors.fileset import FileSourceConfig
from sluiceway.connectors.filesink import FileSink, FileSinkConfig
from sluiceway.connectors.footers import footers
from sluiceway.duck import ident
from sluiceway.errors import SourceError
from sluiceway.exchange import Location, Size
from sluiceway.schema import Column, Schema

__all__ = ["CONNECTOR", "ParquetConfig", "ParquetSinkConfig", "ParquetSource"]

_FETCH = 1000


class ParquetConfig(FileSourceConfig):
    """A Parquet source. ``columns`` with types casts; a value that a type can't hold is a bad row."""


class ParquetSinkConfig(FileSinkConfig):
    """A warehouse of Parquet files (zstd)."""

    partition_by: tuple[str, ...] = Field((), description="columns of folders named key=value")

    @field_validator("partition_by", mode="before")
    @classmethod
    def _one(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


class ParquetSource(FileSource):
    kind = "parquet"
    suffixes = (".parquet", ".pq")
    messages = ("arquet", "magic bytes", "Snappy", "ZSTD", "Thrift")
    config: ParquetConfig

    def _resolve(self) -> Schema:
        import duckdb

        schemas: dict[Path, Schema] = {}
        for file in self.files():
            try:
                scan = f"read_parquet({self.paths_sql([file])}, hive_partitioning = false)"
                rows = self.private().execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()
            except duckdb.Error as error:
                first = " ".join(str(error).split("\n\n")[0].split())[:300]
                raise SourceError(
                    f"{self.display(file)} can't be read as Parquet: {first}",
                    where=self.ctx.where,
                    hint="write the file again, or leave it out of path:",
                ) from error
            schemas[file] = Schema(tuple(Column(row[0], row[1]) for row in rows))
        first_file = self.files()[0]
        merged = schemas[first_file]
        for file, schema in schemas.items():
            if {c.name: c.type for c in schema} != {c.name: c.type for c in merged}:
                if not self.config.union_by_name:
                    raise self._differs(first_file, merged, file, schema)
                return self._united()
        self._found = {c.name: c.type for c in merged}
        return self._with_declared(merged)

    def _united(self) -> Schema:
        rows = self.private().execute(f"DESCRIBE SELECT * FROM {self._reader(self.files())}").fetchall()
        found = Schema(tuple(Column(row[0], row[1]) for row in rows if row[0] not in self._hive))
        self._found = {c.name: c.type for c in found}
        return self._with_declared(found)

    def _with_declared(self, found: Schema) -> Schema:
        declared = self._declared()
        types = {c.name: c.type for c in found}
        types.update({found[name].name: type_ for name, type_ in declared.items() if name in found})
        return Schema.of(types)

    def _differs(self, first: Path, wanted: Schema, file: Path, schema: Schema) -> SourceError:
        facts = []
        for column in wanted:
            there = schema.get(column.name)
            if there is None:
                facts.append(f"lacks '{column.name}'")
            elif there.type != column.type:
                facts.append(f"has '{column.name}' as {there.type}, not {column.type}")
        facts += [f"adds '{c.name}'" for c in schema if c.name not in wanted]
        return SourceError(
            f"{self.display(file)} {', '.join(facts)}, compared with {self.display(first)}",
            where=self.ctx.where,
            hint="set union_by_name: true to read them as one, or narrow path:",
        )

    def _reader(self, files: tuple[Path, ...], extra: str = "") -> str:
        union = f"union_by_name = {str(self.config.union_by_name).lower()}"
        return f"read_parquet({self.paths_sql(files)}, {union}, {self.hive_sql()}{extra})"

    def size(self) -> Size:
        """By the footers."""
        files = self.paths_sql(self.files())
        rows, unpacked = (
            self.private()
            .execute(
                f"SELECT (SELECT COALESCE(sum(num_rows), 0) FROM parquet_file_metadata({files})), "
                f"(SELECT COALESCE(sum(total_uncompressed_size), 0) FROM parquet_metadata({files}))"
            )
            .fetchall()[0]
        )
        return Size(int(rows), int(unpacked))

    def metadata(self) -> tuple[Mapping[str, tuple[Any, Any, int | None]], int]:
        """Bounds by column, and rows, as the footers prove them; see ``footers``."""
        schema = Schema(tuple(c for c in self.schema() if self._found.get(c.name) == c.type))
        return footers(self.private(), self.paths_sql(self.files()), schema)

    def locate(self, read: Read) -> Location | None:
        """The files, where they are of one schema and what is read is what they hold."""
        schema = self.schema()
        whole = read.since is None and read.rejects is None
        plain = not self._hive and not self.config.union_by_name
        if not (whole and plain and all(self._found.get(c.name) == c.type for c in schema)):
            return None
        rows = self.private().execute(f"SELECT name FROM parquet_schema({self.paths_sql(self.files()[:1])})")
        if not set(schema.names) <= {row[0] for row in rows.fetchall()}:
            return None  # DuckDB gave a second column of one name another one
        return Location("parquet", schema, tuple(str(path.absolute()) for path in self.files()))

    def _casts(self) -> dict[str, tuple[str, str]]:
        """Columns whose declared type is another: name -> (condition that it fits, type)."""
        casts = {}
        for column in self.schema():
            type_ = self._raw[column.name]
            found = self._found.get(column.name)
            if found is not None and found != type_:
                name = ident(column.name)
                # there and back again: a cast that rounds or cuts does not fit
                back = f"TRY_CAST(TRY_CAST({name} AS {type_}) AS {found})"
                casts[column.name] = (f"({back} IS NOT DISTINCT FROM {name})", type_)
        return casts

    def _scans(self) -> list[str]:
        casts = self._casts()
        values = []
        for column in self.schema():
            name, type_ = ident(column.name), self._raw[column.name]
            value = name
            if column.name in casts:
                good = casts[column.name][0]
                value = self.guarded(f"TRY_CAST({name} AS {type_})", good, name, column.name, type_)
            values.append(f"{self.final(value, type_)} AS {name}")
        where = ""
        if self.lenient and casts:
            where = " WHERE " + " AND ".join(good for good, _ in casts.values())
        return [f"SELECT {', '.join(values)} FROM {self._reader(self.files())} AS _file{where}"]

    def _bad_rows(self) -> Iterator[BadRow]:
        casts = self._casts()
        if not casts:
            return
        cases = " ".join(f"WHEN NOT {good} THEN {i}" for i, (good, _) in enumerate(casts.values()))
        names = list(casts)
        con = self.private().cursor()
        try:
            for file in self.files():
                reader = self._reader((file,), ", file_row_number = true")
                rows = con.execute(
                    f"SELECT file_row_number, to_json(_file), CASE {cases} END AS _c FROM {reader} AS _file "
                    "WHERE _c IS NOT NULL ORDER BY 1"
                )
                while chunk := rows.fetchmany(_FETCH):
                    for number, text, index in chunk:
                        name = names[index]
                        yield BadRow(file, number + 1, text, f"does not fit {casts[name][1]}", name)
        finally:
            con.close()


def _source(config: ParquetConfig, ctx: ConnectorContext) -> ParquetSource:
    return ParquetSource(config, ctx)


def _sink(config: SinkConfig, ctx: ConnectorContext) -> FileSink:
    return FileSink("parquet", config, ctx)


CONNECTOR = Connector(
    name="parquet",
    doc="Parquet files, with hive folders; a warehouse of Parquet files",
    source_config=ParquetConfig,
    source=_source,
    sink_config=ParquetSinkConfig,
    sink=_sink,
    rescan=True,
    examples=(
        "type: parquet\npath: data/orders.parquet\n",
        (
            "type: parquet\npath: data/events/*/*.parquet\nhive_partitioning: true\ncolumns: [id, day]\n"
            "filters: day >= DATE '2024-01-02'\n"
        ),
    ),
)
