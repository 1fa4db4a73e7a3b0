"""mask: what may be seen afterwards, and what never may."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest
from pydantic import ValidationError
from step_bench import Bench, parse

from sluiceway.secrets import redact

KEYS = ["k" * 8, "a longer key with spaces and ünïcode", "x" * 64, "y" * 65, "z" * 200]


@pytest.mark.parametrize("key", KEYS, ids=len)
def test_hmac_is_python_s_hmac(bench: Bench, key: str) -> None:
    values = ["bob@example.org", "", "ünï", "a" * 1000, None]
    bench.table("m", {"email": "VARCHAR"}, [(v,) for v in values])
    _, rows = bench.run("mask", {"email": {"hmac": key}}, "m")
    wanted = [None if v is None else hmac.new(key.encode(), v.encode(), "sha256").hexdigest() for v in values]
    assert [r[0] for r in rows] == wanted


def test_the_key_stands_in_no_text(bench: Bench) -> None:
    key = "top-secret-key-1"
    step = parse("mask", {"kind": {"hmac": key}})
    query = step.compile(bench.context())
    pads = [v for v in bench.binds.values() if isinstance(v, bytes)]
    assert len(pads) == 2
    for text in (query.sql("duckdb"), repr(query), repr(step), str(step), step.model_dump_json()):
        assert key not in text
        assert not any(pad.hex() in text.lower() for pad in pads)
    assert redact(f"oops {key}") == "oops ***"


def test_other_methods_and_null(bench: Bench) -> None:
    bench.table(
        "m",
        {"a": "VARCHAR", "b": "VARCHAR", "c": "INTEGER", "d": "DATE", "e": "VARCHAR"},
        [
            ("secret", "0612345678", 7, "2026-01-02", "x"),
            (None, None, None, None, None),
            ("s", "12", 1, None, ""),
        ],
    )
    value: dict[str, Any] = {
        "a": {"hash": True},
        "b": "partial",
        "c": "redact",
        "d": "nullify",
        "e": {"redact": "gone"},
    }
    names, rows = bench.run("mask", value, "m")
    assert names == ("a", "b", "c", "d", "e")
    sha = hashlib.sha256(b"secret").hexdigest()
    assert rows[0] == (sha, "******5678", "***", None, "gone")
    assert rows[1] == (None,) * 5, "NULL stays NULL"
    assert rows[2][1] == "**", "a short value is all stars"


def test_hmac_of_other_types_and_partial_lengths(bench: Bench) -> None:
    _, rows = bench.run("mask", {"id": {"hmac": "k" * 10}, "kind": {"partial": 0}})
    assert rows[0][0] == hmac.new(b"k" * 10, b"1", "sha256").hexdigest()
    assert rows[0][0] == rows[1][0], "equal values stay equal"
    assert rows[0][1] == "*"


@pytest.mark.parametrize(
    "method",
    [
        {},
        {"hmac": ""},
        {"hmac": "short"},
        {"hash": True, "redact": True},
        {"rot13": True},
        "rot13",
        {"hash": False},
    ],
)
def test_a_method_is_exactly_one(method: Any) -> None:
    with pytest.raises((ValidationError, ValueError)):
        parse("mask", {"email": method})


def test_masked_names() -> None:
    step = parse("mask", {"email": "redact", "phone": "nullify"})
    assert step.masked() == ("email", "phone")  # type: ignore[attr-defined]


def test_nested_columns_are_not_half_masked(bench: Bench) -> None:
    from sluiceway.errors import PlanError

    bench.table("m", {"s": "STRUCT(a INTEGER)"}, [({"a": 1},)])
    with pytest.raises(PlanError, match="only nullify can hide it"):
        bench.run("mask", {"s": "redact"}, "m")
    assert bench.run("mask", {"s": "nullify"}, "m")[1] == [(None,)]
