"""--vars."""

from __future__ import annotations

import pytest

from sluiceway.cli.options import variables_of
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
