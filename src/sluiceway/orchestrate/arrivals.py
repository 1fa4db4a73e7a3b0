"""Runs that begin because something arrived: a dataset was published, files came."""

from __future__ import annotations

import glob
import hashlib
import stat
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.orchestrate.requests import request_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sluiceway.orchestrate.index import Entry
    from sluiceway.store.queue import JobRequest

__all__ = ["Arrival", "Drops", "arrivals"]

FILES = 10_000
"""Files that a pipeline's patterns may match; of more the newest are watched."""
APART = timedelta(seconds=5)
"""Between two looks at a pattern: a file that changes in between is still being written."""
_BUDGET = 0.05
"""Seconds that one tick looks at files; the patterns that are left are next tick's."""


@dataclass(frozen=True)
class Arrival:
    """What is remembered now, and the run that follows from it, if one does."""

    seen: dict[str, Any]
    request: JobRequest | None


@dataclass
class _Look:
    at: datetime
    before: Mapping[str, str]
    found: Mapping[str, str]


class Drops:
    """The files below a folder that patterns match, looked at in turn so that no look takes long.

    ``say`` is told of a pattern that matches more files than are watched, once.
    """

    def __init__(self, folder: Path, say: Callable[[Mapping[str, Any]], None] = lambda _: None) -> None:
        self._folder, self._say = str(folder), say
        self._looks: dict[tuple[str, ...], _Look] = {}
        self._full: set[tuple[str, ...]] = set()

    def look(self, wanted: set[tuple[str, ...]], now: datetime) -> set[tuple[str, ...]]:
        """Look at those that were not looked at lately, the one that waits longest first; those that were."""
        begun = time.monotonic()
        for gone in self._looks.keys() - wanted:
            del self._looks[gone]
        due = sorted(
            (0.0 if look is None else look.at.timestamp(), patterns)
            for patterns in wanted
            if (look := self._looks.get(patterns)) is None or not timedelta() <= now - look.at < APART
        )
        looked: set[tuple[str, ...]] = set()
        for _, patterns in due:
            if looked and time.monotonic() - begun > _BUDGET:
                break
            last = self._looks.get(patterns)
            self._looks[patterns] = _Look(now, {} if last is None else last.found, self._found(patterns))
            looked.add(patterns)
        return looked

    def files(self, patterns: tuple[str, ...]) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """File -> its size and time: those that are there, and of them those that did not change between the
        last two looks."""
        look = self._looks[patterns]
        return look.found, {path: s for path, s in look.found.items() if look.before.get(path) == s}

    def _found(self, patterns: tuple[str, ...]) -> dict[str, str]:
        found: dict[str, tuple[int, str]] = {}
        for pattern in patterns:
            for path in glob.iglob(pattern, root_dir=self._folder, recursive=True):  # noqa: PTH207  absolute ones too
                try:
                    status = Path(self._folder, path).stat()
                except OSError:
                    continue  # it went away while we looked
                if not stat.S_ISDIR(status.st_mode):
                    found[path] = (status.st_mtime_ns, f"{status.st_size}:{status.st_mtime_ns}")
        if len(found) > FILES:
            if patterns not in self._full:
                self._full.add(patterns)
                said = f"{', '.join(patterns)}: {len(found):,} files; only the newest {FILES:,} are watched"
                self._say({"event": "too many files", "message": said})
            found = dict(sorted(found.items(), key=lambda item: item[1])[-FILES:])
        return {path: stamp for path, (_, stamp) in found.items()}


def arrivals(
    entry: Entry,
    seen: Mapping[str, Any],
    published: Mapping[str, str],
    files: tuple[Mapping[str, str], Mapping[str, str]] | None,
) -> Arrival | None:
    """What arrived for a pipeline since ``seen`` was remembered; None where nothing changed.

    What is there when a schedule is seen first is remembered, and starts no run.

    Args:
        published: dataset -> when it was last published; of other pipelines' too.
        files: ``Drops.files``; None where nobody looked this time.
    """
    spec = entry.schedule
    assert spec is not None
    after = dict(seen)
    why: tuple[str, Mapping[str, str]] | None = None
    if files is not None:
        found, stable = files
        known = seen.get("files")
        if known is None:
            after["files"] = dict(found)
        else:
            floor = int(seen.get("floor", 0))
            new = {path: stamp for path, stamp in stable.items() if _is_new(path, stamp, known, floor)}
            after["files"] = {p: stable.get(p, known.get(p)) for p in found if p in stable or p in known}
            why = ("file", new) if new else None
        if len(found) >= FILES:
            after["floor"] = max(int(seen.get("floor", 0)), min(map(_time, after["files"].values())))
    if spec.datasets:
        ours = {name: published[name] for name in spec.datasets if name in published}
        known = seen.get("datasets")
        fresh = {name: at for name, at in ours.items() if known is not None and known.get(name) != at}
        if known is None:
            after["datasets"] = ours
        elif fresh and (spec.when == "any" or fresh.keys() >= set(spec.datasets)):
            after["datasets"] = {**known, **ours}
            why = ("dataset", fresh)
    if after == seen:
        return None
    return Arrival(after, None if why is None else _request(entry, *why))


def _is_new(path: str, stamp: str, known: Mapping[str, str], floor: int) -> bool:
    if path in known:
        return known[path] != stamp
    # of more files than are watched, an older one takes the place of one that went: it is none that came
    return _time(stamp) >= floor


def _time(stamp: str) -> int:
    return int(stamp.partition(":")[2])


def _request(entry: Entry, trigger: str, state: Mapping[str, str]) -> JobRequest:
    key = hashlib.sha256(repr(sorted(state.items())).encode()).hexdigest()[:32]
    return request_of(
        entry.config, "dataset" if trigger == "dataset" else "file", text=entry.text_to_run,
        once_key=f"{trigger} {entry.name} {key}", dedup_key=f"arrival {entry.name}",
    )  # fmt: skip
