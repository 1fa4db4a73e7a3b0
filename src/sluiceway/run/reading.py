"""What may go wrong while sources are read, told by the source that it is about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sluiceway.errors import EngineError, SourceError

if TYPE_CHECKING:
    from sluiceway.run.resolve import Resolved

__all__ = ["reading", "unchanged"]


def unchanged(opened: Resolved, *names: str, cause: Exception | None = None) -> None:
    """Proof that what was read did not change meanwhile.

    Args:
        names: of sources; all of them if none is given.

    Raises:
        SourceError: one did.
    """
    for name in names or opened.sources:
        if opened.fingerprints[name] != opened.sources[name].fingerprint():
            raise SourceError(
                f"source '{name}' changed while it was read; nothing was published",
                where=opened.pipeline.sources[name].where,
                hint="run it again; write files under another name and rename them when they are whole",
            ) from cause


@contextmanager
def reading(opened: Resolved, *names: str) -> Iterator[None]:
    """An engine's error within is told by the source that it is about: file, line, server, what to do.

    Args:
        names: of the sources that may be read within; all of them if none is given.
    """
    try:
        yield
    except EngineError as error:
        unchanged(opened, *names, cause=error)
        for name in names or opened.sources:
            told = opened.sources[name].failure(error)
            if told is not None:
                raise told from error
        raise
