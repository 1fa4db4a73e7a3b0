"""Every fix by its name, and what ``fix:`` of a rule means."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from sluiceway.errors import did_you_mean
from sluiceway.rules.fixes.base import Fix

__all__ = ["FIXES", "fix_class", "parse_fixes"]

FIXES: Mapping[str, str] = {
    "trim": "trim:Trim",
    "lower": "case:Lower",
    "upper": "case:Upper",
    "title": "case:Title",
    "unicode": "unicode:Unicode",
    "empty_to_null": "empty_to_null:EmptyToNull",
    "repair": "repair:Repair",
    "number": "number:Number",
    "boolean": "boolean:Boolean",
    "date": "date:Date",
    "clamp": "clamp:Clamp",
    "default": "default:Default",
    "lookup": "lookup:Lookup",
    "deduplicate": "deduplicate:Deduplicate",
    "near_miss": "near_miss:NearMiss",
    "phone": "phone:Phone",
    "country": "country:Country",
    "currency": "currency:Currency",
}
"""Name -> module and class, below ``sluiceway.rules.fixes``."""


def fix_class(kind: str) -> type[Fix]:
    """The fix of a name.

    Raises:
        ValueError: there is none.
    """
    if kind not in FIXES:
        raise ValueError(f"there is no fix '{kind}'; {did_you_mean(kind, list(FIXES))}")
    module, _, name = FIXES[kind].partition(":")
    found: type[Fix] = getattr(importlib.import_module(f"sluiceway.rules.fixes.{module}"), name)
    return found


def parse_fixes(value: Any) -> tuple[Fix, ...]:
    """``near_miss``, ``{clamp: {}}``, ``{default: 0}`` or a list of these, which follow one another.

    >>> [fix.kind for fix in parse_fixes(["trim", {"default": "none"}])]
    ['trim', 'default']

    Raises:
        ValueError: says what is wrong.
    """
    if isinstance(value, tuple) and all(isinstance(item, Fix) for item in value):
        return value
    items = value if isinstance(value, list | tuple) else [value]
    if not items:
        raise ValueError("name at least one fix")
    fixes = [fix for item in items for fix in _one(item)]
    kinds = [fix.kind for fix in fixes]
    if "deduplicate" in kinds and len(kinds) > 1:
        raise ValueError("deduplicate takes rows away: it stands alone")
    return tuple(fixes)


def _one(item: Any) -> list[Fix]:
    if isinstance(item, Fix):
        return [item]
    if isinstance(item, str):
        return [_made(item, {})]
    if isinstance(item, Mapping) and len(item) == 1:
        return [_made(str(kind), options) for kind, options in item.items()]
    raise ValueError(f"write a fix's name, or one name with its options, not {item!r}")


def _made(kind: str, options: Any) -> Fix:
    cls = fix_class(kind)
    plain = options is None or (isinstance(options, Mapping) and set(options) <= set(cls.model_fields))
    fields = (options or {}) if plain else cls.shorthand(options)
    try:
        return cls.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ValueError(
            f"fix {kind}: {place + ': ' if place else ''}{first['msg'].removeprefix('Value error, ')}"
        ) from None
