"""A table of changes: each named, each in its class, and the version that it asks for."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from sluiceway.errors import SpecError
from sluiceway.schema import Schema, TableName
from sluiceway.spec.contract_change import bumped
from sluiceway.spec.contract_diff import compare_contracts, type_change
from sluiceway.spec.odcs_new import new_contract
from sluiceway.spec.odcs_write import with_rules
from sluiceway.spec.yaml import read_yaml_text

B, N, W = "breaking", "non-breaking", "informational"


def contract(properties: str = "[{name: a}]", more: str = "", top: str = "") -> dict[str, Any]:
    text = (
        "{version: 1.2.3, apiVersion: v3.1.0, kind: DataContract, id: c, status: active, "
        f"{top}schema: [{{name: t, properties: {properties}{more}}}]}}"
    )
    found = read_yaml_text(text).value
    assert isinstance(found, dict)
    return found


def found(old: dict[str, Any], new: dict[str, Any]) -> list[tuple[str, str]]:
    before = copy.deepcopy((old, new))
    changes = compare_contracts(old, new).changes
    assert (old, new) == before, "what is compared is not changed"
    assert all(change.message and change.path for change in changes)
    json.dumps([change.as_dict() for change in changes])
    return [(change.kind, change.level) for change in changes]


def typed(type_: str) -> str:
    return f"[{{name: a, physicalType: '{type_}'}}]"


def optioned(options: str, logical: str = "integer") -> str:
    return f"[{{name: a, logicalType: {logical}, logicalTypeOptions: {{{options}}}}}]"


def ruled(rule: str) -> str:
    return f"[{{name: a, quality: [{{type: custom, engine: sluiceway, implementation: {{{rule}}}}}]}}]"


def keyed(first: int, second: int) -> str:
    key = "primaryKey: true, primaryKeyPosition"
    return f"[{{name: a, {key}: {first}}}, {{name: b, {key}: {second}}}]"


A = "[{name: a}]"
COLUMNS = [
    (A, "[{name: a}, {name: b}]", [("column_added", N)]),
    (A, "[{name: a}, {name: b, required: true}]", [("column_added", B)]),
    ("[{name: a}, {name: b}]", A, [("column_removed", B)]),
    ("[{name: a, id: x1}]", "[{name: b, id: x1}]", [("column_renamed", B), ("column_added", N)]),
    ("[{name: a, physicalName: p}]", "[{name: z, physicalName: p}]", [("name_changed", W)]),
    ("[{name: a}, {name: b}]", "[{name: b}, {name: a}]", [("columns_reordered", W)]),
    (A, "[{name: a, required: true}]", [("required_added", B)]),
    ("[{name: a, required: true}]", A, [("required_removed", B)]),
    (A, "[{name: a, unique: true}]", [("unique_added", B)]),
    ("[{name: a, unique: true}]", A, [("unique_removed", B)]),
    ("[{name: a, primaryKey: true, required: true}]", "[{name: a, required: true}]", [("key_changed", B)]),
    (
        keyed(1, 2),
        keyed(2, 1),
        [("key_reordered", W)],
    ),
    ("[{name: a, classification: pii}]", A, [("classification_removed", B)]),
    (A, "[{name: a, classification: pii}]", [("classification_changed", N)]),
    (
        "[{name: a, classification: secret}]",
        "[{name: a, classification: pii}]",
        [("classification_changed", N)],
    ),
    (A, "[{name: a, description: said}]", [("description_changed", W)]),
    (A, "[{name: a, businessName: A}]", [("business_name_changed", W)]),
    (A, "[{name: a, tags: [x]}]", [("tags_changed", W)]),
    (typed("INTEGER"), typed("BIGINT"), [("type_widened", N)]),
    (typed("BIGINT"), typed("INTEGER"), [("type_narrowed", B)]),
    (typed("BIGINT"), typed("VARCHAR"), [("type_changed", B)]),
    (typed("int"), typed("integer"), [("physical_type_changed", W)]),
    (typed("varchar(20)"), typed("varchar(10)"), [("type_narrowed", B)]),
    (typed("varchar(10)"), typed("varchar(20)"), [("type_widened", N)]),
    (typed("varchar(10)"), typed("varchar"), [("type_widened", N)]),
    (typed("varchar"), typed("varchar(10)"), [("type_narrowed", B)]),
    (A, typed("INTEGER"), [("type_changed", W)]),
]
RULES = [
    # what the rule accepts
    (
        "accepted_values: {column: a, values: [x, y]}",
        "accepted_values: {column: a, values: [x]}",
        [("enum_narrowed", B)],
    ),
    (
        "accepted_values: {column: a, values: [x]}",
        "accepted_values: {column: a, values: [x, y]}",
        [("enum_widened", N)],
    ),
    (
        "accepted_values: {column: a, values: [x, y]}",
        "accepted_values: {column: a, values: [y, z]}",
        [("enum_narrowed", B), ("enum_widened", N)],
    ),
    (
        "accepted_values: {column: a, values: [x, y]}, severity: warning",
        "accepted_values: {column: a, values: [x]}, severity: warning",
        [("enum_narrowed", N)],
    ),
    ("range: {column: a, min: 0}", "range: {column: a, min: 1}", [("range_narrowed", B)]),
    ("range: {column: a, min: 0}", "range: {column: a, min_exclusive: 0}", [("range_narrowed", B)]),
    ("range: {column: a, min: 0}", "range: {column: a, min: 0, max: 9}", [("range_narrowed", B)]),
    ("range: {column: a, min: 1, max: 5}", "range: {column: a, min: 0, max: 9}", [("range_widened", N)]),
    (
        "range: {column: a, min: 1, max: 5}",
        "range: {column: a, min: 0, max: 4}",
        [("range_narrowed", B), ("range_widened", N)],
    ),
    ("range: {column: a, min: 0, max: 9}", "range: {column: a, max: 9}", [("range_widened", N)]),
    ("length: {column: a, max: 9}", "length: {column: a, max: 5}", [("length_narrowed", B)]),
    ("length: {column: a, min: 3, max: 3}", "length: {column: a, exact: 3}", []),
    ("row_count: {min: 1}", "row_count: {min: 10}", [("row_count_narrowed", B)]),
    (
        "aggregate: {measure: avg(a), max: 1}",
        "aggregate: {measure: avg(a), max: 2}",
        [("aggregate_widened", N)],
    ),
    (
        "freshness: {column: a, max_age: 24h}",
        "freshness: {column: a, max_age: 2d}",
        [("freshness_loosened", B)],
    ),
    (
        "freshness: {column: a, max_age: 2d}",
        "freshness: {column: a, max_age: 24h}",
        [("freshness_tightened", B)],
    ),
    ("pattern: {column: a, regex: 'x+'}", "pattern: {column: a, regex: 'y+'}", [("rule_changed", B)]),
    # how it is enforced
    ("not_null: a, severity: warning", "not_null: a", [("rule_enforced", B)]),
    ("not_null: a", "not_null: a, severity: warning", [("rule_relaxed", B)]),
    ("length: {column: a, max: 1}", "length: {column: a, max: 1}, severity: warning", [("rule_relaxed", N)]),
    (
        "length: {column: a, max: 1}, severity: info",
        "length: {column: a, max: 1}, on_fail: quarantine",
        [("rule_enforced", B)],
    ),
    ("length: {column: a, max: 1}, status: shadow", "length: {column: a, max: 1}", [("rule_enforced", B)]),
    (
        "length: {column: a, max: 1}, status: shadow",
        "length: {column: a, max: 1}, severity: info",
        [("rule_enforced", N)],
    ),
    (
        "length: {column: a, max: 1}, tolerance: 5",
        "length: {column: a, max: 1}, tolerance: 2",
        [("tolerance_lowered", B)],
    ),
    ("length: {column: a, max: 1}", "length: {column: a, max: 1}, tolerance: 1%", [("tolerance_raised", N)]),
    ("length: {column: a, max: 1}", "length: {column: a, max: 1}, tolerance: 0", []),
    (
        "length: {column: a, max: 1}, tolerance: 1%",
        "length: {column: a, max: 1}, tolerance: 5",
        [("tolerance_changed", B)],
    ),
    (
        "length: {column: a, max: 1}, on_fail: quarantine",
        "length: {column: a, max: 1}, on_fail: quarantine, tolerance: 5%",
        [("tolerance_lowered", B)],
    ),
    ("length: {column: a, max: 1}", "length: {column: a, max: 1}, where: a > 0", [("rule_changed", B)]),
    (
        "length: {column: a, max: 1}",
        "length: {column: a, max: 1}, description: said",
        [("rule_words_changed", W)],
    ),
    (
        "length: {column: a, max: 1}",
        "length: {column: a, max: 1}, severity: critical",
        [("rule_words_changed", W)],
    ),
    (
        "length: {column: a, max: 1}, name: one",
        "length: {column: a, max: 1}, name: two",
        [("rule_words_changed", W)],
    ),
]
LISTED = [
    ("", ", quality: [{metric: rowCount, mustBe: 1}]", [("rule_added", B)]),
    ("", ", quality: [{metric: rowCount, mustBe: 1, severity: warning}]", [("rule_added", N)]),
    (
        "",
        ", quality: [{metric: rowCount, mustBe: 1, customProperties: [{property: status, value: shadow}]}]",
        [("rule_added", W)],
    ),
    (", quality: [{metric: rowCount, mustBe: 1}]", "", [("rule_removed", N)]),
    ("", ", relationships: [{from: t.a, to: u.b}]", [("rule_added", B)]),
    ("", ", quality: [{type: text, description: be good}]", []),
    ("", ", description: words", [("description_changed", W)]),
    ("", ", physicalName: elsewhere", [("physical_name_changed", B)]),
]


def sla(text: str) -> str:
    return f"slaProperties: [{text}], "


TERMS = [
    ("", "id2", [("id_changed", B)]),
    ("status: active, ", "status: deprecated, ", [("status_changed", N)]),
    ("status: active, ", "status: retired, ", [("status_changed", B)]),
    ("status: draft, ", "status: active, ", [("status_changed", W)]),
    ("servers: [{server: s, type: local}], ", "", [("server_removed", B)]),
    ("", "servers: [{server: s, type: local}], ", [("server_added", N)]),
    ("servers: [{server: s, host: a}], ", "servers: [{server: s, host: b}], ", [("server_changed", B)]),
    (
        "servers: [{server: s, host: a}], ",
        "servers: [{server: s, host: a, description: d}], ",
        [("server_changed", W)],
    ),
    ("", "domain: sales, ", [("domain_changed", W)]),
    ("team: {name: x}, ", "team: {name: y}, ", [("team_changed", W)]),
    ("", sla("{property: latency, value: 4, unit: h}"), [("sla_added", N)]),
    (sla("{property: latency, value: 4, unit: h}"), "", [("sla_removed", B)]),
    (
        sla("{property: latency, value: 4, unit: h}"),
        sla("{property: latency, value: 1, unit: d}"),
        [("sla_loosened", B)],
    ),
    (
        sla("{property: latency, value: 4, unit: h}"),
        sla("{property: latency, value: 1, unit: h}"),
        [("sla_tightened", N)],
    ),
    (
        sla("{property: latency, value: 24, unit: h}"),
        sla("{property: latency, value: 1, unit: d}"),
        [("sla_words_changed", W)],
    ),
    (
        sla("{property: retention, value: 3, unit: y}"),
        sla("{property: retention, value: 1, unit: y}"),
        [("sla_loosened", B)],
    ),
    (
        sla("{property: endOfLife, value: '2042-05-12'}"),
        sla("{property: endOfLife, value: '2043-05-12'}"),
        [("sla_tightened", N)],
    ),
    (sla("{property: odd, value: x}"), sla("{property: odd, value: y}"), [("sla_changed", B)]),
    (
        sla("{property: frequency, value: 1, unit: d, schedule: 0 6 * * *}"),
        sla("{property: frequency, value: 1, unit: d, schedule: 0 8 * * *}"),
        [("sla_changed", B)],
    ),
]


@pytest.mark.parametrize(("old", "new", "expected"), COLUMNS)
def test_columns(old: str, new: str, expected: list[Any]) -> None:
    assert sorted(found(contract(old), contract(new))) == sorted(expected)


@pytest.mark.parametrize(("old", "new", "expected"), RULES)
def test_rules(old: str, new: str, expected: list[Any]) -> None:
    assert sorted(found(contract(ruled(old)), contract(ruled(new)))) == sorted(expected)


@pytest.mark.parametrize(("old", "new", "expected"), LISTED)
def test_what_a_table_says(old: str, new: str, expected: list[Any]) -> None:
    assert found(contract(more=old), contract(more=new)) == expected


@pytest.mark.parametrize(("old", "new", "expected"), TERMS)
def test_terms(old: str, new: str, expected: list[Any]) -> None:
    def made(top: str) -> dict[str, Any]:
        base = contract(top="" if top == "id2" or top.startswith("status") else top)
        if top == "id2":
            base["id"] = "c2"
        return base | ({"status": top.split()[1].strip(",")} if top.startswith("status") else {})

    assert found(made(old), made(new)) == expected


def test_a_rule_said_in_another_place_is_no_change() -> None:
    plainly = contract(optioned("minimum: 0", "number"))
    longer = contract(
        "[{name: a, logicalType: number, quality: "
        "[{type: custom, engine: sluiceway, implementation: {range: {column: a, min: 0}}}]}]"
    )
    assert found(plainly, longer) == []
    word = contract("[{name: a, required: true}]")
    assert found(word, contract("[{name: a, quality: [{metric: nullValues, mustBe: 0}]}]")) == []


def test_rules_of_columns_that_came_or_went_are_part_of_that() -> None:
    both = contract("[{name: a}, {name: b, unique: true, logicalTypeOptions: {minimum: 1}}]")
    assert found(contract(), both) == [("column_added", N)]
    assert found(both, contract()) == [("column_removed", B)]


def test_tables_and_a_choice_among_them() -> None:
    one = contract()
    two = copy.deepcopy(one)
    two["schema"].append({"name": "u", "properties": [{"name": "x"}]})
    assert found(one, two) == [("table_added", N)]
    assert found(two, one) == [("table_removed", B)]
    more = copy.deepcopy(two)
    more["schema"][1]["properties"].append({"name": "y"})
    assert [c.path for c in compare_contracts(two, more, table=TableName("x", "u")).changes] == ["u.y"]
    assert not compare_contracts(two, more, table=TableName("x", "t")).changes


@pytest.mark.parametrize("properties", [case[0] for case in COLUMNS])
def test_nothing_changed(properties: str) -> None:
    diff = compare_contracts(contract(properties), contract(properties))
    assert (diff.changes, diff.bump, diff.suggested_version, diff.breaking) == ((), "none", "1.2.3", False)


def test_the_version_that_a_change_asks_for() -> None:
    old = contract()
    cases = [
        ("[{name: a, description: d}]", "patch", "1.2.4"),
        ("[{name: a}, {name: b}]", "minor", "1.3.0"),
        ("[{name: b}]", "major", "2.0.0"),
    ]
    for properties, bump, version in cases:
        new = contract(properties)
        diff = compare_contracts(old, new)
        assert (diff.bump, diff.suggested_version, diff.version_suffices) == (bump, version, False)
        assert compare_contracts(old, new | {"version": version}).version_suffices is True
    assert compare_contracts(old | {"version": "spring"}, old).version_suffices is None
    assert bumped("0.1.5", "major") == "0.2.0"


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("TINYINT", "HUGEINT", "type_widened"), ("UINTEGER", "INTEGER", "type_changed"),
        ("UINTEGER", "BIGINT", "type_widened"), ("INTEGER", "DOUBLE", "type_widened"),
        ("BIGINT", "DOUBLE", "type_changed"), ("INTEGER", "DECIMAL(10,0)", "type_widened"),
        ("BIGINT", "DECIMAL(18,0)", "type_changed"), ("BIGINT", "DECIMAL(19,0)", "type_widened"),
        ("DECIMAL(9,2)", "DECIMAL(18,2)", "type_widened"), ("DECIMAL(9,2)", "DECIMAL(9,4)", "type_changed"),
        ("FLOAT", "DOUBLE", "type_widened"), ("DOUBLE", "FLOAT", "type_narrowed"),
        ("DATE", "TIMESTAMP", "type_changed"), ("INTEGER[]", "BIGINT[]", "type_widened"),
        ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "type_changed"),
    ],
)  # fmt: skip
def test_types(old: str, new: str, kind: str) -> None:
    assert type_change(old, new)[0] == kind


def test_a_table_as_it_stands_knows_its_columns_alone() -> None:
    promised = with_rules(
        new_contract("mart.t", Schema.of({"a": "INTEGER", "b": "DATE"}), key=["a"], owner="x"),
        [{"row_count": {"min": 1}}],
    )
    standing = new_contract("mart.t", Schema.of({"a": "BIGINT", "c": "VARCHAR"}))
    changes = compare_contracts(promised, standing, columns_only=True).changes
    assert [(c.kind, c.path) for c in changes] == [
        ("column_removed", "t.b"), ("type_widened", "t.a"), ("column_added", "t.c"),
    ]  # fmt: skip
    assert not compare_contracts(
        promised, new_contract("mart.t", Schema.of({"a": "INTEGER", "b": "DATE"})), columns_only=True
    ).changes


def test_a_rule_that_can_t_be_read_is_an_error() -> None:
    with pytest.raises(SpecError, match="rnge"):
        compare_contracts(contract(), contract(ruled("rnge: 1")))
