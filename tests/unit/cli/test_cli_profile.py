"""``sluiceway profile``: what is printed, the document, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Sluiceway


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    file = tmp_path / "orders.parquet"
    duckdb.sql(
        "COPY (SELECT i AS id, i % 4 AS status, 'u' || i || '@example.org' AS email, 7000500 + i AS salary "
        f"FROM range(200) AS t(i) ORDER BY i) TO '{file}' (FORMAT parquet)"
    )
    return file


def test_a_table_and_what_was_noticed(
    sluiceway: Sluiceway, orders: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)  # no project anywhere near
    ran = sluiceway("profile", orders)
    assert ran.code == 0
    assert "200 rows, 4 columns" in ran.out
    assert "id: strictly increasing from row to row" in ran.out
    assert "email: about persons" in ran.out
    assert "decides" not in ran.out  # what is different in every row decides everything, and nothing


def test_one_column_in_full(sluiceway: Sluiceway, orders: Path) -> None:
    ran = sluiceway("profile", orders, "--column", "status")
    assert ran.code == 0
    assert "histogram" in ran.out
    assert "0: 50 (25.0%)" in ran.out
    assert "email" not in ran.out
    wrong = sluiceway("profile", orders, "--column", "statos")
    assert (wrong.code, "did you mean 'status'" in wrong.err) == (2, True)


def test_the_document_holds_all_of_it(sluiceway: Sluiceway, orders: Path) -> None:
    document = sluiceway("profile", orders, "--json").json
    first = document["columns"][0]
    assert (document["rows"], first["name"], first["distinct"]) == (200, "id", 200)
    assert document["keys"][0] == {"columns": ["id"], "share": 1.0, "approximate": False}


def test_personal_values_are_hidden_when_asked(sluiceway: Sluiceway, orders: Path) -> None:
    assert "@example.org" in sluiceway("profile", orders, "--json").out
    hidden = sluiceway("profile", orders, "--mask-pii", "--json")
    assert "@example.org" not in hidden.out + hidden.err


def test_what_a_contract_classifies_is_hidden(sluiceway: Sluiceway, orders: Path, tmp_path: Path) -> None:
    contract = tmp_path / "c.odcs.yaml"
    contract.write_text(
        "kind: DataContract\napiVersion: v3.1.0\nid: c\nversion: 1.0.0\nstatus: active\nschema:\n"
        "  - name: orders\n    properties:\n"
        "      - {name: salary, logicalType: integer, classification: secret}\n"
    )
    ran = sluiceway("profile", orders, "--contract", contract, "--json")
    (salary,) = [c for c in ran.json["columns"] if c["name"] == "salary"]
    assert (salary["minimum"], salary["maximum"], salary["mean"]) == ("***", "***", None)
    assert not any(str(7_000_500 + i) in str(ran.json) for i in range(200))
    shown = sluiceway("profile", orders, "--contract", contract, "--no-mask", "--json").json
    assert [c["minimum"] for c in shown["columns"] if c["name"] == "salary"] == [7_000_500]
    assert sluiceway("profile", orders, "--contract", tmp_path / "none.yaml").code == 2


def test_a_dataset_of_the_project_hides_what_its_contract_says(sluiceway: Sluiceway, make_shop: Any) -> None:
    make_shop()
    assert sluiceway("run", "people").code == 0
    document = sluiceway("profile", "mart.people", "--json").json
    told = {c["name"]: c for c in document["columns"]}
    assert (told["salary"]["minimum"], told["id"]["minimum"]) == ("***", 1)
    assert told["id"]["monotonic"] is None  # rows of a table have no order
    found = sluiceway("profile", "visits.csv", "--references", "all", "--json").json["references"]
    # that both have an "id" makes no reference
    assert [(r["column"], r["dataset"], r["to"]) for r in found] == [("people_id", "mart.people", "id")]


@pytest.fixture
def make_shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def make() -> Path:
        folder = tmp_path / "shop"
        (folder / "pipelines").mkdir(parents=True)
        (folder / "sluiceway.yml").write_text("project: shop\nenvironments: {dev: {}}\n")
        rows = "".join(f"{i},{4000 + i}\n" for i in range(1, 30))
        (folder / "people.csv").write_text("id,salary\n" + rows)
        visits = "".join(f"{i},{i % 20 + 1}\n" for i in range(60))
        (folder / "visits.csv").write_text("id,people_id\n" + visits)
        (folder / "people.odcs.yaml").write_text(
            "kind: DataContract\napiVersion: v3.1.0\nid: c\nversion: 1.0.0\nstatus: active\nschema:\n"
            "  - name: people\n    properties:\n      - {name: id, logicalType: integer}\n"
            "      - {name: salary, logicalType: integer, classification: secret}\n"
        )
        (folder / "pipelines" / "people.yml").write_text(
            "pipeline: people\nsources: {people: {type: csv, path: people.csv}}\n"
            "contract: people.odcs.yaml\ndestination: {table: mart.people}\n"
        )
        monkeypatch.chdir(folder)
        return folder

    return make


def test_what_can_t_be_profiled_is_told(
    sluiceway: Sluiceway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for target in ("none.csv", "mart.orders", "shop:orders"):
        ran = sluiceway("profile", target)
        assert ran.code in (1, 2), target
        assert "error: " in ran.err
        assert "Traceback" not in ran.err
    assert sluiceway("profile", "x.csv", "--references", "all").code == 2
