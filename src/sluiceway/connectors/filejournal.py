"""The publish of a file warehouse: an intent on disk, then renames that can be repeated.

Everything that a publish will show is written and made durable under ``_sluiceway/staging`` first. Then
the **intent** is written: from that instant the publish is decided. What follows (``carry_out``) is
renames alone, each of which is skipped when it was done before, so whoever finds an intent carries it
out again from the top. Without an intent, staging is thrown away and the run starts over.

=========================== ===========================================================================
killed                      what readers see, and what the next open does
=========================== ===========================================================================
before the intent           the old table; staging is thrown away
after it, before the rows   the old table; carried out
among renames of an append  some of the new files; carried out. One file: the old or the new table
at a replace                the old or the new table, in one step, where the system can exchange two
                            names (Linux); elsewhere the table may be absent for an instant
after the rows              the new table; quarantine, state and at last the receipt are carried out
=========================== ===========================================================================
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sluiceway.connectors.durable import exchange, file_key, rename, sync_folder, write_json
from sluiceway.errors import DestinationError

__all__ = ["Intent", "Places", "move_once", "read_intent"]


@dataclass(frozen=True)
class Places:
    """The folders of a file warehouse. ``system`` lies beside the tables, and no table is named so."""

    root: Path

    @property
    def system(self) -> Path:
        return self.root / "_sluiceway"

    def staging(self, table: str) -> Path:
        return self.system / "staging" / file_key(table)

    def intent(self, table: str) -> Path:
        return self.system / "intents" / f"{file_key(table)}.json"

    def schema(self, table: str) -> Path:
        return self.system / "tables" / f"{file_key(table)}.json"

    def state(self, pipeline: str) -> Path:
        return self.system / "state" / f"{file_key(pipeline)}.json"

    def receipt(self, run_id: str, table: str) -> Path:
        return self.system / "receipts" / f"{file_key(f'{run_id}:{table}')}.json"

    def quarantine(self, run_id: str, table: str) -> Path:
        return self.system / "quarantine" / f"{file_key(f'{run_id}:{table}')}.parquet"

    def status(self, name: str) -> Path:
        return self.system / "statuses" / f"{file_key(name)}.json"

    def make(self) -> None:
        for name in ("staging", "intents", "tables", "state", "receipts", "quarantine", "statuses", "locks"):
            (self.system / name).mkdir(parents=True, exist_ok=True)


@dataclass(frozen=True)
class Intent:
    """What ``carry_out`` does. Paths are relative to the warehouse; ``files`` to the table's folder.

    ``beside`` are (staged, final) pairs that follow the rows, in order; the receipt is the last.
    """

    table: str
    mode: str
    live: str
    rows: str
    files: tuple[str, ...]
    beside: tuple[tuple[str, str], ...]

    def write(self, places: Places) -> None:
        """The instant at which the publish is decided."""
        write_json(places.intent(self.table), self.__dict__)

    @classmethod
    def load(cls, path: Path) -> Intent | None:
        """None where there is none."""
        found = read_intent(path)
        if found is None:
            return None
        pairs = tuple((a, b) for a, b in found["beside"])
        return cls(**{**found, "files": tuple(found["files"]), "beside": pairs})

    def carry_out(self, places: Places) -> None:
        """Idempotent, from any point at which it was killed. The caller holds the table's lock."""
        live, rows = places.root / self.live, places.root / self.rows
        _make_durable(live.parent, places.root)
        if self.mode == "replace":
            self._replace(live, rows, places)
        else:
            self._append(live, rows)
        for staged, final in self.beside:
            move_once(places.root / staged, places.root / final)
        os.unlink(places.intent(self.table))  # noqa: PTH108 - the kill tests count this call
        sync_folder(places.intent(self.table).parent)
        shutil.rmtree(places.staging(self.table), ignore_errors=True)  # left-overs go at the next publish

    def _append(self, live: Path, rows: Path) -> None:
        for name in self.files:
            _make_durable((live / name).parent, live.parent)
            move_once(rows / name, live / name)

    def _replace(self, live: Path, rows: Path, places: Places) -> None:
        if (live / self.files[0]).exists():  # names hold the run: the new rows are in place already
            return
        if live.exists() and not exchange(rows, live):
            # no exchange here: the table is absent between these two steps
            rename(live, places.staging(self.table) / "old")
        if not live.exists():
            rename(rows, live)


def move_once(source: Path, target: Path) -> None:
    if source.exists():
        rename(source, target)
    elif not target.exists():
        raise DestinationError(
            f"{source} vanished before it was published to {target}",
            hint="nothing else may write under _sluiceway; restore that file, then run again",
        )


def _make_durable(folder: Path, root: Path) -> None:
    """Make ``folder`` below ``root``, each new name on disk."""
    missing = []
    while folder != root and not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        sync_folder(path.parent)


def read_intent(path: Path) -> dict[str, Any] | None:
    """None where there is none.

    Raises:
        DestinationError: it is damaged: written beside and renamed, it was not left so by a crash of ours.
    """
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise DestinationError(
            f"{path} is damaged: {error}", hint="restore it, or remove it to give that publish up"
        ) from error
    return found
