"""What changed between two contracts, and whom it breaks.

A change is **breaking** where data that was accepted may now be turned away (a tighter rule that blocks
or quarantines, a narrower type, a column that must be given), or where a promise is gone that readers'
code stands on: a column, its name and type, its presence (``required``), a key, a time (``slaProperties``),
a server, the protection of a classified column. A promise about values that gets weaker (a wider range, a
rule less) is **non-breaking**; words for people are **informational**. docs/contracts.md has the table.

Everything here is a pure function of the two documents.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sluiceway.schema import TableName, family
from sluiceway.spec.contract import chosen_object
from sluiceway.spec.contract_change import BREAKING, INFORMATIONAL, NON_BREAKING, Change, ContractDiff, Level
from sluiceway.spec.contract_diff_rules import rule_changes
from sluiceway.spec.contract_diff_terms import term_changes
from sluiceway.spec.entries import plain
from sluiceway.spec.odcs_shape import sound
from sluiceway.spec.odcs_types import column_type
from sluiceway.spec.yaml import Document

__all__ = ["compare_contracts", "type_change"]

_PEOPLE = (
    "description", "businessName", "tags", "examples", "authoritativeDefinitions", "customProperties",
    "transformSourceObjects", "transformLogic", "transformDescription", "criticalDataElement",
    "dataGranularityDescription", "encryptedName", "partitioned", "partitionKeyPosition",
)  # fmt: skip
_WIDTHS = {
    "TINYINT": (-7, 7), "SMALLINT": (-15, 15), "INTEGER": (-31, 31), "BIGINT": (-63, 63),
    "HUGEINT": (-127, 127), "UTINYINT": (0, 8), "USMALLINT": (0, 16), "UINTEGER": (0, 32),
    "UBIGINT": (0, 64), "UHUGEINT": (0, 128),
}  # fmt: skip
"""Bits of the least and of the greatest value."""
_EXACT_BITS = {"FLOAT": 24, "DOUBLE": 53}


def compare_contracts(
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    *,
    table: TableName | None = None,
    columns_only: bool = False,
) -> ContractDiff:
    """Every difference in meaning.

    Args:
        table: look at this schema object alone; all of them if absent.
        columns_only: one side is a table as it stands, which knows nothing but columns and types.

    Raises:
        SpecError: one of the two is no contract, or has a rule that can't be understood.

    >>> old = {"version": "1.0.0", "schema": [{"name": "t", "properties": [{"name": "a"}, {"name": "b"}]}]}
    >>> new = {"version": "1.1.0", "schema": [{"name": "t", "properties": [{"name": "a", "required": True}]}]}
    >>> found = compare_contracts(old, new)
    >>> [(c.kind, c.path) for c in found.changes], found.suggested_version, found.version_suffices
    ([('column_removed', 't.b'), ('required_added', 't.a')], '2.0.0', False)
    """
    old, new = plain(old), plain(new)
    for raw in (old, new):
        sound(raw, Document(raw).where)
    changes: list[Change] = []
    if not columns_only:
        changes += term_changes(old, new)
    for name, before, after in _pairs(old, new, table):
        if before is None and after is not None:
            changes.append(Change("table_added", NON_BREAKING, name, f"table {name} is new"))
        elif after is None:
            changes.append(Change("table_removed", BREAKING, name, f"table {name} is gone"))
        elif before is not None:
            changes += _object_changes(name, before, after, columns_only)
    return ContractDiff.of(changes, str(old.get("version", "")), str(new.get("version", "")))


def _pairs(
    old: Mapping[str, Any], new: Mapping[str, Any], table: TableName | None
) -> Iterator[tuple[str, dict[str, Any] | None, dict[str, Any] | None]]:
    """The schema objects of both, by name or, where that changed, by physical name."""
    if table is not None:
        found = [chosen_object(raw, table, Document(raw)) for raw in (old, new)]
        before, after = (item[1] if item is not None else None for item in found)
        yield str((before or after or {"name": table.name})["name"]), before, after
        return
    left = {str(item.get("name")): item for item in new.get("schema") or ()}
    for before in old.get("schema") or ():
        name = str(before.get("name"))
        found_name = name if name in left else None
        if found_name is None and before.get("physicalName"):
            found_name = next(
                (n for n, item in left.items() if item.get("physicalName") == before["physicalName"]), None
            )
        yield name, before, left.pop(found_name) if found_name is not None else None
    for name, after in left.items():
        yield name, None, after


def _object_changes(
    name: str, old: dict[str, Any], new: dict[str, Any], columns_only: bool
) -> Iterator[Change]:
    if not columns_only:
        if old.get("name") != new.get("name"):
            yield _changed("table_renamed", INFORMATIONAL, name, "the table's name", old, new, "name")
        if _physical(old) != _physical(new):
            yield _changed(
                "physical_name_changed", BREAKING, name, "where the table is", old, new, "physicalName"
            )
        yield from _for_people(name, old, new)
    before, after = _columns(old), _columns(new)
    added: set[str] = set()
    removed: set[str] = set()
    for column, declared in before.items():
        now = after.get(column)
        if now is None:
            removed.add(column)
            yield _gone(name, column, declared, after)
        else:
            yield from _column_changes(f"{name}.{column}", declared, now, columns_only)
    for column, declared in after.items():
        if column not in before:
            added.add(column)
            must = bool(declared.get("required") or declared.get("primaryKey"))
            level: Level = BREAKING if must and not columns_only else NON_BREAKING
            said = "is new, and must have a value" if must else "is new"
            yield Change("column_added", level, f"{name}.{column}", f"column {column} {said}")
    yield from _order(name, list(before), list(after))
    if not columns_only:
        yield from rule_changes(name, old, new, added, removed)


def _gone(name: str, column: str, declared: Mapping[str, Any], after: Mapping[str, Any]) -> Change:
    """A column that isn't there any more; under another name if its id is."""
    same = [n for n, item in after.items() if declared.get("id") and item.get("id") == declared["id"]]
    if same:
        return Change(
            "column_renamed", BREAKING, f"{name}.{column}", f"column {column} is called {same[0]} now",
            column, same[0],
        )  # fmt: skip
    return Change("column_removed", BREAKING, f"{name}.{column}", f"column {column} is gone")


