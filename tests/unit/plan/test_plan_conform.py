"""How a result meets the destination's columns and types."""

from __future__ import annotations

import pytest

from sluiceway.errors import PlanError, Where
from sluiceway.plan.conform import conform, widens
from sluiceway.schema import Schema
from sluiceway.spec.model import SchemaContract


def conformed(result, target, **policy):
    return conform(
        Schema.of(result),
        None if target is None else Schema.of(target),
        SchemaContract(**policy),
        where=Where(),
        of="mart.t",
    )


def test_a_destination_that_does_not_exist_takes_the_result_as_it_is():
    out = conformed({"a": "INTEGER", "b": "VARCHAR"}, None)
    assert [(c.name, c.type) for c in out.schema] == [("a", "INTEGER"), ("b", "VARCHAR")]
    assert (out.rules, out.add, out.widen) == ([], {}, {})


def test_names_are_the_destinations_and_narrower_types_widen_silently():
    out = conformed({"ID": "INTEGER"}, {"id": "BIGINT"})
    assert [(c.name, c.type) for c in out.schema] == [("id", "BIGINT")]
    assert out.rules == []


@pytest.mark.parametrize(
    ("policy", "on_fail", "kept"),
    [("freeze", "block", True), ("discard_row", "quarantine", False), ("discard_value", "warn", False)],
)
def test_new_columns(policy, on_fail, kept):
    out = conformed({"a": "INTEGER", "b": "VARCHAR"}, {"a": "INTEGER"}, columns=policy)
    assert [c.name for c in out.schema] == (["a", "b"] if kept else ["a"])
    assert [d.rule.effective_on_fail for d in out.rules] == [on_fail]
    assert ("b" in out.discards) is (policy == "discard_value")
    assert out.add == {}


def test_new_columns_evolve():
    out = conformed({"a": "INTEGER", "b": "VARCHAR"}, {"a": "INTEGER"}, columns="evolve")
    assert out.add == {"b": "VARCHAR"}


@pytest.mark.parametrize(
    ("policy", "on_fail"), [("freeze", "block"), ("discard_row", "quarantine"), ("discard_value", "warn")]
)
def test_other_types(policy, on_fail):
    out = conformed({"a": "VARCHAR"}, {"a": "BIGINT"}, data_type=policy)
    assert [c.type for c in out.schema] == ["BIGINT"]
    assert [d.rule.effective_on_fail for d in out.rules] == [on_fail]


def test_types_evolve_only_to_wider_ones():
    assert conformed({"a": "BIGINT"}, {"a": "INTEGER"}, data_type="evolve").widen == {"a": "BIGINT"}
    with pytest.raises(PlanError, match="cast"):
        conformed({"a": "VARCHAR"}, {"a": "INTEGER"}, data_type="evolve")


@pytest.mark.parametrize(
    ("narrow", "wide", "fits"),
    [
        ("BIGINT", "DECIMAL(19,0)", True),
        ("BIGINT", "DECIMAL(18,0)", False),
        ("DECIMAL(10,4)", "DECIMAL(12,2)", False),
        ("DOUBLE", "FLOAT", False),
        ("BIGINT", "DOUBLE", False),
        ("TIMESTAMP", "DATE", False),
        ("VARCHAR", "VARCHAR", True),
        ("UBIGINT", "BIGINT", False),
    ],
)
def test_widening(narrow, wide, fits):
    assert widens(narrow, wide) is fits
