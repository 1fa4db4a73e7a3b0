"""The publish into a table of a table format: everything else waits beside the commit that decides.

What a publish will show besides rows (quarantine, replays, cursors, receipt) is written and made durable
under ``_sluiceway/staging`` first, and an **intent** that names the run. Then the format makes its commit, in
which the run's id stands: that commit is the decision. What follows (``carry_out``) is renames.

==========================  ============================================================================
killed                      what readers see, and what the next open does
==========================  ============================================================================
before the commit           the old rows; intent and staging are thrown away
after the commit            the new rows; the id is found in the table's log, renames are carried out
after the renames           the new rows; nothing is left to do
==========================  ============================================================================

The JVM that makes the commit may outlive the process that asked for it by some moments, so it holds a lock
of its own, and whoever settles an intent waits for it before looking into the log.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sluiceway.connectors.durable import sync_folder, write_json
from sluiceway.connectors.filejournal import Places, move_once, read_intent
from sluiceway.connectors.filerecords import receipt_json, receipt_of
from sluiceway.exchange import Receipt

__all__ = ["TableIntent"]


@dataclass(frozen=True)
class TableIntent:
    """``since``: the table's snapshot before. ``decided``: there is a decision and no commit of it, since
    no row changes. ``beside``: (staged, final) paths relative to the warehouse. ``receipt``: as JSON."""

    table: str
    run_id: str
    since: str | None
    beside: tuple[tuple[str, str], ...]
    receipt: dict[str, Any]
    decided: bool = False

    def write(self, places: Places) -> None:
        write_json(places.intent(self.table), asdict(self))

    @classmethod
    def load(cls, path: Path) -> TableIntent | None:
        """None where there is none."""
        found = read_intent(path)
        if found is None:
            return None
        return cls(**{**found, "beside": tuple((a, b) for a, b in found["beside"])})

    def carry_out(self, places: Places, snapshot: str | None) -> Receipt:
        """Idempotent, from any point at which it was killed. The caller holds the table's lock."""
        for staged, final in self.beside:
            (places.root / final).parent.mkdir(exist_ok=True)
            move_once(places.root / staged, places.root / final)
        receipt = replace(receipt_of(self.receipt), snapshot=snapshot)
        write_json(places.receipt(self.run_id, self.table), receipt_json(receipt))
        self.drop(places)
        return receipt

    def drop(self, places: Places) -> None:
        """What is left of the publish, whether it was carried out or never came about."""
        places.intent(self.table).unlink(missing_ok=True)
        sync_folder(places.intent(self.table).parent)
        shutil.rmtree(places.staging(self.table), ignore_errors=True)
