"""What became of the rules of one table: by their ids, and by what they ask."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sluiceway.errors import SluicewayError
from sluiceway.rules.params import duration
from sluiceway.spec.contract import ObjectReader
from sluiceway.spec.contract_change import BREAKING, INFORMATIONAL, NON_BREAKING, Change, Level
from sluiceway.spec.entries import Entry, core, entry_of, fields_of, normal, options_of, parse_entries
from sluiceway.spec.yaml import Document

__all__ = ["rule_changes"]

_STRENGTH = {"warn": 1, "fix": 2, "quarantine": 2, "block": 3}
_PROMISES = ("not_null", "unique")
"""Presence and keys: readers' code stands on them, so losing one is breaking."""
_LOWER, _UPPER = ("min", "min_exclusive"), ("max", "max_exclusive")
_WORDS = {"description", "dimension", "severity", "name"}


@dataclass(frozen=True)
class _Ruled:
    """A rule with what it is called in results."""

    id: str
    entry: Entry

    @property
    def strength(self) -> int:
        """0: in shadow; 1: warns; 2: turns rows away; 3: blocks."""
        if self.entry.rule.shadow:
            return 0
        return _STRENGTH.get(self.entry.rule.effective_on_fail, 3)

    @property
    def shown(self) -> dict[str, Any]:
        return entry_of(self.entry)


def rule_changes(
    name: str, old: dict[str, Any], new: dict[str, Any], added: set[str], removed: set[str]
) -> Iterator[Change]:
    """Differences between the rules of two schema objects.

    Rules about columns that came or went are part of that change, and the key's own are told as the key.
    """
    before_key, after_key = _key(old), _key(new)
    if before_key != after_key:
        yield _key_change(name, before_key, after_key)
    before = _rules(old, before_key, removed)
    after = _rules(new, after_key, added)
    for was in list(before):
        same = next((now for now in after if normal(now.entry) == normal(was.entry)), None)
        if same is not None:
            before.remove(was)
            after.remove(same)
    for was in before:
        found = _successor(was, after)
        if found is None:
            yield from _lost(name, was)
        else:
            after.remove(found)
            yield from _became(name, was, found)
    for now in after:
        yield from _gained(name, now)


def _rules(declared: dict[str, Any], key: list[str], skip: Iterable[str]) -> list[_Ruled]:
    found: list[_Ruled] = []
    for _, item in ObjectReader(Document(declared), (), declared).entries():
        for entry in parse_entries([item]):
            columns = _columns(entry)
            of_key = entry.rule.kind == "unique" and list(columns) == key and not options_of(entry)
            if not of_key and not set(columns) & set(skip):
                found.append(_Ruled(entry.rule.name or entry.rule.default_id(), entry))
    return found


def _columns(entry: Entry) -> tuple[str, ...]:
    try:
        return entry.rule.columns_used
    except SluicewayError:  # SQL that can't be read has no columns; lint says what is wrong with it
        return ()


def _key(declared: Mapping[str, Any]) -> list[str]:
    parts = [
        (item.get("primaryKeyPosition", -1), n, str(item.get("physicalName") or item.get("name")))
        for n, item in enumerate(declared.get("properties") or ())
        if item.get("primaryKey") is True
    ]
    if all(isinstance(position, int) and position > 0 for position, _, _ in parts):
        parts.sort()
    return [name for _, _, name in parts]


def _key_change(name: str, old: list[str], new: list[str]) -> Change:
    was, now = ", ".join(old) or "nothing", ", ".join(new) or "nothing"
    if sorted(old) == sorted(new):
        return Change("key_reordered", INFORMATIONAL, name, f"the key is ({now}), it was ({was})", old, new)
    return Change("key_changed", BREAKING, name, f"the primary key is {now}, it was {was}", old, new)


def _successor(was: _Ruled, after: list[_Ruled]) -> _Ruled | None:
    """The rule that this one has become: what asks the same, else what is called the same."""
    asked = core(was.entry)
    for now in after:
        if core(now.entry) == asked:
            return now
    for now in after:
        if now.id == was.id and now.entry.rule.kind == was.entry.rule.kind:
            return now
    return None


