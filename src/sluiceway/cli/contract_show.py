"""``sluiceway contract show``: a contract as the gate understands it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sluiceway.cli.options import Options, common

if TYPE_CHECKING:
    from sluiceway.cli.console import Console

__all__ = ["command"]


@click.command()
@click.argument("target", metavar="FILE|PIPELINE|DATASET")
@click.option("--table", metavar="NAME", help="The schema object to show, where there are several.")
@common
def command(options: Options, target: str, table: str | None) -> None:
    """Show a contract: its columns, its rules as the gate reads them, its promises.

    Of a pipeline or a dataset it is the contract that `export odcs` would write.
    """
    from sluiceway.schema import TableName
    from sluiceway.spec.contract import contract_of
    from sluiceway.spec.entries import Entry, entry_of
    from sluiceway.spec.yaml import Document, read_yaml

    path = Path(target)
    if path.is_file() or path.suffix in (".yaml", ".yml", ".json"):
        document = read_yaml(path)
    else:
        from sluiceway.run.contracts import exported

        document = Document(exported(target, options.project(), options.environment).document)
    spec = contract_of(document, path, TableName.parse(table) if table else None)
    raw = dict(spec.raw)
    shown: dict[str, Any] = {
        **{key: raw.get(key) for key in ("id", "name", "version", "status", "apiVersion")},
        "columns": [
            {
                "name": column.name,
                "type": column.type or None,
                "required": not column.nullable,
                "classified": column.name in spec.classified,
            }
            for column in spec.schema or ()
        ],
        "rules": [
            {
                "id": declared.rule.name or declared.rule.default_id(),
                "rule": entry_of(Entry(declared.rule)),
                "severity": declared.rule.severity,
                "on_fail": declared.rule.effective_on_fail,
                "status": declared.rule.status,
                "where": str(declared.where),
            }
            for declared in spec.rules
        ],
        "sla": raw.get("slaProperties") or [],
    }
    _print(options.console, shown, raw)
    options.console.document({**shown, "contract": raw})


def _print(console: Console, shown: dict[str, Any], raw: dict[str, Any]) -> None:
    console.say(f"{shown['name'] or shown['id']} {shown['version']}, {shown['status']}", "bold")
    team = raw.get("team")
    owner = team.get("name") if isinstance(team, dict) else None
    for word, value in (("id", shown["id"]), ("team", owner)):
        if value and value != shown["name"]:
            console.say(f"{word}: {value}")
    rows = [
        (
            c["name"],
            c["type"] or "",
            "required" if c["required"] else "",
            "classified" if c["classified"] else "",
        )
        for c in shown["columns"]
    ]
    if rows:
        console.say()
        console.table(("column", "type", "", " "), rows)
    if shown["rules"]:
        console.say()
        console.table(
            ("rule", "severity", "if it fails"),
            [
                (rule["id"], rule["severity"], "shadow" if rule["status"] == "shadow" else rule["on_fail"])
                for rule in shown["rules"]
            ],
        )
    else:
        console.say("no rules")
    if shown["sla"]:
        console.say()
        promises = [
            (_or(item, "property"), f"{_or(item, 'value')} {_or(item, 'unit')}".strip(), _or(item, "element"))
            for item in shown["sla"]
        ]
        console.table(("promise", "value", "of"), promises)


def _or(item: dict[str, Any], key: str) -> str:
    return "" if item.get(key) is None else str(item[key])
