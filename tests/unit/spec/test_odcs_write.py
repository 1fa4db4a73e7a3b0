"""Contracts written: where a rule goes, what stays, what comes back."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from sluiceway.errors import SpecError
from sluiceway.schema import Column, Schema, TableName
from sluiceway.spec.contract import read_contract
from sluiceway.spec.entries import normal, parse_entries
from sluiceway.spec.odcs_new import new_contract, properties_of
from sluiceway.spec.odcs_shape import ELEMENTS, REQUIRED, shape_problems
from sluiceway.spec.odcs_types import column_type, property_type
from sluiceway.spec.odcs_write import entries_in, with_rules
from sluiceway.spec.yaml import Document, read_yaml, read_yaml_text
from sluiceway.spec.yaml_edit import dump, read_editable, set_key, write_text

DATA = Path(__file__).parent / "data"
EVERYTHING = (DATA / "everything.odcs.yaml").read_text("utf-8")
"""A contract with every element of the standard, and keys of its own."""
PLACES = read_yaml(DATA / "odcs_places.yaml").value


def official() -> dict[str, Any]:
    package = pytest.importorskip("open_data_contract_standard")
    found = json.loads(files(package).joinpath("schema.json").read_text("utf-8"))
    assert isinstance(found, dict)
    return found


def against_the_standard(raw: dict[str, Any]) -> list[str]:
    """What the standard's schema says of it.

    The package describes 3.2, whose schema asks every column without a logicalType for ``map``: its ``if``
    holds where the key is absent. That one demand is left out.
    """
    import jsonschema

    schema = official()
    for case in schema["$defs"]["SchemaBaseProperty"]["allOf"]:
        if case.get("then", {}).get("required") == ["map"]:
            del case["then"]["required"]
    return [e.message for e in jsonschema.Draft201909Validator(schema).iter_errors(raw)]


def base(*properties: str, more: str = "") -> dict[str, Any]:
    text = (
        "{version: 1.0.0, apiVersion: v3.1.0, kind: DataContract, id: c, status: draft, "
        f"schema: [{{name: t, properties: [{', '.join(properties)}]{more}}}]}}"
    )
    found = read_yaml_text(text).value
    assert isinstance(found, dict)
    return found


# -- reading and writing the file ------------------------------------------------------------------


def test_everything_of_the_standard_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "c.odcs.yaml"
    path.write_text(EVERYTHING, "utf-8")
    value, document = read_editable(path)
    written = dump(value, like=EVERYTHING)
    assert read_yaml_text(written).value == document.value
    for comment in ("# who made this", "# of the contract", "# the key"):
        assert comment in written
    assert written.replace("value: null", "value: ~") == EVERYTHING
    standard = {k: v for k, v in document.value.items() if k != "x-ours"}
    assert against_the_standard(standard) == []
    assert [str(e) for _, e in shape_problems(standard, Document(standard).where)] == []


def test_every_element_and_key_is_in_the_example() -> None:
    """The example above has what the standard has, so what it proves holds for all of it."""
    raw = read_yaml_text(EVERYTHING).value
    seen: dict[str, set[str]] = {}

    def walk(value: Any, element: str) -> None:
        seen.setdefault(element, set()).update(value)
        for key, item in value.items():
            sort = ELEMENTS[element].get(key, "any")
            if sort.strip("[]") in ELEMENTS:
                for each in item if isinstance(item, list) else [item]:
                    walk(each, sort.strip("[]"))

    walk(raw, "contract")
    rare = {key for key in ELEMENTS["quality"] if key.startswith(("mustBe", "mustNot"))} | {
        "rule", "arguments", "name", "invitationUrl", "id", "description", "tags", "customProperties",
        "properties", "authoritativeDefinitions", "quality", "relationships", "items",
    }  # fmt: skip
    for element, keys in ELEMENTS.items():
        assert set(keys) - seen.get(element, set()) <= rare, element


def test_a_contract_with_rules_added_keeps_its_text(tmp_path: Path) -> None:
    path = tmp_path / "c.odcs.yaml"
    path.write_text(EVERYTHING, "utf-8")
    value, _ = read_editable(path)
    done = with_rules(value, [{"not_null": "placed"}, {"unique": "email", "severity": "warning"}])
    lines = dump(done, like=EVERYTHING).replace("value: null", "value: ~").splitlines()
    gone = [line for line in EVERYTHING.splitlines() if line not in lines]
    assert gone == []
    more = [line for line in lines if line not in EVERYTHING.splitlines()]
    assert more == ["          - metric: duplicateValues", "            mustBe: 0"]
    assert lines.count("        required: true") == 2


def test_what_yaml_1_1_reads_otherwise_is_quoted() -> None:
    text = dump({"a": ["2020-01-01", "yes", "off", "12:30", "1_0", "plain", "n"], "b": {"on": "x"}})
    assert read_yaml_text(text).value == {
        "a": ["2020-01-01", "yes", "off", "12:30", "1_0", "plain", "n"], "b": {"on": "x"},
    }  # fmt: skip
    for word in ("2020-01-01", "yes", "off", "12:30", "1_0", "n"):
        assert f"'{word}'" in text


AWKWARD: list[dict[str, Any]] = [
    {"a": "x\ny\n"}, {"a": "x\n\n y"}, {"a": " x "}, {"a": ""}, {"a": "#"}, {"a": "é"}, {"a": {}}, {"a": []},
    {"a": [[1, [2]]]}, {"a": 1e300}, {"a: b": ": c"}, {"a": "null"}, {"a": "0x1F"}, {"a": "x" * 9000},
    {"a": "tab\there"}, {"a": "12:30"}, {"a": "~"}, {"a": "-"}, {"a": "\\n"}, {"a": "it's \"so\""},
]  # fmt: skip


@pytest.mark.parametrize("value", AWKWARD)
def test_values_that_are_awkward_in_yaml(value: dict[str, Any]) -> None:
    assert read_yaml_text(dump(value)).value == value


def test_what_can_t_be_written_is_refused() -> None:
    with pytest.raises(SpecError, match="change of meaning"):
        dump({"a": "x", "b": {1: "a key is a text"}, "c": float("nan")})


# -- rules into it -----------------------------------------------------------------------------------


@pytest.mark.parametrize("case", PLACES["columns"], ids=lambda case: dump(case["rule"])[:50])
def test_where_a_column_s_rule_goes(case: dict[str, Any]) -> None:
    before = base("{name: a}")
    before["schema"][0]["properties"] = [case["before"]]
    known = len(entries_in(before))
    done = with_rules(before, [case["rule"]])
    assert done["schema"][0]["properties"] == [case["after"]]
    assert with_rules(done, [case["rule"]]) == done
    assert against_the_standard(done) == []
    assert len(entries_in(done)) == known + 1


@pytest.mark.parametrize("case", PLACES["tables"], ids=lambda case: dump(case["rule"])[:50])
def test_where_a_table_s_rule_goes(case: dict[str, Any]) -> None:
    done = with_rules(base("{name: a}", "{name: b}"), [case["rule"]])
    assert done["schema"][0]["quality"] == [case["after"]]
    assert done["schema"][0]["properties"] == [{"name": "a"}, {"name": "b"}]
    assert with_rules(done, [case["rule"]]) == done
    assert against_the_standard(done) == []


@pytest.mark.parametrize(
    "metric",
    [
        "{metric: nullValues, mustBe: 0}", "{metric: nullValues, mustBeLessOrEqualTo: 5, unit: percent}",
        "{metric: nullValues, mustBeLessThan: 3}", "{metric: nullValues, mustBeBetween: [0, 3]}",
        "{metric: nullValues, mustNotBe: 3}", "{metric: nullValues, mustBeGreaterThan: 3}",
        "{metric: missingValues, mustBe: 0, arguments: {missingValues: [null, '', n/a, -1]}}",
        "{metric: missingValues, mustBeLessThan: 9, arguments: {missingValues: [x]}}",
        "{metric: invalidValues, mustBe: 0, arguments: {validValues: [a, b]}}",
        "{metric: invalidValues, mustBeLessOrEqualTo: 1, arguments: {pattern: x+}}",
        "{metric: duplicateValues, mustBe: 0}",
        "{metric: duplicateValues, mustBeLessThan: 10, unit: percent}",
        "{type: sql, query: 'SELECT count(*) FROM ${object} WHERE ${property} < 0', mustBe: 0}",
        "{type: sql, query: SELECT avg(a) FROM t, mustNotBeBetween: [1, 2]}",
    ],
)  # fmt: skip
def test_every_metric_of_the_standard_comes_back(metric: str) -> None:
    read = entries_in(base(f"{{name: a, quality: [{metric}]}}"))
    written = with_rules(base("{name: a}"), read)
    again = entries_in(written)
    assert {normal(e) for e in parse_entries(again)} == {normal(e) for e in parse_entries(read)}
    assert against_the_standard(written) == []


def test_a_rule_takes_the_place_of_its_older_version_and_leaves_the_rest() -> None:
    old = base(
        "{name: a, quality: [{id: n1, name: said, metric: nullValues, mustBe: 0, businessImpact: big, "
        "customProperties: [{property: on_fail, value: warn}, {property: theirs, value: 1}]}, "
        "{type: text, description: be good}]}"
    )
    done = with_rules(old, [{"not_null": "a", "name": "n1", "tolerance": 5}])
    assert done["schema"][0]["properties"][0]["quality"] == [
        {
            "id": "n1", "metric": "nullValues", "mustBeLessOrEqualTo": 5, "name": "said",
            "customProperties": [{"property": "theirs", "value": 1}], "businessImpact": "big",
        },
        {"type": "text", "description": "be good"},
    ]  # fmt: skip


def test_a_rule_leaves_its_shadow_in_its_place() -> None:
    shadow = with_rules(base("{name: a}"), [{"not_null": "a", "status": "shadow"}])
    enforced = with_rules(shadow, [{"not_null": "a"}])
    assert enforced["schema"][0]["properties"] == [
        {"name": "a", "quality": [{"metric": "nullValues", "mustBe": 0}]}
    ]


def test_a_word_about_a_column_is_not_taken_away() -> None:
    done = with_rules(base("{name: a, required: true}"), [{"not_null": "a", "severity": "warning"}])
    assert done["schema"][0]["properties"][0]["required"] is True
    assert len(entries_in(done)) == 2


def test_a_key_says_its_rules_already() -> None:
    raw = base("{name: a, primaryKey: true}", "{name: b, primaryKey: true}")
    assert with_rules(raw, [{"not_null": ["a", "b"]}, {"unique": ["a", "b"]}]) == raw


def test_the_table_that_is_meant() -> None:
    raw = base("{name: a}")
    raw["schema"].append({"name": "u", "properties": [{"name": "a"}]})
    done = with_rules(raw, [{"not_null": "a"}], table="mart.u")
    assert done["schema"] == [
        raw["schema"][0],
        {"name": "u", "properties": [{"name": "a", "required": True}]},
    ]
    with pytest.raises(SpecError, match="2 schema objects"):
        with_rules(raw, [{"not_null": "a"}])
    made = with_rules({"id": "c"}, [{"row_count": 1}], table=TableName("mart", "new"))
    assert made["schema"][0]["name"] == "new"


def test_no_rules_change_nothing() -> None:
    raw = {"id": "c", "schema": []}
    assert with_rules(raw, []) == raw


def test_a_rule_that_is_none_is_refused_and_nothing_is_changed() -> None:
    raw = base("{name: a}")
    with pytest.raises(SpecError, match="rnge"):
        with_rules(raw, [{"not_null": "a"}, {"rnge": {}}])
    assert raw == base("{name: a}")


def test_values_of_python_are_written_as_text_and_numbers() -> None:
    rule = {
        "range": {
            "column": "a",
            "min": dt.date(2020, 1, 1),
            "max": dt.datetime(2021, 1, 1, 12, tzinfo=dt.UTC),
        }
    }
    done = with_rules(base("{name: a, logicalType: timestamp}"), [rule])
    assert done["schema"][0]["properties"][0]["logicalTypeOptions"] == {
        "minimum": "2020-01-01", "maximum": "2021-01-01T12:00:00+00:00",
    }  # fmt: skip
    values = {"accepted_values": {"column": "a", "values": [Decimal("1.5"), Decimal(2)]}}
    check = with_rules(base("{name: a}"), [values])["schema"][0]["properties"][0]["quality"][0]
    assert check["arguments"] == {"validValues": [1.5, 2]}


# -- a new one ---------------------------------------------------------------------------------------

TYPES = [
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
    "UHUGEINT", "DECIMAL(18,2)", "FLOAT", "DOUBLE", "VARCHAR", "BOOLEAN", "DATE", "TIME", "TIMESTAMP",
    "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE", "TIME WITH TIME ZONE",
    "INTERVAL", "UUID", "BLOB", "JSON", "INTEGER[]", "FLOAT[]", "INTEGER[3]", "VARCHAR[][]",
    'STRUCT(a INTEGER, "b c" VARCHAR[])', "MAP(VARCHAR, INTEGER)", "STRUCT(x STRUCT(y DATE))[]",
]  # fmt: skip


@pytest.mark.parametrize("type_", TYPES)
def test_types_come_back(type_: str) -> None:
    assert column_type(property_type(type_)) == type_


def test_a_new_contract_is_the_standard_s_and_reads_as_the_table(tmp_path: Path) -> None:
    columns = tuple(Column(f"c{n}", type_, nullable=n != 3) for n, type_ in enumerate(TYPES))
    raw = new_contract(
        "mart.orders", Schema(columns), key=["c2", "c0"], description="orders", owner="sales", tags=["x"],
        classification={"c13": "confidential"},
        sla=[{"property": "frequency", "value": 1, "unit": "d", "schedule": "0 6 * * *"}],
    )  # fmt: skip
    assert against_the_standard(raw) == []
    assert not list(shape_problems(raw, Document(raw).where))
    path = tmp_path / "c.odcs.yaml"
    write_text(path, dump(raw))
    contract = read_contract(path, TableName("mart", "orders"))
    assert contract.schema is not None
    assert [(c.name, c.type) for c in contract.schema] == [(c.name, c.type) for c in columns]
    assert {c.name for c in contract.schema if not c.nullable} == {"c0", "c2", "c3"}
    assert contract.classified == {"c13"}
    assert [r.rule.columns_used for r in contract.rules if r.rule.kind == "unique"] == [("c2", "c0")]
    assert properties_of(Schema(())) == []


# -- the standard's own table ------------------------------------------------------------------------

NEWER = {
    "context", "deprecated", "synonyms", "semanticType", "enum", "map", "vendor", "customProperties", "id",
    "authoritativeDefinitions", "description", "ports", "tags", "priority",
}  # fmt: skip
"""Keys that elements got in 3.2, which the package describes; 3.1 is what we write."""


@pytest.mark.parametrize(
    ("element", "definition"),
    [
        ("support", "SupportItem"), ("price", "Pricing"), ("team", "Team"), ("member", "TeamMember"),
        ("role", "Role"), ("sla", "ServiceLevelAgreementProperty"), ("custom", "CustomProperty"),
    ],
)  # fmt: skip
def test_the_keys_of_an_element_are_the_standard_s(element: str, definition: str) -> None:
    found = official()["$defs"][definition]
    keys = set(found["properties"])
    assert set(ELEMENTS[element]) <= keys
    assert keys - set(ELEMENTS[element]) <= NEWER
    assert set(REQUIRED.get(element, ())) == set(found.get("required", ()))


def test_the_keys_of_contracts_tables_columns_and_checks_are_the_standard_s() -> None:
    schema = official()
    defs = schema["$defs"]
    element = set(defs["SchemaElement"]["properties"])
    cases = {
        "contract": set(schema["properties"]),
        "object": element | set(defs["SchemaObject"]["properties"]),
        "property": element | set(defs["SchemaBaseProperty"]["properties"]) | {"items", "properties"},
        "quality": {*defs["DataQuality"]["properties"], *defs["DataQualityLibrary"]["properties"],
                    *defs["DataQualitySql"]["properties"], *defs["DataQualityCustom"]["properties"],
                    *(key for one in defs["DataQualityOperators"]["oneOf"] for key in one["required"])},
        "relationship": set(defs["RelationshipBase"]["properties"]),
        "description": set(schema["properties"]["description"]["properties"]),
    }  # fmt: skip
    for name, keys in cases.items():
        assert set(ELEMENTS[name]) <= keys, name
        assert keys - set(ELEMENTS[name]) <= NEWER, name
    assert set(REQUIRED["contract"]) - {"status"} == set(schema["required"]) - {"status"}


# -- one key of a file -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a: 1\nrules: [x]\n", "a: 1\nkey: new\nrules: [x]\n"),
        ("a: 1\n# about rules\nrules: [x]\n", "a: 1\nkey: new\n# about rules\nrules: [x]\n"),
        ("a: 1", "a: 1\nkey: new\n"),
        ("a: 1\r\nkey: old   # why\r\nb:   {x: 1}\r\n", "a: 1\r\nkey: new   # why\r\nb:   {x: 1}\r\n"),
        ("key: new\n", "key: new\n"),
    ],
)
def test_one_key_is_set_and_no_other_line_touched(tmp_path: Path, before: str, after: str) -> None:
    path = tmp_path / "p.yml"
    path.write_bytes(before.encode())
    assert set_key(path, "key", "new", before=("rules",)) is (before != after)
    assert path.read_bytes().decode() == after
    assert [p.name for p in tmp_path.iterdir()] == ["p.yml"]


def test_a_key_of_many_lines_is_left_to_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "p.yml"
    text = "key: >\n  a\n  b\nz: 1\n"
    path.write_text(text)
    with pytest.raises(SpecError, match="can't be set") as caught:
        set_key(path, "key", "new")
    assert "key: new" in str(caught.value.hint)
    assert path.read_text() == text
