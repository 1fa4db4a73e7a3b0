"""How a file warehouse writes and reads its own files, by format.

What we write we read back with the types that we wrote: they are kept beside the data, since CSV and
JSON don't carry them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sluiceway.connectors.fileset import paths_sql, struct_sql
from sluiceway.duck import ident, literal
from sluiceway.errors import DestinationError
from sluiceway.schema import Column, Schema

__all__ = ["FORMATS", "FileFormat"]


@dataclass(frozen=True)
class FileFormat:
    """``copy``: options of COPY. ``lossy``: types that the format can't bring back, and why."""

    name: str
    suffix: str
    copy: str
    lossy: Mapping[str, str] = field(default_factory=dict)

    def check(self, schema: Schema) -> None:
        """Refuse what would be written as something else.

        Raises:
            DestinationError: a column's type can't be kept, with the cast to add.
        """
        for name, hint in self.unsupported(schema).items():
            raise DestinationError(
                f"column '{name}' is {schema[name].type}: {self.name} files can't keep it exactly", hint=hint
            )

    def unsupported(self, schema: Schema) -> dict[str, str]:
        """Columns whose type these files can't bring back -> what to do about it."""
        found = {}
        for column in schema:
            why = self.lossy.get(column.type.upper()) or self.lossy.get(column.family)
            if why:
                step = f"add a step: - cast: {{{column.name}: VARCHAR}}"
                found[column.name] = f"{self.name} files would {why}; {step}"
        return found

    def value(self, column: Column) -> str:
        """The column as it is written. Readers of JSON take numbers for floats, so a decimal that a float
        can't hold is written as text."""
        digits = re.match(r"DECIMAL\((\d+),", column.type)
        if self.name == "json" and digits and int(digits[1]) > 15:
            return f"CAST({ident(column.name)} AS VARCHAR) AS {ident(column.name)}"
        return ident(column.name)

    def scan(self, files: Sequence[Path], schema: Schema, partitions: Sequence[str] = ()) -> str:
        """A SELECT of ``schema`` over files that this warehouse wrote; a column that came later is NULL
        in older files."""
        if not files:
            nothing = ", ".join(f"CAST(NULL AS {c.type}) AS {ident(c.name)}" for c in schema)
            return f"SELECT {nothing} WHERE FALSE"
        columns = ", ".join(f"CAST({ident(c.name)} AS {c.type}) AS {ident(c.name)}" for c in schema)
        paths = paths_sql(list(files))
        if self.name == "parquet":
            hive = "hive_partitioning = false"
            if partitions:
                types = {name: schema[name].type for name in partitions}
                hive = (
                    f"hive_partitioning = true, hive_types = {struct_sql(types)}, hive_types_autocast = false"
                )
            return f"SELECT {columns} FROM read_parquet({paths}, union_by_name = true, {hive}) AS _live"
        if self.name == "csv":
            options = (
                "all_varchar = true, header = true, delim = ',', quote = '\"', escape = '\"', "
                "nullstr = [''], "
                "allow_quoted_nulls = false, union_by_name = true, hive_partitioning = false, "
                "max_line_size = 16777216"
            )
            return f"SELECT {columns} FROM read_csv({paths}, {options}) AS _live"
        types = {c.name: c.type for c in schema}
        return (
            f"SELECT {columns} FROM read_json({paths}, columns = {struct_sql(types)}, "
            "format = 'newline_delimited', hive_partitioning = false) AS _live"
        )

    def copy_sql(self, select: str, target: Path, partitions: Sequence[str] = (), pattern: str = "") -> str:
        """COPY that gives one row: how many rows it wrote."""
        options = self.copy
        if partitions:
            options += f", PARTITION_BY ({', '.join(map(ident, partitions))})"
            options += f", FILENAME_PATTERN {literal(pattern)}"
        return f"COPY ({select}) TO {literal(str(target))} ({options})"


_NESTED = {
    "nested": "write as text that does not read back",
    "blob": "write as text that does not read back",
    "interval": "write as text that does not read back",
}
_PARQUET_LOSSY = {
    "HUGEINT": "turn into DOUBLE",
    "UHUGEINT": "turn into DOUBLE",
    "TIME WITH TIME ZONE": "keep without its offset",
    "INTERVAL": "keep in milliseconds",
}
FORMATS: Mapping[str, FileFormat] = {
    "csv": FileFormat(
        "csv", ".csv", "FORMAT csv, HEADER true, DELIMITER ',', QUOTE '\"', ESCAPE '\"', NULLSTR ''", _NESTED
    ),
    "json": FileFormat(
        "json", ".json", "FORMAT json", {"blob": _NESTED["blob"], "interval": _NESTED["interval"]}
    ),
    "parquet": FileFormat("parquet", ".parquet", "FORMAT parquet, COMPRESSION zstd", _PARQUET_LOSSY),
}
