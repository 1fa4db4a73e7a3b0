"""Choosing pipelines by dbt's selectors.

| selector | chooses |
| --- | --- |
| ``orders``, ``sales_*`` | pipelines by name |
| ``mart.orders``, ``mart.*`` | pipelines by the table that they load |
| ``state:modified``, ``state:new`` | whose files are not those by which they last succeeded; that never did |
| ``tag:daily``, ``owner:sales``, ``path:pipelines/finance`` | by what their files say, and where they lie |
| ``+x``, ``x+``, ``2+x+1`` | with all that it needs, all that needs it, so many steps |
| ``@x`` | with all that needs it, and all that those need |
| ``a b`` | either; ``a,b``: both |
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import TYPE_CHECKING

from sluiceway.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from sluiceway.orchestrate.graph import Graph, Node

__all__ = ["chosen"]

_SELECTOR = re.compile(
    r"(?P<whole>@)?(?:(?P<up>\d*)(?P<plus>\+))?(?P<what>[^+@\s,][^+\s,]*)(?:(?P<after>\+)(?P<down>\d*))?"
)
_METHODS = ("tag", "path", "owner", "pipeline", "dataset", "state")
_STATES = ("modified", "new", "unmodified")


@dataclass(frozen=True)
class _Place:
    folder: Path | None
    states: Callable[[], Mapping[str, str]]


def chosen(
    graph: Graph,
    select: Sequence[str],
    exclude: Sequence[str] = (),
    folder: Path | None = None,
    states: Callable[[], Mapping[str, str]] = dict,
) -> tuple[str, ...]:
    """The names that ``select`` chooses and ``exclude`` does not, each after those that it needs.

    Args:
        folder: what ``path:`` is relative to.
        states: asked once if ``state:`` stands in one: name -> ``new``, ``modified`` or ``unmodified``.

    Raises:
        ConfigError: a selector that is none, or one that chooses nothing.

    >>> from sluiceway.orchestrate.graph import Graph, Node
    >>> graph = Graph([Node("a", output="m.a"), Node("b", reads=frozenset({"m.a"})), Node("c")])
    >>> chosen(graph, ["+b"]), chosen(graph, ["*"], ["a+"])
    (('a', 'b'), ('c',))
    """
    if not any(text.strip(" ,") for text in select):
        raise ConfigError("an empty selector chooses nothing", hint="all of them: --select '*'")
    place = _Place(folder, cache(states))
    found = _union(graph, select, place) - _union(graph, exclude, place, must=False)
    if not found:
        raise ConfigError(
            "nothing is left to run: all that was selected is excluded", hint="see: sluiceway schedule list"
        )
    return graph.order(found)


def _union(graph: Graph, texts: Iterable[str], place: _Place, *, must: bool = True) -> set[str]:
    found: set[str] = set()
    for text in " ".join(texts).split():
        sets = [_one(graph, item, place, must=must) for item in text.split(",") if item]
        both = set.intersection(*sets) if sets else set()
        if must and not both:
            raise ConfigError(f"no pipeline matches '{text}': its parts have none in common")
        found |= both
    return found


def _one(graph: Graph, text: str, place: _Place, *, must: bool) -> set[str]:
    match = _SELECTOR.fullmatch(text)
    if match is None:
        raise ConfigError(
            f"'{text}' is no selector",
            hint="write a name, ns.table, tag:x, path:x or owner:x, with + around it",
        )
    names = {node.name for node in graph.nodes.values() if _fits(node, match["what"], place)}
    if not names and must:
        known = [*graph.nodes, *(n.output for n in graph.nodes.values() if n.output)]
        raise ConfigError(f"no pipeline matches '{text}'", hint=did_you_mean(match["what"], known))
    found = set(names)
    if match["plus"]:
        found |= set(graph.ancestors(*names, depth=int(match["up"]) if match["up"] else None))
    if match["after"]:
        found |= set(graph.descendants(*names, depth=int(match["down"]) if match["down"] else None))
    if match["whole"]:
        below = graph.descendants(*names)
        found |= {*below, *graph.ancestors(*names, *below)}
    return found


def _fits(node: Node, what: str, place: _Place) -> bool:
    method, colon, value = what.partition(":")
    if not colon:
        return fnmatchcase(node.name, what) or _is_table(node, what)
    match method:
        case "tag":
            return any(fnmatchcase(tag, value) for tag in node.tags)
        case "owner":
            return fnmatchcase(node.owner, value)
        case "pipeline":
            return fnmatchcase(node.name, value)
        case "dataset":
            return _is_table(node, value)
        case "state":
            return _in_state(place.states().get(node.name, "new"), value)
        case "path":
            return _lies_in(node.file, value, place.folder)
    raise ConfigError(f"'{what}': there is no '{method}:'", hint=did_you_mean(method, _METHODS))


def _is_table(node: Node, what: str) -> bool:
    """In whatever case it is written, as where it is read."""
    return fnmatchcase((node.output or "").casefold(), what.casefold())


def _in_state(state: str, value: str) -> bool:
    if value not in _STATES:
        raise ConfigError(f"'state:{value}': there is no such state", hint=did_you_mean(value, _STATES))
    return state == value or (value == "modified" and state == "new")


def _lies_in(file: Path | None, value: str, folder: Path | None) -> bool:
    if file is None:
        return False
    place = file.relative_to(folder).as_posix() if folder and file.is_relative_to(folder) else file.as_posix()
    path = value.rstrip("/")
    return place == path or place.startswith(f"{path}/") or fnmatchcase(place, value)
