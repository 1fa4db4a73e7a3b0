"""Walking lineage over the edges of many pipelines, upstream or downstream, cycles and all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import Table, select

from sluiceway.errors import StoreError, did_you_mean
from sluiceway.store.catalog import full_name
from sluiceway.store.reads import find_dataset, require_dataset
from sluiceway.store.tables import column_edges, columns, dataset_edges, datasets

if TYPE_CHECKING:
    from sqlalchemy import Connection, RowMapping

__all__ = ["Direction", "lineage"]

Direction = Literal["up", "down"]
_CHUNK = 500


def lineage(
    con: Connection,
    name: str,
    column: str | None,
    direction: Direction,
    depth: int | None,
    environment: str | None,
) -> dict[str, Any]:
    """The graph that hangs on a dataset, or on one of its columns. See ``Store.lineage``."""
    root, column = _root(con, name, column, environment)
    if column is None:
        depths, edges = _walk_datasets(con, root["id"], direction, depth)
        links = [
            edge
            for edge in _edges(con, column_edges, depths, "up")
            if edge["input_id"] in depths and edge["output_id"] in depths
        ]
        links = _along(links, edges)
    else:
        depths, links = _walk_columns(con, (root["id"], column), direction, depth)
        edges = _edges_of(links)
    names = _names(con, depths)
    return {
        "dataset": names[root["id"]]["dataset"],
        "column": column,
        "direction": direction,
        "nodes": _nodes(names, depths, links if column is not None else None, (root["id"], column)),
        "edges": [
            {
                "from": names[edge["input_id"]]["dataset"],
                "to": names[edge["output_id"]]["dataset"],
                "pipeline": edge["pipeline"],
            }
            for edge in sorted(edges, key=lambda e: _order(names, e))
        ],
        "column_edges": [
            {
                "from": names[edge["input_id"]]["dataset"],
                "from_column": edge["input_column"],
                "to": names[edge["output_id"]]["dataset"],
                "to_column": edge["output_column"],
                "type": edge["type"],
                "subtype": edge["subtype"],
                "masking": edge["masking"],
                "pipeline": edge["pipeline"],
            }
            for edge in sorted(links, key=lambda e: (*_order(names, e), e["id"]))
        ],
    }


def _root(
    con: Connection, name: str, column: str | None, environment: str | None
) -> tuple[RowMapping, str | None]:
    """The dataset meant; ``name`` may end in a column where none is given apart."""
    found = find_dataset(con, name, environment)
    if found is None and column is None and "." in name:
        head, _, tail = name.rpartition(".")
        found = find_dataset(con, head, environment)
        column = tail if found is not None else None
    if found is None:
        found = require_dataset(con, name, environment)
    return found, None if column is None else _column(con, found, column)


def _column(con: Connection, dataset: RowMapping, column: str) -> str:
    """The column as its dataset spells it."""
    listed = select(columns.c.name).where(columns.c.dataset_id == dataset["id"])
    c = column_edges.c
    used = select(c.output_column).where(c.output_id == dataset["id"])
    read = select(c.input_column).where(c.input_id == dataset["id"])
    known: set[str] = set(con.execute(listed.union(used, read)).scalars())
    if column in known:
        return column
    spelled = [name for name in known if name.casefold() == column.casefold()]
    if len(spelled) == 1:
        return spelled[0]
    raise StoreError(f"'{dataset['name']}' has no column '{column}'", hint=did_you_mean(column, known))


def _ends(direction: Direction) -> tuple[str, str]:
    """(the end that stands at the frontier, the end that is walked to)."""
    return ("output", "input") if direction == "up" else ("input", "output")


def _edges(con: Connection, table: Table, ids: Iterable[int], direction: Direction) -> list[dict[str, Any]]:
    near = table.c[f"{_ends(direction)[0]}_id"]
    wanted = sorted(set(ids))
    found: list[dict[str, Any]] = []
    for start in range(0, len(wanted), _CHUNK):
        rows = con.execute(select(table).where(near.in_(wanted[start : start + _CHUNK])))
        found += [dict(row) for row in rows.mappings()]
    return found


def _walk_datasets(
    con: Connection, root: int, direction: Direction, depth: int | None
) -> tuple[dict[int, int], list[dict[str, Any]]]:
    """Breadth first: each dataset with its distance, each edge once. A dataset is expanded once."""
    near, far = (f"{end}_id" for end in _ends(direction))
    depths, edges, frontier, distance = {root: 0}, [], {root}, 0
    while frontier and (depth is None or distance < depth):
        distance += 1
        found = _edges(con, dataset_edges, frontier, direction)
        edges += [edge for edge in found if edge[near] in frontier]
        frontier = {edge[far] for edge in found} - depths.keys()
        depths |= dict.fromkeys(frontier, distance)
    return depths, edges


Place = tuple[int, str]


def _walk_columns(
    con: Connection, root: Place, direction: Direction, depth: int | None
) -> tuple[dict[int, int], list[dict[str, Any]]]:
    near, far = _ends(direction)
    seen, frontier, distance = {_fold(root)}, {_fold(root)}, 0
    depths, links = {root[0]: 0}, []
    while frontier and (depth is None or distance < depth):
        distance += 1
        reached: set[Place] = set()
        for edge in _edges(con, column_edges, {place[0] for place in frontier}, direction):
            if _fold((edge[f"{near}_id"], edge[f"{near}_column"])) in frontier:
                links.append(edge)
                reached.add(_fold((edge[f"{far}_id"], edge[f"{far}_column"])))
        frontier = reached - seen
        seen |= frontier
        for dataset_id, _ in frontier:
            depths.setdefault(dataset_id, distance)
    return depths, links


def _fold(place: Place) -> Place:
    """Columns are matched without case, as SQL does."""
    return place[0], place[1].casefold()


def _along(links: list[dict[str, Any]], edges: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Column edges that run along the table edges walked."""
    walked = {(edge["pipeline"], edge["input_id"], edge["output_id"]) for edge in edges}
    return [e for e in links if (e["pipeline"], e["input_id"], e["output_id"]) in walked]


