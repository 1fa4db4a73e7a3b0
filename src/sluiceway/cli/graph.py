"""``sluiceway graph``: which pipeline needs which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sluiceway.cli.options import Options, common, variables_of

if TYPE_CHECKING:
    from sluiceway.orchestrate.graph import Graph

__all__ = ["command"]


@click.command()
@click.option(
    "--select", "selected", multiple=True, metavar="PATTERN",
    help="Pipelines by dbt's selectors, as of run: +mart.orders, tag:daily; all if absent.",
)  # fmt: skip
@click.option("--exclude", multiple=True, metavar="PATTERN", help="What shall not be shown.")
@click.option("--vars", "values", multiple=True, metavar="K=V|JSON", help="Values of :names in SQL.")
@click.option(
    "--format", "form", type=click.Choice(("text", "dot", "mermaid")), default="text", show_default=True,
    help="As lines, for Graphviz, or for Mermaid.",
)  # fmt: skip
@common
def command(
    options: Options, selected: tuple[str, ...], exclude: tuple[str, ...], values: tuple[str, ...], form: str
) -> None:
    """Show which pipeline needs which: by depends_on, and by the tables that they read and load.

    A circle is an error, and a file that can't be read is named. Reads no rows.
    """
    from sluiceway.cli.selection import states_of
    from sluiceway.orchestrate.graph import Graph
    from sluiceway.orchestrate.select import chosen

    project = options.project()
    graph = Graph.load(project, options.environment, variables_of(values))
    for error in graph.broken.values():
        raise error
    names = graph.names
    if selected or exclude:
        names = chosen(graph, selected or ("*",), exclude, project.folder, states_of(options, project))
    shown = set(names)
    edges = [(need, name) for name in names for need in graph.upstream(name) if need in shown]
    if form == "dot":
        options.console.say("\n".join(_dot(names, edges)))
    elif form == "mermaid":
        options.console.say("\n".join(_mermaid(names, edges)))
    else:
        _lines(options, graph, names)
    options.console.document(
        {
            "pipelines": [_document(graph, name) for name in names],
            "edges": [{"from": need, "to": name} for need, name in edges],
        }
    )


def _document(graph: Graph, name: str) -> dict[str, Any]:
    node = graph.nodes[name]
    return {
        "pipeline": name, "table": node.output, "needs": list(graph.upstream(name)),
        "needed_by": list(graph.downstream(name)), "tags": sorted(node.tags), "owner": node.owner,
    }  # fmt: skip


def _lines(options: Options, graph: Graph, names: tuple[str, ...]) -> None:
    rows = [(name, graph.nodes[name].output, ", ".join(graph.upstream(name))) for name in names]
    options.console.table(("pipeline", "loads", "needs"), rows)
    if not names:
        options.console.say("no pipeline yet; make a project with: sluiceway init DIR")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _dot(names: tuple[str, ...], edges: list[tuple[str, str]]) -> list[str]:
    lines = ["digraph pipelines {", "  rankdir=LR;", "  node [shape=box];"]
    lines += [f"  {_quoted(name)};" for name in names]
    lines += [f"  {_quoted(need)} -> {_quoted(name)};" for need, name in edges]
    return [*lines, "}"]


def _mermaid(names: tuple[str, ...], edges: list[tuple[str, str]]) -> list[str]:
    places = {name: f"p{n}" for n, name in enumerate(names)}
    lines = ["flowchart LR"]
    lines += [f'  {place}["{name}"]' for name, place in places.items()]  # names hold no quotes
    return [*lines, *(f"  {places[need]} --> {places[name]}" for need, name in edges)]
