"""``sluiceway lineage``: where data comes from and goes to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import click

from sluiceway.cli.options import Options, common

if TYPE_CHECKING:
    from pathlib import Path

    from sluiceway.cli.console import Console
    from sluiceway.spec.model import Project

__all__ = ["command", "print_lineage", "short_name", "trace"]

Direction = Literal["up", "down"]


@click.command()
@click.argument("dataset", metavar="DATASET[.COLUMN]")
@click.option("--up", is_flag=True, help="Only what it is made of.")
@click.option("--down", is_flag=True, help="Only what is made of it.")
@common
def command(options: Options, dataset: str, up: bool, down: bool) -> None:
    """Trace a dataset (mart.orders) or a column (mart.orders.net) up and down."""
    project = options.project()
    wanted: list[Direction] = []
    if up or not down:
        wanted.append("up")
    if down or not up:
        wanted.append("down")
    graphs = [trace(options, project, dataset, direction) for direction in wanted]
    for graph in graphs:
        print_lineage(options.console, graph, project.folder)
    options.console.document(graphs[0] if len(graphs) == 1 else _both(*graphs))


def trace(options: Options, project: Project, dataset: str, direction: Direction) -> dict[str, Any]:
    """The store's graph: ``{dataset, column, direction, nodes, edges, column_edges}``."""
    from sluiceway.store.store import Store

    environment = options.environment_of(project).name
    with Store.open(project.metadata) as store:
        return store.lineage(dataset, direction=direction, environment=environment)


def _both(up: dict[str, Any], down: dict[str, Any]) -> dict[str, Any]:
    """Two graphs from one root as one; the root stands in both."""
    merged = {"dataset": up["dataset"], "column": up["column"], "direction": "both"}
    for part in ("nodes", "edges", "column_edges"):
        merged[part] = up[part] + [item for item in down[part] if item not in up[part]]
    return merged


def print_lineage(console: Console, graph: dict[str, Any], folder: Path) -> None:
    """A tree: under each dataset or column what it comes from (←) or goes to (→).

    Files under ``folder``, the project's, are named as the project names them.
    """
    names = {node["dataset"]: short_name(node["name"], folder) for node in graph["nodes"]}
    near, far = ("to", "from") if graph["direction"] == "up" else ("from", "to")
    arrow = "←" if graph["direction"] == "up" else "→"
    root = (graph["dataset"], graph["column"])
    said = "comes from" if graph["direction"] == "up" else "goes to"
    lines = _tree(_links(graph, near, far), root, names, arrow)
    console.say(f"{_label(root, names)} {said}{':' if lines else ' nothing that ran here'}", "bold")
    for line in lines:
        console.say(line)


def short_name(name: str, folder: Path) -> str:
    """A file's path relative to the project, where it lies in it; other names as they are.

    >>> from pathlib import Path
    >>> short_name("/home/me/shop/data/a.csv", Path("/home/me/shop")), short_name("mart.a", Path("/x"))
    ('data/a.csv', 'mart.a')
    """
    return name.removeprefix(f"{folder.absolute()}/")


Place = tuple[str, "str | None"]


def _links(graph: dict[str, Any], near: str, far: str) -> dict[Place, list[tuple[Place, str]]]:
    """Near end -> the far ends, each with how: columns where one was asked for, else datasets."""
    links: dict[Place, list[tuple[Place, str]]] = {}
    if graph["column"] is None:
        for edge in graph["edges"]:
            links.setdefault((edge[near], None), []).append(((edge[far], None), f"by {edge['pipeline']}"))
        return links
    hows: dict[tuple[Place, Place], list[str]] = {}
    for edge in sorted(graph["column_edges"], key=lambda e: (e["type"], e["subtype"])):
        how = " ".join(str(edge[key]).lower() for key in ("type", "subtype") if edge[key])
        pair = ((edge[near], edge[f"{near}_column"]), (edge[far], edge[f"{far}_column"]))
        hows.setdefault(pair, []).append(f"{how}{', masked' if edge['masking'] else ''}")
    for (place, other), said in hows.items():
        links.setdefault(place, []).append((other, "; ".join(said)))
    return links


def _tree(
    links: dict[Place, list[tuple[Place, str]]], root: Place, names: dict[str, str], arrow: str
) -> list[str]:
    """Depth first. A place that was expanded before, as in a circle, is not expanded again."""
    lines: list[str] = []
    seen: set[Place] = set()

    def walk(place: Place, depth: int) -> None:
        if place in seen:
            return
        seen.add(place)
        for other, how in links.get(place, ()):
            lines.append(f"{'  ' * depth}{arrow} {_label(other, names)}   ({how})")
            walk(other, depth + 1)

    walk(root, 1)
    return lines


def _label(place: Place, names: dict[str, str]) -> str:
    dataset, column = place
    name = names.get(dataset, dataset)
    return name if column is None else f"{name}.{column}"
