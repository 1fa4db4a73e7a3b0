"""Named formats and types of text, with what must and must not pass."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from sluiceway import plugins
from sluiceway.duck import open_duckdb
from sluiceway.errors import Where
from sluiceway.rules.base import RuleContext
from sluiceway.rules.pattern import Format
from sluiceway.rules.trial import failing_rows
from sluiceway.rules.type import Readable
from sluiceway.schema import Schema

FORMATS: dict[str, tuple[list[str], list[str]]] = {
    "email": (
        ["a@b.co", "first.last+tag@sub.example.org", "o'brien@example.ie", "x_1@a-b.museum"],
        ["", "a@b", "a b@c.de", "@b.co", "a@.co", "a..b@c.de", ".a@c.de", "a@b.co ", "a@b.co\n", "a@-b.co",
         "a@b.c", "é@b.co", "a@b@c.de"],
    ),
    "url": (
        ["https://example.org", "http://localhost:8080/a?b=c#d", "ftp://u:p@h/x", "https://[::1]/", "HTTP://A.B"],
        ["", "example.org", "http://", "javascript:alert(1)", "https://a b", "http:///x", "https://a.b/c d"],
    ),
    "uuid": (
        ["123e4567-e89b-12d3-a456-426614174000", "123E4567-E89B-12D3-A456-426614174000"],
        ["", "123e4567e89b12d3a456426614174000", "{123e4567-e89b-12d3-a456-426614174000}",
         "123e4567-e89b-12d3-a456-42661417400g"],
    ),
    "ipv4": (["0.0.0.0", "255.255.255.255", "192.168.1.10"],
             ["", "256.1.1.1", "1.2.3", "01.2.3.4", "1.2.3.4.5"]),
    "ipv6": (["::", "::1", "2001:db8::8a2e:370:7334", "::ffff:1.2.3.4"],
             ["", ":", "1::2::3", "12345::", "1:2"]),
    "date": (["2024-02-29", "1999-12-31"],
             ["", "2023-02-29", "2024-2-9", "20240229", "2024-02-29T00:00", "2024-13-01"]),
    "iso_country": (["NL", "GB"], ["", "nl", "NLD", "UK", "XK", "XX", "N"]),
    "iso_currency": (["EUR", "XAU"], ["", "eur", "EU", "DEM", "BTC"]),
    "iban": (
        ["GB82WEST12345698765432", "NL91ABNA0417164300", "MT84MALT011000012345MTLCAST001S"],
        ["", "GB82WEST12345698765433", "GB82 WEST 1234 5698 7654 32", "gb82west12345698765432", "GB82"],
    ),
    "phone": (
        ["+31201234567", "+31 20 123 4567", "+1 (202) 555-0123", "+44.20.7946.0018"],
        ["", "0201234567", "+0201234567", "+1", "+31 20  123 4567", "+1234567890123456", "+31a201234567"],
    ),
}  # fmt: skip
TYPES: dict[str, tuple[list[str], list[str]]] = {
    "integer": (["0", "-7", "+7", "9223372036854775807"],
                ["", "1.5", "1e3", " 1", "9223372036854775808", "0x1"]),
    "decimal": (["1.5", "-.5", "1.", "1e3", "7"], ["", "NaN", "inf", "1,5", "1e999", "."]),
    "boolean": (["true", "FALSE", "t", "yes", "0"], ["", "2", "on", "tru"]),
    "date": (["2024-02-29"], ["", "2023-02-29", "2024-2-3", "29-02-2024", "2024-02-29 00:00"]),
    "time": (["23:59", "00:00:00.123"], ["", "24:00", "1:00", "12:60"]),
    "timestamp": (
        ["2024-01-31 06:00", "2024-01-31T06:00:00Z", "2024-01-31 06:00:00.123456+02:00"],
        ["", "2024-01-31", "2024-02-30 06:00", "2024-01-31 25:00", "2024-01-31 06:00 CET"],
    ),
    "uuid": (["123e4567-e89b-12d3-a456-426614174000"], ["", "123e4567"]),
    "json": (['{"a": [1]}', "null", "1"], ["", "{", "{'a': 1}"]),
}  # fmt: skip
SCHEMA = Schema.of({"s": "VARCHAR"})


def refused(kind: str, value: dict[str, Any], texts: list[str | None]) -> set[str | None]:
    con = open_duckdb(threads=1)
    con.execute("CREATE TABLE _batch (s VARCHAR)")
    con.executemany("INSERT INTO _batch VALUES (?)", [[text] for text in texts])
    (rule,) = plugins.load("rules", kind).parse({"column": "s", **value}, {})
    return {row[0] for row in failing_rows(con, rule, RuleContext(SCHEMA, Where()))}


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_format(name: str) -> None:
    right, wrong = FORMATS[name]
    assert refused("pattern", {"format": name}, [*right, *wrong, None]) == set(wrong)


@pytest.mark.parametrize("name", sorted(TYPES))
def test_type(name: str) -> None:
    right, wrong = TYPES[name]
    assert refused("type", {"type": name}, [*right, *wrong, None]) == set(wrong)


def test_all_of_them_are_tried() -> None:
    assert set(FORMATS) == set(get_args(Format))
    assert set(TYPES) == set(get_args(Readable))


def test_regex_matches_the_whole_value() -> None:
    assert refused("pattern", {"regex": "a|ab"}, ["a", "ab", "abc", "xa", None]) == {"abc", "xa"}
    assert refused("pattern", {"regex": "(?i).*b.*"}, ["aBc", "ac"]) == {"ac"}


@pytest.mark.parametrize("count", [3, 16, 17, 10_000])
def test_short_and_long_lists_of_values_mean_the_same(count: int) -> None:
    values = [f"v'{n}" for n in range(count)]
    given: list[str | None] = ["v'0", f"v'{count - 1}", "V'0", "v'x", "", None]
    assert refused("accepted_values", {"values": values}, given) == {"V'0", "v'x", ""}
    assert refused("not_accepted_values", {"values": values}, given) == {"v'0", f"v'{count - 1}"}
