"""What the load modes mean, said naively: rows are dicts, tables are lists, one row after another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

Row = dict[str, Any]

__all__ = ["append", "merge", "replace", "scd2"]


def append(table: list[Row], batch: list[Row]) -> list[Row]:
    return [*table, *batch]


def replace(table: list[Row], batch: list[Row]) -> list[Row]:
    return list(batch)


def merge(
    table: list[Row], batch: list[Row], key: tuple[str, ...], version: str | None = None
) -> tuple[list[Row], int]:
    """The table after the merge, and how many rows of the batch were late."""
    table, late = list(table), 0
    for row in batch:
        same = [old for old in table if _key(old, key) == _key(row, key)]
        if version is not None and any(_newer(old[version], row[version]) for old in same):
            late += 1
            continue
        table = [old for old in table if old not in same] + [row]
    return table, late


def _newer(old: Any, new: Any) -> bool:
    return old is not None and (new is None or new < old)


def scd2(
    table: list[Row],
    batch: list[Row],
    key: tuple[str, ...],
    started_at: datetime,
    *,
    effective_at: str | None = None,
    close: bool = False,
) -> tuple[list[Row], bool]:
    """The table after the batch, and whether any row was late. One fact at a time, oldest first."""
    table, late = [dict(row) for row in table], False
    if close:
        table = _close(table, {_key(row, key) for row in batch}, key, started_at)
    before = {id(row): (row["valid_from"], row["valid_to"]) for row in table}
    for fact in sorted(batch, key=lambda row: row[effective_at] if effective_at else started_at):
        at = fact[effective_at] if effective_at else started_at
        mine = sorted(
            (row for row in table if _key(row, key) == _key(fact, key)), key=lambda r: r["valid_from"]
        )
        cover = next((r for r in mine if r["valid_from"] <= at and _later(r["valid_to"], at)), None)
        if cover is not None and _content(cover, key, effective_at) == _content(fact, key, effective_at):
            continue
        known = [before[id(r)] for r in table if id(r) in before and _key(r, key) == _key(fact, key)]
        late = late or any(begin >= at or (end is not None and end > at) for begin, end in known)
        following = [r["valid_from"] for r in mine if r["valid_from"] > at]
        end = cover["valid_to"] if cover is not None else min(following, default=None)
        if cover is not None:
            cover["valid_to"] = at
            if cover["valid_from"] == at:
                table = [r for r in table if r is not cover]
        table.append({**fact, "valid_from": at, "valid_to": end})
    return table, late


def _close(table: list[Row], keys: set[tuple[Any, ...]], key: tuple[str, ...], now: datetime) -> list[Row]:
    kept = []
    for row in table:
        if row["valid_to"] is None and _key(row, key) not in keys:
            if row["valid_from"] >= now:
                continue
            row["valid_to"] = now
        kept.append(row)
    return kept


def _key(row: Row, key: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(row[k] for k in key)


def _later(end: datetime | None, at: datetime) -> bool:
    return end is None or end > at


def _content(row: Row, key: tuple[str, ...], effective_at: str | None) -> Row:
    skip = {*key, effective_at, "valid_from", "valid_to"}
    return {name: value for name, value in row.items() if name not in skip}
