"""``sluiceway explain``: the plan with its SQL, said from the nodes that a run walks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sluiceway.cli.options import Options, common, variables_of

if TYPE_CHECKING:
    from pathlib import Path

    from sluiceway.cli.console import Console

__all__ = ["command", "print_plan"]


@click.command()
@click.argument("pipeline")
@click.option("--engine-plan", is_flag=True, help="The engine's own plan of the staging query too.")
@click.option("--vars", "values", multiple=True, metavar="K=V|JSON", help="Values of :names in SQL.")
@common
def command(options: Options, pipeline: str, engine_plan: bool, values: tuple[str, ...]) -> None:
    """Show the plan with its SQL and how each check is decided. Reads no rows."""
    from sluiceway.run.explain import explain

    resolved = options.pipeline(pipeline, variables=variables_of(values))
    document = explain(resolved, engine_plan=engine_plan)
    print_plan(options.console, document, resolved.project.folder, sql=True)
    if "engine_plan" in document:
        options.console.say(f"\n{document['engine_plan']}")
        if document["engine_scans"] is not None:
            options.console.say(f"  the staging query reads stored rows in {document['engine_scans']} scans")
    options.console.document(document)


def print_plan(console: Console, document: dict[str, Any], folder: Path, *, sql: bool) -> None:
    """The nodes in order, each with what it does; with ``sql`` its SQL under it.

    Files under ``folder``, the project's, are named as the project names them.
    """
    from sluiceway.cli.lineage import short_name

    there = "" if document.get("exists") else " (new)"
    console.say(
        f"{document['pipeline']} in {document['environment']}, on {document['engine']}: "
        f"{document['destination']}{there}",
        "bold",
    )
    for source in document.get("sources", ()):
        columns = ", ".join(column["name"] for column in source["columns"])
        console.say(f"  source {source['name']}: {short_name(source['dataset'][1], folder)}")
        console.say(f"    {columns}")
    for node in document["nodes"]:
        console.say(f"  {node['node']}{_about(node)}")
        _checks(console, node, sql=sql)
        if sql and node.get("sql"):
            for line in node["sql"].splitlines():
                console.say(f"      {line}")
    console.say("  columns: " + ", ".join(f"{c['name']} {c['type']}" for c in document["columns"]))
    console.say(f"  {document['summary']}")
    guess = document.get("estimate")
    if guess:
        about = f", about {guess['rows']:,} rows" if guess["rows"] is not None else ""
        console.say(f"  estimate{about}: {guess['said']}")
        if guess["hint"]:
            console.say(f"    {guess['hint']}")


def _about(node: dict[str, Any]) -> str:
    parts = [str(node[key]) for key in ("how", "step", "mode") if node.get(key)]
    if node.get("function"):
        parts.append(str(node["function"]))
    for key, said in (("add_columns", "adds"), ("widen_columns", "widens")):
        if node.get(key):
            parts.append(f"{said} {', '.join(node[key])}")
    return f": {', '.join(parts)}" if parts else ""


def _checks(console: Console, node: dict[str, Any], *, sql: bool) -> None:
    for check in node.get("checks", ()):
        if isinstance(check, str):  # the quarantine node lists names only
            console.say(f"    rows that fail {check}")
            continue
        outcome = "in shadow" if check["shadow"] else f"else {check['on_fail']}"
        console.say(f"    {check['id']}: {outcome}; judged {check['how']}")
        if sql:
            texts = [check["fails_where"], *check["queries"]]
            for line in [line for text in texts if text for line in text.splitlines()]:
                console.say(f"      {line}")
