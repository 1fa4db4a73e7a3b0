"""Names that need quoting, everywhere a name can stand; and table names that lead out of a warehouse."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.integration.badinput import PIPELINE, refused, run, sluiceway

from sluiceway.errors import PlanError
from sluiceway.run.quarantine import list_quarantine, replay, show
from sluiceway.spec.project import load_project
from sluiceway.store.store import Store

ODD = [
    "order", "my col", 'a "quoted" one', "naïve café", "it's", "日本", "select", "a.b", "$x", "back\\slash",
]  # fmt: skip
"""Columns: reserved words, spaces, quotes of both sorts, unicode, a dot, a dollar, a backslash."""


def csv_of(names: list[str], rows: list[tuple[Any, ...]]) -> str:
    def cell(value: Any) -> str:
        return '"' + str(value).replace('"', '""') + '"'

    return "\n".join(",".join(cell(v) for v in row) for row in [tuple(names), *rows]) + "\n"


def yaml_of(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


NAMES = f"""\
pipeline: odd
sources:
  "my source":
    type: csv
    path: data/odd.csv
    rules:
      - not_null: "my col"
        on_fail: quarantine
  "it's a \\"parent\\"": {{type: csv, path: data/parent.csv}}
transform:
  - derive: {{"the sum": '"order" + 1'}}
  - filter: '"my col" <> ''drop'''
  - sql: 'SELECT * FROM _ WHERE "select" IS NOT NULL'
    name: "étape une"
rules:
  - not_null: [{", ".join(map(yaml_of, ODD))}]
  - unique: [order, "my col"]
  - unique: "a.b"
    scope: batch
  - accepted_values: {{column: {yaml_of(ODD[2])}, values: ["x", "it's", 'a"b']}}
    on_fail: quarantine
  - range: {{column: order, min: 0}}
    on_fail: quarantine
    where: '"naïve café" IS NOT NULL'
  - length: {{column: "it's", max: 5}}
    on_fail: quarantine
  - pattern: {{column: "日本", regex: ".+"}}
    on_fail: quarantine
  - relationships: {{column: "my col", to: "it's a \\"parent\\".the key"}}
    on_fail: quarantine
  - expression: '"order" < 100 OR "$x" IS NULL'
    name: "it's a \\"rule\\" – été"
    on_fail: quarantine
  - aggregate: {{measure: 'max("order")', max: 1000}}
