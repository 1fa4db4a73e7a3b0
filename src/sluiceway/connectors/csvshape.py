"""The shape of CSV files: their headers, and the types that the first rows have."""

from __future__ import annotations

import csv as pycsv
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from sluiceway.connectors.csvtext import CsvText, is_rounded, most_frequent, sampled, unique_names
from sluiceway.connectors.textfiles import TextConfig, TextFileSource
from sluiceway.duck import literal
from sluiceway.errors import SourceError
from sluiceway.schema import Schema

__all__ = ["CsvConfig", "CsvShape", "Layout"]


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


@dataclass(frozen=True)
class Layout:
    """Files whose headers are equal, and the same line ends: one scan."""

    names: tuple[str, ...]
    files: tuple[Path, ...]


class CsvShape(TextFileSource):
    """What is found out of the files before they are read."""

    config: CsvConfig

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

    def _grouped(self, heads: dict[Path, list[str]]) -> list[Layout]:
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
        return [Layout(names, tuple(files)) for names, files in groups.items()]

    def _check_same(self, first: tuple[str, ...], layout: Layout) -> None:
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

    def _sniff(self, layout: Layout) -> dict[str, str]:
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
