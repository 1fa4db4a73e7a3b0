"""What does not fit is refused before any row is read, with what to write instead."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from sluiceway import plugins
from sluiceway.errors import PlanError, Where
from sluiceway.rules.base import Rule, RuleContext
from sluiceway.schema import Schema

SCHEMA = Schema.of(
    {
        "id": "BIGINT", "amount": "DECIMAL(9,2)", "share": "DOUBLE", "name": "VARCHAR", "day": "DATE",
        "at": "TIMESTAMP", "seen": "TIMESTAMP WITH TIME ZONE", "active": "BOOLEAN", "tags": "VARCHAR[]",
    }
)  # fmt: skip
PLACE = Where("p.yml", 7, "rules[0]")
CONTEXT = RuleContext(SCHEMA, PLACE, relations={"customers": Schema.of({"id": "BIGINT", "code": "VARCHAR"})})


def made(kind: str, value: Any, **options: Any) -> Rule:
    (rule,) = plugins.load("rules", kind).parse(value, options)
    assert isinstance(rule, Rule)
    return rule


@pytest.mark.parametrize(
    ("kind", "value", "message", "hint"),
    [
        ("not_null", "nme", "column 'nme' does not exist; there are: id, amount", "'name'"),
        ("unique", ["id", "lin"], "column 'lin' does not exist", "expected one of"),
        ("unique", "tags", "unique does not fit column 'tags' of type VARCHAR[]", "derive"),
        ("range", {"column": "name", "min": 1}, "range does not fit column 'name'", "length"),
        ("range", {"column": "amount", "min": 5, "max": 1}, "no value of 'amount'", "swap"),
        ("range", {"column": "amount", "min_exclusive": 5, "max": 5}, "no value of 'amount'", "min and max"),
        ("range", {"column": "amount", "min": "abc"}, "'abc' is not a value", "write a number"),
        ("range", {"column": "amount", "min": True}, "True is not a value", "write a number"),
        ("range", {"column": "share", "max": float("nan")}, "nan is not a value", "write a number"),
        ("range", {"column": "day", "min": "2024-13-01"}, "is not a value of column 'day'", "2024-01-31"),
        ("length", {"column": "id", "min": 1}, "length does not fit column 'id' of type BIGINT", "range"),
        ("length", {"column": "name", "min": 3, "max": 2}, "at least 3 and at most 2", "swap"),
        ("pattern", {"column": "id", "regex": "x"}, "pattern does not fit column 'id'", "range"),
        ("pattern", {"column": "name", "regex": "(x"}, "missing )", None),
        ("accepted_values", {"column": "name", "values": [1]}, "1 is not a value of column 'name'", "quotes"),
        ("accepted_values", {"column": "id", "values": ["a"]}, "'a' is not a value of column 'id'", "number"),
        ("accepted_values", {"column": "name", "values": [None]}, "None is not a value", "text"),
        ("not_accepted_values", {"column": "tags", "values": ["a"]}, "can't be compared", "expression"),
        ("type", {"column": "share", "type": "date"}, "column 'share' is DOUBLE", "schema rule"),
        ("freshness", {"column": "name", "max_age": "1h"}, "freshness does not fit column 'name'", "cast"),
        ("monotonic", {"column": "name", "by": "id"}, "monotonic does not fit", "cast"),
        ("monotonic", {"column": "id", "by": "when"}, "column 'when' does not exist", None),
        ("relationships", {"column": "id", "to": "customer.id"}, "dataset 'customer'", "'customers'"),
        ("relationships", {"column": "id", "to": "customers.nr"}, "'nr' does not exist in customers", None),
        ("relationships", {"column": "id", "to": "customers.code"}, "can't be compared", "cast"),
        ("expression", "amount + 1", "gives DECIMAL", "compare"),
        ("expression", "sum(amount) > 1", "has an aggregate", "aggregate rule"),
        ("expression", "row_number() OVER (ORDER BY id) > 1", "has a window function", "step before"),
        ("expression", "id IN (SELECT id FROM customers)", "has a subquery", "relationships"),
        ("expression", "amuont > 0", "column 'amuont' does not exist", "'amount'"),
        ("expression", "amount > :least", "variable ':least' has no value", "--vars least=VALUE"),
        ("expression", "amount >", "not SQL", None),
        ("aggregate", {"measure": "amount", "min": 1}, "has no aggregate", "avg(amount)"),
        ("aggregate", {"measure": "max(day)", "min": 1}, "gives DATE", "freshness"),
        ("aggregate", {"measure": "avg(amount)", "min": 2, "max": 1}, "at least 2 and at most 1", "swap"),
        (
            "aggregate",
            {"measure": "count(DISTINCT id) FILTER (WHERE active)", "min": 1},
            "has a FILTER",
            "CASE",
        ),
        ("row_count", {"min": 2, "max": 1}, "at least 2 and at most 1", "swap"),
        ("schema", {"columns": {"id": "integr"}}, "'integr', the type of column 'id', is no type", "integer"),
        ("sql", "SELECT * FROM customer", "'customer'", "customers"),
        ("sql", {"query": "SELECT id, name FROM _", "must_be": 1}, "not one number", "count(*)"),
        ("sql", "SELECT nope FROM _", "nope", None),
        ("sql", "DELETE FROM _", "SELECT", None),
    ],
)
def test_refused_while_planning(kind: str, value: Any, message: str, hint: str | None) -> None:
    with pytest.raises(PlanError) as caught:
        made(kind, value).validate_for(CONTEXT)
    assert message in caught.value.message
    assert caught.value.where == PLACE
    if hint is not None:
        assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("range", {"column": "amount"}, "range needs min"),
        ("range", {"column": "amount", "min": 1, "min_exclusive": 1}, "not both"),
        ("length", {"column": "name", "exact": 3, "max": 4}, "exact alone"),
        ("length", {"column": "name", "min": -1}, "greater than or equal to 0"),
        ("pattern", {"column": "name"}, "either regex or format"),
        ("pattern", {"column": "name", "regex": "x", "format": "email"}, "either regex or format"),
        ("pattern", {"column": "name", "format": "e-mail"}, "'email'"),
        ("accepted_values", {"column": "name", "values": []}, "at least 1 item"),
        ("unique", [], "name at least one column"),
        ("unique", ["id", "ID"], "named twice"),
        ("relationships", {"column": ["id", "name"], "to": "customers.id"}, "as many columns"),
        ("relationships", {"column": "id", "to": "customers"}, "RELATION.COLUMN"),
        ("relationships", {"column": ["id", "name"], "to": ["customers.id", "orders.id"]}, "one relation"),
        ("freshness", {"column": "at", "max_age": "soon"}, "'soon' is not a duration"),
        ("freshness", {"column": "at", "max_age": "0h"}, "above 0"),
        ("row_count", {}, "row_count needs min"),
        ("row_count", True, "row_count takes a number"),
        ("aggregate", {"measure": "avg(amount)"}, "aggregate needs min"),
        ("aggregate", {"measure": "avg(amount)", "equals": 1, "min": 0}, "equals alone"),
        ("sql", {"query": "SELECT 1", "must_be_between": [5, 1]}, "the lower bound comes first"),
        ("expression", None, "quote expressions with a comma"),
        ("schema", "id", "schema takes a list"),
    ],
)
def test_refused_while_reading(kind: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        made(kind, value)
    assert message in str(caught.value)


def test_where_is_refused_on_a_sql_rule() -> None:
    with pytest.raises(PlanError, match="where can't be added"):
        made("sql", "SELECT 1", where="id > 1").validate_for(CONTEXT)


@pytest.mark.parametrize(
    ("kind", "value", "kept"),
    [
        ("range", {"column": "ID", "min": 1}, "ID"),
        ("range", {"column": "at", "min": "2024-01-01"}, "at"),
        ("range", {"column": "seen", "max": "2024-01-01T00:00:00+02:00"}, "seen"),
        ("range", {"column": "amount", "min": "0.5"}, "amount"),
        ("accepted_values", {"column": "active", "values": [True, False]}, "active"),
    ],
)
def test_fitting_values_are_taken(kind: str, value: Any, kept: str) -> None:
    rule = made(kind, value)
    rule.validate_for(CONTEXT)
    assert rule.columns_used == (kept,)


def test_one_check_a_column_or_one_key() -> None:
    ranges = plugins.load("rules", "range").parse(
        {"column": ["id", "amount"], "min": 0}, {"severity": "warning"}
    )
    assert [(r.columns_used, r.severity) for r in ranges] == [(("id",), "warning"), (("amount",), "warning")]
    (unique,) = plugins.load("rules", "unique").parse(["id", "name"], {})
    assert unique.default_id() == "unique:id,name"
    assert plugins.load("rules", "unique").parse({"columns": ["id"]}, {})[0].columns_used == ("id",)


def test_bad_option_says_which() -> None:
    with pytest.raises(ValidationError, match="a share can't be above 100%"):
        made("not_null", "id", tolerance="120%")


def test_relations_that_a_rule_reads() -> None:
    assert made("relationships", {"column": "id", "to": "mart.customers.id"}).reads() == ("mart.customers",)
    assert made("relationships", {"column": "id", "to": "_.id"}).reads() == ()
    assert made("sql", "SELECT * FROM _ JOIN mart.rates USING (id)").reads() == ("mart.rates",)
    assert made("unique", "id").reads() == ()
