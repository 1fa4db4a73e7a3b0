"""Which files a source reads, and the columns in the names of their folders."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from sluiceway.errors import SourceError, Where, did_you_mean

if TYPE_CHECKING:
    from sluiceway.connectors.base import ConnectorContext

__all__ = ["hive_parts", "hive_type", "list_files"]

_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"


def list_files(
    patterns: tuple[str, ...], ctx: ConnectorContext, suffixes: tuple[str, ...]
) -> tuple[Path, ...]:
    """The files that ``patterns`` name, sorted, links resolved later.

    A name that exists is taken literally, even with glob characters in it; a folder stands for its
    files with one of ``suffixes``, without names that start with ``.`` or ``_``.

    Raises:
        SourceError: a pattern that matches nothing, with its folder and what lies there.
    """
    found: dict[Path, None] = {}
    for pattern in patterns:
        if "://" in pattern:
            raise SourceError(
                f"'{pattern}' is not a local path", where=ctx.where, hint="copy the file here, or mount it"
            )
        path = ctx.path(pattern)
        if path.is_file():
            matches = [path]
        elif path.is_dir():
            matches = [p for p in sorted(path.rglob("*")) if p.is_file() and _visible(p, path, suffixes)]
        else:
            matches = sorted(Path(p) for p in glob.glob(str(path), recursive=True) if Path(p).is_file())  # noqa: PTH207 - Path.glob takes no absolute pattern
        if not matches:
            raise _nothing(pattern, path, ctx.where, suffixes)
        found.update(dict.fromkeys(matches))
    return tuple(found)


def _visible(path: Path, root: Path, suffixes: tuple[str, ...]) -> bool:
    names = path.relative_to(root).parts
    return path.name.lower().endswith(suffixes) and not any(n.startswith((".", "_")) for n in names)


def _nothing(pattern: str, path: Path, where: Where, suffixes: tuple[str, ...]) -> SourceError:
    if path.is_dir():
        return SourceError(
            f"the folder '{pattern}' holds no file that ends in {', '.join(suffixes)}",
            where=where,
            hint=f"name the files by a glob: path: {pattern.rstrip('/')}/*",
        )
    folder = path
    while not folder.is_dir() or glob.has_magic(str(folder)):
        folder = folder.parent
    there = [p.name for p in sorted(folder.iterdir())][:200]
    if not there:
        hint = "that folder is empty; check path:"
    elif glob.has_magic(pattern):
        hint = f"it holds {', '.join(there[:8])}{', …' if len(there) > 8 else ''}"
    else:
        hint = did_you_mean(path.name, there[:20])
    kind = "no file matches" if glob.has_magic(pattern) else "there is no file"
    return SourceError(f"{kind} '{pattern}'; looked in {folder}", where=where, hint=hint)


def hive_parts(file: Path) -> Iterator[tuple[str, str]]:
    """The key=value parts of a file's folders, values decoded."""
    for part in file.parts[:-1]:
        key, equals, value = part.partition("=")
        if equals and key and "=" not in value:
            yield key, unquote(value)


def hive_type(values: set[str]) -> str:
    """The narrowest of BIGINT, DATE and VARCHAR that holds all values.

    >>> hive_type({"1", "20"}), hive_type({"01"}), hive_type({"2024-01-31"})
    ('BIGINT', 'VARCHAR', 'DATE')
    """
    known = values - {_HIVE_NULL}
    if known and all(re.fullmatch(r"-?(0|[1-9]\d{0,17})", value) for value in known):
        return "BIGINT"
    if known and all(re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", v) for v in known):
        return "DATE"
    return "VARCHAR"
