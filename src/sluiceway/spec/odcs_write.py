"""Rules of ours put into a contract of the Open Data Contract Standard.

Nothing that the contract holds is lost or rewritten: keys that we don't know stay, and so do comments
where the document was read with ``spec.yaml_edit``. A rule that the contract has already is left where
it is, so writing twice changes nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sluiceway.errors import ConfigError, SpecError
from sluiceway.schema import TableName
from sluiceway.spec.contract import ObjectReader, chosen_object
from sluiceway.spec.entries import Entry, core, normal, parse_entries, plain
from sluiceway.spec.odcs_places import checks, custom, words
from sluiceway.spec.odcs_quality import OPERATORS, OWN_OPTIONS
from sluiceway.spec.yaml import Document

__all__ = ["entries_in", "with_rules"]

_OURS = {
    "id", "name", "type", "engine", "implementation", "metric", "rule", "unit", "arguments", "query",
    "validValues", "severity", "dimension", "description", "customProperties", *OPERATORS,
}  # fmt: skip
"""Keys of a check that say what it asks; the others of a check that is replaced are kept."""


@dataclass
class _Slot:
    """A rule that the contract says already. ``items`` and ``item`` are the list that it stands in and
    its check there; None where it is a word about a column."""

    normal: str
    core: str
    name: str | None
    items: list[Any] | None = None
    item: Any = None
    used: bool = False


def with_rules(
    raw: Mapping[str, Any], entries: Sequence[Mapping[str, Any]], *, table: TableName | str | None = None
) -> dict[str, Any]:
    """``raw`` with these rules in it; ``raw`` itself stays as it is.

    A rule with the name of one that is there, or that asks the same with other options, takes its place
    (a word about a column, such as ``required``, is never taken away). The others are added: as a word
    about the column where the standard has one that means the same, else as a check of its library, else
    as ``type: custom, engine: sluiceway``.

    Args:
        entries: items of ``rules:`` such as ``{"not_null": "a", "severity": "warning"}``.
        table: chooses among several schema objects, and names the one that is made where there is none.

    Raises:
        SpecError, PlanError: a rule of ``entries`` or of ``raw`` can't be understood.

    >>> raw = {"schema": [{"name": "orders", "properties": [{"name": "id"}]}]}
    >>> done = with_rules(raw, [{"not_null": "id"}, {"unique": "id", "severity": "warning"}])
    >>> done["schema"][0]["properties"]
    [{'name': 'id', 'required': True, 'quality': [{'metric': 'duplicateValues', 'mustBe': 0, \
'severity': 'warning'}]}]
    >>> with_rules(done, [{"not_null": "id"}, {"unique": "id", "severity": "warning"}]) == done
    True
    """
    wanted = parse_entries(entries)
    out = copy.deepcopy(raw if isinstance(raw, dict) else dict(raw))
    if not wanted:
        return out
    writer = _Writer(out, TableName.parse(table) if isinstance(table, str) else table)
    left = [entry for entry in wanted if not writer.holds(entry)]
    for entry in left:
        writer.put(entry)
    return out


def entries_in(raw: Mapping[str, Any], table: TableName | None = None) -> list[dict[str, Any]]:
    """The contract's rules as items of ``rules:``, in their order.

    >>> entries_in({"schema": [{"name": "t", "properties": [{"name": "a", "required": True}]}]})
    [{'not_null': 'a'}]
    """
    document = Document(raw)
    found = chosen_object(raw, table, document)
    return [] if found is None else [entry for _, entry in ObjectReader(document, *found).entries()]


class _Writer:
    """One schema object of a contract, being written to."""

    def __init__(self, raw: Any, table: TableName | None) -> None:
        self.table = table
        self.object = self._object(raw)
        self.reader = ObjectReader(Document(self.object), (), self.object)
        self.name = str(self.object["name"])
        self.properties = {
            str(item.get("physicalName") or item["name"]): item
            for item in self.object.get("properties") or ()
        }
        self.named = {
            physical: str(item["name"]) for physical, item in self.properties.items() if "name" in item
        }
        self.slots = list(self._slots())

    def _object(self, raw: Any) -> dict[str, Any]:
        found = chosen_object(raw, self.table, Document(raw))
        if found is not None:
            return found[1]
        name = self.table.name if self.table is not None else str(raw.get("name") or raw.get("id") or "data")
        made: dict[str, Any] = {"name": name, "physicalType": "table"}
        raw["schema"] = [made]
        return made

    def _slots(self) -> Iterator[_Slot]:
        for path, item in self.reader.entries():
            parsed = parse_entries([item])
            for entry in parsed:
                slot = _Slot(normal(entry), core(entry), entry.rule.name)
                if len(parsed) == 1 and len(path) > 1 and path[-2] == "quality":
                    at: Any = self.object
                    for part in path[:-1]:
                        at = at[part]
                    slot.items, slot.item = at, at[path[-1]]
                yield slot

    def holds(self, entry: Entry) -> bool:
        """Whether the contract says this very rule, once for each time that it is asked for."""
        wanted = normal(entry)
        for slot in self.slots:
            if slot.normal == wanted and not slot.used:
                slot.used = True
                return True
        return False

    def put(self, entry: Entry) -> None:
        old = self._predecessor(entry)
        if old is None and self._as_word(entry):
            return
        items, item = self._check(entry)
        if old is None:
            items.append(item)
        else:
            old.used = True
            self._replace(old, items, item)

    def _predecessor(self, entry: Entry) -> _Slot | None:
        """The check that this one is a new version of."""
        name, asked = entry.rule.name, core(entry)
        for slot in self.slots:
            same = slot.name == name if name else slot.name is None and slot.core == asked
            if slot.item is not None and not slot.used and same:
                return slot
        return None

    def _replace(self, old: _Slot, items: list[Any], item: dict[str, Any]) -> None:
        assert old.items is not None
        kept = {key: value for key, value in old.item.items() if key not in _OURS}
        others = [
            own
            for own in old.item.get("customProperties") or ()
            if not isinstance(own, Mapping) or own.get("property") not in OWN_OPTIONS
        ]
        if old.item.get("id") and "name" in old.item and item.get("id") == old.item["id"]:
            kept["name"] = old.item["name"]  # beside the id it is for people
        if others:
            item = {**item, "customProperties": [*others, *item.get("customProperties", ())]}
        at = next(n for n, there in enumerate(old.items) if there is old.item)
        if old.items is not items:
            del old.items[at]
            items.append({**item, **kept})
            return
        there = old.items[at]
        for key in [key for key in there if key in _OURS]:
            del there[key]
        there.update({**item, **{k: v for k, v in kept.items() if k not in there}})

    def _property(self, entry: Entry) -> dict[str, Any] | None:
        """The property of the rule's one column, if the contract has it."""
        columns = entry.rule.columns_used
        return self.properties.get(columns[0]) if len(columns) == 1 else None

    def _as_word(self, entry: Entry) -> bool:
        """Say it by a word about the column, if that reads as this very rule and no other changes."""
        declared = self._property(entry)
        if declared is None:
            return False
        for (key,), value in words(entry, self.name, declared.get("logicalType")):
            there = declared.get(key)
            if isinstance(value, list):
                change: Any = [*(there or ()), *value]
            elif isinstance(value, dict):
                clash = _clashes(value, there or {})
                if clash or (there is not None and not isinstance(there, dict)):
                    continue
                change = {**(there or {}), **value}
            else:
                change = value
            if self._reads_as(entry, {**_about(declared), key: value}):
                _assign(declared, key, change, value)
                return True
        return False

    def _check(self, entry: Entry) -> tuple[list[Any], dict[str, Any]]:
        """The check, and the list that it belongs in."""
        declared = self._property(entry)
        about = {} if declared is None else _about(declared)
        for item in checks(entry, under_property=declared is not None):
            if "properties" in item.get("arguments", {}):
                listed = item["arguments"]["properties"]
                item["arguments"] = {"properties": [self.named.get(column, column) for column in listed]}
            if self._reads_as(entry, {**about, "quality": [item]}, whole=declared is None):
                return self._quality(declared), plain(item)
        return self._quality(declared), plain(custom(entry))

    def _quality(self, owner: dict[str, Any] | None) -> list[Any]:
        at = self.object if owner is None else owner
        if at.get("quality") is None:
            at["quality"] = []
        found: list[Any] = at["quality"]
        return found

    def _reads_as(self, entry: Entry, about: Mapping[str, Any], *, whole: bool = False) -> bool:
        """Whether an object with just this says just this rule."""
        alone: dict[str, Any] = {k: v for k, v in self.object.items() if k in ("name", "physicalName")}
        if whole:
            names = [
                {k: v for k, v in p.items() if k in ("name", "physicalName")}
                for p in self.properties.values()
            ]
            alone |= {"properties": names, **about}
        else:
            alone["properties"] = [about]
        try:
            read = [
                found
                for _, item in ObjectReader(Document(alone), (), alone).entries()
                for found in parse_entries([item])
            ]
        except (ConfigError, SpecError):
            return False
        return [normal(found) for found in read] == [normal(entry)]


def _about(declared: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in declared.items() if k in ("name", "physicalName", "logicalType")}


def _assign(declared: dict[str, Any], key: str, change: Any, value: Any) -> None:
    """In place where something stands there: its comments stay."""
    there = declared.get(key)
    if isinstance(there, list):
        there.extend(plain(value))
    elif isinstance(there, dict):
        there.update(plain(value))
    else:
        declared[key] = plain(change)


_TOGETHER = (
    {"minLength", "maxLength"}, {"pattern"}, {"multipleOf"}, {"format"},
    {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
)  # fmt: skip


def _clashes(options: Mapping[str, Any], there: Mapping[str, Any]) -> bool:
    """Whether options that make one rule together are in part taken by another rule."""
    return any(group & set(options) and group & set(there) for group in _TOGETHER)
