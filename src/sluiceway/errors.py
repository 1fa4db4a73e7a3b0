"""Every exception that Sluiceway raises on purpose, in one tree.

::

    SluicewayError                    exit 1
    ├── ConfigError                   exit 2   what the user wrote can't be used
    │   ├── SpecError                          a file's text: unknown key, wrong type, missing file
    │   ├── PlanError                          names, types, SQL: found before any row is read
    │   └── MissingExtraError                  an optional package is not installed
    ├── GateError                     exit 3   the gate said no; the destination is as it was
    │   ├── DataValidationError                a source's rules blocked the run
    │   └── DataQualityError                   the gate's rules blocked the run
    └── RunError                      exit 1   something outside failed while running
        ├── SourceError                        reading
        ├── DestinationError                   writing, publishing, receipts
        ├── EngineError                        the engine itself: memory, disk, its own SQL
        ├── LockTimeoutError                   someone else holds the destination
        ├── StoreError                         the metadata store
        ├── CancelledError                     the run was told to stop
        ├── ETLException                       ETLProcessor
        └── DevelopmentException               DataPipelineWorkflow

A message says what happened; ``where`` says in which file, line and key; ``hint`` says what to type
or change next. Anything else that escapes is a bug of ours, and the command line shows its trace.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "CancelledError",
    "ConfigError",
    "DataQualityError",
    "DataValidationError",
    "DestinationError",
    "DevelopmentException",
    "ETLException",
    "EngineError",
    "GateError",
    "LockTimeoutError",
    "MissingExtraError",
    "PlanError",
    "RunError",
    "SluicewayError",
    "SourceError",
    "SpecError",
    "StoreError",
    "Where",
    "did_you_mean",
    "machine_error",
]


@dataclass(frozen=True)
class Where:
    """A place in something the user wrote.

    >>> str(Where("pipelines/orders.yml", 12, "rules[2].range.min"))
    'pipelines/orders.yml:12: rules[2].range.min'
    """

    file: str | None = None
    line: int | None = None
    key: str | None = None

    def __str__(self) -> str:
        place = self.file or ""
        if self.line is not None:
            place = f"{place}:{self.line}" if place else f"line {self.line}"
        return ": ".join(part for part in (place, self.key or "") if part)


class SluicewayError(Exception):
    """The root. ``exit_code`` is what the command line ends with."""

    exit_code = 1

    def __init__(
        self,
        message: str,
        *,
        where: Where | None = None,
        hint: str | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint
        self.details = details or {}

    def __str__(self) -> str:
        head = f"{self.where}: {self.message}" if self.where and str(self.where) else self.message
        return f"{head}\n  {self.hint}" if self.hint else head

    def as_dict(self) -> dict[str, Any]:
        """The one JSON shape of an error: type, message, where, hint, details."""
        where = self.where
        return {
            "type": type(self).__name__,
            "message": self.message,
            "where": None if where is None else {"file": where.file, "line": where.line, "key": where.key},
            "hint": self.hint,
            "details": self.details,
        }


class ConfigError(SluicewayError):
    """What the user wrote can't be used."""

    exit_code = 2


class SpecError(ConfigError):
    """A file's text is wrong: unknown key, wrong type, missing file or variable."""


class PlanError(ConfigError):
    """Names, types or SQL don't fit; found before any row is read."""


class MissingExtraError(ConfigError):
    """An optional package is needed.

    >>> print(MissingExtraError.of("kafka", "The kafka connector"))
    The kafka connector needs a package that is not installed
      pip install 'sluiceway[kafka]'
    """

    @classmethod
    def of(cls, extra: str, what: str) -> MissingExtraError:
        return cls(
            f"{what} needs a package that is not installed",
            hint=f"pip install 'sluiceway[{extra}]'",
        )


class GateError(SluicewayError):
    """The gate said no. ``result`` holds the run's result with all its checks."""

    exit_code = 3
    result: Any = None


class DataValidationError(GateError):
    """A source's rules blocked the run."""


class DataQualityError(GateError):
    """The gate's rules blocked the run."""


class RunError(SluicewayError):
    """Something outside failed while running."""


class SourceError(RunError):
    """Reading failed."""


class DestinationError(RunError):
    """Writing or publishing failed."""


class EngineError(RunError):
    """The engine failed: memory, disk, or SQL of ours that it refused."""


class LockTimeoutError(RunError):
    """Another process holds the destination."""


class StoreError(RunError):
    """The metadata store can't be reached or is of another version."""


class CancelledError(RunError):
    """The run was told to stop."""


class FencedError(CancelledError):
    """The run was given to another worker: this one may publish nothing, and say nothing of it."""


class ETLException(RunError):
    """An ``ETLProcessor`` phase failed."""


class DevelopmentException(RunError):
    """A ``DataPipelineWorkflow`` step failed."""


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_TOO_MANY = (errno.EMFILE, errno.ENFILE)


def machine_error(error: OSError) -> EngineError | None:
    """A full disk, a missing right, too many open files: the machine's state and no bug of ours.

    >>> print(machine_error(OSError(errno.ENOSPC, "No space left on device", "a.parquet")))
    a.parquet: No space left on device
      free some disk, or raise the quota or limit that was reached; then run it again
    >>> machine_error(OSError("anything else"))
    """
    if error.errno in _FULL:
        hint = "free some disk, or raise the quota or limit that was reached; then run it again"
    elif error.errno in _FORBIDDEN:
        hint = "let the user who runs this read and write there"
    elif error.errno in _TOO_MANY:
        hint = "raise the limit on open files: ulimit -n 4096"
    else:
        return None
    place = f"{error.filename2 or error.filename}: " if error.filename else ""
    return EngineError(f"{place}{error.strerror}", hint=hint)


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """A sentence that helps after a misspelling; the known names where nothing is close.

    >>> did_you_mean("uniqe", ["unique", "range"])
    "did you mean 'unique'?"
    >>> did_you_mean("zzz", ["unique", "range"])
    'expected one of: range, unique'
    """
    names = sorted(known)
    close = get_close_matches(wrong, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"expected one of: {', '.join(names)}" if names else "there are none"
