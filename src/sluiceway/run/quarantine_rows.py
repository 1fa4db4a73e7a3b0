"""How a row that was turned away is written down: exactly, with all its reasons."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sluiceway.rules.fuse import Check, any_bit
from sluiceway.sql.names import quoted
from sluiceway.sql.primitives import call, render

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sluiceway.schema import Schema

__all__ = ["FIXED", "Facts", "Kept", "fixed_rows", "kept_of", "quarantined_rows", "union", "unreadable_rows"]

FIXED = "fixed"
"""Stands as the source of a gate's rows that were put right and published: they wait for nothing but an
undo."""


@dataclass(frozen=True)
class Kept:
    """A column of a row in quarantine: its name and type, and where the staging has it, as what type if
    that is another."""

    name: str
    type: str
    column: str
    held: str = ""

    @property
    def text(self) -> exp.Expr:
        """The value as text that casts back to ``type``."""
        return call("string_of", exp.column(self.column, quoted=True), self.held or self.type)


def kept_of(schema: Schema) -> tuple[Kept, ...]:
    """Every column, under its own name."""
    return tuple(Kept(c.name, c.type, c.name) for c in schema)


@dataclass(frozen=True)
class Facts:
    """What every row of one quarantine SELECT says of where it comes from.

    ``tag`` keeps the ids of two SELECTs of one run, phase and source apart; ``started_at`` is UTC.
    """

    run_id: str
    pipeline: str
    dataset: str
    started_at: str
    phase: str
    source: str
    tag: str = ""


def _select(
    facts: Facts, relation: str, dialect: str, *, reasons: exp.Expr, row: exp.Expr, types: str
) -> str:
    prefix = f"{facts.run_id}:{facts.phase}:{facts.source}:{facts.tag}"
    number = exp.cast(call("row_id"), "VARCHAR", dialect="duckdb")
    moment = exp.cast(exp.Literal.string(facts.started_at), "TIMESTAMP", dialect="duckdb")
    values: dict[str, exp.Expr | str] = {
        "quarantine_id": call("concat", prefix, number),
        "run_id": facts.run_id,
        "pipeline": facts.pipeline,
        "dataset": facts.dataset,
        "phase": facts.phase,
        "source": facts.source,
        "reasons": reasons,
        "row": row,
        "types": types,
        "status": "waiting",
        "quarantined_at": moment,
    }
    listed = ", ".join(
        f"{render(exp.Literal.string(v) if isinstance(v, str) else v, dialect)} AS {quoted(name, dialect)}"
        for name, v in values.items()
    )
    return f"SELECT {listed} FROM {relation} AS _turned_away"


def quarantined_rows(
    checks: Sequence[Check], kept: Sequence[Kept], relation: str, facts: Facts, dialect: str
) -> str:
    """A SELECT in the layout of ``_sluiceway.quarantine`` over staged rows with their masks.

    Args:
        checks: those that turn rows away; a warning that a row has too is no reason to lie here.
        kept: the columns to keep, without the masks.
    """
    reasons: list[Any] = []
    for check in checks:
        broke = None if check.bit is None else any_bit([check.bit])
        if broke is not None:
            reasons += [broke, check.id]
    row: list[Any] = []
    for k in kept:
        row += [k.name, k.text]
    types = json.dumps({k.name: k.type for k in kept}, ensure_ascii=False)
    return _select(
        facts, relation, dialect,
        reasons=call("reasons_json", *reasons), row=call("row_json", *row), types=types,
    )  # fmt: skip


def fixed_rows(
    flags: Mapping[str, str],
    parts: Mapping[str, Sequence[Kept]],
    types: Mapping[str, str],
    relation: str,
    facts: Facts,
    dialect: str,
) -> str:
    """The same for rows that were put right and published: what they were, and what they became.

    Args:
        flags: the check that a row failed -> the boolean column that says so; they are its reasons.
        parts: ``key``, ``before``, ``after`` -> columns; each becomes a JSON object as text.
        types: the columns' types.
    """
    reasons: list[Any] = []
    for check, flag in flags.items():
        reasons += [exp.column(flag, quoted=True), check]
    row: list[Any] = []
    for part, kept in parts.items():
        row += [part, call("row_json", *(item for k in kept for item in (k.name, k.text)))]
    return _select(
        facts, relation, dialect,
        reasons=call("reasons_json", *reasons), row=call("row_json", *row),
        types=json.dumps(dict(types), ensure_ascii=False),
    )  # fmt: skip


def unreadable_rows(rejected: str, facts: Facts, dialect: str) -> str:
    """The same for lines that could not be read; ``rejected`` gives line, text and reason."""
    reason = call("concat", "unreadable: ", exp.column("reason", quoted=True))
    line = exp.cast(exp.column("line", quoted=True), "VARCHAR", dialect="duckdb")
    text = exp.column("text", quoted=True)
    return _select(
        facts, f"({rejected})", dialect,
        reasons=call("list_json", reason), row=call("row_json", "line", line, "text", text),
        types="{}",
    )  # fmt: skip


def union(selects: Sequence[str]) -> str | None:
    """All of them in one, or None."""
    return " UNION ALL ".join(f"({select})" for select in selects) if selects else None
