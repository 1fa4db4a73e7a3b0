"""Other names for the same settings, moved to where they belong before anything is checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sluiceway.errors import SpecError, Where

if TYPE_CHECKING:
    from sluiceway.spec.yaml import KeyPath

__all__ = ["ALIASES", "canonical"]

ALIASES: Mapping[str, KeyPath] = {
    "extract_query": ("sources", "*", "query"),
    "batch_size": ("sources", "*", "batch_size"),
    "filters": ("sources", "*", "filters"),
    "validation_rules": ("sources", "*", "rules"),
    "transformation_rules": ("transform",),
    "quality_thresholds": ("quality", "thresholds"),
    "destination_table": ("destination", "table"),
    "load_mode": ("destination", "mode"),
    "load_batch_size": ("destination", "load_batch_size"),
}
"""Alias -> the canonical path; ``*`` is the only source (``batch_size``: every source)."""

_EVERY = frozenset({"batch_size"})


def canonical(
    data: Mapping[str, Any], moved: dict[KeyPath, KeyPath], where: Callable[[KeyPath], Where]
) -> dict[str, Any]:
    """A copy of ``data`` under the canonical names; ``moved`` collects new path -> written path.

    >>> canonical({"destination_table": "a.b", "load_mode": "append"}, {}, lambda path: Where())
    {'destination': {'table': 'a.b', 'mode': 'append'}}

    Raises:
        SpecError: something is given under both names, or the source that it belongs to is not clear.
    """
    result = {key: value for key, value in data.items() if key not in ALIASES}
    sources = result.get("sources")
    if isinstance(sources, list):
        result["sources"] = _named(sources, moved)
    elif isinstance(sources, Mapping):
        result["sources"] = dict(sources)
    if isinstance(result.get("destination"), str):
        result["destination"] = {"table": result["destination"]}
    for alias, path in ALIASES.items():
        if alias in data:
            for target in _targets(alias, path, result, where):
                _put(result, target, data[alias], alias, where)
                moved[target] = (alias,)
    return result


def _named(sources: list[Any], moved: dict[KeyPath, KeyPath]) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for n, source in enumerate(sources):
        own = dict(source) if isinstance(source, Mapping) else source
        name = own.pop("name", None) if isinstance(own, dict) else None
        name = str(name) if name else f"source_{n + 1}"
        named[name] = own
        moved[("sources", name)] = ("sources", n)
    return named


def _targets(
    alias: str, path: KeyPath, result: dict[str, Any], where: Callable[[KeyPath], Where]
) -> list[KeyPath]:
    if "*" not in path:
        return [path]
    sources = result.get("sources")
    names = list(sources) if isinstance(sources, dict) else []
    if not names:
        raise SpecError(
            f"'{alias}' needs a source that it belongs to",
            where=where((alias,)),
            hint="write sources: {NAME: {type: …}}",
        )
    if len(names) > 1 and alias not in _EVERY:
        raise SpecError(
            f"'{alias}' does not say which of the {len(names)} sources it is for",
            where=where((alias,)),
            hint=f"write it as sources: {{{names[0]}: {{{path[-1]}: …}}}}",
        )
    return [("sources", name, path[-1]) for name in names]


def _put(
    result: dict[str, Any], target: KeyPath, value: Any, alias: str, where: Callable[[KeyPath], Where]
) -> None:
    level: dict[str, Any] = result
    for part in target[:-1]:
        below = level.get(str(part))
        if below is not None and not isinstance(below, Mapping):
            raise SpecError(f"'{part}' must be a mapping", where=where((str(part),)))
        level[str(part)] = level = dict(below or {})
    if target[-1] in level:
        dotted = ".".join(str(part) for part in target)
        raise SpecError(
            f"'{alias}' and '{dotted}' are the same, and both are given",
            where=where((alias,)),
            hint=f"remove {alias}",
        )
    level[str(target[-1])] = value
