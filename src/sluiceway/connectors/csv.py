"""CSV files: sniffed once, then read with nothing left to guess."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from sluiceway.connectors.base import Connector, ConnectorContext, SinkConfig
from sluiceway.connectors.csvshape import CsvConfig, CsvShape, Layout
from sluiceway.connectors.csvtext import is_clean
from sluiceway.connectors.files import BadRow, fits_integer
from sluiceway.connectors.fileset import struct_sql
from sluiceway.connectors.filesink import FileSink, FileSinkConfig
from sluiceway.connectors.textfiles import rejects_sql
from sluiceway.duck import ident, literal
from sluiceway.schema import family

if TYPE_CHECKING:
    import duckdb

__all__ = ["CONNECTOR", "CsvConfig", "CsvSinkConfig", "CsvSource"]

_CHUNK = 20_000
_NO_NULL = ("\x02no text is null\x02",)  # DuckDB wants one at least


class CsvSinkConfig(FileSinkConfig):
    """A warehouse of CSV files."""


class CsvSource(CsvShape):
    kind = "csv"
    suffixes = (".csv", ".tsv", ".txt", ".csv.gz", ".csv.zst", ".csv.bz2", ".tsv.gz")
    messages = ("CSV Error", "CSV Parser", "CSV Reader", "csv file")
    readable: ClassVar[Mapping[str, str]] = {"utf-8": "utf-8", "iso8859-1": "latin-1"}

    # the scan ---------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        self.make_readable([file for layout in self._layouts for file in layout.files])

    def _reader(self, layout: Layout, files: tuple[Path, ...], extra: str = "") -> str:
        """read_csv over files of one compression. Integers stay text: see ``fits_integer``."""
        types = {name: self._reader_type(name) for name in layout.names}
        compression, encoding = self.reader_of(files[0])
        config = self.config
        options = [
            f"columns = {struct_sql(types)}",
            "auto_detect = false",
            f"delim = {literal(self._delimiter)}",
            f"quote = {literal(config.quote)}",
            f"escape = {literal(config.escape)}",
            f"header = {str(config.header).lower()}",
            f"skip = {config.skip_rows}",
            f"nullstr = [{', '.join(map(literal, config.nulls or _NO_NULL))}]",
            f"allow_quoted_nulls = {str(config.quoted_nulls).lower()}",
            f"decimal_separator = {literal(config.decimal_separator)}",
            f"encoding = {literal(encoding)}",
            f"compression = {literal(compression)}",
            f"max_line_size = {config.max_line_size}",
            *(f"{key} = {literal(value)}" for key, value in self._formats.items()),
            self.hive_sql(),
        ]
        if config.comment:
            options.append(f"comment = {literal(config.comment)}")
        if extra:
            options.append(extra)
        return f"read_csv({self.readable_paths(files)}, {', '.join(options)})"

    def _reader_type(self, name: str) -> str:
        type_ = self._raw[name]
        return "VARCHAR" if family(type_) == "integer" else type_

    def _same_reader(self, layout: Layout) -> Iterator[tuple[Path, ...]]:
        """A layout's files apart by compression, copied or not, and line ends."""
        groups: dict[tuple[str, str, str], list[Path]] = {}
        for file in layout.files:
            groups.setdefault((*self.reader_of(file), self._line_end(file)), []).append(file)
        yield from (tuple(files) for files in groups.values())

    def _line_end(self, file: Path) -> str:
        with self.text(file) as text:
            line: str = next(iter(text), "")
        return line[len(line.rstrip("\r\n")) :]

    def _scans(self) -> list[str]:
        scans = [
            self._scan(layout, self._reader(layout, files, self.tolerant()))
            for layout in self._layouts
            for files in self._same_reader(layout)
        ]
        if not scans:
            columns = ", ".join(f"CAST(NULL AS {c.type}) AS {ident(c.name)}" for c in self.schema())
            scans.append(f"SELECT {columns} WHERE FALSE")
        return scans

    def _pieces(self) -> list[tuple[Path, str]]:
        return [
            (file, self._scan(layout, self._reader(layout, (file,))))
            for layout in self._layouts
            for file in layout.files
        ]

    def _scan(self, layout: Layout, reader: str) -> str:
        values = []
        for column in self.schema():
            name = column.name
            type_ = self._raw[name]
            text = ident(name)
            if name not in layout.names and name not in self._hive:
                value = f"CAST(NULL AS {type_})"
            elif family(type_) == "integer" and name not in self._hive:
                value = f"TRY_CAST({text} AS {type_})"
                same = f"CAST({value} AS VARCHAR) = {text}"  # 12, not ' 12', +12 or 12.0
                value = self.guarded(value, fits_integer(text, type_), text, name, type_, plainly=same)
            else:
                value = text
            values.append(f"{self.final(value, type_)} AS {ident(name)}")
        return f"SELECT {', '.join(values)} FROM {reader} AS _file{self._good_clause(layout)}"

    def _good_clause(self, layout: Layout) -> str:
        """Lenient scans read every column, whatever is asked of them, so that a row is bad or not by
        itself; and a scan with rejects that reads fewer columns ends DuckDB 1.5.5's instance."""
        if not self.lenient:
            return ""
        every = ", ".join(ident(name) for name in layout.names)
        conditions = [f"hash({every}) IS NOT NULL"]
        conditions += [
            f"({ident(n)} IS NULL OR {fits_integer(ident(n), t)})" for n, t in self._integers(layout)
        ]
        return f" WHERE {' AND '.join(conditions)}"

    def _integers(self, layout: Layout) -> list[tuple[str, str]]:
        wanted = {c.name for c in self.schema()}
        return [
            (name, self._raw[name])
            for name in layout.names
            if name in wanted and family(self._raw[name]) == "integer"
        ]

    # bad rows ---------------------------------------------------------------------------------------

    def _bad_rows(self) -> Iterator[BadRow]:
        con = self.private().cursor()
        try:
            for layout in self._layouts:
                for files in self._same_reader(layout):
                    for file in files:
                        yield from self._bad_rows_of(con, layout, file)
        finally:
            con.close()

    def _bad_rows_of(self, con: duckdb.DuckDBPyConnection, layout: Layout, file: Path) -> Iterator[BadRow]:
        con.execute("DROP TABLE IF EXISTS _bad; DROP TABLE IF EXISTS _bad_scans")
        keep = rejects_sql("_bad", "_bad_scans")
        every = ", ".join(ident(name) for name in layout.names)
        lossy = [
            f"NOT ({ident(n)} IS NULL OR {fits_integer(ident(n), t)})" for n, t in self._integers(layout)
        ]
        count = con.execute(
            f"SELECT count(*) FILTER (WHERE {' OR '.join(lossy) or 'FALSE'}) "
            f"FROM {self._reader(layout, (file,), keep)} AS _file WHERE hash({every}) IS NOT NULL"
        ).fetchall()[0][0]
        seen = set()
        rows = con.execute(
            "SELECT line, any_value(csv_line), string_agg(error_message, '; ' ORDER BY column_idx), "
            "min(column_name) FILTER (WHERE error_type = 'CAST') FROM _bad GROUP BY line ORDER BY line"
        )
        while chunk := rows.fetchmany(1000):
            for line, text, reason, column in chunk:
                seen.add(line)
                yield BadRow(file, line, (text or "").strip("\r\n"), reason, column)
        if count:
            yield from self._lossy_rows(con, layout, file, seen)

    def _lossy_rows(
        self, con: duckdb.DuckDBPyConnection, layout: Layout, file: Path, seen: set[int]
    ) -> Iterator[BadRow]:
        """Rows that DuckDB reads but an integer column can't hold, with their lines."""
        integers = [(layout.names.index(n), n, t) for n, t in self._integers(layout)]
        cases = " ".join(
            f"WHEN NOT (v{i} IS NULL OR {fits_integer(f'v{i}', t)}) THEN {i}" for i, _, t in integers
        )
        records = self._records(layout, file)
        import pyarrow as pa

        while chunk := list(islice(records, _CHUNK)):
            given = pa.table(
                {
                    "n": pa.array(range(len(chunk)), pa.int64()),
                    **{
                        f"v{i}": pa.array(
                            [None if r[2][i] in self.config.nulls else r[2][i] for r in chunk], pa.string()
                        )
                        for i, _, _ in integers
                    },
                }
            )
            con.register("_given", given)
            found = con.execute(
                f"SELECT n, CASE {cases} END AS c FROM _given WHERE c IS NOT NULL ORDER BY n"
            ).fetchall()
            con.unregister("_given")
            for n, index in found:
                line, text, record = chunk[n]
                name = layout.names[index]
                if line not in seen:
                    yield BadRow(file, line, text, f"'{record[index]}' is not {self._raw[name]}", name)

    def _records(self, layout: Layout, file: Path) -> Iterator[tuple[int, str, list[str]]]:
        """Records with their lines, of those that DuckDB accepts in shape."""
        with self.text(file) as text:
            for line, raw, record in self._view().placed(text, self.config.header):
                if len(record) == len(layout.names) and is_clean(raw):
                    yield line, raw, record


def _source(config: CsvConfig, ctx: ConnectorContext) -> CsvSource:
    return CsvSource(config, ctx)


def _sink(config: SinkConfig, ctx: ConnectorContext) -> FileSink:
    return FileSink("csv", config, ctx)


CONNECTOR = Connector(
    name="csv",
    doc="CSV files, plain or compressed; a warehouse of CSV files",
    source_config=CsvConfig,
    source=_source,
    sink_config=CsvSinkConfig,
    sink=_sink,
    examples=(
        "type: csv\npath: data/orders.csv\n",
        (
            "type: csv\npath: data/*.csv\ndelimiter: ';'\nencoding: cp1252\nnulls: ['', NA]\n"
            "columns: {order_id: BIGINT, amount: 'DECIMAL(10,2)', ordered_on: DATE}\n"
            "date_format: '%d-%m-%Y'\non_bad_row: quarantine\n"
        ),
    ),
)
