"""What an earlier try of a run fetched, so that the next one goes on from there.

Only sources that stream are fetched: over a network, by the page, out of somebody's quota. What can be
scanned where it lies is read again. A fetch counts once its manifest is written, after its last row; it is
taken for the same fetch where source, conditions, cursor and boot of the machine are the same.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.engines.duckdb import stage_of
from sluiceway.schema import Column, Schema
from sluiceway.store.process import identity

if TYPE_CHECKING:
    from sluiceway.connectors.base import Read, Source
    from sluiceway.engines.base import Stage

__all__ = ["Fetched", "hand_on", "strip"]

log = logging.getLogger("sluiceway.run")
_MANIFEST = "stream_*.json"


@dataclass(frozen=True)
class Fetched:
    """Of one run. ``folder`` is the embedded engine's staging; ``again``: there may be another try."""

    folder: Path
    again: bool = False

    def find(self, place: str, source: Source, read: Read) -> Stage | None:
        """What an earlier try fetched under this name, if it is what would be fetched now."""
        manifest = self.folder / f"{place}.json"
        if not manifest.exists():
            return None
        said = json.loads(manifest.read_text(encoding="utf-8"))
        files = tuple(self.folder / place / name for name, _ in said["files"])
        sizes = [file.stat().st_size if file.exists() else None for file in files]
        if said["digest"] != _digest(source, read) or sizes != [size for _, size in said["files"]]:
            return None
        log.info("%s rows of an earlier try are taken as they were fetched", f"{said['rows']:,}")
        schema = Schema(tuple(Column(name, type) for name, type in said["schema"]))
        return stage_of(place, files, schema, said["rows"])

    def keep(self, stage: Stage, source: Source, read: Read) -> None:
        """For the next try, if there may be one and all rows could be read."""
        if not self.again or source.config.on_bad_row != "fail":
            return
        said: dict[str, Any] = {
            "digest": _digest(source, read), "rows": stage.rows,
            "schema": [[column.name, column.type] for column in stage.schema],
            "files": [[file.name, file.stat().st_size] for file in stage.files],
        }  # fmt: skip
        fresh = self.folder / f"{stage.name}.{os.getpid()}"
        fresh.write_text(json.dumps(said), encoding="utf-8")
        fresh.replace(self.folder / f"{stage.name}.json")


def _digest(source: Source, read: Read) -> str:
    facts = (
        type(source).__name__, repr(source.config), repr(read), source.fingerprint(),
        identity()["boot_id"],  # files that were written before the machine went down may not be whole
    )  # fmt: skip
    return hashlib.sha256("\0".join(map(str, facts)).encode(errors="surrogateescape")).hexdigest()


def hand_on(earlier: Path, folder: Path) -> None:
    """Move what a try fetched into the staging of the next one."""
    for manifest in sorted(earlier.glob(_MANIFEST)):
        rows, there = earlier / manifest.stem, folder / manifest.stem
        if rows.is_dir() and not there.exists():
            rows.rename(there)
            manifest.rename(folder / manifest.name)


def strip(folder: Path) -> None:
    """Leave in a try's staging what it fetched, and nothing else."""
    kept = {name for manifest in folder.glob(_MANIFEST) for name in (manifest.name, manifest.stem)}
    for entry in folder.iterdir() if folder.is_dir() else ():
        if entry.name not in kept:
            shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink(missing_ok=True)
