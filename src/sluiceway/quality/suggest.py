"""``suggest``: rules that data speaks for, each proven on all of its rows.

The profile proposes, one further scan disposes: whatever single rows can break is asked of all of them in one
query. Bounds are wider than what was seen, by rules that are stated with them, so that the next batch of
sound data keeps them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.duck import ident
from sluiceway.errors import PlanError, StoreError
from sluiceway.quality.loaded import classified
from sluiceway.quality.profile import SAMPLE, profile
from sluiceway.quality.profile_columns import is_covered
from sluiceway.quality.suggest_columns import Facts, column_proposals, is_category
from sluiceway.quality.suggest_history import History, history_of, history_proposals
from sluiceway.quality.suggest_model import MIN_ROWS, Proposal, Suggestion, Suggestions
from sluiceway.quality.suggest_tables import table_proposals
from sluiceway.quality.suggest_verify import verified
from sluiceway.run.standing import standing
from sluiceway.schema import Column, Schema
from sluiceway.spec.entries import core, parse_entries

if TYPE_CHECKING:
    from sluiceway.quality.model import Profile
    from sluiceway.run.standing import Standing
    from sluiceway.spec.model import Project

__all__ = ["suggest"]

_ONCE = ("accepted_values", "freshness", "length", "pattern", "range", "row_count", "type")
"""Rules of which a column has one: what is declared is not to be said again with other numbers."""


def suggest(
    target: Any,
    *,
    history: bool = False,
    min_confidence: float = 0.0,
    project: Project | None = None,
    environment: str | None = None,
    folder: Path | None = None,
    references: Sequence[str] = (),
    known: Sequence[Mapping[str, Any]] = (),
    contract: Path | None = None,
    sample: int = SAMPLE,
    memory_limit: str | None = None,
    threads: int | None = None,
    now: datetime | None = None,
    profiled: Profile | None = None,
) -> Suggestions:
    """Propose rules for whatever ``run.standing`` opens: a file, a dataset, ``CONNECTION:TABLE``, rows.

    Args:
        history: look at what the metadata store knows of the dataset's runs too: rows by run, cadence.
        min_confidence: 0..1; leave out what is less sure.
        references: datasets whose keys columns may refer to.
        known: items of ``rules:`` that are declared; they and what they decide are left out.
        contract: whose classified columns are only asked whether they are complete and unique.
        sample: rows that the profile looks at more closely.
        now: what ages are counted from.
        profiled: the profile of ``target`` where there is one, so that it is not read for it again. Columns
            whose values it hides are treated as classified; ``references`` and ``sample`` were its own.

    Raises:
        PlanError: no such thing, or a history of what has none. SourceError, EngineError: it can't be read.

    >>> rows = [{"id": i, "status": ("paid", "sent")[i % 2]} for i in range(200)]
    >>> [item.rule for item in suggest(rows).items if item.columns == ("status",)][1]
    {'accepted_values': {'column': 'status', 'values': ['paid', 'sent']}}
    """
    begun, now = time.monotonic(), now or datetime.now(UTC)
    runs = _history(target, project, environment) if history else None
    hidden = classified(target, project, contract)
    found = profiled or profile(
        target, project=project, environment=environment, folder=folder, references=references, sample=sample,
        contract=contract, memory_limit=memory_limit, threads=threads,
    )  # fmt: skip
    hidden |= {c.name.casefold() for c in found.columns if is_covered(c)}
    if found.rows < MIN_ROWS:
        words = f"{found.rows:,} rows are too few to learn from: {MIN_ROWS} at least"
        return Suggestions(
            found.dataset, found.rows, scans=found.scans, seconds=time.monotonic() - begun,
            notes=(*found.notes, words), schema=_schema_of(found),
        )  # fmt: skip
    with standing(
        target, project=project, environment=environment, folder=folder, memory_limit=memory_limit,
        threads=threads,
    ) as data:  # fmt: skip
        facts, reads = _facts(found, data, hidden)
        proposals = _proposals(found, facts, data, now, runs)
        fresh = [p for p in proposals if not _is_known(p, known)]
        done = verified(
            fresh, data, found.rows, bounds=_bounds(found),
            started_at=f"{now.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}",
        )  # fmt: skip
    kept = [item for item in done.items if item.confidence >= min_confidence]
    return Suggestions(
        found.dataset, found.rows, tuple(_in_order(kept, found)), done.refuted, len(proposals) - len(fresh),
        found.scans + reads + done.scans, time.monotonic() - begun, found.notes, data.schema,
    )  # fmt: skip


def _schema_of(found: Profile) -> Schema:
    return Schema(tuple(Column(c.name, c.type) for c in found.columns))


def _history(target: Any, project: Project | None, environment: str | None) -> History:
    from sluiceway.store.store import Store

    if project is None or not isinstance(target, str):
        raise PlanError("only a project's datasets have a history", hint="leave out --history")
    env = environment or project.environments[0].name
    with Store.open(project.metadata) as store:
        try:
            store.dataset(target, env)
        except StoreError as error:
            raise PlanError(error.message, hint=error.hint or "leave out --history") from error
        return history_of(store, target, env)


def _facts(found: Profile, data: Standing, hidden: frozenset[str]) -> tuple[Facts, int]:
    """What the proposals ask beside the profile; and how many reads that took."""
    families = {c.name: c.family for c in data.schema}
    keys = frozenset(k.columns[0] for k in found.keys if len(k.columns) == 1)
    wanted = [
        c.name
        for c in found.columns
        if is_category(c, families[c.name])
        and len(c.top) < (c.distinct or 0)
        and c.name.casefold() not in hidden
    ]
    listed: dict[str, dict[Any, int]] = {}
    if wanted:
        counts = ", ".join(f"map_entries(histogram({ident(name)}))" for name in wanted)
        row = data.engine.query(f"SELECT {counts} FROM ({data.sql}) AS _all")[0]
        listed = {
            name: {entry["key"]: int(entry["value"]) for entry in entries or ()}
            for name, entries in zip(wanted, row, strict=True)
        }
    return Facts(found.rows, families, keys, hidden, listed), bool(wanted)


def _proposals(
    found: Profile, facts: Facts, data: Standing, now: datetime, runs: History | None
) -> list[Proposal]:
    out = [p for c in found.columns for p in column_proposals(c, facts)]
    tables = list(table_proposals(found, facts, data.engine, data.sql, now))
    if runs is not None:
        fresh = next((p for p in tables if p.source == "Freshness"), None)
        told = list(history_proposals(runs, fresh))
        said = {next(iter(p.rule)) for p in told}
        tables = [p for p in tables if next(iter(p.rule)) not in said] + told
    return out + tables


def _bounds(found: Profile) -> dict[str, tuple[Any, Any, int | None]]:
    return {
        c.name: (c.minimum, c.maximum, c.nulls)
        for c in found.columns
        if type(c.minimum) is int and type(c.maximum) is int
    }


def _is_known(proposal: Proposal, known: Sequence[Mapping[str, Any]]) -> bool:
    """Whether it is declared, or a rule of its kind is for these columns."""
    if not known:
        return False
    (mine,) = parse_entries([proposal.rule])
    for entry in parse_entries(list(known)):
        if core(entry) == core(mine) or (mine.rule.name and entry.rule.name == mine.rule.name):
            return True
        same = entry.rule.kind == mine.rule.kind and entry.rule.columns_used == mine.rule.columns_used
        if same and mine.rule.kind in _ONCE:
            return True
    return False


def _in_order(items: Sequence[Suggestion], found: Profile) -> list[Suggestion]:
    """By the table's columns, then the surest first; rules about the whole table last."""
    place = {c.name: i for i, c in enumerate(found.columns)}

    def key(item: Suggestion) -> tuple[int, bool, float, str]:
        first = min((place.get(c, 0) for c in item.columns), default=len(place))
        return first, len(item.columns) > 1, -item.confidence, item.source

    return sorted(items, key=key)
