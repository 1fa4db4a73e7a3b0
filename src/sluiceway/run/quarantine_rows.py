"""How a row that was turned away is written down: exactly, with all its reasons."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sluiceway.duck import ident, literal
from sluiceway.rules.fuse import Check, bit_value, mask_column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sluiceway.schema import Schema

__all__ = ["Kept", "kept_of", "quarantined_rows", "union", "unreadable_rows"]


@dataclass(frozen=True)
class Kept:
    """A column of a row in quarantine: its name and type, and where the staging has it."""

    name: str
    type: str
    column: str


def kept_of(schema: Schema) -> tuple[Kept, ...]:
    """Every column, under its own name."""
    return tuple(Kept(c.name, c.type, c.name) for c in schema)


def _reasons(checks: Sequence[Check]) -> str:
    """A JSON list of the ids whose bit is set."""
    cases = [
        f"CASE WHEN ({ident(mask_column(c.bit))} & {bit_value(c.bit)}) <> 0 THEN {literal(c.id)} END"
        for c in checks
        if c.bit is not None
    ]
    return f"CAST(to_json(list_filter([{', '.join(cases)}], lambda x: x IS NOT NULL)) AS VARCHAR)"


def _row(kept: Sequence[Kept]) -> str:
    """A JSON object with every value as text: text casts back to its type exactly, JSON's numbers
    would not."""
    pairs = ", ".join(f"{literal(k.name)}, CAST({ident(k.column)} AS VARCHAR)" for k in kept)
    return f"CAST(json_object({pairs}) AS VARCHAR)"


def _select(
    *, run_id: str, pipeline: str, dataset: str, phase: str, source: str, started_at: str,
    number: str, reasons: str, row: str, types: str, relation: str,
) -> str:  # fmt: skip
    prefix = f"{run_id}:{phase}:{source}:"
    values = {
        "quarantine_id": f"{literal(prefix)} || CAST({number} AS VARCHAR)",
        "run_id": literal(run_id),
        "pipeline": literal(pipeline),
        "dataset": literal(dataset),
        "phase": literal(phase),
        "source": literal(source),
        "reasons": reasons,
        "row": row,
        "types": literal(types),
        "status": literal("waiting"),
        "quarantined_at": f"CAST({literal(started_at)} AS TIMESTAMP)",
    }
    columns = ", ".join(f"{sql} AS {ident(name)}" for name, sql in values.items())
    return f"SELECT {columns} FROM {relation} AS _turned_away"


def quarantined_rows(
    checks: Sequence[Check],
    kept: Sequence[Kept],
    relation: str,
    *,
    run_id: str,
    pipeline: str,
    dataset: str,
    phase: str,
    source: str,
    started_at: str,
) -> str:
    """A SELECT in the layout of ``_sluiceway.quarantine`` over staged rows with their masks (DuckDB).

    Args:
        checks: those that turn rows away; a warning that a row has too is no reason to lie here.
        kept: the columns to keep, without the masks.
    """
    types = json.dumps({k.name: k.type for k in kept}, ensure_ascii=False)
    return _select(
        run_id=run_id, pipeline=pipeline, dataset=dataset, phase=phase, source=source,
        started_at=started_at, number="row_number() OVER ()", reasons=_reasons(checks),
        row=_row(kept), types=types, relation=relation,
    )  # fmt: skip


def unreadable_rows(
    rejected: str, *, run_id: str, pipeline: str, dataset: str, source: str, started_at: str
) -> str:
    """The same for lines that could not be read; ``rejected`` gives line, text and reason."""
    return _select(
        run_id=run_id, pipeline=pipeline, dataset=dataset, phase="source", source=source,
        started_at=started_at, number="'unreadable-' || CAST(row_number() OVER () AS VARCHAR)",
        reasons="CAST(to_json(['unreadable: ' || reason]) AS VARCHAR)",
        row="CAST(json_object('line', CAST(line AS VARCHAR), 'text', text) AS VARCHAR)",
        types="{}", relation=f"({rejected})",
    )  # fmt: skip


def union(selects: Sequence[str]) -> str | None:
    """All of them in one, or None."""
    return " UNION ALL ".join(f"({select})" for select in selects) if selects else None