def _edges_of(links: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The table edges that column edges run along."""
    pairs = {(e["pipeline"], e["input_id"], e["output_id"]) for e in links}
    return [{"pipeline": p, "input_id": i, "output_id": o} for p, i, o in pairs]


def _names(con: Connection, ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    wanted, names = sorted(ids), {}
    for start in range(0, len(wanted), _CHUNK):
        rows = con.execute(select(datasets).where(datasets.c.id.in_(wanted[start : start + _CHUNK])))
        for row in rows.mappings():
            names[row["id"]] = {
                "dataset": full_name(row["namespace"], row["name"]),
                **{k: row[k] for k in ("environment", "namespace", "name", "alias", "pipeline", "owner")},
            }
    return names


def _nodes(
    names: dict[int, dict[str, Any]],
    depths: dict[int, int],
    links: list[dict[str, Any]] | None,
    root: tuple[int, str | None],
) -> list[dict[str, Any]]:
    """The datasets, nearest first; ``columns`` are those that take part, None for a whole dataset."""
    part: dict[int, set[str]] = {} if root[1] is None else {root[0]: {root[1]}}
    for edge in links or ():
        for end in ("input", "output"):
            part.setdefault(edge[f"{end}_id"], set()).add(edge[f"{end}_column"])
    order = sorted(depths, key=lambda i: (depths[i], names[i]["dataset"]))
    return [
        {
            **names[i],
            "depth": depths[i],
            "columns": None if links is None else sorted(part.get(i, ())),
        }
        for i in order
    ]


def _order(names: dict[int, dict[str, Any]], edge: dict[str, Any]) -> tuple[str, str, str]:
    output, source = names[edge["output_id"]], names[edge["input_id"]]
    return str(output["dataset"]), str(source["dataset"]), str(edge["pipeline"])
