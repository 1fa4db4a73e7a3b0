"""The one look-up for connectors, rules, transforms, engines and integrations.

Built-ins and a stranger's package are found the same way: by entry points, read once, loaded when
used. A plugin adds, in its own pyproject.toml::

    [project.entry-points."sluiceway.connectors"]
    mysystem = "my_package.mysystem:CONNECTOR"
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from sluiceway.errors import ConfigError, Where, did_you_mean

__all__ = ["GROUPS", "load", "names"]

GROUPS = ("connectors", "rules", "transforms", "engines", "integrations")


@cache
def _groups() -> dict[str, dict[str, EntryPoint]]:
    """Read once, not once a group: it goes through the metadata of everything that is installed."""
    every = entry_points()
    return {
        group: {point.name: point for point in every.select(group=f"sluiceway.{group}")} for group in GROUPS
    }


def _points(group: str) -> dict[str, EntryPoint]:
    return _groups()[group]


def names(group: str) -> list[str]:
    """All registered names of a group, sorted."""
    return sorted(_points(group))


@cache
def _load(group: str, name: str) -> Any:
    return _points(group)[name].load()


def load(group: str, name: str, where: Where | None = None) -> Any:
    """The object registered as ``name``.

    Raises:
        ConfigError: no such name, with the closest one.
    """
    if name not in _points(group):
        kind = group.removesuffix("s")
        raise ConfigError(f"there is no {kind} '{name}'", where=where, hint=did_you_mean(name, names(group)))
    return _load(group, name)
