"""What a scheduled run waits for: the last runs of the pipelines in its ``depends_on``."""

from __future__ import annotations

from datetime import UTC, datetime
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from sluiceway.errors import PlanError, SpecError
from sluiceway.schema import TableName

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from sluiceway.orchestrate.index import Entry
    from sluiceway.store.queue import JobRequest

__all__ = ["Needs"]

_NEVER = datetime.min.replace(tzinfo=UTC)


class Needs:
    """By what the pipelines' files say; what they read is known to whoever resolves them. ``error`` is that
    they need each other in a circle, or one that there is not."""

    def __init__(self, entries: Iterable[Entry] = (), broken: Mapping[Path, str] | None = None) -> None:
        entries = list(entries)
        loaders: dict[str, list[str]] = {}
        waiting = [entry for entry in entries if entry.config.depends_on]
        for entry in entries if waiting else ():
            if entry.config.destination is not None:
                loaders.setdefault(_table(entry.config.destination.table), []).append(entry.name)
        self._of = {entry.name: tuple(dict.fromkeys(_names(entry, loaders))) for entry in waiting}
        ranks = _ranks(self._of)
        self._rank = ranks or {}
        # most are sound, and a scheduler asks in the middle of its ticks: the graph is for what it says
        sound = ranks is not None and self._rank.keys() <= {entry.name for entry in entries}
        self.error = None if sound else _wrong(entries, broken or {})

    def rank(self, name: str) -> int:
        """What it needs has a lesser one; 0 in a circle, and where it needs nothing."""
        return self._rank.get(name, 0)

    def of(self, name: str) -> tuple[str, ...]:
        """The pipelines that it needs itself."""
        return self._of.get(name, ())

    def ordered(self, requests: Sequence[JobRequest]) -> list[JobRequest]:
        """Moment by moment, each after those that it waits for, so that it finds them in the queue. In a
        circle nobody does."""
        if not any(request.after for request in requests):
            return list(requests)
        return sorted(requests, key=lambda r: (r.nominal_at or _NEVER, self.rank(r.pipeline)))


def _ranks(needs: Mapping[str, tuple[str, ...]]) -> dict[str, int] | None:
    """How many steps the longest way to a pipeline has; None where some need each other in a circle.

    >>> _ranks({"c": ("b", "a"), "b": ("a",)}), _ranks({"a": ("b",), "b": ("a",)})
    ({'a': 0, 'b': 1, 'c': 2}, None)
    """
    ranks: dict[str, int] = {}
    try:
        for name in TopologicalSorter(needs).static_order():
            ranks[name] = max((ranks[need] + 1 for need in needs.get(name, ())), default=0)
    except CycleError:
        return None
    return ranks


def _wrong(entries: Sequence[Entry], broken: Mapping[Path, str]) -> SpecError | None:
    from sluiceway.orchestrate.graph import Graph, declared_node

    try:
        Graph(
            (declared_node(entry.config, lambda table: ("", str(table))) for entry in entries),
            {file: SpecError(said) for file, said in broken.items()},
        )
    except SpecError as error:
        return error
    return None


def _names(entry: Entry, loaders: dict[str, list[str]]) -> Iterable[str]:
    for said in entry.config.depends_on:
        kind, _, name = said.partition(":")
        for need in [name] if kind == "pipeline" else loaders.get(_table(name), []):
            if need != entry.name:
                yield need


def _table(name: str) -> str:
    try:
        return str(TableName.parse(name)).casefold()
    except PlanError:  # its runs say so, and the schedules of the others go on
        return name.casefold()
