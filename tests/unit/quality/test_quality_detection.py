"""Detection on a labelled corpus, and on what no one should feed it."""

from __future__ import annotations

import datetime as dt
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from tests.detection_corpus import Labelled, corpus

from sluiceway.engines.base import EngineSettings
from sluiceway.engines.duckdb import DuckDBEngine
from sluiceway.quality.detection import Detected, detected
from sluiceway.quality.numbers import CHECKS
from sluiceway.quality.semantic import normal_name
from sluiceway.schema import Schema

_TABLE = 24


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    engine = DuckDBEngine()
    engine.connect(EngineSettings(), tmp_path_factory.mktemp("engine"))
    yield engine
    engine.close()


def look(engine: DuckDBEngine, table: pa.Table) -> dict[str, Detected]:
    engine.connection.register("given", table)
    try:
        return detected(engine, '"given"', engine.columns("SELECT * FROM given"), table.num_rows)
    finally:
        engine.connection.unregister("given")


def texts(**columns: list[str | None]) -> pa.Table:
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def judged(engine: DuckDBEngine, columns: list[Labelled]) -> dict[str, tuple[float, float, list[str]]]:
    """Kind -> (precision, recall, what was wrong)."""
    right, found, there = Counter[str](), Counter[str](), Counter[str]()
    wrong: dict[str, list[str]] = {"semantic": [], "text": [], "pii": []}
    for start in range(0, len(columns), _TABLE):
        part = columns[start : start + _TABLE]
        result = look(engine, texts(**{c.name: list(c.values) for c in part}))
        for c in part:
            d = result[c.name]
            pairs = {
                "semantic": (c.semantic, d.semantic.type if d.semantic else None),
                "text": (c.text, d.text_type.type if d.text_type else None),
                "pii": (c.pii, d.pii.kind if d.pii else None),
            }
            for kind, (wanted, got) in pairs.items():
                right[kind] += wanted is not None and wanted == got
                there[kind] += wanted is not None
                found[kind] += got is not None
                if wanted != got:
                    wrong[kind].append(f"{c.name}: {wanted} found as {got}")
    return {k: (right[k] / found[k], right[k] / there[k], wrong[k]) for k in wrong}


@pytest.mark.parametrize("seed", [1, 7_919], ids=["known", "held out"])
def test_precision_and_recall_on_the_labelled_columns(engine, seed, capsys):
    columns = corpus(seed)
    assert len(columns) >= 150
    assert len({c.name for c in columns}) == len(columns)
    result = judged(engine, columns)
    with capsys.disabled():
        for kind, (precision, recall, _) in result.items():
            print(f"\n  {kind}, seed {seed}: precision {precision:.3f}, recall {recall:.3f}", end="")
    for precision, recall, wrong in result.values():
        assert precision >= 0.95, wrong
        assert recall >= 0.95, wrong


def test_the_corpus_has_every_semantic_type_and_hard_negatives():
    labels = corpus(1)
    there = {c.semantic for c in labels} - {None}
    assert there == {
        "email", "url", "uuid", "ipv4", "ipv6", "iban", "card_number", "vat_number", "coordinates", "phone",
        "currency", "country", "language", "postal_code", "latitude", "longitude",
    }  # fmt: skip
    assert {c.text for c in labels} - {None} == {
        "integer", "decimal", "boolean", "date", "timestamp", "json", "uuid",
    }  # fmt: skip
    assert sum(c.semantic is None and c.text is None and c.pii is None for c in labels) >= 50


# dates ---------------------------------------------------------------------------------------------------


def days(form: str, n: int = 300) -> list[str]:
    return [(dt.date(2023, 1, 1) + dt.timedelta(days=i)).strftime(form) for i in range(n)]


def test_day_and_month_are_decided_by_one_value_in_all_rows(engine):
    """A sample of a thousand would hardly have seen it."""
    early = [f"{1 + i % 12:02}/{1 + i // 12 % 12:02}/2023" for i in range(40_000)]
    found = look(engine, texts(eu=[*early, "31/01/2023"], us=[*early, "01/31/2023"]))
    assert found["eu"].text_type.format == "%d/%m/%Y"
    assert found["us"].text_type.format == "%m/%d/%Y"
    assert found["eu"].notes == found["us"].notes == ()


def test_a_day_that_could_be_a_month_is_said(engine):
    early = [f"{1 + i % 12:02}/{1 + i // 12 % 12:02}/2023" for i in range(100)]
    alone = look(engine, texts(a=early))["a"]
    assert alone.text_type.format == "%d/%m/%Y"
    assert any("guess" in note for note in alone.notes)
    beside = look(engine, texts(a=early, b=days("%m/%d/%Y", 100)))["a"]
    assert beside.text_type.format == "%m/%d/%Y"
    assert any("other columns" in note for note in beside.notes)