def _path(name: str, rule: _Ruled) -> str:
    columns = _columns(rule.entry)
    return f"{name}.{columns[0]}" if len(columns) == 1 else name


def _lost(name: str, was: _Ruled) -> Iterator[Change]:
    kind, path, shown = was.entry.rule.kind, _path(name, was), was.shown
    if kind in _PROMISES and was.strength >= 2:
        word = "required" if kind == "not_null" else "unique"
        said = "it may be without a value now" if kind == "not_null" else "its values may repeat now"
        yield Change(f"{word}_removed", BREAKING, path, said, shown)
    else:
        level: Level = NON_BREAKING if was.strength else INFORMATIONAL
        yield Change("rule_removed", level, path, f"rule {was.id} is gone", shown)


def _gained(name: str, now: _Ruled) -> Iterator[Change]:
    kind, path, shown = now.entry.rule.kind, _path(name, now), now.shown
    acts = {0: "in shadow", 1: "warns", 2: "turns rows away", 3: "blocks"}[now.strength]
    level: Level = BREAKING if now.strength >= 2 else NON_BREAKING if now.strength else INFORMATIONAL
    if kind in _PROMISES and now.strength >= 2:
        word = "required" if kind == "not_null" else "unique"
        said = "it must have a value now" if kind == "not_null" else "its values must not repeat now"
        yield Change(f"{word}_added", level, path, said, None, shown)
    else:
        yield Change("rule_added", level, path, f"rule {now.id} is new ({acts})", None, shown)


def _became(name: str, was: _Ruled, now: _Ruled) -> Iterator[Change]:
    path = _path(name, now)
    acting = max(was.strength, now.strength) >= 2
    if core(was.entry) != core(now.entry):
        yield from _asks(path, was, now)
    if was.strength != now.strength:
        stronger = now.strength > was.strength
        lost = was.entry.rule.kind in _PROMISES and was.strength >= 2 > now.strength
        level: Level = BREAKING if (stronger and now.strength >= 2) or lost else NON_BREAKING
        kind = "rule_enforced" if stronger else "rule_relaxed"
        said = "is enforced more strictly" if stronger else "is enforced less strictly"
        yield Change(kind, level, path, f"rule {now.id} {said}", was.shown, now.shown)
    before, after = options_of(was.entry), options_of(now.entry)
    differ = {key for key in {**before, **after} if before.get(key) != after.get(key)}
    if "tolerance" in differ:
        yield _tolerance(path, was, now)
    if differ & {"where", "scope"} or (was.strength == now.strength and "on_fail" in differ):
        level = BREAKING if acting else INFORMATIONAL
        yield Change("rule_changed", level, path, f"rule {now.id} judges otherwise", was.shown, now.shown)
    if differ & _WORDS and was.strength == now.strength:
        told = ", ".join(sorted(differ & _WORDS))
        yield Change(
            "rule_words_changed", INFORMATIONAL, path, f"rule {now.id}: {told} changed", was.shown, now.shown
        )


def _tolerance(path: str, was: _Ruled, now: _Ruled) -> Change:
    old, new = was.entry.rule.tolerance, now.entry.rule.tolerance
    unlimited = was.entry.rule.declared_on_fail != "block"
    pairs = [(t.rows, t.percent) if t is not None else (None, None) for t in (old, new)]
    (rows, share), (rows_now, share_now) = pairs
    if old is None:
        tighter: bool | None = unlimited
    elif new is None:
        tighter = not unlimited
    elif rows is not None and rows_now is not None:
        tighter = rows_now < rows
    elif share is not None and share_now is not None:
        tighter = share_now < share
    else:
        tighter = None
    if tighter is False:
        return Change(
            "tolerance_raised", NON_BREAKING, path, f"rule {now.id} lets more rows fail", str(old), str(new)
        )
    level: Level = BREAKING if now.strength >= 2 else INFORMATIONAL
    kind = "tolerance_lowered" if tighter else "tolerance_changed"
    said = "fewer rows" if tighter else "another number of rows"
    return Change(kind, level, path, f"rule {now.id} lets {said} fail", str(old), str(new))


