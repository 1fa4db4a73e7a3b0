"""JSON files: one object a line, or one array of objects."""

from __future__ import annotations

import json as pyjson
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from sluiceway.connectors.base import Connector, ConnectorContext, SinkConfig
from sluiceway.connectors.csvtext import is_clean
from sluiceway.connectors.files import BadRow, fits_integer
from sluiceway.connectors.fileset import struct_sql
from sluiceway.connectors.filesink import FileSink, FileSinkConfig
from sluiceway.connectors.jsontypes import fits_nested, object_sql, pointer_to
from sluiceway.connectors.textfiles import TextConfig, TextFileSource
from sluiceway.duck import ident, literal
from sluiceway.errors import SourceError
from sluiceway.schema import Schema, family

if TYPE_CHECKING:
    import duckdb

__all__ = ["CONNECTOR", "JsonConfig", "JsonSinkConfig", "JsonSource"]

_CHUNK = 10_000
_ALL = 2**62
_ZONED = r"(Z|[+-]\d\d(:?\d\d)?)$"


class JsonConfig(TextConfig):
    """A JSON source."""

    format: Literal["auto", "lines", "array"] = Field(
        "auto", description="lines: one object a line; array: one array of objects; auto looks at the first"
    )
    max_object_size: int = Field(16_777_216, ge=1, description="bytes of one object")


class JsonSinkConfig(FileSinkConfig):
    """A warehouse of JSON files, one object a line."""