def test_two_formats_in_one_column_are_named(engine):
    found = look(engine, texts(a=days("%Y-%m-%d", 200) + days("%d/%m/%Y", 50)))["a"]
    assert (found.text_type.format, found.text_type.share) == ("%Y-%m-%d", 0.8)
    assert any("%d/%m/%Y" in note for note in found.notes)


@pytest.mark.parametrize(
    "form",
    ["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%Y%m%d", "%d %b %Y", "%B %d, %Y", "%d-%b-%y", "%Y-%m-%d %H:%M:%S",
     "%Y-%m-%dT%H:%M:%SZ", "%d/%m/%Y %H:%M", "%m/%d/%Y %I:%M %p"],
)  # fmt: skip
def test_the_format_that_is_told_reads_every_value(engine, form):
    start = dt.datetime(2021, 3, 4, 5, 6, 7)  # noqa: DTZ001
    values = [(start + dt.timedelta(hours=31 * i)).strftime(form) for i in range(300)]
    told = look(engine, texts(a=values))["a"].text_type
    assert (told.format, told.share) == (form, 1.0)
    rows = engine.query(
        "SELECT count(try_strptime(v, $form)) FROM (SELECT unnest($values) AS v)",
        {"form": told.format, "values": values},
    )
    assert rows == [(300,)]


# numbers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "type_", "form"),
    [
        (["1.234,50", "12,5", "-3,25", "1.000.000,00"], "decimal", "1.234,56"),
        (["1,234.50", "12.5", "-3.25", "1,000,000.00"], "decimal", "1,234.56"),
        (["1 234,50", "12,5", "-3,25"], "decimal", "1 234,56"),
        (["1'234.50", "12.5", "999.00"], "decimal", "1'234.56"),
        (["12.5", "0.25", "7", "1e-3"], "decimal", None),
        (["12", "0", "-7", "+5"], "integer", None),
        (["1,234", "12", "1,000,000"], "integer", "1,234"),
        (["1.234.567", "12", "9.876.543"], "integer", "1.234"),
    ],
)
def test_numbers_with_either_mark(engine, values, type_, form):
    found = look(engine, texts(a=values * 20))["a"].text_type
    assert (found.type, found.format, found.share) == (type_, form, 1.0)


def test_codes_with_zeros_in_front_are_no_numbers(engine):
    found = look(engine, texts(a=[f"{i:06}" for i in range(500)]))["a"]
    assert found == Detected()


def test_a_point_that_could_mark_thousands_is_said(engine):
    found = look(engine, texts(a=[f"{1 + i % 9}.{100 + i}" for i in range(200)]))["a"]
    assert found.text_type.type == "decimal"
    assert any("thousands" in note for note in found.notes)


def test_json_is_parsed_and_not_guessed_by_its_braces(engine):
    broken = [f'{{"a": {i}, "b": }}' for i in range(100)]
    assert look(engine, texts(a=broken))["a"].text_type is None
    assert (
        look(engine, texts(a=[b.replace('"b": }', '"b": 1}') for b in broken]))["a"].text_type.type == "json"
    )


# checks --------------------------------------------------------------------------------------------------


def test_checksums_decide():
    assert CHECKS["iban"]("NL91 ABNA 0417 1643 00")
    assert not CHECKS["iban"]("NL92 ABNA 0417 1643 00")
    assert CHECKS["card"]("4111-1111-1111-1111")
    assert not CHECKS["card"]("4111-1111-1111-1112")
    assert not CHECKS["card"]("9999999999999995"), "Luhn alone is not enough: no issuer has this range"
    assert CHECKS["vat"]("NL 4495445B01")
    assert not CHECKS["vat"]("NL 4495445B02") or CHECKS["vat"]("NL004495445B01")
    assert CHECKS["vat"]("CHE-107.787.577 IVA")
    assert CHECKS["ipv6"]("2001:db8::1/64")
    assert not CHECKS["ipv6"]("12:30:45")


def test_native_numbers_have_meanings_too(engine):
    n = 50
    table = pa.table(
        {
            "lat": pa.array([52.0 + i / 100 for i in range(n)]),
            "lon": pa.array([4.0 + i / 100 for i in range(n)]),
            "latency_ms": pa.array([1.0 + i / 10 for i in range(n)]),
            "phone": pa.array([31_612_340_000 + i for i in range(n)]),
            "amount": pa.array([31_612_340_000 + i for i in range(n)]),
            "birth_date": pa.array([dt.date(1980, 1, 1)] * n),
            "order_date": pa.array([dt.date(2024, 1, 1)] * n),
        }
    )
    found = look(engine, table)
    meanings = {name: d.semantic.type for name, d in found.items() if d.semantic}
    assert meanings == {"lat": "latitude", "lon": "longitude", "phone": "phone"}
    assert {name: d.pii.kind for name, d in found.items() if d.pii} == {
        "lat": "coordinates", "lon": "coordinates", "phone": "phone", "birth_date": "birth_date",
    }  # fmt: skip
    assert all(d.text_type is None for d in found.values())


