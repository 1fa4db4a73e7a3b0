"""Each fix by itself: what it makes of a value, what it leaves alone, and where it is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML
from tests.unit.rules.fixing import CASES, Case, planned, value_of

from sluiceway.errors import PlanError, Where
from sluiceway.plan.fixing import fixing_of
from sluiceway.rules.codes import COUNTRIES, CURRENCIES
from sluiceway.rules.fixes.names import COUNTRY_NAMES, CURRENCY_NAMES
from sluiceway.rules.fixes.phone import PLANS
from sluiceway.rules.fixes.registry import FIXES, fix_class, parse_fixes
from sluiceway.rules.fuse import Check, assign, number_checks
from sluiceway.schema import Schema
from sluiceway.sql.primitives import lower

if TYPE_CHECKING:
    from sqlglot import exp


@pytest.fixture(scope="module")
def duck() -> Any:
    from sluiceway.duck import open_duckdb

    con = open_duckdb()
    yield con
    con.close()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_become_what_was_meant(case: Case, duck: Any) -> None:
    (check,) = planned(case.rule, case.type)
    for before, after in case.values.items():
        assert value_of(duck, check, before) == after, before


@pytest.mark.parametrize("kind", FIXES)
def test_every_fix_is_described_and_its_example_plans(kind: str) -> None:
    cls = fix_class(kind)
    assert cls.kind == kind
    assert cls.__doc__
    assert [n for n, f in cls.model_fields.items() if not f.description] == []
    entry = YAML(typ="safe").load(cls.example)
    relations = {"customers": Schema.of({"customer_id": "BIGINT", "country": "VARCHAR"})}
    names = ["customer_id", "order_id", "updated_at"]
    (column,) = [
        v if isinstance(v, str) else v["column"] for k, v in entry.items() if k not in ("on_fail", "fix")
    ]
    types = {"discount": "INTEGER"}
    schema = Schema.of(dict.fromkeys(names, "BIGINT") | {column: types.get(column, "VARCHAR")})
    (check,) = planned(entry, schema=schema, relations=relations)
    assert kind in [fix.kind for fix in check.rule.fixes]
    assert fixing_of([check], schema, "_step") is not None


REFUSED = [
    ({"not_null": "s", "on_fail": "fix"}, "VARCHAR", "not_null has no fix of its own"),
    ({"length": {"column": "s", "max": 3}, "on_fail": "fix"}, "VARCHAR", "no fix of its own"),
    ({"row_count": {"min": 1}, "on_fail": "fix"}, "VARCHAR", "no rows to fix"),
    ({"not_null": "s", "on_fail": "fix", "fix": "trim"}, "BIGINT", "does not fit column 's' of type BIGINT"),
    ({"not_null": "s", "on_fail": "fix", "fix": "clamp"}, "BIGINT", "puts values into a range"),
    ({"range": {"column": "s", "min_exclusive": 0}, "on_fail": "fix"}, "DOUBLE", "the nearest one"),
    ({"not_null": "s", "on_fail": "fix", "fix": {"default": "x"}}, "BIGINT", "is not a value of column"),
    (
        {"not_null": "s", "on_fail": "fix", "fix": {"lookup": {"value": "c.x", "on": "s"}}},
        "BIGINT",
        "no source",
    ),
    ({"unique": "s", "on_fail": "fix", "fix": "trim"}, "VARCHAR", "beside one another"),
    (
        {"not_null": "s", "on_fail": "fix", "fix": "deduplicate"},
        "VARCHAR",
        "put right by deduplicate",
    ),
    (
        {"pattern": {"column": "s", "regex": "a"}, "on_fail": "fix", "fix": "near_miss"},
        "VARCHAR",
        "looks for accepted values",
    ),
]


@pytest.mark.parametrize(("rule", "type_", "said"), REFUSED, ids=[r[2] for r in REFUSED])
def test_what_can_t_be_put_right_is_refused(rule: dict[str, Any], type_: str, said: str) -> None:
    with pytest.raises(PlanError, match=said) as raised:
        planned(rule, type_)
    assert str(raised.value.where) == "a.yml:7: rules"
    assert raised.value.hint


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("trimm", "did you mean 'trim'|trim"),
        ([], "at least one fix"),
        ({"trim": {}, "lower": {}}, "one name with its options"),
        ({"date": ["DD/MM"]}, "no form of a date"),
        ({"date": ["DD/MM/YYYY", "MM/DD/YYYY"]}, "can't be told apart"),
        ({"phone": "XX"}, "no numbering plan"),
        ({"country": {"Atlantis": "QQ"}}, "no country code"),
        ({"currency": {"$": "DOLLAR"}}, "no active currency code"),
        ({"boolean": {"yes": ["no"]}}, "both yes and no"),
        ({"near_miss": {"distance": 9}}, "less than or equal to 3"),
        ({"clamp": 3}, "takes no options"),
        (["trim", "deduplicate"], "stands alone"),
    ],
)
def test_what_is_no_fix_is_said(given: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_fixes(given)


def test_a_fix_without_on_fail_is_no_silent_wish() -> None:
    with pytest.raises(ValueError, match="does nothing without on_fail: fix"):
        planned({"not_null": "s", "fix": {"default": "x"}}, "VARCHAR")


def test_a_source_s_rule_does_not_fix() -> None:
    (check,) = planned({"not_null": "s", "on_fail": "fix", "fix": {"default": "x"}}, "VARCHAR")
    with pytest.raises(PlanError, match="rules of a source judge what came"):
        assign([replace(check, phase="source")])


def test_lists_of_codes_and_names_are_whole() -> None:
    assert set(COUNTRY_NAMES.values()) == set(COUNTRIES)
    assert {code for name, code in COUNTRY_NAMES.items() if len(name) == 3} == set(COUNTRIES)
    assert set(CURRENCY_NAMES.values()) <= set(CURRENCIES)
    assert set(PLANS) <= set(COUNTRIES)
    assert not {name for name in COUNTRY_NAMES if len(name) == 2 and name.upper() in COUNTRIES}


def test_rules_that_read_what_another_changes_stand_on_the_next_level() -> None:
    schema = Schema.of({"a": "VARCHAR", "b": "BIGINT"})
    rules: list[dict[str, Any]] = [
        {"pattern": {"column": "a", "regex": "[a-z]+"}, "on_fail": "fix", "fix": "trim"},
        {"pattern": {"column": "a", "regex": "[a-z]+"}, "on_fail": "fix", "fix": "lower"},
        {"range": {"column": "b", "max": 9, "where": "a = 'x'"}, "on_fail": "fix"},
    ]
    checks = assign(number_checks([c for rule in rules for c in planned(rule, schema=schema)]))
    fixing = fixing_of(checks, schema, "t")
    assert fixing is not None
    import duckdb

    con = duckdb.connect()
    con.execute("CREATE TABLE t AS SELECT ' X ' AS a, 50::BIGINT AS b")
    query: exp.Expr = lower(fixing.query, "duckdb")
    found = con.execute(
        f"SELECT a, b, _sluiceway_was_a, _sluiceway_was_b FROM ({query.sql('duckdb')})"
    ).fetchall()
    # the range rule looks at what trim and lower made of a
    assert found == [("x", 9, " X ", 50)]
    assert str(checks[0].where) == str(Where("a.yml", 7, "rules"))
    assert all(isinstance(check, Check) for check in fixing.checks)
