"""Text files as bytes come: compressed, encoded, cut short.

DuckDB reads UTF-8 and Latin-1, plain, gzip and zstd. Everything else is decoded here, once, into a
UTF-8 copy in the source's own folder; a byte that can't be decoded stays invalid there, so that its row
is a bad row and not a wrong one.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar, Literal
from uuid import uuid4

from pydantic import Field

from sluiceway.connectors.files import FileSource
from sluiceway.connectors.fileset import FileSourceConfig
from sluiceway.duck import literal
from sluiceway.errors import PlanError, SourceError, Where

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "Compression",
    "TextConfig",
    "TextFileSource",
    "codec",
    "compression_of",
    "decode_to",
    "open_text",
    "prove_whole",
    "rejects_sql",
]

Compression = Literal["auto", "none", "gzip", "zstd", "bz2"]
_SUFFIXES = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd", ".bz2": "bz2"}
_CHUNK = 1 << 20
_BROKEN = "sluiceway-keep-broken"


class TextConfig(FileSourceConfig):
    """Keys of csv and json sources."""

    encoding: str = Field("utf-8", description="the files' encoding, by Python's name for it")
    compression: Compression = Field("auto", description="none, gzip, zstd or bz2; auto goes by the suffix")
    sample_size: int = Field(20_480, ge=1, description="rows looked at to find the types")
    date_format: str | None = Field(None, description="of dates, such as %d/%m/%Y; found if absent")
    timestamp_format: str | None = Field(None, description="of timestamps; found if absent")


def compression_of(file: Path, declared: Compression) -> str:
    """
    >>> compression_of(Path("a.csv.gz"), "auto"), compression_of(Path("a.csv"), "auto")
    ('gzip', 'none')
    """
    return _SUFFIXES.get(file.suffix.lower(), "none") if declared == "auto" else declared


def codec(encoding: str, where: Where) -> str:
    """Python's own name of an encoding.

    >>> codec("UTF8", Where()), codec("latin-1", Where())
    ('utf-8', 'iso8859-1')
    """
    try:
        " ".encode(encoding)  # hex and base64 are codecs too, but no encodings
        name = codecs.lookup(encoding).name
    except (LookupError, UnicodeError):
        raise PlanError(
            f"'{encoding}' is not an encoding",
            where=where,
            hint="write it as utf-8, latin-1, cp1252 or utf-16",
        ) from None
    return "utf-8" if name in ("utf-8-sig", "ascii") else name


def _raw(file: Path, compression: str) -> IO[bytes] | pa.NativeFile:
    if compression == "none":
        return file.open("rb")
    import pyarrow as pa  # a third of a second, so not for plain files

    return pa.input_stream(str(file), compression=compression)


def open_text(file: Path, compression: str, encoding: str, errors: str = "surrogateescape") -> IO[str]:
    """Text with its newlines as they are; a byte order mark is dropped."""
    name = "utf-8-sig" if encoding == "utf-8" else encoding
    raw: Any = _raw(file, compression)  # pyarrow ships no types
    return io.TextIOWrapper(raw, encoding=name, errors=errors, newline="")


def prove_whole(file: Path, compression: str, where: Where) -> None:
    """Decompress to the end, since DuckDB takes a file that was cut short for a shorter one.

    Raises:
        SourceError: the file is cut short or damaged.
    """
    try:
        with _raw(file, compression) as stream:
            while stream.read(_CHUNK):
                pass
    except OSError as error:
        raise _damaged(file, compression, where) from error


def _damaged(file: Path, compression: str, where: Where) -> SourceError:
    return SourceError(
        f"{file.name} is cut short or damaged: it does not decompress as {compression} to its end",
        where=where,
        hint=f"fetch the file again; its folder is {file.parent}",
    )


def _keep_broken(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\udcff", error.end


codecs.register_error(_BROKEN, _keep_broken)


def decode_to(target: Path, file: Path, compression: str, encoding: str, where: Where) -> None:
    """Write ``file`` to ``target`` as UTF-8. What can't be decoded becomes a byte that is not UTF-8."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with target.open("wb") as out:
            if encoding == "utf-8":
                with _raw(file, compression) as stream:
                    block = stream.read(_CHUNK).removeprefix(codecs.BOM_UTF8)
                    while block:
                        out.write(block)
                        block = stream.read(_CHUNK)
                return
            with open_text(file, compression, encoding, errors=_BROKEN) as text:
                part = text.read(_CHUNK).removeprefix("\ufeff")
                while part:
                    out.write(part.encode("utf-8", errors="surrogateescape"))
                    part = text.read(_CHUNK)
    except UnicodeError as error:
        # some codecs (utf-16 with a lone surrogate at the end) give up instead of asking the handler
        raise SourceError(
            f"{file.name} is not {encoding}: {error}", where=where, hint="set the file's own encoding:"
        ) from error
    except OSError as error:
        if compression == "none":
            raise SourceError(f"{file.name}: {error}", where=where) from error
        raise _damaged(file, compression, where) from error


def rejects_sql(table: str, scans: str) -> str:
    """Options of read_csv that keep broken lines in temporary tables and read on."""
    return f"store_rejects = true, rejects_table = {literal(table)}, rejects_scan = {literal(scans)}"


class TextFileSource(FileSource):
    """A source of text files. ``readable`` are encodings that DuckDB's reader of the format decodes."""

    config: TextConfig
    readable: ClassVar[Mapping[str, str]] = {"utf-8": "utf-8"}
    takes_bom = True

    def _read_codec(self) -> None:
        self._codec = codec(self.config.encoding, self.ctx.where)
        self._copies: dict[Path, Path] = {}
        self._whole: set[Path] = set()

    def _compression(self, file: Path) -> str:
        return compression_of(file, self.config.compression)

    def text(self, file: Path, errors: str = "surrogateescape") -> IO[str]:
        return open_text(file, self._compression(file), self._codec, errors)

    def make_readable(self, files: Sequence[Path]) -> None:
        """Copies as UTF-8 where DuckDB can't decode; compressed files are proved whole."""
        for file in files:
            if file in self._copies or file in self._whole:
                continue
            compression = self._compression(file)
            if self._codec in self.readable and compression != "bz2" and not self._starts_with_bom(file):
                if compression != "none":
                    prove_whole(file, compression, self.ctx.where)
                self._whole.add(file)
                continue
            parts = [part for part in file.parts[:-1] if "=" in part]
            copy = self.folder().joinpath(f"copy{len(self._copies)}", *parts, "copy.txt")
            decode_to(copy, file, compression, self._codec, self.ctx.where)
            self._copies[file] = copy

    def _starts_with_bom(self, file: Path) -> bool:
        if self.takes_bom or self._codec != "utf-8":
            return False
        with _raw(file, self._compression(file)) as stream:
            return bool(stream.read(3) == codecs.BOM_UTF8)

    def reader_of(self, file: Path) -> tuple[str, str]:
        """(compression, encoding) to tell DuckDB, after ``make_readable``."""
        if file in self._copies:
            return "none", "utf-8"
        return self._compression(file), self.readable[self._codec]

    def tolerant(self) -> str:
        """Options of a read_csv that leaves broken lines out, or nothing where they stop the run.

        ``store_rejects`` and not ``ignore_errors``: DuckDB 1.5.5 with the latter alone also loses good
        lines that follow a broken quote.
        """
        if not self.lenient:
            return ""
        name = f"{self.rejects or '_rejects'}_{uuid4().hex[:12]}"
        return rejects_sql(name, f"{name}_scans")

    def readable_paths(self, files: Sequence[Path]) -> str:
        return self.paths_sql([self._copies.get(file, file) for file in files])