destination: {{table: "mart é.it's \\"the\\" table", mode: MODE, primary_key: [order, "my col"]}}
"""
TABLE = 'mart é.it\'s "the" table'


def row(order: Any, col: str, quoted: str = "x", **others: str) -> tuple[Any, ...]:
    values = {"naïve café": "c", "it's": "i", "日本": "j", "select": "s", "a.b": f"ab{order}", "$x": "d",
              "back\\slash": "b"}  # fmt: skip
    values.update(others)
    return (order, col, quoted, *values.values())


ROWS = [
    row(1, "k1"), row(2, "k2", "it's"), row(3, "k3", 'a"b'), row(4, "drop"), row(5, ""),
    row(6, "k1", "wrong"), row(-7, "k1"), row(8, "k1", **{"it's": "too long"}), row(9, "no parent"),
    row(500, "k2"), row(10, "k2", "wrong", **{"it's": "too long"}),
]  # fmt: skip


@pytest.fixture(params=["merge", "scd2", "append"])
def odd(make_project, request):
    text = NAMES.replace("MODE", request.param)
    if request.param == "append":
        text = text.replace(', primary_key: [order, "my col"]', "")
    return make_project(
        {
            "data/odd.csv": csv_of(ODD, ROWS),
            "data/parent.csv": csv_of(["the key"], [("k1",), ("k2",), ("k3",)]),
            "pipelines/odd.yml": text,
        }
    )


def test_odd_names_through_a_run_and_all_that_follows_it(odd):
    told = run(odd.folder, "odd")
    assert told.code == 0, told.document["error"]
    records = told.records
    assert (records["rejected"], records["staged"]) == (1, 9)
    assert (records["published"], records["quarantined"]) == (3, 6)
    assert odd.rows(TABLE, '"order", "a ""quoted"" one", "the sum"') == [
        (1, "x", 2), (2, "it's", 3), (3, 'a"b', 4),
    ]  # fmt: skip
    failing = {c["id"]: c["failing"] for c in told.document["checks"] if c["failing"]}
    assert failing['it\'s a "rule" – été'] == 1
    assert failing['accepted_values:a "quoted" one'] == 2
    project = load_project(odd.folder)
    kept = {r["row"]["order"]: r for r in show(project, None)}
    assert set(kept) == {"5", "6", "-7", "8", "9", "500", "10"}
    assert set(kept["10"]["row"]) == {*ODD, "the sum"}
    assert sorted(kept["10"]["reasons"]) == ['accepted_values:a "quoted" one', "length:it's"]
    samples = _samples(project, told.document["run_id"])
    assert samples["length:it's"][0]["it's"] == "too long"
    for column in ("the sum", "order", 'a "quoted" one'):
        lineage = sluiceway(odd.folder, "lineage", f"{TABLE}.{column}", "--up")
        assert lineage.code == 0, lineage.err
        assert "odd.csv" in json.dumps(lineage.document), column


def _samples(project: Any, run_id: str) -> dict[str, list[dict[str, Any]]]:
    with Store.open(project.metadata) as store:
        document = store.run(run_id)
    found: dict[str, list[dict[str, Any]]] = {}
    for check in document["checks"]:
        found[check.get("check_id") or check["id"]] = check.get("samples") or []
    return found


def test_odd_names_are_replayed(odd):
    assert run(odd.folder, "odd").code == 0
    text = (odd.folder / "pipelines/odd.yml").read_text(encoding="utf-8")
    odd.write("pipelines/odd.yml", text.replace("max: 5}", "max: 50}").replace("min: 0", "min: -9"))
    with pytest.raises(PlanError, match="several places: gate, my source") as caught:
        replay(odd.resolve("odd"))
    assert "--from 'gate'" in str(caught.value)
    if "mode: scd2" in text:
        with pytest.raises(PlanError, match="scd2"):
            replay(odd.resolve("odd"), place="gate")
        return
    told = sluiceway(odd.folder, "quarantine", "replay", "odd", "--from", "gate")
    assert told.code == 0, told.document["error"]
    assert (told.records["published"], told.records["quarantined"]) == (2, 4)
    assert [r[0] for r in odd.rows(TABLE, '"order"')] == [-7, 1, 2, 3, 8]
    waiting = list_quarantine(load_project(odd.folder), None)
    assert sum(r["rows"] for r in waiting) == 5


def test_odd_names_run_again(odd):
    assert run(odd.folder, "odd").code == 0
    told = run(odd.folder, "odd")
    if "append" in (odd.folder / "pipelines/odd.yml").read_text(encoding="utf-8"):
        refused(told, 3, "DataQualityError", "unique:order,my col")
    else:
        assert told.code == 0, told.document["error"]
    assert [r[0] for r in odd.rows(TABLE, '"order"')] == [1, 2, 3]


def test_odd_names_are_explained(odd):
    for command in ("plan", "explain", "check"):
        told = sluiceway(odd.folder, command, "odd")
        assert told.code == 0, told.err
    assert not odd.exists(TABLE)


@pytest.mark.parametrize("kind", ["duckdb", "sqlite"])
def test_odd_names_in_the_other_embedded_warehouses(make_project, kind):
    text = NAMES.replace("MODE", "merge").replace("mart é.it's", "main.it's")
    project = make_project(
        {
            "data/odd.csv": csv_of(ODD, ROWS),
            "data/parent.csv": csv_of(["the key"], [("k1",), ("k2",), ("k3",)]),
            "pipelines/odd.yml": text,
        },
        settings=f"""\
            project: test
            environments:
              dev:
                warehouse: {{type: {kind}, path: "out/it's a file.db"}}
            """,
    )
    for _ in range(2):
        told = run(project.folder, "odd")
        assert told.code == 0, told.document["error"]
        assert (told.records["published"], told.records["quarantined"]) == (3, 6)
    assert [r[0] for r in project.rows('main.it\'s "the" table', '"order"')] == [1, 2, 3]


def test_odd_names_in_files(make_project):
    """A folder's name has a grammar of its own; the columns are as free as anywhere."""
    text = NAMES.replace("MODE", "append").replace(', primary_key: [order, "my col"]', "")
    text = text.replace('"mart é.it\'s \\"the\\" table"', "mart.the table")
    project = make_project(
        {
            "data/odd.csv": csv_of(ODD, ROWS),
            "data/parent.csv": csv_of(["the key"], [("k1",), ("k2",), ("k3",)]),
            "pipelines/odd.yml": text,
        },
        settings="project: test\nenvironments:\n  dev:\n    warehouse: {type: parquet, path: out}\n",
    )
    told = run(project.folder, "odd")
    assert told.code == 0, told.document["error"]
    assert [r[0] for r in project.rows("mart.the table", '"order"')] == [1, 2, 3]
    assert project.query("SELECT phase, count(*) FROM {q} GROUP BY ALL ORDER BY ALL") == [
        ("gate", 6), ("source", 1),
    ]  # fmt: skip


