"""Rules with fixes, and what becomes of values: shared by the tests of fixes on every engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sluiceway import plugins
from sluiceway.errors import Where
from sluiceway.plan.fixing import fixed_value
from sluiceway.rules.base import RuleContext, column
from sluiceway.rules.fuse import Check, assign, number_checks
from sluiceway.schema import Schema
from sluiceway.sql.primitives import lower

Rule = Mapping[str, Any]
Values = dict[str | None, str | None]


@dataclass(frozen=True)
class Case:
    """``values``: what a value that fails becomes; itself where the fix has no answer."""

    name: str
    rule: Rule
    values: Values
    type: str = "VARCHAR"
    only: tuple[str, ...] = ("spark", "postgres")
    """Engines beside DuckDB that have it."""

    def __str__(self) -> str:
        return self.name


def planned(
    rule: Rule,
    type_: str = "VARCHAR",
    *,
    schema: Schema | None = None,
    relations: Mapping[str, Schema] | None = None,
) -> tuple[Check, ...]:
    """The checks of one entry of ``rules:``, as a plan has them; the column is called ``s``."""
    (kind,) = [key for key in rule if key in plugins.names("rules")]
    options = {key: value for key, value in rule.items() if key != kind}
    where = Where("a.yml", 7, "rules")
    schema = schema or Schema.of({"s": type_})
    ctx = RuleContext(schema, where, relations=relations or {})
    parsed = plugins.load("rules", kind).parse(rule[kind], options)
    checks = [Check("", made, where, ctx, "gate") for made in parsed]
    return assign(number_checks(checks))


def value_of(con: Any, check: Check, value: str | None) -> str | None:
    """What DuckDB makes of ``value`` by the check's fixes."""
    type_ = check.context.schema["s"].type
    made = lower(fixed_value(check, column("s")), "duckdb").sql("duckdb")
    (found,) = con.execute(
        f"SELECT CAST({made} AS VARCHAR) FROM (SELECT CAST(? AS {type_}) AS s)", [value]
    ).fetchone()
    return None if found is None else str(found)


def _pattern(fix: Any, **options: Any) -> Rule:
    return {"pattern": {"column": "s", **(options or {"regex": "x"})}, "on_fail": "fix", "fix": fix}


def _type(name: str, fix: Any = "repair") -> Rule:
    return {"type": {"column": "s", "type": name}, "on_fail": "fix", "fix": fix}


_STATUS = {
    "accepted_values": {"column": "s", "values": ["paid", "shipped", "in-transit", "X1"]},
    "on_fail": "fix",
}

