"""The project's pipelines, read again only where a file changed. A file that broke keeps its last version."""

from __future__ import annotations

import gc
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sluiceway.errors import SluicewayError
from sluiceway.orchestrate.requests import settled
from sluiceway.spec.pipeline import PipelineConfig
from sluiceway.spec.schedule import ScheduleSpec, schedule_of
from sluiceway.spec.yaml import shown
from sluiceway.units import duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sluiceway.spec.model import Project

__all__ = ["Entry", "Index", "scheduled"]


_MANY = 1_000
"""So many files that were read at once stay, and the collector is not to walk them again and again: 10,000
pipelines would hold a tick up for 0.15 s each time."""


@dataclass(frozen=True)
class Entry:
    """A pipeline's file as it was last readable, with its ``text``. ``error`` says why it is not now."""

    name: str
    file: Path
    config: PipelineConfig
    schedule: ScheduleSpec | None
    text: str = ""
    error: str | None = None

    @property
    def sla(self) -> float | None:
        """Seconds."""
        return None if self.config.sla is None else duration(self.config.sla)

    @property
    def text_to_run(self) -> str | None:
        """What its runs read in place of the file; None where the file itself is sound."""
        return None if self.error is None else self.text


class Index:
    """``refresh`` it, then look at ``entries`` by name; ``broken`` are files that were never readable."""

    def __init__(self, project: Project) -> None:
        self._folder = str(project.folder / "pipelines")
        self._known: dict[str, tuple[tuple[int, int], Entry | None]] = {}
        self.entries: dict[str, Entry] = {}
        self.broken: dict[Path, str] = {}

    def refresh(self) -> set[str]:
        """Look for changed files; the names of pipelines that are new, changed or gone."""
        there, changed = {}, set()
        for path, stamp in _stamps(self._folder):
            there[path] = stamp
            known = self._known.get(path)
            if known is not None and known[0] == stamp:
                continue
            entry = self._read(path, None if known is None else known[1])
            self._known[path] = (stamp, entry)
            changed |= {e.name for e in (entry, known and known[1]) if e is not None}
        for path in [path for path in self._known if path not in there]:
            _, gone = self._known.pop(path)
            self.broken.pop(Path(path), None)
            changed |= set() if gone is None else {gone.name}
        if changed:
            self._gather()
        if len(changed) >= _MANY:
            gc.collect()
            gc.freeze()
        return changed

    def _gather(self) -> None:
        """By name. Of two files with one name the first by path counts, and both say so."""
        found: dict[str, Entry] = {}
        for _, (_, entry) in sorted(self._known.items()):
            if entry is None:
                continue
            first = found.setdefault(entry.name, entry)
            if first is not entry:
                said = f"{shown(entry.file)} and {shown(first.file)} are both called {entry.name}; rename one"
                found[entry.name] = replace(first, error=first.error or said)
        self.entries = found

    def _read(self, name: str, before: Entry | None) -> Entry | None:
        path = Path(name)
        try:
            text = path.read_text(encoding="utf-8")
            config = settled(PipelineConfig.load(path))
            entry = Entry(config.pipeline, path, config, schedule_of(config.schedule, config.timezone), text)
        except (SluicewayError, OSError, UnicodeDecodeError) as error:
            said = " ".join(str(error).split())
            if before is None:
                self.broken[path] = said
                return None
            return replace(before, error=said)
        self.broken.pop(path, None)
        return entry


def scheduled(config: PipelineConfig) -> ScheduleSpec | None:
    """The schedule that a file declares, with its variables put in.

    Raises:
        SpecError: a variable is not defined, or what it holds is no schedule; with the place.
    """
    found = settled(config)
    return schedule_of(found.schedule, found.timezone)


def _stamps(folder: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """Every YAML file below with its (mtime, size)."""
    try:
        found = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in found:
        if entry.is_dir(follow_symlinks=False):
            yield from _stamps(entry.path)
        elif entry.name.endswith((".yml", ".yaml")):
            try:
                status = entry.stat()
            except OSError:
                continue  # it went away while we looked
            yield entry.path, (status.st_mtime_ns, status.st_size)
