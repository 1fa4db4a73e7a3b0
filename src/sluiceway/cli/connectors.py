"""``sluiceway connectors``: the systems that can be read and written."""

from __future__ import annotations

from typing import Any

import click

from sluiceway.cli.options import Options, common

__all__ = ["command"]


@click.command()
@click.argument("name", required=False)
@common
def command(options: Options, name: str | None) -> None:
    """List the connectors, or show one: its keys and examples."""
    from sluiceway import plugins

    if name is None:
        items = [_brief(plugins.load("connectors", known)) for known in plugins.names("connectors")]
        rows = [(i["name"], i["source"], i["destination"], i["doc"]) for i in items]
        options.console.table(("connector", "source", "destination", "about"), rows)
        options.console.say("  its keys and examples:  sluiceway connectors NAME")
        options.console.document({"connectors": items})
        return
    connector = plugins.load("connectors", name)
    item = {**_brief(connector), "doc": connector.doc.strip(), "examples": list(connector.examples)}
    options.console.say(f"{name}: {item['doc']}")
    for role, model in (("source", connector.source_config), ("destination", connector.sink_config)):
        if model is not None:
            item[f"{role}_keys"] = _keys(model)
            options.console.say(f"\n  as a {role}:")
            keys = [(k["key"], "required" if k["required"] else "", k["doc"]) for k in item[f"{role}_keys"]]
            options.console.table(("key", "", "about"), keys)
    for example in connector.examples:
        options.console.say(f"\n{example.rstrip()}")
    options.console.document(item)


def _brief(connector: Any) -> dict[str, Any]:
    return {
        "name": connector.name,
        "source": connector.source is not None,
        "destination": connector.sink is not None,
        "extra": connector.extra,
        "doc": connector.doc.strip().splitlines()[0],
    }


def _keys(model: Any) -> list[dict[str, Any]]:
    return [
        {"key": field.alias or name, "required": field.is_required(), "doc": field.description or ""}
        for name, field in model.model_fields.items()
    ]
