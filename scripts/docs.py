"""Writes the pages that are made from the code; tests fail when one is not up to date."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from inspect import cleandoc
from pathlib import Path

import click

from sluiceway.cli.app import app
from sluiceway.rules.docs import render as rules
from sluiceway.spec.docs import configuration_page
from sluiceway.sql.docs import render as dialects
from sluiceway.transforms.docs import render as transforms

DOCS = Path(__file__).parents[1] / "docs"
COMMON = ("--project", "--env", "--json", "--help")
HEAD = """# Command line

Written by `make docs` from the commands; don't edit it.

Every command takes `--project DIR` (the project's folder; the working folder or the nearest above it if
absent), `--env NAME` (the environment; the first one if absent) and `--json` (one JSON document on
stdout and nothing else there; what people read goes to stderr). Before the command stand
`--log-format text|json` and `--log-level` ([logs](health.md#logs)).

| exit code | means |
| --- | --- |
| 0 | done |
| 1 | failed, or cancelled |
| 2 | usage or configuration: nothing was run |
| 3 | blocked by the gate: the destination is as it was |

An error says what happened, where, and what to type next; with `--json` it is
`{"error": {"type", "message", "where", "hint", "details"}}`. Anything that ends in a trace is a bug.
"""


def commands(
    group: click.Group, context: click.Context, path: str
) -> Iterator[tuple[str, click.Command, click.Context]]:
    """Every command that does something, with its full name, in the order of the help."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        full = f"{path} {name}"
        inner = click.Context(command, info_name=name, parent=context)
        if isinstance(command, click.Group):
            yield from commands(command, inner, full)
        else:
            yield full, command, inner


def section(full: str, command: click.Command, context: click.Context) -> str:
    """One command: usage, what it does, and the options that are its own."""
    usage = " ".join(command.collect_usage_pieces(context))
    lines = [f"## `{full}`", "", f"`{full} {usage}`", "", cleandoc(command.help or ""), ""]
    options = [
        option
        for option in command.params
        if isinstance(option, click.Option) and not set(option.opts) & set(COMMON)
    ]
    if options:
        lines += ["| option | does |", "| --- | --- |"]
    for option in options:
        record = option.get_help_record(context)
        assert record is not None
        cell = record[1].replace("|", "\\|")
        lines.append(f"| `{record[0]}` | {cell} |".replace("K=V|JSON", "K=V or JSON"))
    return "\n".join(lines).rstrip() + "\n"


def render() -> str:
    """The page of the commands."""
    context = click.Context(app, info_name="sluiceway")
    sections = (section(*found) for found in commands(app, context, "sluiceway"))
    return "\n".join((HEAD, *sections))


PAGES: dict[str, Callable[[], str]] = {
    "cli.md": render,
    "configuration.md": configuration_page,
    "dialects.md": dialects,
    "rules.md": rules,
    "transforms.md": transforms,
}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), "utf-8")
        print(f"wrote docs/{name}")
