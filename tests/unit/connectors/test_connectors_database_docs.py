"""The pages of the database connectors name every key, and their examples can be read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from sluiceway import plugins

DOCS = Path(__file__).resolve().parents[3] / "docs" / "connectors"


@pytest.mark.parametrize("name", ["postgres", "mysql", "snowflake", "bigquery"])
def test_the_page_names_every_key_and_no_other(name: str) -> None:
    connector = plugins.load("connectors", name)
    page = (DOCS / f"{name}.md").read_text()
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    named = {key for row in rows for key in re.findall(r"`(\w+)`", row)}
    fields = {
        field.alias or key
        for model in (connector.source_config, connector.sink_config)
        for key, field in model.model_fields.items()
    }
    assert named == fields - {"type"}


@pytest.mark.parametrize("name", ["postgres", "mysql", "snowflake", "bigquery"])
def test_examples_are_configurations(name: str) -> None:
    connector = plugins.load("connectors", name)
    for text in connector.examples:
        keys = YAML(typ="safe", pure=True).load(re.sub(r"\$\{(\w+)\}", r"\1", text))
        config = connector.source_config.model_validate(keys)
        assert (config.table is None) != (config.query is None)


@pytest.mark.parametrize("name", ["postgres", "mysql", "snowflake", "bigquery"])
@pytest.mark.parametrize("keys", [{}, {"table": "t", "query": "SELECT 1"}])
def test_table_or_query(name: str, keys: dict[str, str]) -> None:
    connector = plugins.load("connectors", name)
    login = {
        "snowflake": {"account": "a", "user": "u", "database": "d"}, "bigquery": {"project": "p"}
    }.get(name, {})  # fmt: skip
    with pytest.raises(ValueError, match="either table or query"):
        connector.source_config.model_validate({"type": name, **login, **keys})
