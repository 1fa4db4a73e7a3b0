"""CSV files: sniffed once, then read with nothing left to guess."""

from __future__ import annotations

import csv as pycsv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator

from sluiceway.connectors.base import Connector, ConnectorContext, SinkConfig
from sluiceway.connectors.csvtext import (
    CsvText,
    is_clean,
    is_rounded,
    most_frequent,
    sampled,
    unique_names,
)
from sluiceway.connectors.files import BadRow, fits_integer
from sluiceway.connectors.fileset import struct_sql
from sluiceway.connectors.filesink import FileSink, FileSinkConfig
from sluiceway.connectors.textfiles import TextConfig, TextFileSource, rejects_sql
from sluiceway.duck import ident, literal
from sluiceway.errors import SourceError
from sluiceway.schema import Schema, family

if TYPE_CHECKING:
    import duckdb

__all__ = ["CONNECTOR", "CsvConfig", "CsvSinkConfig", "CsvSource"]

_CHUNK = 20_000
_NO_NULL = ("\x02no text is null\x02",)  # DuckDB wants one at least


class CsvConfig(TextConfig):
    """A CSV source."""

    delimiter: str | None = Field(
        None, description="between values; if absent, the most frequent of , ; tab | in the first line"
    )
    quote: str = Field('"', max_length=1, description="round values that hold a delimiter; '' for none")
    escape: str = Field('"', max_length=1, description="before a quote inside quotes")
    header: bool = Field(True, description="the first line names the columns")
    nulls: tuple[str, ...] = Field(("",), description="texts that mean NULL")
    quoted_nulls: bool = Field(True, description="such a text means NULL in quotes too")
    decimal_separator: str = Field(".", pattern="^[.,]$", description=". or ,")
    skip_rows: int = Field(0, ge=0, description="lines before the header")
    comment: str | None = Field(None, max_length=1, description="lines that start with it are left out")
    max_line_size: int = Field(2_097_152, ge=1, description="bytes; a longer line is a bad row")

    @field_validator("nulls", mode="before")
    @classmethod
    def _one_null(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


class CsvSinkConfig(FileSinkConfig):
    """A warehouse of CSV files."""


@dataclass(frozen=True)
class _Layout:
    """Files whose headers are equal, and the same line ends: one scan."""

    names: tuple[str, ...]
    files: tuple[Path, ...]


class CsvSource(TextFileSource):
    kind = "csv"
    suffixes = (".csv", ".tsv", ".txt", ".csv.gz", ".csv.zst", ".csv.bz2", ".tsv.gz")
    messages = ("CSV Error", "CSV Parser", "CSV Reader", "csv file")
    config: CsvConfig
    readable: ClassVar[Mapping[str, str]] = {"utf-8": "utf-8", "iso8859-1": "latin-1"}

    # the shape --------------------------------------------------------------------------------------

    def _resolve(self) -> Schema:
        self._read_codec()
        self._formats: dict[str, str] = {}
        if self.config.date_format:
            self._formats["dateformat"] = self.config.date_format
        if self.config.timestamp_format:
            self._formats["timestampformat"] = self.config.timestamp_format
        heads = self._heads()
        declared = self._declared()
        if not heads:
            return self._without_lines(declared)
        self._layouts = self._grouped(heads)
        first = self._layouts[0].names
        names = list(first)
        for layout in self._layouts[1:]:
            self._check_same(first, layout)
            names += [name for name in layout.names if name not in names]
        if declared:
            known = Schema.of(dict.fromkeys(names, "VARCHAR"))
            wanted = {known[name].name: type_ for name, type_ in declared.items() if name in known}
            return Schema.of({name: wanted.get(name, "VARCHAR") for name in names})
        types: dict[str, str] = {}
        for layout in self._layouts:
            types.update({k: v for k, v in self._sniff(layout).items() if k not in types})
        return Schema.of({name: types[name] for name in names})

    def _without_lines(self, declared: dict[str, str]) -> Schema:
        self._delimiter = self.config.delimiter or ","
        self._layouts = []
        if declared:
            return Schema.of(declared)
        raise SourceError(
            f"{self.display(self.files()[0])} is empty: there is no header to name its columns",
            where=self.ctx.where,
            hint="declare them: columns: {id: BIGINT, name: VARCHAR}",
        )

    def _heads(self) -> dict[Path, list[str]]:
        """The first record of each file that has one. The first file decides the delimiter."""
        self._delimiter = self.config.delimiter or ""
        heads = {}
        for file in self.files():
            try:
                with self.text(file) as text:
                    lines = self._view().lines(text)
                    first = next((line for line in lines if line.strip("\r\n")), None)
                    if first is None:
                        continue
                    if not self._delimiter:
                        self._delimiter = most_frequent(first, self.config.quote)
                    heads[file] = next(self._view().records(chain([first], lines)))
            except (OSError, UnicodeError, pycsv.Error) as error:
                raise SourceError(
                    f"{self.display(file)}: the first line can't be read: {error}",
                    where=self.ctx.where,
                    hint="check encoding:, compression: and quote:",
                ) from error
        return heads

    def _grouped(self, heads: dict[Path, list[str]]) -> list[_Layout]:
        declared = self._declared()
        groups: dict[tuple[str, ...], list[Path]] = {}
        for file, head in heads.items():
            if self.config.header:
                names = unique_names(head)
            elif declared and len(declared) == len(head):
                names = tuple(declared)
            elif declared:
                raise SourceError(
                    f"{self.display(file)}: the first line has {len(head)} values, columns: names "
                    f"{len(declared)}",
                    where=self.ctx.where,
                    hint="without a header, columns: names every value of a line, in order",
                )
            else:
                names = tuple(f"column{i}" for i in range(len(head)))
            groups.setdefault(names, []).append(file)
        return [_Layout(names, tuple(files)) for names, files in groups.items()]

    def _check_same(self, first: tuple[str, ...], layout: _Layout) -> None:
        if self.config.union_by_name or set(first) == set(layout.names):
            return
        missing = [n for n in first if n not in layout.names]
        extra = [n for n in layout.names if n not in first]
        facts = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"adds {', '.join(extra)}"] * bool(extra)
        raise SourceError(
            f"{self.display(layout.files[0])} {' and '.join(facts)}, compared with "
            f"{self.display(self._layouts[0].files[0])}",
            where=self.ctx.where,
            hint="set union_by_name: true to read what a file lacks as NULL",
        )

    def _sniff(self, layout: _Layout) -> dict[str, str]:
        """DuckDB's sniffer over the first rows, copied as clean UTF-8; broken rows don't take part."""
        import duckdb

        sample = self.folder() / "sample.csv"
        left, exact = self.config.sample_size, set[int]()
        with sample.open("w", encoding="utf-8", newline="") as out:
            for file in layout.files:
                with self.text(file, errors="replace") as text:
                    records = self._view().records(self._view().lines(text))
                    if self.config.header:
                        next(records, None)
                    writer = pycsv.writer(out)
                    for record in islice(records, left):
                        if len(record) == len(layout.names):
                            exact.update(i for i, v in enumerate(record) if is_rounded(v))
                            writer.writerow([sampled(v, self.config.nulls) for v in record])
                            left -= 1
                if left <= 0:
                    break
        options = [
            "header = false", "delim = ','", "quote = '\"'", "escape = '\"'", "ignore_errors = true",
            f"sample_size = {self.config.sample_size}",
            f"names = [{', '.join(map(literal, layout.names))}]",
            f"decimal_separator = {literal(self.config.decimal_separator)}",
            *(f"{key} = {literal(value)}" for key, value in self._formats.items()),
        ]  # fmt: skip
        if sample.stat().st_size == 0:
            return dict.fromkeys(layout.names, "VARCHAR")
        try:
            row = self._sniffed(sample, options)
        except duckdb.Error as error:
            raise SourceError(
                f"the types of {self.display(layout.files[0])} can't be found",
                where=self.ctx.where,
                hint=f"declare them: columns: {{{', '.join(f'{n}: VARCHAR' for n in layout.names[:3])}}}",
            ) from error
        for key, found in (("dateformat", row[1]), ("timestampformat", row[2])):
            if found and key not in self._formats:
                self._formats[key] = found
        types = {column["name"]: column["type"] for column in row[0]}
        # numbers that a DOUBLE would change are no amounts but names of something: they stay text
        kept = {layout.names[i] for i in exact}
        return {n: "VARCHAR" if n in kept and t == "DOUBLE" else t for n, t in types.items()}

    def _sniffed(self, sample: Path, options: list[str]) -> Any:
        # the path is a literal: to bind a parameter duckdb imports pandas where that is installed
        args = ", ".join([literal(str(sample)), *options])
        sql = f"SELECT Columns, DateFormat, TimestampFormat FROM sniff_csv({args})"
        return self.private().execute(sql).fetchall()[0]

    # python's view of a file ------------------------------------------------------------------------

    def _view(self) -> CsvText:
        config = self.config
        return CsvText(
            self._delimiter or ",",
            config.quote,
            config.escape,
            config.skip_rows,
            config.comment,
            config.max_line_size,
        )

    # the scan ---------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        self.make_readable([file for layout in self._layouts for file in layout.files])

    def _reader(self, layout: _Layout, files: tuple[Path, ...], extra: str = "") -> str:
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

    def _same_reader(self, layout: _Layout) -> Iterator[tuple[Path, ...]]:
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

    def _scan(self, layout: _Layout, reader: str) -> str:
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

    def _good_clause(self, layout: _Layout) -> str:
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

    def _integers(self, layout: _Layout) -> list[tuple[str, str]]:
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

    def _bad_rows_of(self, con: duckdb.DuckDBPyConnection, layout: _Layout, file: Path) -> Iterator[BadRow]:
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
        self, con: duckdb.DuckDBPyConnection, layout: _Layout, file: Path, seen: set[int]
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

    def _records(self, layout: _Layout, file: Path) -> Iterator[tuple[int, str, list[str]]]:
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
