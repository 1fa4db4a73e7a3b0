"""Rules as items of ``rules:``, and the one form in which two of them can be compared.

>>> from sluiceway.rules.not_null import NotNull
>>> (rule,) = NotNull.parse("a", {"severity": "error"})
>>> entry_of(Entry(rule))
{'not_null': 'a'}
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from sluiceway.errors import Where
from sluiceway.rules.base import Rule, Tolerance
from sluiceway.spec.declared import parse_rules

__all__ = ["Entry", "core", "entry_of", "fields_of", "normal", "options_of", "parse_entries", "plain"]

_LATER = ("status",)
"""Options that rules of another version may not have as a field yet; they are carried along."""


@dataclass(frozen=True)
class Entry:
    """A rule, with the options that its class has no field for."""

    rule: Rule
    more: Mapping[str, Any] = field(default_factory=dict)


def parse_entries(items: Sequence[Mapping[str, Any]], where: Where | None = None) -> tuple[Entry, ...]:
    """The rules of items such as ``{"not_null": ["a", "b"], "severity": "warning"}``.

    Raises:
        SpecError: an unknown rule or option, a wrong type.
        PlanError: SQL in it that can't be used.
    """
    found: list[Entry] = []
    later = [name for name in _LATER if name not in Rule.model_fields]
    for item in items:
        more = {name: item[name] for name in later if item.get(name) is not None}
        kept = {name: value for name, value in item.items() if name not in later}
        rules = parse_rules([kept], lambda _: where or Where())
        found += [Entry(declared.rule, more) for declared in rules]
    return tuple(found)


def plain(value: Any) -> Any:
    """A value as YAML and JSON can hold it: dates as ISO text, decimals exactly, tuples as lists.

    >>> plain({"a": (dt.date(2020, 1, 2), Decimal("1.50"), Decimal("3"))})
    {'a': ['2020-01-02', 1.5, 3]}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, Tolerance):
        return value.rows if value.rows is not None else f"{_number(value.percent or 0.0)}%"
    if isinstance(value, Decimal):
        return _decimal(value)
    if isinstance(value, dt.date | dt.time):  # a datetime is a date
        return value.isoformat()
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, UUID):
        return str(value)
    if hasattr(value, "model_dump"):
        return plain(value.model_dump(exclude_none=True))
    return _scalar(value)


def _scalar(value: Any) -> Any:
    """Round-trip YAML gives subclasses of str, int and float that remember how they were written."""
    if isinstance(value, bool) or value is None:
        return value
    for kind in (str, int, float):
        if isinstance(value, kind):
            return kind(value)
    return value


def _decimal(value: Decimal) -> Any:
    if not value.is_finite():
        return str(value)
    if value == value.to_integral_value():
        return int(value)
    return float(value) if Decimal(str(float(value))) == value else str(value)


def _number(value: float) -> str:
    """Without an exponent, which a share can't be written with."""
    text = format(Decimal(str(value)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def fields_of(rule: Rule) -> dict[str, Any]:
    """What is the rule's own: neither absent nor an option that every rule has."""
    own = {name: value for name, value in rule if name not in Rule.model_fields}
    defaults = {name: info.default for name, info in type(rule).model_fields.items()}
    return {n: plain(v) for n, v in own.items() if v is not None and v != defaults.get(n)}


def options_of(entry: Entry) -> dict[str, Any]:
    """The options that every rule has, where they say more than their default."""
    defaults = {name: info.default for name, info in Rule.model_fields.items()}
    given = {n: v for n, v in entry.rule if n in defaults and v is not None and v != defaults[n]}
    if given.get("dimension") == entry.rule.default_dimension:
        del given["dimension"]
    return {name: plain(value) for name, value in {**given, **entry.more}.items()}


def entry_of(entry: Entry) -> dict[str, Any]:
    """The item of ``rules:`` that reads as this rule, in its shortest form."""
    rule, fields = entry.rule, fields_of(entry.rule)
    value: Any = fields
    if set(fields) in ({"column"}, {"expression"}, {"query"}) and _bare(rule, next(iter(fields.values()))):
        (value,) = fields.values()
    return {rule.kind: value, **options_of(entry)}


def _bare(rule: Rule, value: Any) -> bool:
    try:
        (fields,) = type(rule).shorthand(value)
        return fields_of(type(rule).model_validate(fields)) == fields_of(rule)
    except (ValueError, TypeError):
        return False


def core(entry: Entry) -> str:
    """What a rule asks, without its options: two rules of one core differ in how they are enforced."""
    fields = fields_of(entry.rule)
    kind = entry.rule.kind
    if kind == "length" and "exact" in fields:  # the same bound, said once
        fields["min"] = fields["max"] = fields.pop("exact")
    for name in ("column", "to", "by", "partition_by"):
        if isinstance(fields.get(name), str):
            fields[name] = [fields[name]]
    # the order of schema's columns counts where the rule says so, and nowhere else
    ordered = fields.get("order") is True
    return repr((kind, _sorted(fields, keep=ordered)))


def normal(entry: Entry) -> str:
    """Equal for two rules that judge alike, count alike and are enforced alike."""
    options = options_of(entry)
    options["on_fail"] = entry.rule.declared_on_fail
    if options.get("tolerance") == 0 and options["on_fail"] == "block":
        del options["tolerance"]  # that is the default
    return repr((core(entry), _sorted(options)))


def _sorted(value: Any, *, keep: bool = False) -> Any:
    if isinstance(value, dict):
        items = [(key, _sorted(item, keep=keep)) for key, item in value.items()]
        return items if keep else sorted(items)
    if isinstance(value, list):
        return [_sorted(item, keep=keep) for item in value]
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        return int(value)  # 1 and 1.0 are one bound
    return value
