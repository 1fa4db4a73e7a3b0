"""Small parts of the file connectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sluiceway.connectors import durable
from sluiceway.connectors.durable import exchange, link_or_copy, write_json
from sluiceway.connectors.filejournal import Intent, Places
from sluiceway.connectors.files import fits_integer
from sluiceway.connectors.jsontypes import fits_nested
from sluiceway.duck import literal, open_duckdb
from sluiceway.errors import DestinationError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "type_", "fits"),
    [
        ("1", "TINYINT", True), ("128", "TINYINT", False), ("-1", "UBIGINT", False), ("1.0", "BIGINT", True),
        ("1.5", "BIGINT", False), ("1e3", "BIGINT", True), ("1e-3", "BIGINT", False),
        ("1.5e1", "BIGINT", False),
        ("", "BIGINT", False), ("x", "BIGINT", False), (" 12 ", "INTEGER", True), (".", "BIGINT", False),
        ("0.4", "BIGINT", False), ("9223372036854775808", "BIGINT", False),
    ],
)  # fmt: skip
def test_an_integer_fits_without_loss_or_not_at_all(text: str, type_: str, fits: bool) -> None:
    with open_duckdb() as con:
        assert con.execute(f"SELECT {fits_integer(literal(text), type_)}").fetchall() == [(fits,)]


@pytest.mark.parametrize(
    ("value", "type_", "fits"),
    [
        ("[1, 2]", "BIGINT[]", True), ('[1, "x"]', "BIGINT[]", False), ("[null]", "BIGINT[]", True),
        ("[]", "BIGINT[]", True), ("{}", "BIGINT[]", False), ("null", "BIGINT[]", True),
        ("[[1], [2, {}]]", "BIGINT[][]", False), ('{"a b": [1]}', 'STRUCT("a b" BIGINT[])', True),
        ('{"a b": ["x"]}', 'STRUCT("a b" BIGINT[])', False), ('{"k": 1}', "MAP(VARCHAR, BIGINT)", True),
        ('{"k": "x"}', "MAP(VARCHAR, BIGINT)", False),
    ],
)  # fmt: skip
def test_a_nested_value_fits_in_every_part(value: str, type_: str, fits: bool) -> None:
    with open_duckdb() as con:
        found = con.execute(f"SELECT {fits_nested('j', type_)} FROM (SELECT ?::JSON AS j) AS v", [value])
        assert found.fetchall() == [(fits,)]


def test_exchange_swaps_two_folders(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"in_{name}").touch()
    if not exchange(tmp_path / "a", tmp_path / "b"):
        pytest.skip("this system can't exchange two names")
    assert (tmp_path / "a/in_b").exists()
    assert (tmp_path / "b/in_a").exists()
    assert not (tmp_path / "a/in_a").exists()


def test_exchange_says_when_a_name_is_missing(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    if durable._renameat2() is None:
        pytest.skip("this system can't exchange two names")
    with pytest.raises(FileNotFoundError):
        exchange(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a").exists()


def test_write_json_replaces_whole_and_leaves_nothing_beside(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"é": 1})
    write_json(tmp_path / "x.json", [2])
    assert (tmp_path / "x.json").read_text() == "[\n 2\n]"
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_link_shares_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("rows")
    link_or_copy(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").stat().st_ino == (tmp_path / "a").stat().st_ino
    with pytest.raises(FileExistsError):
        link_or_copy(tmp_path / "a", tmp_path / "b")


def _intent(places: Places) -> Intent:
    rows = places.staging("m.t") / "run" / "rows"
    rows.mkdir(parents=True)
    (rows / "new.csv").write_text("new")
    (rows.parent / "receipt.json").write_text("{}")
    inside = [str(p.relative_to(places.root)) for p in (rows, rows.parent / "receipt.json")]
    return Intent(
        "m.t", "append", "m/t", inside[0], ("new.csv",), ((inside[1], "_sluiceway/receipts/r.json"),)
    )


def test_an_intent_reads_back_and_is_carried_out_once(tmp_path: Path) -> None:
    places = Places(tmp_path / "out")
    places.make()
    intent = _intent(places)
    intent.write(places)
    found = Intent.load(places.intent("m.t"))
    assert found == intent
    found.carry_out(places)
    assert (tmp_path / "out/m/t/new.csv").read_text() == "new"
    assert Intent.load(places.intent("m.t")) is None
    intent.write(places)
    intent.carry_out(places)  # as after a kill before the intent was removed
    assert [p.name for p in (tmp_path / "out/m/t").iterdir()] == ["new.csv"]


def test_an_intent_whose_staging_vanished_says_so(tmp_path: Path) -> None:
    places = Places(tmp_path / "out")
    places.make()
    intent = _intent(places)
    intent.write(places)
    (places.root / intent.rows / "new.csv").unlink()
    with pytest.raises(DestinationError, match="vanished"):
        intent.carry_out(places)
    assert places.intent("m.t").exists()
    assert not (tmp_path / "out/_sluiceway/receipts/r.json").exists()
