"""ODCS contracts: the standard's own examples, the mapping to rules, and mistakes with their place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sluiceway.duck import open_duckdb
from sluiceway.errors import ConfigError, SpecError
from sluiceway.schema import TableName
from sluiceway.spec.contract import load_contract, read_contract
from sluiceway.spec.odcs_types import column_type
from sluiceway.spec.project import default_project
from sluiceway.spec.yaml import read_yaml

if TYPE_CHECKING:
    from sluiceway.spec.model import ContractSpec

SPECS = Path(__file__).parents[4] / "shared" / "specs" / "odcs"
HEAD = "version: 1.0.0\napiVersion: v3.1.0\nkind: DataContract\nid: c1\nstatus: active\n"
needs_specs = pytest.mark.skipif(
    not SPECS.is_dir(), reason="the standard's schema and examples are not there"
)


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)

    def contract(text: str, table: str | None = None, head: str = HEAD) -> ContractSpec:
        path = Path("c.odcs.yaml")
        path.write_text(head + text, encoding="utf-8")
        return read_contract(path, TableName.parse(table) if table else None)

    return contract


def one(properties: str, more: str = "") -> str:
    return f"schema:\n  - name: orders\n    physicalName: orders_v1\n{more}    properties:\n{properties}"


def prop(text: str) -> str:
    return one(f"      - {{name: amount, {text}}}\n")


def check(text: str) -> str:
    return one(f"      - name: amount\n        quality:\n          - {text}\n")


def rules(contract: ContractSpec) -> list[tuple[str, dict[str, Any]]]:
    return [(r.rule.kind, r.rule.model_dump(exclude_unset=True)) for r in contract.rules]


def validator() -> Any:
    import jsonschema

    schema = json.loads((SPECS / "odcs-json-schema-v3.1.0.json").read_text(encoding="utf-8"))
    return jsonschema.Draft201909Validator(schema)


@needs_specs
@pytest.mark.parametrize("path", sorted((SPECS / "examples").glob("*.yaml")), ids=lambda p: p.name)
def test_the_standards_examples_are_read_and_nothing_is_lost(path: Path) -> None:
    contract = read_contract(path, TableName("main", "tbl_1"))
    assert contract.raw == read_yaml(path).value
    assert contract.id == "53581432-6c55-4ba2-a65f-72344a91553a"
    assert not list(validator().iter_errors(dict(contract.raw) | {"apiVersion": "v3.1.0"}))


@needs_specs
def test_all_data_types() -> None:
    contract = read_contract(SPECS / "examples" / "all-data-types.odcs.yaml")
    assert contract.schema is not None
    assert {c.name: c.type for c in contract.schema} == {
        "account_id": "VARCHAR", "txn_ref_date": "DATE", "txn_timestamp": "TIMESTAMP",
        "txn_timestamp_tz": "TIMESTAMP WITH TIME ZONE", "txn_time": "TIME", "amount": "DOUBLE",
        "age": "INTEGER", "is_open": "BOOLEAN", "latest_txns": "", "customer_details": "JSON",
    }  # fmt: skip
    found = rules(contract)
    assert ("length", {"column": "account_id", "min": 11, "max": 11}) in found
    assert ("pattern", {"column": "account_id", "regex": "ACC[0-9]{8}"}) in found
    assert ("range", {"column": "txn_ref_date", "min_exclusive": "2020-01-01", "max": "2021-01-01"}) in found
    assert ("range", {"column": "age", "min": 18, "max_exclusive": 100}) in found


@needs_specs
def test_classified_columns_and_a_choice_of_object() -> None:
    contract = read_contract(SPECS / "examples" / "all-schema-types.odcs.yaml", TableName("x", "tbl_1"))
    assert contract.classified == frozenset({"rcvr_id"})
    with pytest.raises(SpecError, match="3 schema objects"):
        read_contract(SPECS / "examples" / "all-schema-types.odcs.yaml", TableName("x", "other"))


@needs_specs
def test_what_these_tests_write_is_the_standards_language(read: Any) -> None:
    contract = read(check("{metric: nullValues, mustBeLessOrEqualTo: 5, unit: percent, id: n1}"))
    assert not list(validator().iter_errors(contract.raw))


@pytest.mark.parametrize(
    ("declared", "type_"),
    [
        ({"logicalType": "string"}, "VARCHAR"),
        ({"logicalType": "integer"}, "BIGINT"),
        ({"logicalType": "integer", "logicalTypeOptions": {"format": "u8"}}, "UTINYINT"),
        ({"logicalType": "number", "logicalTypeOptions": {"format": "f32"}}, "FLOAT"),
        ({"logicalType": "number", "physicalType": "decimal(18, 2)"}, "DECIMAL(18,2)"),
        ({"logicalType": "number", "physicalType": "NUMBER(38)"}, "DECIMAL(38,0)"),
        ({"logicalType": "number", "physicalType": "number(99,2)"}, "DOUBLE"),
        ({"physicalType": "character varying (20)"}, "VARCHAR"),
        ({"physicalType": "double precision"}, "DOUBLE"),
        ({"physicalType": "timestamp with time zone"}, "TIMESTAMP WITH TIME ZONE"),
        ({"logicalType": "timestamp", "logicalTypeOptions": {"timezone": True}}, "TIMESTAMP WITH TIME ZONE"),
        ({"logicalType": "string", "physicalType": "geography"}, "VARCHAR"),
        ({"physicalType": "INTEGER[]"}, "INTEGER[]"),
        ({"logicalType": "array", "items": {"logicalType": "integer"}}, "BIGINT[]"),
        ({"logicalType": "array"}, ""),
        ({"logicalType": "object"}, "JSON"),
        (
            {"logicalType": "object", "properties": [{"name": 'a"b', "logicalType": "date"}]},
            'STRUCT("a""b" DATE)',
        ),
        ({"physicalType": "geography"}, ""),
        ({}, ""),
    ],
)
def test_types(declared: dict[str, Any], type_: str) -> None:
    assert column_type(declared) == type_


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("required: true", [("not_null", {"column": "amount"})]),
        ("unique: true", [("unique", {"column": "amount"})]),
        ("primaryKey: true", [("not_null", {"column": "amount"}), ("unique", {"column": ("amount",)})]),
        (
            "logicalType: string, logicalTypeOptions: {format: email}",
            [("pattern", {"column": "amount", "format": "email"})],
        ),
        ("logicalType: string, logicalTypeOptions: {format: password}", []),
        ("logicalType: integer, logicalTypeOptions: {format: i32}", []),
        (
            "logicalType: number, logicalTypeOptions: {minimum: 0, exclusiveMinimum: true}",
            [("range", {"column": "amount", "min_exclusive": 0})],
        ),
        (
            "logicalType: number, logicalTypeOptions: {multipleOf: 5}",
            [("expression", {"expression": '"amount" % 5 = 0'})],
        ),
        (
            "relationships: [{to: customers.id}]",
            [("relationships", {"column": "amount", "to": "customers.id"})],
        ),
        (
            "relationships: [{to: schema/customers/properties/id}]",
            [("relationships", {"column": "amount", "to": "customers.id"})],
        ),
        ("relationships: [{to: orders.amount}]", [("relationships", {"column": "amount", "to": "_.amount"})]),
        ("classification: restricted", []),
    ],
)
def test_properties_become_rules(read: Any, text: str, expected: list[Any]) -> None:
    found = [(kind, fields) for kind, fields in rules(read(prop(text)))]
    normal = [(k, {n: list(v) if isinstance(v, tuple) else v for n, v in f.items()}) for k, f in found]
    wanted = [(k, {n: list(v) if isinstance(v, tuple) else v for n, v in f.items()}) for k, f in expected]
    assert [(k, _flat(f)) for k, f in normal] == [(k, _flat(f)) for k, f in wanted]


def _flat(fields: dict[str, Any]) -> dict[str, Any]:
    """One column alone and a list of one are the same."""
    return {n: v[0] if isinstance(v, list) and len(v) == 1 else v for n, v in fields.items()}


@pytest.mark.parametrize(
    ("text", "kind", "fields"),
    [
        ("{metric: nullValues, mustBe: 0}", "not_null", {"column": "amount"}),
        ("{metric: nullValues, mustBeLessThan: 3}", "not_null", {"column": "amount", "tolerance": "2 rows"}),
        (
            "{metric: nullValues, mustBeBetween: [0, 3]}",
            "not_null",
            {"column": "amount", "tolerance": "3 rows"},
        ),
        (
            "{metric: nullValues, mustBeLessOrEqualTo: 0.5, unit: percent}",
            "not_null",
            {"column": "amount", "tolerance": "0.5%"},
        ),
        (
            "{metric: nullValues, mustBeGreaterThan: 3}",
            "sql",
            {"query": 'SELECT count(*) FROM _ WHERE "amount" IS NULL', "must_be_greater_than": 3},
        ),
        (
            "{metric: nullValues, mustBeLessThan: 5, unit: percent}",
            "sql",
            {
                "query": 'SELECT 100.0 * (SELECT count(*) FROM _ WHERE "amount" IS NULL)'
                " / nullif((SELECT count(*) FROM _), 0)",
                "must_be_less_than": 5,
            },
        ),
        (
            "{metric: missingValues, mustBe: 0, arguments: {missingValues: [null, '', 'n''a']}}",
            "expression",
            {"expression": "\"amount\" IS NOT NULL AND \"amount\" NOT IN ('', 'n''a')"},
        ),
        (
            "{metric: invalidValues, mustBe: 0, arguments: {validValues: [a, 1, null]}}",
            "accepted_values",
            {"column": "amount", "values": ("a", 1)},
        ),
        (
            "{metric: invalidValues, mustBe: 0, arguments: {pattern: '[A-Z]+'}}",
            "pattern",
            {"column": "amount", "regex": "[A-Z]+"},
        ),
        ("{rule: duplicateCount, mustBe: 0}", "unique", {"column": ("amount",)}),
        ("{metric: rowCount, mustBeBetween: [1, 5]}", "row_count", {"min": 1, "max": 5}),
        ("{metric: rowCount, mustBeGreaterThan: 1}", "row_count", {"min": 2}),
        ("{metric: rowCount, mustBe: 7}", "row_count", {"equals": 7}),
        ("{metric: rowCount, mustNotBe: 7}", "sql", {"query": "SELECT count(*) FROM _", "must_not_be": 7}),
        (
            "{type: sql, query: 'SELECT count(*) FROM ${object} WHERE ${property} < 0', mustBe: 0}",
            "sql",
            {"query": 'SELECT count(*) FROM _ WHERE "amount" < 0', "must_be": 0},
        ),
        (
            (
                "{type: custom, engine: sluiceway,"
                " implementation: {range: {column: amount, min: 1}, on_fail: quarantine}}"
            ),
            "range",
            {"column": "amount", "min": 1, "on_fail": "quarantine"},
        ),
        (
            '{type: custom, engine: sluiceway, implementation: "not_null: amount\\nseverity: warning"}',
            "not_null",
            {"column": "amount", "severity": "warning"},
        ),
        (
            (
                "{metric: nullValues, mustBe: 0, id: n1, name: x, severity: Warn, dimension: coverage,"
                " description: d}"
            ),
            "not_null",
            {
                "column": "amount", "name": "n1", "severity": "warning", "dimension": "completeness",
                "description": "d",
            },
        ),
        (
            "{metric: nullValues, mustBe: 0, name: x, severity: high, dimension: conformity}",
            "not_null",
            {"column": "amount", "name": "x", "dimension": "accuracy"},
        ),
        (
            "{metric: nullValues, mustBe: 0, customProperties: [{property: on_fail, value: quarantine}]}",
            "not_null",
            {"column": "amount", "on_fail": "quarantine"},
        ),
    ],
)  # fmt: skip
def test_quality_becomes_rules(read: Any, text: str, kind: str, fields: dict[str, Any]) -> None:
    (declared,) = read(check(text)).rules
    found = declared.rule.model_dump(exclude_unset=True)
    if declared.rule.tolerance is not None:
        found["tolerance"] = str(declared.rule.tolerance)
    assert (declared.rule.kind, _listed(found)) == (kind, _listed(fields))
    assert declared.origin == "contract"
    assert str(declared.where) == "c.odcs.yaml:12: schema[0].properties[0].quality[0]"


def _listed(fields: dict[str, Any]) -> dict[str, Any]:
    return _flat({name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()})


def test_sql_that_names_the_table_itself_reads_the_batch(read: Any) -> None:
    text = "{type: sql, query: 'select count(*) from Orders_V1 where Orders_V1.amount <= 0', mustBe: 0}"
    (declared,) = read(check(text)).rules
    assert declared.rule.model_dump()["query"] == (
        'SELECT COUNT(*) FROM _ AS "Orders_V1" WHERE Orders_V1.amount <= 0'
    )


def test_text_and_other_tools_checks_are_kept_and_not_evaluated(read: Any) -> None:
    contract = read(
        check(
            "{type: text, description: be good}\n          - {type: custom, engine: soda, implementation: x}"
        )
    )
    assert contract.rules == ()
    assert len(contract.raw["schema"][0]["properties"][0]["quality"]) == 2


def test_composite_keys_in_their_positions_and_object_level_checks(read: Any) -> None:
    text = one(
        "      - {name: b, primaryKey: true, primaryKeyPosition: 2}\n"
        "      - {name: a, physicalName: a_col, primaryKey: true, primaryKeyPosition: 1}\n",
        "    quality:\n      - {metric: duplicateValues, mustBe: 0, arguments: {properties: [a, b]}}\n"
        "    relationships:\n      - {from: [orders.a, orders.b], to: [lines.a, lines.b]}\n",
    )
    found = [(kind, _listed(fields)) for kind, fields in rules(read(text))]
    assert found == [
        ("not_null", {"column": "b"}),
        ("not_null", {"column": "a_col"}),
        ("unique", {"column": ["a_col", "b"]}),
        ("relationships", {"column": ["a_col", "b"], "to": ["lines.a", "lines.b"]}),
        ("unique", {"column": ["a_col", "b"]}),
    ]


def test_required_columns_are_not_nullable(read: Any) -> None:
    schema = read(prop("logicalType: integer, required: true")).schema
    assert schema is not None
    assert [(c.name, c.type, c.nullable) for c in schema] == [("amount", "BIGINT", False)]


def test_a_contract_without_properties_freezes_nothing(read: Any) -> None:
    assert read("").schema is None
    assert read("schema:\n  - name: orders\n").schema is None


def test_paths_are_the_projects(tmp_path: Path) -> None:
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "c.odcs.yaml").write_text(HEAD)
    contract = load_contract(Path("contracts/c.odcs.yaml"), project=default_project(tmp_path))
    assert contract.file == tmp_path / "contracts" / "c.odcs.yaml"


@pytest.mark.parametrize(
    ("text", "place", "said", "hint"),
    [
        ("schema: x\n", ":6: schema", "expected a list", ""),
        ("schema: [x]\n", ":6: schema[0]", "expected a mapping", ""),
        ("schema:\n  - {physicalName: x}\n", ":7: schema[0]", "'name' is missing", ""),
        ("shema: []\n", ":6: shema", "unknown key", "'schema'"),
        (prop("requird: true"), "properties[0].requird", "unknown key", "'required'"),
        (prop("required: maybe"), "properties[0].required", "true or false", ""),
        (one("      - {logicalType: string}\n"), "properties[0]", "'name' is missing", ""),
        (one("      - {name: a}\n      - {name: a}\n"), "properties[1]", "given twice", ""),
        (prop("logicalTypeOptions: 3"), "logicalTypeOptions", "expected a mapping", ""),
        (prop("logicalTypeOptions: {minLength: x}"), "logicalTypeOptions", "whole number", ""),
        (prop("logicalTypeOptions: {multipleOf: 0}"), "logicalTypeOptions.multipleOf", "above 0", ""),
        (prop("relationships: [{to: nowhere}]"), "relationships[0]", "can't be read", "TABLE.COLUMN"),
        (check("{metric: nullValue, mustBe: 0}"), "quality[0].metric", "'nullValue'", "'nullValues'"),
        (check("{metric: nullValues}"), "quality[0]", "no comparison", "mustBe"),
        (check("{metric: nullValues, mustBee: 0}"), "quality[0].mustBee", "unknown key", "'mustBe'"),
        (
            check("{metric: nullValues, mustBe: 0, mustNotBe: 1}"),
            "quality[0].mustNotBe",
            "two comparisons",
            "",
        ),
        (check("{metric: nullValues, mustBe: none}"), "quality[0].mustBe", "expected a number", ""),
        (check("{metric: nullValues, mustBeBetween: 3}"), "quality[0].mustBeBetween", "two numbers", ""),
        (check("{metric: nullValues, mustBe: 0, unit: rws}"), "quality[0].unit", "rows or percent", ""),
        (
            check("{metric: nullValues, mustBe: 0, dimension: acuracy}"),
            ".dimension",
            "'acuracy'",
            "'accuracy'",
        ),
        (check("{metric: invalidValues, mustBe: 0}"), "quality[0].arguments", "validValues", ""),
        (check("{type: sqll, query: x}"), "quality[0].type", "'sqll'", "'sql'"),
        (check("{type: sql}"), "quality[0]", "'query' is missing", "SELECT"),
        (check("{type: sql, query: DROP TABLE x}"), "quality[0].query", "", ""),
        (
            check("{type: custom, engine: sluiceway, implementation: {rnge: 1}}"),
            "quality[0]",
            "'rnge'",
            "'range'",
        ),
        (check("{type: custom, engine: sluiceway}"), "quality[0].implementation", "expected a rule", ""),
    ],
)
def test_mistakes_in_contracts(read: Any, text: str, place: str, said: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    where = caught.value.where
    assert where is not None
    assert where.file == "c.odcs.yaml"
    assert where.line is not None
    assert where.line >= 6
    assert str(where).endswith(place)
    assert said in caught.value.message
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("", "is empty"),
        ("- a\n", "is a list"),
        ("kind: DataContract\n", "'version' is missing"),
        (HEAD.replace("DataContract", "Contract"), "expected kind: DataContract"),
        (HEAD.replace("v3.1.0", "v2.2.2"), "'v2.2.2' can't be read"),
        (HEAD + "id: twice\n", "given twice"),
    ],
)
def test_what_is_no_contract(read: Any, head: str, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        read("", head=head)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("{metric: nullValues, mustNotBe: 9}", 2),
        ("{metric: nullValues, mustNotBe: 9, unit: percent}", 25.0),
        ("{metric: missingValues, mustNotBe: 9, arguments: {missingValues: [null, 'n''a']}}", 3),
        ("{metric: missingValues, mustNotBe: 9, arguments: {missingValues: [b]}}", 1),
        ("{metric: invalidValues, mustNotBe: 9, arguments: {validValues: [a, b, null]}}", 2),
        ("{metric: invalidValues, mustNotBe: 9, arguments: {pattern: '[ab]'}}", 2),
        ("{metric: duplicateValues, mustNotBe: 9}", 3),
        ("{metric: rowCount, mustNotBe: 9}", 8),
        ("{type: sql, query: 'SELECT count(*) FROM orders WHERE orders.amount = ''a''', mustNotBe: 9}", 3),
    ],
)
def test_the_numbers_that_sql_rules_judge_are_right(read: Any, text: str, number: float) -> None:
    """Eight rows: a three times, b, cc, n'a, and two NULLs."""
    (declared,) = read(check(text)).rules
    con = open_duckdb(threads=1)
    try:
        con.execute("CREATE TABLE _ (amount VARCHAR)")
        rows = [("a",), ("a",), ("a",), ("b",), ("cc",), ("n'a",), (None,), (None,)]
        con.executemany("INSERT INTO _ VALUES (?)", rows)
        assert con.execute(declared.rule.model_dump()["query"]).fetchall() == [(number,)]
    finally:
        con.close()