CASES = (
    Case(
        "trim", _pattern("trim"), {" a b\t": "a b", "\u00a0\u2003a\u3000": "a", "a": "a", "": "", None: None}
    ),
    Case("lower", _pattern("lower"), {"ÀB c": "àb c", None: None}),
    Case("upper", _pattern("upper"), {"àb c": "ÀB C"}),
    Case("title", _pattern(["trim", "title"]), {"den HAAG ": "Den Haag", "a  b": "A  B", "": "", None: None}),
    Case(
        "unicode",
        _pattern("unicode"),
        {
            "e\u0301te\u0301": "\u00e9t\u00e9",
            "a\u00a0b": "a b",
            "a\u200bb\ufeff": "ab",
            "a\x07b\tc": "ab\tc",
            "man\u200dwoman": "man\u200dwoman",
            None: None,
        },
        only=("postgres",),
    ),
    Case(
        "empty_to_null",
        _pattern({"empty_to_null": {"also": ["N/A", "-"]}}),
        {"": None, "  \t": None, "n/a ": None, "-": None, "none": "none", "a": "a"},
    ),
    Case(
        "integer",
        _type("integer"),
        {
            " 12 ": "12",
            "1,234": "1234",
            "1 234 567": "1234567",
            "12.00": "12",
            "12.5": "12.5",
            "(7)": "-7",
            "7-": "-7",
            "\u22127": "-7",
            "€ 12": "12",
            "12 €": "12",
            "-€5": "-5",
            "1,23": "1,23",
            "12 34": "12 34",
            "5%": "5%",
            "5 kg": "5 kg",
            "abc": "abc",
            "": "",
            None: None,
            "1'000": "1000",
            "12.": "12",
        },
    ),
    Case(
        "decimal",
        _type("decimal"),
        {
            "€1,234.50": "1234.50",
            "(1,234.5)": "-1234.5",
            "1.234,50": "1.234,50",
            "$ .5": "$ .5",
            "1_000": "1000",
        },
    ),
    Case(
        "decimal comma",
        _type("decimal", {"number": {"decimal": ","}}),
        {"1.234,50": "1234.50", "12,5": "12.5", "1234": "1234", "1,234.5": "1,234.5"},
    ),
    Case(
        "boolean",
        _type("boolean", {"boolean": {"yes": ["Ja"], "no": ["nee"]}}),
        {" ON ": "true", "Disabled": "false", "ja": "true", "NEE": "false", "maybe": "maybe", None: None},
    ),
    Case(
        "uuid",
        _type("uuid"),
        {"{6F9619FF8B86D011B42D00C04FC964FF}": "6f9619ff-8b86-d011-b42d-00c04fc964ff", "6f96": "6f96"},
    ),
    Case(
        "date",
        _type("date", {"date": ["DD/MM/YYYY"]}),
        {
            "2024/2/3": "2024-02-03",
            "2024.02.03": "2024-02-03",
            "20240203": "2024-02-03",
            "3/2/2024": "2024-02-03",
            "3 Feb 2024": "2024-02-03",
            "03-FEBRUARY-2024": "2024-02-03",
            "September 5, 2024": "2024-09-05",
            "Sept. 5, 2024": "2024-09-05",
            "3.2.2024": "3.2.2024",
            "2024-02-3": "2024-02-03",
            "31/02/2024": "2024-02-31",
            "soon": "soon",
            "": "",
            None: None,
            "may 1, 2024": "2024-05-01",
        },
    ),
    Case(
        "timestamp",
        _type("timestamp"),
        {
            "2024/2/3 06:00:00Z": "2024-02-03 06:00:00Z",
            "3 Feb 2024": "2024-02-03",
            "20240203T06:00": "2024-02-03T06:00",
        },
    ),
    Case(
        "clamp",
        {"range": {"column": "s", "min": 0, "max_exclusive": 100}, "on_fail": "fix"},
        {"-5": "0", "100": "99", "250": "99", "0": "0", None: None},
        type="BIGINT",
    ),
    Case(
        "clamp of dates",
        {"range": {"column": "s", "min": "2020-01-01"}, "on_fail": "fix"},
        {"1900-01-01": "2020-01-01", "2024-05-05": "2024-05-05"},
        type="DATE",
    ),
    Case(
        "default",
        {"not_null": "s", "on_fail": "fix", "fix": {"default": 1.5}},
        {None: "1.50"},
        type="DECIMAL(9,2)",
    ),
    Case(
        "near miss by case and blanks",
        {**_STATUS, "fix": {"near_miss": {"distance": 0}}},
        {
            " PAID ": "paid",
            "in transit": "in-transit",
            "In_Transit": "in-transit",
            "payd": "payd",
            "x1": "X1",
        },
    ),
    Case(
        "near miss by distance",
        _STATUS,
        {
            "shiped": "shipped",
            "shpped": "shipped",
            "payd": "paid",
            "in trnsit": "in-transit",
            "piad": "piad",
            "X2": "X2",
            "lost": "lost",
            "": "",
            "shippéd": "shippéd",
            None: None,
        },
        only=("spark",),
    ),
    Case(
        "near miss between two",
        {"accepted_values": {"column": "s", "values": ["cats", "cots"]}, "on_fail": "fix"},
        {"cits": "cits", "cat": "cats", "Cats": "cats"},
        only=("spark",),
    ),
    Case(
        "phone",
        _pattern({"phone": "NL"}, format="phone"),
        {
            "020 123 4567": "+31201234567",
            "+31 (0)20-123.4567": "+31201234567",
            "0031201234567": "+31201234567",
            "+1 212 555 0100": "+12125550100",
            "0201234": "0201234",
            "020 123 4567 ext 5": "020 123 4567 ext 5",
            "12345": "12345",
            "": "",
            None: None,
            "\u00a006 1234 5678 ": "+31612345678",
        },
    ),
    Case(
        "phone of North America",
        _pattern({"phone": "us"}, format="phone"),
        {
            "(212) 555-0100": "+12125550100",
            "1-212-555-0100": "+12125550100",
            "011 31 20 123 4567": "+31201234567",
        },
    ),
    Case(
        "country",
        _pattern({"country": {"Holland": "nl"}}, format="iso_country"),
        {
            "nl": "NL",
            "NLD": "NL",
            "The Netherlands": "NL",
            "holland": "NL",
            "U.S.A.": "US",
            "Guinea-Bissau": "GW",
            "CÔTE D'IVOIRE": "CI",
            "Narnia": "Narnia",
            "": "",
            None: None,
            "korea": "korea",
        },
    ),
    Case(
        "currency",
        _pattern({"currency": {"$": "usd"}}, format="iso_currency"),
        {
            "eur": "EUR",
            "€": "EUR",
            "$": "USD",
            "US Dollar": "USD",
            "¥": "¥",
            "kr": "kr",
            "A$": "AUD",
            None: None,
        },
    ),
)