def _asks(path: str, was: _Ruled, now: _Ruled) -> Iterator[Change]:
    """The rule asks something else: narrower, wider, or what can't be compared."""
    kind = now.entry.rule.kind
    old, new = fields_of(was.entry.rule), fields_of(now.entry.rule)
    level: Level = BREAKING if now.strength >= 2 else NON_BREAKING if now.strength else INFORMATIONAL
    subject = {k: v for k, v in old.items() if k in ("column", "measure")}
    alike = subject == {k: v for k, v in new.items() if k in ("column", "measure")}
    if kind == "accepted_values" and alike:
        gone = [value for value in old["values"] if value not in new["values"]]
        more = [value for value in new["values"] if value not in old["values"]]
        if gone:
            yield Change(
                "enum_narrowed",
                level,
                path,
                f"no longer accepted: {_list(gone)}",
                old["values"],
                new["values"],
            )
        if more:
            yield Change(
                "enum_widened",
                NON_BREAKING,
                path,
                f"accepted too: {_list(more)}",
                old["values"],
                new["values"],
            )
        if gone or more:
            return
    elif kind in ("range", "length", "row_count", "aggregate") and alike:
        name = {"range": "range", "length": "length", "row_count": "row_count", "aggregate": "aggregate"}[
            kind
        ]
        narrowed, widened = _bounds(old, new)
        if narrowed:
            yield Change(f"{name}_narrowed", level, path, f"{now.id}: {narrowed}", old, new)
        if widened:
            yield Change(f"{name}_widened", NON_BREAKING, path, f"{now.id}: {widened}", old, new)
        if narrowed or widened:
            return
    elif kind == "freshness" and alike:
        tighter = duration(new["max_age"]) < duration(old["max_age"])
        said = f"the newest may be {new['max_age']} old, it was {old['max_age']}"
        word = "tightened" if tighter else "loosened"
        yield Change(
            f"freshness_{word}", BREAKING if now.strength >= 2 else NON_BREAKING, path, said, old, new
        )
        return
    worst: Level = BREAKING if max(was.strength, now.strength) >= 2 else level
    yield Change("rule_changed", worst, path, f"rule {now.id} asks something else", was.shown, now.shown)


def _bounds(old: dict[str, Any], new: dict[str, Any]) -> tuple[str, str]:
    """What got narrower and what got wider, in words."""
    narrowed, widened = [], []
    for names, sign in ((_LOWER, 1), (_UPPER, -1)):
        before, after = _bound(old, names), _bound(new, names)
        if before == after:
            continue
        said = f"{_told(before, names)} became {_told(after, names)}"
        if before is None or (after is not None and _stricter(after, before, sign)):
            narrowed.append(said)
        else:
            widened.append(said)
    return "; ".join(narrowed), "; ".join(widened)


def _bound(fields: dict[str, Any], names: tuple[str, str]) -> tuple[Any, bool] | None:
    """(bound, whether it is excluded)."""
    exact = fields.get("exact", fields.get("equals"))
    if exact is not None:
        return exact, False
    return next(((fields[n], n.endswith("exclusive")) for n in names if fields.get(n) is not None), None)


def _stricter(a: tuple[Any, bool], b: tuple[Any, bool], sign: int) -> bool:
    try:
        if a[0] == b[0]:
            return a[1] and not b[1]
        return bool((a[0] > b[0]) == (sign > 0))
    except TypeError:  # a number and a text: which is the narrower nobody can say
        return True


def _told(bound: tuple[Any, bool] | None, names: tuple[str, str]) -> str:
    if bound is None:
        return f"no {names[0]}"
    return f"{names[bound[1]]} {bound[0]}"


def _list(values: list[Any]) -> str:
    shown = ", ".join(str(value) for value in values[:5])
    return f"{shown} and {len(values) - 5} more" if len(values) > 5 else shown
