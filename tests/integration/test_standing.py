"""Data as it stands: what ``check``, ``profile`` and the others open, and what they refuse."""

from __future__ import annotations

import gzip
import sqlite3
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pytest

from sluiceway.cli.app import invoke
from sluiceway.errors import PlanError
from sluiceway.run.standing import standing
from sluiceway.spec.project import load_project

if TYPE_CHECKING:
    from pathlib import Path

ROWS = [{"id": 1, "a": "x"}, {"id": 2, "a": None}]


def seen(target: Any, **options: Any) -> list[tuple[Any, ...]]:
    with standing(target, **options) as data:
        assert data.schema.names == ("id", "a")
        return sorted(data.engine.query(data.sql))


@pytest.mark.parametrize(
    "given", [ROWS, pa.Table.from_pylist(ROWS), pd.DataFrame(ROWS).astype({"a": object})], ids=type
)
def test_rows_that_python_holds(given: Any) -> None:
    assert seen(given) == [(1, "x"), (2, None)]


def test_files_also_packed_and_many(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,a\n1,x\n")
    with gzip.open(tmp_path / "b.csv.gz", "wt") as file:
        file.write("id,a\n2,\n")
    assert seen(tmp_path / "a.csv") == [(1, "x")]
    assert seen("b.csv.gz", folder=tmp_path) == [(2, None)]
    assert seen("*.csv", folder=tmp_path) == [(1, "x")]


def test_a_table_of_a_connection_and_a_dataset(make_project: Any) -> None:
    settings = "project: t\nconnections:\n  shop: {type: sqlite, path: shop.db}\n"
    made = make_project(
        {"pipelines/p.yml": "pipeline: p\nsources:\n  s: {type: sqlite, connection: shop, table: t}\n"
         "destination: {table: mart.t}\n"}, settings=settings,
    )  # fmt: skip
    with sqlite3.connect(made.folder / "shop.db") as con:
        con.execute("CREATE TABLE t (id INTEGER, a TEXT)")
        con.execute("INSERT INTO t VALUES (1, 'x'), (2, NULL)")
    con.close()
    project = load_project(made.folder)
    assert seen("shop:t", project=project) == [(1, "x"), (2, None)]
    with pytest.raises(PlanError, match=r"no table mart\.t"), standing("mart.t", project=project):
        pass
    made.run("p")
    assert seen("mart.t", project=project) == [(1, "x"), (2, None)]
    with pytest.raises(PlanError, match="no connection 'shap'") as caught:
        seen("shap:t", project=project)
    assert "shop" in str(caught.value.hint)


def test_nothing_to_look_in_says_so() -> None:
    with pytest.raises(PlanError, match="there is no project"):
        seen("mart.t")
    with pytest.raises(PlanError, match="there is no project"):
        seen("shop:t")


def test_what_stands_is_not_changed(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,a\n1,x\n")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert seen(tmp_path / "a.csv") == [(1, "x")]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_check_judges_a_table_of_a_connection(make_project: Any, capsys: pytest.CaptureFixture[str]) -> None:
    settings = "project: t\nconnections:\n  shop: {type: sqlite, path: shop.db}\n"
    contract = (
        "apiVersion: v3.1.0\nkind: DataContract\nid: t\nversion: 1.0.0\nstatus: active\n"
        "schema:\n  - name: t\n    properties:\n      - {name: a, logicalType: string, required: true}\n"
    )
    made = make_project({"c.odcs.yaml": contract}, settings=settings)
    with sqlite3.connect(made.folder / "shop.db") as con:
        con.execute("CREATE TABLE t (id INTEGER, a TEXT)")
        con.execute("INSERT INTO t VALUES (1, 'x'), (2, NULL)")
    con.close()
    args = ["--contract", str(made.folder / "c.odcs.yaml"), "--project", str(made.folder)]
    assert invoke(["check", "shop:t", *args]) == 3
    assert "not_null:a" in capsys.readouterr().out
    assert invoke(["check", "shap:t", *args]) == 2
    said = capsys.readouterr().err
    assert "there is no connection 'shap'" in said
    assert "Traceback" not in said
