from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from sluiceway import plugins
from sluiceway.rules.docs import render

if TYPE_CHECKING:
    from sluiceway.rules.base import Rule

PAGE = Path(__file__).parents[3] / "docs" / "rules.md"
KINDS = plugins.names("rules")


def model(kind: str) -> type[Rule]:
    found: type[Rule] = plugins.load("rules", kind)
    return found


def test_page_is_what_the_rules_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "type: make docs"


@pytest.mark.parametrize("kind", KINDS)
def test_kind_is_the_name_under_which_it_is_registered(kind: str) -> None:
    assert model(kind).kind == kind


@pytest.mark.parametrize("kind", KINDS)
def test_every_option_is_described(kind: str) -> None:
    undescribed = [name for name, field in model(kind).model_fields.items() if not field.description]
    assert undescribed == []


@pytest.mark.parametrize("kind", KINDS)
def test_examples_are_yaml_that_parses_and_explains_itself(kind: str) -> None:
    examples = model(kind).examples
    assert examples
    for example in examples:
        entry: dict[str, Any] = YAML(typ="safe").load(example)
        options = {key: value for key, value in entry.items() if key != kind}
        rules = model(kind).parse(entry[kind], options)
        assert rules
        for rule in rules:
            sentence = rule.explanation()
            assert sentence
            assert "None" not in sentence
            assert not sentence.endswith(".")


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_options_are_refused(kind: str) -> None:
    entry = YAML(typ="safe").load(model(kind).examples[0])
    with pytest.raises(ValidationError, match="Extra inputs"):
        model(kind).parse(entry[kind], {"severitty": "info"})
