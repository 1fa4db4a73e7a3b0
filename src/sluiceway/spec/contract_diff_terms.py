"""What a contract says beside its schema: versions, status, SLA, servers, people."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sluiceway.spec.contract_change import BREAKING, INFORMATIONAL, NON_BREAKING, Change, Level

__all__ = ["promised_age", "term_changes"]

_FOR_PEOPLE = (
    "name", "tenant", "tags", "dataProduct", "description", "domain", "support", "price", "team", "roles",
    "authoritativeDefinitions", "customProperties", "contractCreatedTs", "slaDefaultElement",
)  # fmt: skip
_SECONDS = {
    "s": 1, "sec": 1, "second": 1, "seconds": 1, "m": 60, "min": 60, "minute": 60, "minutes": 60, "h": 3600,
    "hr": 3600, "hour": 3600, "hours": 3600, "d": 86400, "day": 86400, "days": 86400, "w": 604800,
    "week": 604800, "weeks": 604800, "mo": 2629800, "month": 2629800, "months": 2629800, "y": 31557600,
    "yr": 31557600, "year": 31557600, "years": 31557600,
}  # fmt: skip
_LESS_IS_BETTER = re.compile(
    r"generalavailability|latency|frequency|freshness|errorrate|timeto\w+|mttr|interval|delay", re.IGNORECASE
)
_MORE_IS_BETTER = re.compile(
    r"retention|availability|uptime|throughput|endoflife|endofsupport", re.IGNORECASE
)


def term_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    """The differences outside the schema, in the standard's order of keys."""
    if old.get("id") != new.get("id"):
        message = f"this is another contract: its id is {new.get('id')}, it was {old.get('id')}"
        yield Change("id_changed", BREAKING, "id", message, old.get("id"), new.get("id"))
    yield from _status(old, new)
    yield from _servers(old, new)
    yield from _sla(old, new)
    for key in _FOR_PEOPLE:
        if old.get(key) != new.get(key):
            kind = re.sub(r"(?<=[a-z])([A-Z])", lambda found: f"_{found[1].lower()}", key)
            yield Change(f"{kind}_changed", INFORMATIONAL, key, f"{key} changed", old.get(key), new.get(key))


def _status(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    before, after = old.get("status"), new.get("status")
    if before != after:
        level: Level = BREAKING if after == "retired" else NON_BREAKING
        if after not in ("retired", "deprecated"):
            level = INFORMATIONAL
        yield Change("status_changed", level, "status", f"it is {after} now, it was {before}", before, after)


def _servers(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    before, after = _by("server", old.get("servers")), _by("server", new.get("servers"))
    for name, server in before.items():
        path = f"servers.{name}"
        if name not in after:
            yield Change("server_removed", BREAKING, path, f"server {name} is gone", name)
        elif server != after[name]:
            words = {"id", "description", "customProperties"}
            keys = [k for k in {**server, **after[name]} if server.get(k) != after[name].get(k)]
            level: Level = INFORMATIONAL if set(keys) <= words else BREAKING
            yield Change("server_changed", level, path, f"server {name}: {', '.join(sorted(keys))} changed")
    for name in after:
        if name not in before:
            yield Change("server_added", NON_BREAKING, f"servers.{name}", f"server {name} is new", None, name)


def _sla(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    before, after = _promises(old), _promises(new)
    for key, promise in before.items():
        path = f"slaProperties.{key}"
        if key not in after:
            yield Change("sla_removed", BREAKING, path, f"{key} is no longer promised", _said(promise))
        elif promise != after[key]:
            yield _weighed(path, key, promise, after[key])
    for key, promise in after.items():
        if key not in before:
            yield Change(
                "sla_added",
                NON_BREAKING,
                f"slaProperties.{key}",
                f"{key} is promised now",
                None,
                _said(promise),
            )


def _promises(raw: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """By what they are about: a property may be promised for several elements and to several readers."""
    found: dict[str, Mapping[str, Any]] = {}
    for item in raw.get("slaProperties") or ():
        parts = [
            str(item.get("property")),
            item.get("element") or raw.get("slaDefaultElement"),
            item.get("driver"),
        ]
        found["/".join(str(part) for part in parts if part)] = item
    return found


def _weighed(path: str, key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Change:
    said = f"{key} is {_said(new)}, it was {_said(old)}"
    before, after = _number(old), _number(new)
    if before == after and before is not None and old.get("schedule") == new.get("schedule"):
        return Change(
            "sla_words_changed", INFORMATIONAL, path, f"{key}: its words changed", _said(old), _said(new)
        )
    name = str(old.get("property"))
    less, more = _LESS_IS_BETTER.search(name), _MORE_IS_BETTER.search(name)
    apart = None if before is None or after is None else _apart(before, after)
    if apart is None or not (less or more):
        return Change("sla_changed", BREAKING, path, said, _said(old), _said(new))
    if apart < 0 if less else apart > 0:
        return Change("sla_tightened", NON_BREAKING, path, said, _said(old), _said(new))
    return Change("sla_loosened", BREAKING, path, said, _said(old), _said(new))


def _apart(before: float | str, after: float | str) -> int | None:
    """-1: the new one is less; 1: more; None: they are equal, or can't be compared."""
    if before == after or isinstance(before, str) != isinstance(after, str):
        return None
    return -1 if sorted([before, after])[0] == after else 1


def promised_age(raw: Mapping[str, Any]) -> float | None:
    """Seconds: the least that ``slaProperties`` promise as ``latency`` or ``freshness``; None without them.

    >>> promised_age({"slaProperties": [{"property": "latency", "value": 4, "unit": "d"}]})
    345600.0
    """
    declared = raw.get("slaProperties")
    items = [item for item in declared if isinstance(item, dict)] if isinstance(declared, list) else []
    told = [_number(item) for item in items if str(item.get("property")).lower() in ("latency", "freshness")]
    return min((number for number in told if isinstance(number, float) and number > 0), default=None)


def _number(promise: Mapping[str, Any]) -> float | str | None:
    """The promise as a number of seconds, or a date as text that sorts; None for what can't be compared."""
    value, unit = promise.get("value"), promise.get("unit")
    if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d", value):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if unit is None or str(unit).lower() in _SECONDS:
        return float(value) * _SECONDS.get(str(unit).lower(), 1)
    return None


def _said(promise: Mapping[str, Any]) -> str:
    parts = [promise.get("value"), promise.get("unit"), promise.get("schedule")]
    return " ".join(str(part) for part in parts if part is not None)


def _by(key: str, items: Any) -> dict[str, dict[str, Any]]:
    return {str(item.get(key)): item for item in items or ()}
