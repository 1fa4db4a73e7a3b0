"""What runs wrote on their outputs: kept in the store, so that it is read from any machine. Bounded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, select

from sluiceway.store.jobtables import run_logs
from sluiceway.store.runs import upsert
from sluiceway.store.values import outgoing, text

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

__all__ = ["LogBook"]

_Open = Callable[[], AbstractContextManager["Connection"]]


class LogBook:
    """``Store.logs``. A run's lines come in chunks, numbered from 0; written again a chunk is the same."""

    def __init__(self, read: _Open, write: _Open) -> None:
        self._read, self._write = read, write

    def append(self, run_id: str, seq: int, lines: Sequence[str], at: datetime) -> None:
        """One chunk. The caller keeps count, and bounds how much it keeps."""
        row = {"run_id": run_id, "seq": seq, "at": at, "text": text("\n".join(lines))}
        with self._write() as con:
            upsert(con, run_logs, [row])

    def next_seq(self, run_id: str) -> int:
        """The number of a run's next chunk."""
        with self._read() as con:
            last = con.execute(select(func.max(run_logs.c.seq)).where(run_logs.c.run_id == run_id)).scalar()
        return 0 if last is None else int(last) + 1

    def read(self, run_id: str, after: int = -1) -> list[dict[str, Any]]:
        """Chunks with a number above ``after``: ``{seq, at, text}``."""
        columns = (run_logs.c.seq, run_logs.c.at, run_logs.c.text)
        statement = (
            select(*columns)
            .where(run_logs.c.run_id == text(run_id), run_logs.c.seq > after)
            .order_by(run_logs.c.seq)
        )
        with self._read() as con:
            return [
                {"seq": seq, "at": outgoing(at), "text": said} for seq, at, said in con.execute(statement)
            ]

    def prune(self, before: datetime) -> int:
        """Forget chunks written before then."""
        with self._write() as con:
            return con.execute(delete(run_logs).where(run_logs.c.at < before)).rowcount
