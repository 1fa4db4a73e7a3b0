"""Rules into a contract and out again: the same rules, by random options, for every rule there is."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluiceway import plugins
from sluiceway.rules.base import Rule
from sluiceway.spec.contract import contract_of
from sluiceway.spec.entries import Entry, entry_of, normal, parse_entries
from sluiceway.spec.odcs_write import entries_in, with_rules
from sluiceway.spec.yaml import Document, read_yaml_text

CONTRACT: dict[str, Any] = {
    "version": "1.0.0", "apiVersion": "v3.1.0", "kind": "DataContract", "id": "c", "status": "active",
    "schema": [{
        "name": "orders", "physicalName": "orders_v1", "physicalType": "table",
        "properties": [
            {"name": "s", "logicalType": "string"},
            {"name": "n", "logicalType": "integer", "logicalTypeOptions": {"format": "i32"}},
            {"name": "f", "logicalType": "number"},
            {"name": "d", "logicalType": "date"},
            {"name": "said", "physicalName": "written", "logicalType": "timestamp"},
            {"name": "odd \"name\"", "logicalType": "string"},
            {"name": "open"},
            {"name": "nested", "logicalType": "object"},
        ],
    }],
}  # fmt: skip
"""A property of every sort: with and without a type, with a name of its own in the table."""

columns = st.sampled_from(["s", "n", "f", "d", "written", 'odd "name"', "open", "nested", "absent", "said"])
keys = columns | st.lists(columns, min_size=1, max_size=3, unique=True)
words = st.sampled_from(
    ["", " ", "a", "it's", "n/a", "a: b", "- c", "${object}", "${column}", "_", "é", "null"]
)
numbers = st.integers(-5, 1000) | st.floats(-5, 1000, allow_nan=False).map(lambda x: round(x, 3))
bounds = numbers | st.sampled_from(["2020-01-01", "2021-12-31T10:00:00", "10:00:00"])
values = st.lists(words | numbers | st.booleans(), min_size=1, max_size=4)


def mapped(required: dict[str, Any], optional: dict[str, Any] | None = None) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(required, optional=optional or {})


def paired(key: list[str]) -> dict[str, Any]:
    parents = st.sampled_from(["customers", "_", "mart.customers", "odd table", "orders"])
    return {"column": st.just(key), "to": parents.map(lambda p: [f"{p}.{c}" for c in key])}


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "not_null": columns | st.lists(columns, min_size=1, max_size=3, unique=True),
    "unique": keys,
    "accepted_values": mapped({"column": columns, "values": values}),
    "not_accepted_values": mapped({"column": columns, "values": values}),
    "range": mapped(
        {"column": columns}, {"min": bounds, "max": bounds, "min_exclusive": bounds, "max_exclusive": bounds}
    ),
    "length": mapped({"column": columns}, dict.fromkeys(("min", "max", "exact"), st.integers(0, 20))),
    "pattern": mapped({"column": columns, "regex": words})
    | mapped(
        {"column": columns, "format": st.sampled_from(["email", "url", "uuid", "ipv4", "date", "iban"])}
    ),
    "type": mapped({"column": columns, "type": st.sampled_from(["integer", "decimal", "date", "boolean"])}),
    "schema": mapped(
        {"columns": st.dictionaries(columns, st.sampled_from(["integer", "BIGINT", "text"]), min_size=1)},
        {"order": st.booleans(), "extra": st.sampled_from(["allow", "forbid"])},
    ),
    "row_count": st.integers(0, 9)
    | mapped({}, dict.fromkeys(("min", "max", "equals"), st.integers(0, 2000))),
    "aggregate": mapped(
        {"measure": st.sampled_from(["avg(n)", "sum(n) - sum(f)", "count(*)"])},
        dict.fromkeys(("min", "max", "equals", "min_exclusive"), numbers),
    ),
    "freshness": mapped({"column": columns, "max_age": st.sampled_from(["26h", "2d", "30m"])}),
    "monotonic": mapped(
        {"column": columns, "by": columns | st.lists(columns, min_size=1, max_size=2, unique=True)},
        {"partition_by": columns, "direction": st.sampled_from(["increasing", "strictly_decreasing"])},
    ),
    "relationships": st.lists(columns, min_size=1, max_size=2, unique=True).flatmap(
        lambda key: mapped(paired(key))
    )
    | mapped({"column": columns, "to": st.sampled_from(["customers.id", "_.n", "mart.c.id", "a b.c"])}),
    "expression": st.sampled_from(
        [
            "n >= 0", '"n" % 5 = 0', '"n" % 2.5 = 0', '"s" IS NOT NULL AND "s" NOT IN (\'\', \'n/a\')',
            '"s" IS NOT NULL', '"n" NOT IN (-1, 999)', "s NOT IN ('a', n)", "coalesce(n, 0) <= f",
        ]
    ),
    "sql": st.sampled_from(
        [
            "SELECT n FROM _ WHERE n < 0",
            {"query": "SELECT count(*) FROM _ WHERE s LIKE ' _ %'", "must_be": 0},
            {"query": "SELECT count(*) FROM orders", "must_be_less_than": 3.5},
            {"query": "SELECT count(*) FROM _ JOIN customers ON true", "must_be_between": [1, 2]},
            {"query": "SELECT '${column}' FROM _", "must_not_be": 1, "must_be_greater_than": 0},
        ]
    ),
}  # fmt: skip

OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["n1", "a name", "orders.total", "ünïcode"]),
        "description": words.filter(bool),
        "severity": st.sampled_from(["info", "warning", "error", "critical"]),
        "on_fail": st.sampled_from(["warn", "quarantine", "block"]),
        "tolerance": st.sampled_from([0, 5, "0.5%", "0%", "100%", "0.00001%"]),
        "where": st.sampled_from(["n > 0", "s = 'a, b'"]),
        "scope": st.sampled_from(["table", "batch"]),
        "dimension": st.sampled_from(["completeness", "accuracy", "consistency", "timeliness", "uniqueness"]),
        "status": st.just("shadow"),
    },
)


@st.composite
def declared(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(sorted(VALUES)))
    return {kind: draw(VALUES[kind]), **draw(OPTIONS)}


def understood(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that are rules at all; random options make some that are none."""
    from sluiceway.errors import SluicewayError

    right = []
    for item in items:
        try:
            parse_entries([item])
        except SluicewayError:
            continue
        right.append(item)
    return right


