"""The pages of the embedded warehouses name every setting, and their examples are accepted."""

from __future__ import annotations

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from sluiceway import plugins

DOCS = Path(__file__).parents[3] / "docs" / "connectors"
NAMES = ("ducklake", "duckdb", "sqlite")


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_is_documented(name: str) -> None:
    connector = plugins.load("connectors", name)
    warehouse, source = (DOCS / f"{name}.md").read_text("utf-8").split("\n## Source\n")
    for config, page in ((connector.sink_config, warehouse), (connector.source_config, source)):
        missing = [field for field in config.model_fields if f"`{field}`" not in page]
        assert missing == []


@pytest.mark.parametrize("name", NAMES)
def test_the_examples_are_accepted(name: str) -> None:
    connector = plugins.load("connectors", name)
    page = (DOCS / f"{name}.md").read_text("utf-8")
    blocks = [block.split("```")[0] for block in page.split("```yaml\n")[1:]]
    seen = {"warehouse": 0, "source": 0}
    for block in blocks:
        document = YAML(typ="safe").load(block)
        for environment in document.get("environments", {}).values():
            connector.sink_config.model_validate(environment["warehouse"])
            seen["warehouse"] += 1
        for source in document.get("sources", {}).values():
            connector.source_config.model_validate(source)
            seen["source"] += 1
    assert min(seen.values()) >= 1
