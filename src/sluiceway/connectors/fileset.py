"""Which files a source reads: found once, known by a fingerprint, with the columns of hive folders."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from sluiceway.connectors.base import ConnectorContext, SourceConfig
from sluiceway.connectors.filelist import hive_parts, hive_type, list_files
from sluiceway.duck import literal
from sluiceway.errors import PlanError, SourceError
from sluiceway.exchange import Size

__all__ = ["FileSet", "FileSourceConfig", "paths_sql", "struct_sql"]

_UNPACKED = 5
"""How much larger text is than its gzip, about."""
_LINE = 100
"""Bytes of a line, where none can be looked at."""


class FileSourceConfig(SourceConfig):
    """Keys of every file source."""

    path: str | tuple[str, ...] = Field(
        description="a file, a folder, a glob, or a list of them, relative to the project"
    )
    hive_partitioning: bool | None = Field(
        None, description="columns from folders named key=value; found by itself if absent"
    )
    union_by_name: bool = Field(
        False, description="files may lack columns that others have; they read as NULL"
    )


def paths_sql(files: Sequence[Path]) -> str:
    """A list of paths for DuckDB's readers."""
    return "[" + ", ".join(literal(str(file)) for file in files) + "]"


def struct_sql(types: dict[str, str]) -> str:
    """``{'name': 'TYPE', …}`` for the options ``columns`` and ``hive_types``."""
    return "{" + ", ".join(f"{literal(name)}: {literal(type_)}" for name, type_ in types.items()) + "}"


class FileSet:
    """The files that ``path`` names, fixed at the first look; and a folder for what is made of them."""

    suffixes: tuple[str, ...] = ()

    def __init__(self, config: Any, ctx: ConnectorContext) -> None:
        self.config = config
        self.ctx = ctx
        self._files: tuple[Path, ...] | None = None
        self._folder: Path | None = None
        self._links: dict[Path, Path] = {}

    def files(self) -> tuple[Path, ...]:
        """Resolved paths, fixed at the first call."""
        if self._files is None:
            paths = self.config.path
            listed = list_files((paths,) if isinstance(paths, str) else paths, self.ctx, self.suffixes)
            self._hive = self._hive_columns(listed)
            # a link's target has another path: the folders named key=value are those of the link
            self._files = listed if self._hive else tuple(file.resolve() for file in listed)
        return self._files

    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for file in self.files():
            try:
                stat = file.stat()
                facts = f"{file}\0{stat.st_size}\0{stat.st_mtime_ns}\0{stat.st_ino}\n"
            except OSError:
                facts = f"{file}\0gone\n"
            digest.update(facts.encode(errors="surrogateescape"))
        return digest.hexdigest()

    def size(self) -> Size:
        """Rows by the lines at the head of the first file; more where it is compressed."""
        total = sum(file.stat().st_size for file in self.files())
        with self.files()[0].open("rb") as head:
            first = head.read(1 << 16)
        packed = self.files()[0].suffix.lower() in (".gz", ".zst", ".zstd", ".bz2")
        if packed:
            total *= _UNPACKED
        lines = first.count(b"\n")
        rows = total * lines // len(first) if lines and not packed else total // _LINE
        return Size(rows if total else 0, total)

    def folders(self) -> tuple[Path, ...]:
        """The folders of the files, where links point, and of texts that were decoded here."""
        found = dict.fromkeys(p for file in self.files() for p in (file.parent, file.resolve().parent))
        if self._folder is not None:
            found[self._folder] = None
        return tuple(found)

    def dataset(self) -> tuple[str, str]:
        paths = self.config.path
        first = paths if isinstance(paths, str) else paths[0]
        return "file", str(self.ctx.path(first).absolute())

    def display(self, file: Path) -> str:
        """The file as the user knows it."""
        for root in (self.ctx.project, self.ctx.project.resolve()):
            if file.is_relative_to(root):
                return str(file.relative_to(root))
        return str(file)

    def _hive_columns(self, files: tuple[Path, ...]) -> dict[str, str]:
        """Columns of folders named key=value, with the narrowest type that all values fit."""
        wanted = self.config.hive_partitioning
        if wanted is False:
            return {}
        project = self.ctx.project  # a folder above the project is no part of the data
        inside = [f.relative_to(project) if f.is_relative_to(project) else f for f in files]
        keys = [tuple(hive_parts(file)) for file in inside]
        names = [tuple(key for key, _ in parts) for parts in keys]
        if not names[0] or len(set(names)) > 1:
            if wanted:
                raise SourceError(
                    "hive_partitioning: the files' folders don't all name the same key=value parts",
                    where=self.ctx.where,
                    hint="set hive_partitioning: false, or narrow path:",
                )
            return {}
        declared = self._declared()
        values = {name: {parts[i][1] for parts in keys} for i, name in enumerate(names[0])}
        return {name: declared.get(name) or hive_type(found) for name, found in values.items()}

    def hive_sql(self) -> str:
        """The hive options of DuckDB's readers, nothing left to guess."""
        if not self._hive:
            return "hive_partitioning = false"
        return f"hive_partitioning = true, hive_types = {struct_sql(self._hive)}, hive_types_autocast = false"

    def _declared(self) -> dict[str, str]:
        """``columns`` with types, spelled as DuckDB spells them."""
        columns = self.config.columns
        return self._spelled(columns) if isinstance(columns, dict) else {}

    def _spelled(self, columns: dict[str, str]) -> dict[str, str]:
        import duckdb

        spelled = {}
        for name, type_ in columns.items():
            try:
                # a type can't be bound; DuckDB's own parser of type names takes no other SQL
                spelled[name] = str(duckdb.type(type_))
            except duckdb.Error:
                raise PlanError(
                    f"'{type_}' is not a type", where=self.ctx.where, hint=f"columns: {{{name}: VARCHAR}}"
                ) from None
        return spelled

    def paths_sql(self, files: Sequence[Path]) -> str:
        """Paths that DuckDB takes as they stand. It has no way to write a glob character in the name of a
        folder of its sandbox, so such files are read through a link with a plain name."""
        return paths_sql([self._plain(file) for file in files])

    def _plain(self, file: Path) -> Path:
        if not re.search(r"[\[*?\\]", str(file)):
            return file
        if file not in self._links:
            parts = [re.sub(r"[\[*?\\]", "_", part) for part in file.parts[:-1] if "=" in part]
            name = re.sub(r"[^A-Za-z0-9.]", "_", file.name)
            link = self.folder().joinpath(f"link{len(self._links)}", *parts, name)
            link.parent.mkdir(parents=True)
            link.symlink_to(file)
            self._links[file] = link
        return self._links[file]

    def folder(self) -> Path:
        """A folder for samples and decoded texts, gone after ``close``."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="sluiceway-")).resolve()
        return self._folder

    def close(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
        self._links = {}
