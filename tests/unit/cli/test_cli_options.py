"""--vars, --select and the order of depends_on."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from sluiceway.cli.options import variables_of
from sluiceway.cli.selection import in_order
from sluiceway.errors import ConfigError


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("a=1",), {"a": 1}),
        (("a=1.5", "b=x=y"), {"a": 1.5, "b": "x=y"}),
        (("a=007",), {"a": "007"}),
        (("a=null", "b=true"), {"a": None, "b": True}),
        (("a=[1]",), {"a": "[1]"}),
        (('{"a": "x"}', "a=y"), {"a": "y"}),
        (("a=",), {"a": ""}),
    ],
)
def test_variables(given, expected):
    assert variables_of(given) == expected


@pytest.mark.parametrize("given", ["a", "=1", "a b=1", '{"a": ', "1a=2"])
def test_variables_that_are_not_pairs_are_refused_with_an_example(given):
    with pytest.raises(ConfigError) as caught:
        variables_of((given,))
    assert "--vars" in str(caught.value)
    assert caught.value.hint


def _pipeline(name, *depends_on, table=None):
    destination = SimpleNamespace(table=table or f"mart.{name}")
    return SimpleNamespace(name=name, depends_on=depends_on, destination=destination)


def _names(*pipelines):
    return [pipeline.name for pipeline in in_order(list(pipelines))]


def test_dependencies_run_first_and_the_rest_keeps_its_order():
    c, b, a, z = _pipeline("c", "pipeline:b"), _pipeline("b", "pipeline:a"), _pipeline("a"), _pipeline("z")
    assert _names(z, c, a, b) == ["z", "a", "b", "c"]


def test_a_dataset_is_made_by_the_pipeline_that_publishes_it():
    assert _names(_pipeline("b", "dataset:mart.x"), _pipeline("a", table="mart.x")) == ["a", "b"]


def test_what_is_not_selected_is_not_waited_for():
    assert _names(_pipeline("b", "pipeline:elsewhere", "dataset:raw.y")) == ["b"]


def test_a_circle_is_refused_and_shown():
    with pytest.raises(ConfigError, match="a → b → a"):
        in_order([_pipeline("a", "pipeline:b"), _pipeline("b", "pipeline:a")])