class JsonSource(TextFileSource):
    kind = "json"
    suffixes = tuple(
        f"{name}{packed}" for name in (".json", ".jsonl", ".ndjson") for packed in ("", ".gz", ".zst", ".bz2")
    )
    messages = ("JSON",)
    config: JsonConfig
    takes_bom = False

    # the shape --------------------------------------------------------------------------------------

    def _resolve(self) -> Schema:
        self._read_codec()
        self._formats = {
            key: value
            for key, value in (
                ("dateformat", self.config.date_format),
                ("timestampformat", self.config.timestamp_format),
            )
            if value
        }
        self._kinds = {file: self._kind(file) for file in self.files()}
        declared = self._declared()
        return Schema.of(declared) if declared else self._sniff()

    def _kind(self, file: Path) -> str:
        if self.config.format != "auto":
            return self.config.format
        try:
            with self.text(file) as text:
                while part := text.read(4096):
                    if part.strip():
                        return "array" if part.lstrip()[0] == "[" else "lines"
        except (OSError, UnicodeError) as error:
            raise SourceError(
                f"{self.display(file)} can't be read: {error}",
                where=self.ctx.where,
                hint="check encoding: and compression:",
            ) from error
        return "lines"

    def _sniff(self) -> Schema:
        """DuckDB's sniffer over the first objects; broken ones don't take part."""
        sample = self.folder() / "sample.json"
        count, keys = 0, dict[str, None]()
        with sample.open("w", encoding="utf-8") as out:
            for text in islice(self._sample(), self.config.sample_size):
                try:
                    found = pyjson.loads(text)
                except ValueError:
                    continue
                if isinstance(found, dict):
                    keys.update(dict.fromkeys(found))
                    out.write(re.sub(r"[\r\n]+", " ", text) + "\n")
                    count += 1
        if not count:
            raise SourceError(
                f"{self.display(self.files()[0])} holds no object to take the columns from",
                where=self.ctx.where,
                hint="declare them: columns: {id: BIGINT, name: VARCHAR}",
            )
        folded: dict[str, str] = {}
        for key in keys:
            if (other := folded.setdefault(key.casefold(), key)) != key:
                raise SourceError(
                    f"the keys '{other}' and '{key}' of {self.display(self.files()[0])} differ only in case",
                    where=self.ctx.where,
                    hint=f"declare the columns to read: columns: {{{key}: VARCHAR}}",
                )
        reader = f"read_json({literal(str(sample))}, format = 'newline_delimited', records = 'true'"
        rows = self.private().execute(
            f"DESCRIBE SELECT * FROM {reader}, sample_size = -1, hive_partitioning = false)"
        ).fetchall()  # fmt: skip
        return Schema.of({row[0]: self._sniffed(reader, row[0], row[1]) for row in rows})

    def _sample(self) -> Iterator[str]:
        for file in self.files():
            if self._kinds[file] == "lines":
                with self.text(file, errors="replace") as text:
                    yield from text
            else:
                self.make_readable([file])
                rows = self.private().cursor().execute(f"SELECT json FROM {self._objects((file,))}")
                while chunk := self._fetch(rows, file):
                    yield from (row[0] for row in chunk)

    def _fetch(self, rows: Any, file: Path) -> list[Any]:
        import duckdb

        try:
            return list(rows.fetchmany(_CHUNK))
        except duckdb.Error as error:
            raise self._broken_array(file, error) from error

    def _broken_array(self, file: Path, error: BaseException) -> SourceError:
        return SourceError(
            f"{self.display(file)} is not one array of objects: {str(error).split(chr(10))[0]}",
            where=self.ctx.where,
            hint="correct the file, or set format: lines if each line is an object",
        )

    def _sniffed(self, reader: str, name: str, type_: str) -> str:
        """Mixed scalars become text; what a column of that type would not read back becomes text too."""
        import duckdb

        con, column = self.private(), ident(name)
        if type_ == "JSON":
            nested = con.execute(
                f"SELECT bool_or(json_type({column}) IN ('OBJECT', 'ARRAY')) "
                f"FROM {reader}, columns = {struct_sql({name: 'JSON'})})"
            ).fetchall()[0][0]
            return "JSON" if nested else "VARCHAR"
        if type_ in ("HUGEINT", "UHUGEINT") or (type_ == "DOUBLE" and self._whole_numbers(reader, name)):
            return "DECIMAL(38,0)"  # Parquet has no such integers, and a DOUBLE would round them
        if type_ == "TIMESTAMP":
            zoned = con.execute(
                f"SELECT bool_or(regexp_matches({column}, {literal(_ZONED)})) "
                f"FROM {reader}, columns = {struct_sql({name: 'VARCHAR'})})"
            ).fetchall()[0][0]
            type_ = "TIMESTAMP WITH TIME ZONE" if zoned else type_
        if family(type_) == "nested":
            type_ = re.sub(r"\bJSON(?=[\[\],)]|$)", "VARCHAR", type_)
        try:
            con.execute(
                f"SELECT count({column}) FROM {reader}, columns = {struct_sql({name: type_})}"
                f"{self._format_options()})"
            )
        except duckdb.Error:  # DuckDB guessed a date format that is not ISO: text, until it is declared
            return "VARCHAR"
        return type_

    def _whole_numbers(self, reader: str, name: str) -> bool:
        """DuckDB takes integers of more than 64 bits for DOUBLE."""
        types = struct_sql({name: "VARCHAR"})
        rows = self.private().execute(
            f"SELECT bool_and(regexp_full_match({ident(name)}, '-?[0-9]{{1,38}}')) "
            f"FROM {reader}, columns = {types})"
        ).fetchall()  # fmt: skip
        return bool(rows[0][0])

    # the scan ---------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        self.make_readable(self.files())

    def _format_options(self) -> str:
        return "".join(f", {key} = {literal(value)}" for key, value in self._formats.items())

    def _options(self, file: Path) -> str:
        return (
            f"maximum_object_size = {self.config.max_object_size}, "
            f"compression = {literal(_packed(self.reader_of(file)[0]))}, {self.hive_sql()}"
        )

    def _objects(self, files: tuple[Path, ...]) -> str:
        paths = self.readable_paths(files)
        return f"read_json_objects({paths}, format = 'array', {self._options(files[0])})"

    def _lines(self, files: tuple[Path, ...]) -> str:
        """Each line as text. No line of JSON holds a raw \\x01, so nothing is cut."""
        size = max(self.config.max_object_size, 2_097_152)
        return (
            f"read_csv({self.readable_paths(files)}, columns = {{'line': 'VARCHAR'}}, auto_detect = false, "
            f"header = false, delim = '\x01', quote = '', escape = '', nullstr = [''], {self.tolerant()}, "
            f"max_line_size = {size}, compression = {literal(self.reader_of(files[0])[0])}, "
            f"{self.hive_sql()})"
        )

    def _groups(self) -> Iterator[tuple[str, tuple[Path, ...]]]:
        groups: dict[tuple[str, str], list[Path]] = {}
        for file in self.files():
            groups.setdefault((self._kinds[file], self.reader_of(file)[0]), []).append(file)
        yield from ((kind, tuple(files)) for (kind, _), files in groups.items())

    def _scans(self) -> list[str]:
        return [
            self._lenient_scan(kind, files) if self.lenient else self._strict_scan(kind, files)
            for kind, files in self._groups()
        ]

    def _pieces(self) -> list[tuple[Path, str]]:
        return [(file, self._strict_scan(self._kinds[file], (file,))) for file in self.files()]

    def _inner(self) -> dict[str, str]:
        """Columns of the objects themselves."""
        return {c.name: self._raw[c.name] for c in self.schema() if c.name not in self._hive}

    def _strict_scan(self, kind: str, files: tuple[Path, ...]) -> str:
        types = {n: "VARCHAR" if family(t) == "integer" else t for n, t in self._inner().items()}
        form = "array" if kind == "array" else "newline_delimited"
        values = []
        for column in self.schema():
            name, type_, text = column.name, self._raw[column.name], ident(column.name)
            value = text
            if family(type_) == "integer" and name not in self._hive:
                value = self.guarded(
                    f"TRY_CAST({text} AS {type_})", fits_integer(text, type_), text, name, type_
                )
            values.append(f"{self.final(value, type_)} AS {text}")
        options = f"format = '{form}', records = 'true', {self._options(files[0])}{self._format_options()}"
        columns = struct_sql(types or {"_none": "JSON"})
        return (
            f"SELECT {', '.join(values)} FROM read_json({self.readable_paths(files)}, columns = {columns}, "
            f"{options}) AS _file"
        )

    def _lenient_scan(self, kind: str, files: tuple[Path, ...]) -> str:
        text = "json" if kind == "array" else "line"
        source = self._lines(files) if kind == "lines" else self._objects(files)
        hive = "".join(f", {ident(n)}" for n in self._hive)
        values, good = [], ["_is_object"]
        for column in self.schema():
            name, type_ = column.name, self._raw[column.name]
            if name in self._hive:
                values.append(f"{self.final(ident(name), type_)} AS {ident(name)}")
                continue
            values.append(f"{self.final(self._value(name, type_), type_)} AS {ident(name)}")
            good.append(self._good(name, type_))
        objects = self._taken_apart(text, f"{source} AS _file", hive)
        return f"SELECT {', '.join(values)} FROM ({objects}) AS _objects WHERE {' AND '.join(good)}"

    def _taken_apart(self, text: str, source: str, beside: str) -> str:
        """Each object parsed once: ``_t`` are its columns as texts, ``_j`` the nested ones as JSON.

        The LIMIT keeps DuckDB from parsing again for every condition that it would push down: measured,
        that took six times as long.
        """
        inner = self._inner()
        texts = ", ".join(literal(pointer_to(name)) for name in inner) or "'/'"
        nested = ", ".join(literal(pointer_to(name)) for name in self._nested())
        parts = f"json_extract_string(_o, [{texts}]) AS _t"
        if nested:
            parts += f", json_extract(_o, [{nested}]) AS _j"
        objects = f"SELECT {object_sql(text)} AS _o{beside} FROM {source}"
        return f"SELECT _o IS NOT NULL AS _is_object, {parts}{beside} FROM ({objects}) AS _p LIMIT {_ALL}"

    def _nested(self) -> list[str]:
        return [name for name, type_ in self._inner().items() if family(type_) in ("nested", "json")]

    def _text(self, name: str) -> str:
        return f"_t[{list(self._inner()).index(name) + 1}]"

    def _json(self, name: str) -> str:
        return f"_j[{self._nested().index(name) + 1}]"

    def _value(self, name: str, type_: str) -> str:
        text = self._text(name)
        match family(type_):
            case "text":
                return text
            case "json":
                return self._json(name)
            case "nested":
                return f"TRY_CAST({self._json(name)} AS {type_})"
            case "date" if "dateformat" in self._formats:
                return f"CAST(try_strptime({text}, {literal(self._formats['dateformat'])}) AS DATE)"
            case "timestamp" | "timestamptz" if "timestampformat" in self._formats:
                return f"CAST(try_strptime({text}, {literal(self._formats['timestampformat'])}) AS {type_})"
            case _:
                return f"TRY_CAST({text} AS {type_})"

    def _good(self, name: str, type_: str) -> str:
        text = self._text(name)
        match family(type_):
            case "integer":
                fits = fits_integer(text, type_)
            case "nested":
                fits = fits_nested(self._json(name), type_)
            case _:
                fits = f"({self._value(name, type_)}) IS NOT NULL"
        return f"({text} IS NULL OR {fits})"

    # bad rows ---------------------------------------------------------------------------------------

    def _bad_rows(self) -> Iterator[BadRow]:
        con = self.private().cursor()
        try:
            for file in self.files():
                if self._kinds[file] == "lines":
                    yield from self._bad_lines(con, file)
                else:
                    yield from self._bad_objects(con, file)
        finally:
            con.close()

    def _judged(self, text: str, source: str, beside: str) -> str:
        """Bad objects of ``source`` with the column that does not fit, or '' where it is no object."""
        cases = " ".join(
            f"WHEN NOT {self._good(name, type_)} THEN {literal(name)}"
            for name, type_ in self._inner().items()
        )
        judged = f"CASE WHEN NOT _is_object THEN '' {cases} END"
        parts = self._taken_apart(text, source, f", n{beside}")
        return f"SELECT n{beside}, {judged} AS _c FROM ({parts}) AS _g WHERE _c IS NOT NULL ORDER BY n"

    def _bad_lines(self, con: duckdb.DuckDBPyConnection, file: Path) -> Iterator[BadRow]:
        import pyarrow as pa

        with self.text(file) as stream:
            lines = ((n, line.strip()) for n, line in enumerate(stream, 1) if line.strip())
            while chunk := list(islice(lines, _CHUNK)):
                clean = [text if is_clean(text) else None for _, text in chunk]
                given = pa.table({"n": pa.array(range(len(chunk))), "line": pa.array(clean, pa.string())})
                con.register("_given", given)
                found = con.execute(self._judged("line", "_given", "")).fetchall()
                con.unregister("_given")
                for n, column in found:
                    number, text = chunk[n]
                    if clean[n] is None:
                        shown = text.encode(errors="surrogateescape").decode(errors="replace")
                        yield BadRow(file, number, shown, f"is not {self.config.encoding}: encoding")
                    else:
                        yield self._bad_row(file, number, text, column)

    def _bad_objects(self, con: duckdb.DuckDBPyConnection, file: Path) -> Iterator[BadRow]:
        numbered = f"SELECT row_number() OVER () AS n, json FROM {self._objects((file,))} AS _f"
        source = f"({numbered}) AS _file"
        con.execute("SET preserve_insertion_order = true")  # the number is the element's place
        rows = con.execute(self._judged("json", source, ", json"))
        while chunk := self._fetch(rows, file):
            for number, text, column in chunk:
                yield self._bad_row(file, number, text, column)

    def _bad_row(self, file: Path, number: int, text: str, column: str) -> BadRow:
        if column:
            return BadRow(file, number, text, f"does not fit {self._raw[column]}", column)
        try:
            pyjson.loads(text)
        except ValueError as error:
            return BadRow(file, number, text, f"is not JSON: {error}")
        return BadRow(file, number, text, "is not an object")


def _packed(compression: str) -> str:
    """read_json's own word for it."""
    return "uncompressed" if compression == "none" else compression


def _source(config: JsonConfig, ctx: ConnectorContext) -> JsonSource:
    return JsonSource(config, ctx)


def _sink(config: SinkConfig, ctx: ConnectorContext) -> FileSink:
    return FileSink("json", config, ctx)


CONNECTOR = Connector(
    name="json",
    doc="JSON files, one object a line or one array; a warehouse of JSON lines",
    source_config=JsonConfig,
    source=_source,
    sink_config=JsonSinkConfig,
    sink=_sink,
    examples=(
        "type: json\npath: data/events.jsonl\n",
        (
            "type: json\npath: data/orders.json\nformat: array\ncolumns: {id: BIGINT, tags: 'VARCHAR[]'}\n"
            "on_bad_row: quarantine\n"
        ),
    ),
)