def forms(items: list[dict[str, Any]]) -> set[str]:
    return {normal(entry) for entry in parse_entries(items)}


def named_once(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Two rules of one name are two versions of one rule to whoever writes them one after another."""
    seen: set[str] = set()
    return [i for i in items if "name" not in i or not (i["name"] in seen or seen.add(i["name"]))]


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(declared(), min_size=1, max_size=6).map(understood))
def test_rules_come_back_as_they_were(items: list[dict[str, Any]]) -> None:
    before = copy.deepcopy(CONTRACT)
    written = with_rules(CONTRACT, items)
    assert before == CONTRACT, "the document that was given is another's"
    assert forms(entries_in(written)) == forms(items)
    assert with_rules(written, items) == written, "writing twice changes something"
    text = json.dumps(written, ensure_ascii=False)
    read = read_yaml_text(text).value
    assert read == written, "it holds what YAML can't say"
    later = "status" in text and "status" not in Rule.model_fields
    if not later:
        contract = contract_of(Document(read), Path("c.odcs.yaml"))
        assert {normal(Entry(r.rule)) for r in contract.rules} == forms(items)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(declared(), min_size=1, max_size=4).map(understood),
    st.lists(declared(), max_size=3).map(understood),
)
def test_what_was_there_stays(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> None:
    old, new = named_once(old), named_once(new)
    written = with_rules(with_rules(CONTRACT, old), new)
    found = forms(entries_in(written))
    assert forms(new) <= found
    assert found <= forms(old) | forms(new)
    assert with_rules(written, new) == written


@settings(max_examples=200, deadline=None)
@given(declared())
def test_an_entry_of_a_rule_reads_as_the_rule(item: dict[str, Any]) -> None:
    for found in understood([item]):
        for entry in parse_entries([found]):
            assert normal(parse_entries([entry_of(entry)])[0]) == normal(entry)


@pytest.mark.parametrize("kind", plugins.names("rules"))
def test_the_examples_of_every_rule(kind: str) -> None:
    """Rules that this file has no values for yet are written and read too."""
    items = [read_yaml_text(text).value for text in plugins.load("rules", kind).examples]
    assert items
    written = with_rules(CONTRACT, items)
    assert forms(entries_in(written)) == forms(items)
    assert with_rules(written, items) == written