# names that lead out ----------------------------------------------------------------------------------

OUTSIDE = [
    "../../x", "..", "a/../../x", "mart.../x", "/etc/x", "mart./etc/x", "..\\..\\x", "a.b.c", "mart.", " ",
]  # fmt: skip


@pytest.mark.parametrize("table", OUTSIDE)
@pytest.mark.parametrize("kind", ["ducklake", "parquet", "csv", "json"])
def test_a_table_that_leads_out_of_the_warehouse(make_project, kind, table):
    project = make_project(
        {"data/a.csv": "id\n1\n", "pipelines/a.yml": PIPELINE.replace("mart.a", json.dumps(table))},
        settings="project: test\nenvironments:\n  dev:\n"
        f"    warehouse: {{type: {kind}, path: deep/down/out}}\n",
    )
    told = run(project.folder)
    assert told.code == 2, told.document
    refused(told, 2, told.error["type"])
    assert told.error["type"] in ("SpecError", "PlanError")
    inside = project.folder / "deep/down/out"
    loose = [
        p
        for p in project.folder.rglob("*")
        if p.is_file() and not p.is_relative_to(inside) and ".sluiceway" not in p.parts
    ]
    assert sorted(p.name for p in loose) == ["a.csv", "a.yml", "sluiceway.yml"]


@pytest.mark.parametrize("place", ["mart", "mart/a"])
def test_a_link_in_a_file_warehouse(make_project, place):
    project = make_project(
        {"data/a.csv": "id\n1\n", "pipelines/a.yml": PIPELINE},
        settings="project: test\nenvironments:\n  dev:\n    warehouse: {type: parquet, path: out}\n",
    )
    elsewhere = project.folder / "elsewhere"
    (elsewhere / "a").mkdir(parents=True)
    (elsewhere / "a/precious.parquet").write_bytes(b"not ours")
    link = project.folder / "out" / place
    link.parent.mkdir(parents=True)
    link.symlink_to(elsewhere if place == "mart" else elsewhere / "a")
    refused(run(project.folder), 2, "PlanError", "outside the warehouse", "remove the link")
    assert [p.name for p in elsewhere.rglob("*") if p.is_file()] == ["precious.parquet"]
    assert (elsewhere / "a/precious.parquet").read_bytes() == b"not ours"