def test_every_finding_has_a_confidence_and_its_evidence(engine):
    result = look(engine, texts(**{c.name: list(c.values) for c in corpus(3)[:60]}))
    found = [f for d in result.values() for f in (d.semantic, d.pii) if f is not None]
    assert found
    assert all(0.5 <= f.confidence <= 1 and len(f.evidence) > 10 for f in found)


def test_a_name_alone_is_weak_evidence(engine):
    found = look(engine, texts(email=[None] * 20, first_name=[None] * 20, colour=[None] * 20))
    assert (found["email"].pii.kind, found["email"].pii.confidence) == ("email", 0.5)
    assert found["first_name"].pii.kind == "name"
    assert found["email"].semantic is None
    assert found["colour"] == Detected()


@pytest.mark.parametrize(
    ("name", "normal"),
    [("customerEmail", "_customer_email_"), ("E-Mail", "_e_mail_"), ("HTTPStatus", "_http_status_"),
     ("straße", "_straße_"), ("prénom 2", "_prenom_2_"), ("", "_"), ("🙂", "_")],
)  # fmt: skip
def test_names_are_compared_by_their_words(name, normal):
    assert normal_name(name) == normal


# bad input -----------------------------------------------------------------------------------------------


def test_nothing_to_look_at(engine):
    assert look(engine, texts(a=[], b=[])) == {"a": Detected(), "b": Detected()}
    assert look(engine, texts(a=[None], b=["x"])) == {"a": Detected(), "b": Detected()}
    assert look(engine, texts(a=["", " ", "N/A", "null"]))["a"] == Detected()


def test_one_row(engine):
    found = look(engine, texts(a=["ann@example.com"], b=["2024-01-31"], c=["5"]))
    assert (found["a"].semantic.type, found["b"].text_type.type) == ("email", "date")


def test_long_and_odd_values_take_no_time(engine):
    long = "a" * 1_000_000
    table = pa.table(
        {
            "long": pa.array([long, long + "@" + long, "x" * 50_000 + "!"] * 3),
            "json": pa.array(['{"a": "' + long + '"}'] * 9),
            "binary": pa.array([b"\x00\xff"] * 9),
            "nested": pa.array([[1, 2]] * 9),
            "float": pa.array([float("nan"), float("inf"), -float("inf")] * 3),
            "nul": pa.array(["a\x00b", "\ufeff", "\u202e"] * 3),
            "lat": pa.array([float("nan")] * 9),
        }
    )
    found = look(engine, table)
    assert found["json"].text_type.type == "json"
    assert {n for n, d in found.items() if d != Detected()} == {"json"}


@pytest.mark.parametrize("evil", ["a" * 5_000 + "!", "1" * 290 + "x", "((((" * 70, "1-" * 140, "A a " * 70])
def test_no_pattern_is_catastrophic(engine, evil):
    """RE2 is linear; what Python's own expressions see is cut. A backtracking engine would never end."""
    begun = dt.datetime.now(dt.UTC)
    look(engine, texts(phone=[evil + str(i) for i in range(200)], b=[evil] * 200))
    assert dt.datetime.now(dt.UTC) - begun < dt.timedelta(seconds=20)


def test_two_thousand_columns(engine):
    mails = {f"c{i}": [f"user{i}@example.com", f"u{i}@example.org"] * 5 for i in range(1_999)}
    found = look(engine, texts(**mails, n=["7"] * 10))
    assert len(found) == 2_000
    assert sum(d.semantic is not None and d.semantic.type == "email" for d in found.values()) == 1_999
    assert found["n"].text_type.type == "integer"


def test_names_of_columns_are_quoted(engine):
    found = look(engine, texts(**{'e"; DROP': ["a@b.nl"] * 3, "{v}": ["2024-01-31"] * 3}))
    assert (found['e"; DROP'].semantic.type, found["{v}"].text_type.type) == ("email", "date")


def test_a_query_may_stand_for_the_relation(engine):
    rows = "(SELECT 'ann@example.com' AS m FROM range(5))"
    assert detected(engine, rows, Schema.of({"m": "VARCHAR"}), 5)["m"].semantic.type == "email"


def test_checks_are_not_imported_before_they_are_needed():
    code = "import sys, sluiceway.quality.detection as _; print({'stdnum', 'numpy'} & set(sys.modules) or [])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert re.sub(r"\s", "", done.stdout) == "[]"


def test_the_page_s_example_runs():
    page = (Path(__file__).parents[3] / "docs" / "detection.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.S)
    subprocess.run([sys.executable, "-c", code], check=True)
