"""Runs that begin because something arrived: a dataset was published, files came."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sluiceway.orchestrate.requests import request_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sluiceway.orchestrate.index import Entry
    from sluiceway.spec.model import Project
    from sluiceway.store.queue import JobRequest
    from sluiceway.store.store import Store

__all__ = ["Arrival", "arrivals"]

FILES = 10_000
"""Files that a pattern may match; the ones that come first by name are watched."""


@dataclass(frozen=True)
class Arrival:
    """What is remembered now, and the run that follows from it, if one does."""

    seen: dict[str, Any]
    request: JobRequest | None


def arrivals(
    entry: Entry,
    seen: Mapping[str, Any],
    project: Project,
    before: dict[str, dict[str, str]],
    store: Store,
    environment: str,
) -> Arrival | None:
    """What arrived for a pipeline since ``seen`` was remembered; None where nothing changed.

    What is there when a schedule is seen first is remembered, and starts no run.
    """
    spec = entry.schedule
    assert spec is not None
    after, why = dict(seen), []
    if spec.datasets:
        published = store.schedules.published(environment, spec.datasets)
        known = seen.get("datasets")
        fresh = {name for name, at in published.items() if known is not None and known.get(name) != at}
        if known is None:
            after["datasets"] = published
        elif fresh and (spec.when == "any" or fresh >= set(spec.datasets)):
            after["datasets"] = {**known, **published}
            why.append(("dataset", after["datasets"]))
    if spec.files:
        found = _files(entry, project)
        stable = before.get(entry.name) == found  # a file that still grows waits for the next look
        before[entry.name] = found
        if stable and seen.get("files") != found:
            after["files"] = found
            new = {path for path, stamp in found.items() if seen.get("files", {}).get(path) != stamp}
            if "files" in seen and new:
                why.append(("file", found))
    if after == seen:
        return None
    return Arrival(after, _request(entry, why))


def _request(entry: Entry, why: list[tuple[str, Any]]) -> JobRequest | None:
    if not why:
        return None
    trigger, state = why[0]
    key = hashlib.sha256(repr(sorted(state.items())).encode()).hexdigest()[:32]
    return request_of(
        entry.config, "dataset" if trigger == "dataset" else "file",
        once_key=f"{trigger} {entry.name} {key}", dedup_key=f"arrival {entry.name}",
    )  # fmt: skip


def _files(entry: Entry, project: Project) -> dict[str, str]:
    spec = entry.schedule
    assert spec is not None
    found: dict[str, str] = {}
    for pattern in spec.files:
        for path in sorted(project.folder.glob(pattern))[:FILES]:
            try:
                status = path.stat()
            except OSError:
                continue  # it went away while we looked
            if path.is_file():
                found[str(path.relative_to(project.folder))] = f"{status.st_size}:{status.st_mtime_ns}"
    return found