def _column_changes(
    path: str, old: Mapping[str, Any], new: Mapping[str, Any], columns_only: bool
) -> Iterator[Change]:
    before, after = column_type(old), column_type(new)
    shown = old.get("physicalType") or before, new.get("physicalType") or after
    if before != after and before and after:
        kind, level = type_change(before, after)
        yield Change(kind, level, path, f"its type is {after}, it was {before}", before, after)
    elif before != after:
        yield Change("type_changed", INFORMATIONAL, path, "its type is said in one of the two", before, after)
    elif shown[0] != shown[1] and not columns_only:
        yield from _sizes(path, str(shown[0]), str(shown[1]))
    if columns_only:
        return
    if old.get("name") != new.get("name"):
        yield _changed("name_changed", INFORMATIONAL, path, "its name in the contract", old, new, "name")
    yield from _classification(path, old, new)
    yield from _for_people(path, old, new)


def _sizes(path: str, old: str, new: str) -> Iterator[Change]:
    """``VARCHAR(20)`` and ``VARCHAR(10)`` are one type here; their sizes are not one promise."""
    sizes = [re.search(r"\((\d+)\)\s*$", text) for text in (old, new)]
    before, after = (int(found[1]) if found else None for found in sizes)
    message = f"its physical type is {new}, it was {old}"
    if before == after:
        yield Change("physical_type_changed", INFORMATIONAL, path, message, old, new)
    elif before is None or (after is not None and after < before):
        yield Change("type_narrowed", BREAKING, path, message, old, new)
    else:
        yield Change("type_widened", NON_BREAKING, path, message, old, new)


def type_change(old: str, new: str) -> tuple[str, Level]:
    """What became of a type: its values all fit (widened), none other come (narrowed), or neither.

    >>> type_change("INTEGER", "BIGINT"), type_change("DOUBLE", "FLOAT")
    (('type_widened', 'non-breaking'), ('type_narrowed', 'breaking'))
    >>> type_change("BIGINT", "VARCHAR")
    ('type_changed', 'breaking')
    """
    if _fits(old, new):
        return "type_widened", NON_BREAKING
    if _fits(new, old):
        return "type_narrowed", BREAKING
    return "type_changed", BREAKING


def _fits(old: str, new: str) -> bool:
    """Whether every value of the one is a value of the other, of the same sort to whoever reads it."""
    if old in _WIDTHS and new in _WIDTHS:
        return _WIDTHS[new][0] <= _WIDTHS[old][0] and _WIDTHS[new][1] >= _WIDTHS[old][1]
    before, after = _decimal(old), _decimal(new)
    if before and after:
        return after[0] - after[1] >= before[0] - before[1] and after[1] >= before[1]
    if old in _WIDTHS and after:
        return len(str(2 ** _WIDTHS[old][1])) <= after[0] - after[1]
    if old in _WIDTHS and new in _EXACT_BITS:
        return max(-_WIDTHS[old][0], _WIDTHS[old][1]) <= _EXACT_BITS[new]
    if (old, new) == ("FLOAT", "DOUBLE"):
        return True
    if old.endswith("[]") and new.endswith("[]"):
        return _fits(old[:-2], new[:-2])
    return family(old) == family(new) == "timestamp" and old == "TIMESTAMP_S" and new != "TIMESTAMP_NS"


def _decimal(type_: str) -> tuple[int, int] | None:
    found = re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", type_)
    return (int(found[1]), int(found[2])) if found else None


def _classification(path: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    before, after = (str(item.get("classification") or "public") for item in (old, new))
    if before == after:
        return
    if after == "public":
        message = f"it is no longer classified ({before}): its values will be shown"
        yield Change("classification_removed", BREAKING, path, message, before, after)
    else:
        message = f"its classification is {after}, it was {before}"
        yield Change("classification_changed", NON_BREAKING, path, message, before, after)


def _order(name: str, old: list[str], new: list[str]) -> Iterator[Change]:
    kept = [column for column in old if column in new]
    now = [column for column in new if column in old]
    if kept != now:
        yield Change(
            "columns_reordered", INFORMATIONAL, name, "the columns stand in another order", kept, now
        )


def _for_people(path: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    for key in _PEOPLE:
        if old.get(key) != new.get(key):
            yield _changed(f"{_snake(key)}_changed", INFORMATIONAL, path, key, old, new, key)


def _changed(
    kind: str, level: Level, path: str, what: str, old: Mapping[str, Any], new: Mapping[str, Any], key: str
) -> Change:
    return Change(kind, level, path, f"{what} changed", old.get(key), new.get(key))


def _snake(text: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z])", lambda found: f"_{found[1].lower()}", text)


def _physical(item: Mapping[str, Any]) -> str:
    return str(item.get("physicalName") or item.get("name"))


def _columns(declared: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {_physical(item): item for item in declared.get("properties") or ()}
