"""The YAML reader: plain values, lines, and every hostile or broken text as an error with its place."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.errors import SpecError
from sluiceway.spec.yaml import MAX_BYTES, Document, read_yaml, read_yaml_text
from sluiceway.units import duration, size

if TYPE_CHECKING:
    from pathlib import Path


def error_of(text: str) -> SpecError:
    with pytest.raises(SpecError) as caught:
        read_yaml_text(text, "x.yml")
    assert caught.value.exit_code == 2
    return caught.value


def test_core_schema_keeps_yes_on_and_dates_as_text() -> None:
    text = "a: yes\nb: on\nc: no\nd: 2026-01-01\ne: true\nf: ~\ng: 0o17\nh: 0x1F\ni: 1e3\nj: 1_000\nk: 012\n"
    assert read_yaml_text(text).value == {
        "a": "yes", "b": "on", "c": "no", "d": "2026-01-01", "e": True, "f": None, "g": 15, "h": 31,
        "i": 1000.0, "j": "1_000", "k": 12,
    }  # fmt: skip


def test_floats_that_are_no_numbers() -> None:
    value = read_yaml_text("a: .inf\nb: -.INF\nc: .nan\nd: .5").value
    assert value["a"] == math.inf
    assert value["b"] == -math.inf
    assert math.isnan(value["c"])
    assert value["d"] == 0.5


def test_keys_are_text_even_where_they_look_like_something_else() -> None:
    assert read_yaml_text("1: a\ntrue: b\nnull: c").value == {"1": "a", "true": "b", "null": "c"}


def test_quoted_scalars_stay_text_and_tags_convert() -> None:
    assert read_yaml_text("a: '1'\nb: \"true\"\nc: !!str 1\nd: !!float 1\ne: |\n  x\n").value == {
        "a": "1", "b": "true", "c": "1", "d": 1.0, "e": "x\n",
    }  # fmt: skip


def test_every_key_and_item_knows_its_line() -> None:
    document = read_yaml_text("a:\n  - x: 1\n    y: 2\n  - z\nb: {c: [1,\n 2]}\n", "f.yml")
    assert str(document.where(("a", 0, "y"))) == "f.yml:3: a[0].y"
    assert document.where(("a", 1)).line == 4
    assert document.where(("b", "c", 1)).line == 6


def test_a_key_that_is_not_there_is_placed_at_its_parent() -> None:
    where = read_yaml_text("a:\n  b: 1\n", "f.yml").where(("a", "missing"))
    assert (where.line, where.key) == (1, "a.missing")


def test_duplicate_keys_name_both_lines() -> None:
    error = error_of("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n")
    assert str(error.where) == "x.yml:5: b.c"
    assert "line 3" in error.message


def test_duplicate_keys_in_flow_mappings_and_under_other_spelling() -> None:
    assert "twice" in error_of("{a: 1, 'a': 2}").message


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a:\n\tb: 1", 2, "tab"),
        ("a: [1\nb: 2", None, "YAML"),
        ('a: "x', None, "YAML"),
        ("a: b: c", 1, "mapping values"),
        ("- a\nb: 1", 2, "YAML"),
        ("a: *nope", 1, "no anchor 'nope'"),
        ("a: 1\n---\nb: 2", 2, "second document"),
        ("a: @x", 1, "YAML"),
        ("a: 1\nb: \x01", 2, "U+0001"),
        ("a: !!python/object:os.system x", 1, "tag"),
        ("a: !secret x", 1, "tag"),
        ("a: !!int x", 1, "not a int"),
        ("? [a]\n: 1", 1, "key"),
        ("a: &a [*a]", 1, "contains itself"),
        ("<<: 3", 1, "merges mappings"),
        ("%YAML 9.9\n---\na: 1", None, "YAML"),
    ],
)
def test_broken_texts(text: str, line: int | None, said: str) -> None:
    error = error_of(text)
    assert said in error.message
    assert error.where is not None
    assert error.where.file == "x.yml"
    if line is not None:
        assert error.where.line == line


def test_merge_keys_give_way_to_what_is_written() -> None:
    value = read_yaml_text(
        "base: &b {x: 1, y: 2}\nmine:\n  <<: *b\n  y: 3\nmore:\n  <<: [*b, {z: 4}]\n"
    ).value
    assert value["mine"] == {"x": 1, "y": 3}
    assert value["more"] == {"x": 1, "y": 2, "z": 4}
    assert value["base"] == {"x": 1, "y": 2}


def test_aliases_that_multiply_end_at_the_limit() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    error = error_of("\n".join(levels))
    assert "100,000 values" in error.message
    assert error.where is not None
    assert error.where.line == 6


def test_endless_nesting_is_an_error_and_no_crash() -> None:
    assert "deeper" in error_of("[" * 50_000).message
    assert "deeper" in error_of("".join(f"{' ' * n}a:\n" for n in range(200))).message


def test_a_number_of_endless_digits_is_text() -> None:
    assert read_yaml_text("a: " + "9" * 5000).value["a"] == "9" * 5000


def test_empty_texts_are_nothing() -> None:
    assert read_yaml_text("").value is None
    assert read_yaml_text("# only a comment\n").value is None


def test_what_becomes_of_an_unquoted_comma_is_known() -> None:
    document = read_yaml_text("derive: {net: coalesce(a, 0)}\nplain: {x: null, y: ~}\n")
    assert document.bare == frozenset({("derive", "0)")})


def test_files_that_can_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "orders.yml").write_text("a: 1")
    with pytest.raises(SpecError, match=r"no such file") as caught:
        read_yaml(tmp_path / "order.yml")
    assert "orders.yml" in (caught.value.hint or "")
    with pytest.raises(SpecError, match=r"can't be read"):
        read_yaml(tmp_path)
    with pytest.raises(SpecError) as gone:
        read_yaml(tmp_path / "nowhere" / "x.yml")
    assert "nowhere" in (gone.value.hint or "")


def test_encodings(tmp_path: Path) -> None:
    path = tmp_path / "x.yml"
    path.write_bytes(b"a: 1\nb: \xff\xfe\n")
    with pytest.raises(SpecError, match=r"byte 8 is not UTF-8") as caught:
        read_yaml(path)
    assert caught.value.where is not None
    assert caught.value.where.line == 2
    path.write_bytes("\ufeffa: é".encode())
    assert read_yaml(path).value == {"a": "é"}
    path.write_bytes("a: é".encode("utf-16"))
    assert read_yaml(path).value == {"a": "é"}


def test_a_huge_file_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    path = tmp_path / "big.yml"
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(SpecError, match="larger than"):
        read_yaml(path)


def outcome(text: str) -> Document | SpecError:
    try:
        return read_yaml_text(text, "x.yml")
    except SpecError as error:
        return error


@given(st.text(max_size=60))
def test_any_text_is_a_document_or_a_spec_error(text: str) -> None:
    found = outcome(text)
    assert isinstance(found, Document) or (found.where is not None and found.where.file == "x.yml")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("15m", 900),
        ("1h", 3600),
        ("26h", 93600),
        ("2d", 172800),
        ("1h30m", 5400),
        (7, 7),
        ("0s", 0),
    ],
)
def test_durations(text: str | int, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "1x", "-1s", "s", None, True, -1, "1h 2", [], math.inf, math.nan])
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        duration(text)


@pytest.mark.parametrize(
    ("text", "number"),
    [("4GB", 4 * 10**9), ("512MiB", 512 * 2**20), ("1.5 kb", 1500), ("10", 10), (10, 10), ("1TiB", 2**40)],
)
def test_sizes(text: str | int, number: int) -> None:
    assert size(text) == number


@pytest.mark.parametrize("text", ["", "GB", "1XB", "-1GB", 0, "0GB", None, True, "1iB", 1.5])
def test_what_is_no_size(text: object) -> None:
    with pytest.raises(ValueError, match="size"):
        size(text)
