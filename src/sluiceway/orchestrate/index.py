"""The project's pipelines, read again only where a file changed. A file that broke keeps its last version."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sluiceway.errors import SluicewayError
from sluiceway.spec.pipeline import PipelineConfig
from sluiceway.spec.schedule import ScheduleSpec, schedule_of
from sluiceway.spec.variables import substitute

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sluiceway.spec.model import Project

__all__ = ["Entry", "Index"]


@dataclass(frozen=True)
class Entry:
    """A pipeline's file as it was last readable. ``error`` says why it is not now."""

    name: str
    file: Path
    config: PipelineConfig
    schedule: ScheduleSpec | None
    error: str | None = None


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
            self.entries = {e.name: e for _, e in self._known.values() if e is not None}
        return changed

    def _read(self, name: str, before: Entry | None) -> Entry | None:
        path = Path(name)
        try:
            config = PipelineConfig.load(path)
            entry = Entry(config.pipeline, path, config, _schedule(config))
        except (SluicewayError, OSError, ValueError) as error:
            said = " ".join(str(error).split())
            if before is None:
                self.broken[path] = said
                return None
            return Entry(before.name, path, before.config, before.schedule, said)
        self.broken.pop(path, None)
        return entry


def _schedule(config: PipelineConfig) -> ScheduleSpec | None:
    declared = config.schedule
    if isinstance(declared, str):
        declared = substitute(declared, config.where, path=("schedule",))
    return schedule_of(declared, config.timezone)


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
            status = entry.stat()
            yield entry.path, (status.st_mtime_ns, status.st_size)
