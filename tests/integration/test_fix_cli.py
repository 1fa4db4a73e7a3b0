"""`sluiceway fix` from the command line: proposals change nothing, --apply does, undo takes it back."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sluiceway.cli.app import invoke
from sluiceway.quality.mending import propose_data

if TYPE_CHECKING:
    from tests.integration.conftest import ProjectOnDisk

ROOT = Path(__file__).parents[2]
LAKE = "project: test\nenvironments:\n  dev:\n    warehouse: {type: ducklake, path: .sluiceway/lake}\n"
CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: a
version: 1.0.0
status: active
schema:
  - name: a
    properties:
      - {name: id, logicalType: integer}
      - name: status
        logicalType: string
        quality:
          - type: custom
            engine: sluiceway
            implementation: "accepted_values: {column: status, values: [paid]}"
      - name: amount
        logicalType: integer
        quality:
          - {type: custom, engine: sluiceway, implementation: "range: {column: amount, min: 0}"}
"""
FILE = "id,status,amount\n1,paid,1\n2,PAID ,-2\n3,lost,3\n"


@pytest.fixture
def project(make_project: Any, monkeypatch: pytest.MonkeyPatch) -> ProjectOnDisk:
    made: ProjectOnDisk = make_project(
        {
            "data/a.csv": FILE,
            "contracts/a.odcs.yaml": CONTRACT,
            "pipelines/a.yml": """\
                pipeline: a
                sources: {a: {type: csv, path: data/a.csv}}
                rules:
                  - accepted_values: {column: status, values: [paid]}
                    on_fail: warn
                  - range: {column: amount, min: 0}
                    on_fail: warn
                  - row_count: {min: 1}
                destination: {table: mart.a, mode: append, primary_key: id}
                """,
        },
        settings=LAKE,
    )
    monkeypatch.chdir(made.folder)
    return made


def call(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, Any, str]:
    capsys.readouterr()
    code = invoke([*args, "--json"])
    out, err = capsys.readouterr()
    return code, json.loads(out), err


def test_a_pipeline_is_looked_at_and_then_run_with_its_fixes(project: ProjectOnDisk, capsys: Any) -> None:
    code, document, said = call(capsys, "fix", "a")
    assert code == 0
    assert {f["check_id"]: (f["failing"], f["fixed"]) for f in document["fixes"]} == {
        "accepted_values:status": (2, 1), "range:amount": (1, 1),
    }  # fmt: skip
    assert list(document["without"]) == ["row_count"]
    assert "'PAID '" in said
    assert "nothing was changed" in said
    assert not project.exists("mart.a")
    code, document, said = call(capsys, "fix", "a", "--apply", "--rule", "range:amount")
    assert (code, document["applied"]) == (0, True)
    # the other rule only warns, as it is written
    assert project.rows("mart.a", "id, status, amount") == [(1, "paid", 1), (2, "PAID ", 0), (3, "lost", 3)]
    assert f"sluiceway fix undo {document['run']['run_id']}" in said


def test_a_dataset_is_merged_and_undone(project: ProjectOnDisk, capsys: Any) -> None:
    project.run("a")
    before = project.rows("mart.a")
    code, document, _ = call(capsys, "fix", "mart.a")
    assert (code, document["applied"], project.rows("mart.a")) == (0, False, before)
    code, document, _ = call(capsys, "fix", "mart.a", "--apply")
    assert (code, document["applied"]) == (0, True)
    assert (document["run"]["records"]["published"], document["run"]["records"]["quarantined"]) == (1, 0)
    assert project.rows("mart.a", "id, status, amount") == [(1, "paid", 1), (2, "paid", 0), (3, "lost", 3)]
    run = document["run"]["run_id"]
    code, listed, _ = call(capsys, "fix", "list", "--run", run)
    assert [(r["run_id"], r["fixed"], r["undone"]) for r in listed["fixes"]] == [(run, 1, 0)]
    assert [c["check_id"] for c in listed["fixes"][0]["checks"]] == ["accepted_values:status", "range:amount"]
    code, undone, said = call(capsys, "fix", "undo", run)
    assert (code, undone["restored"], undone["changed_since"]) == (0, 1, 0)
    assert "1 rows are as they came" in said
    assert project.rows("mart.a") == before
    assert call(capsys, "fix", "undo", run)[0] == 2
    # a second look at what is right by now finds nothing to publish
    call(capsys, "fix", "mart.a", "--apply")
    assert call(capsys, "fix", "mart.a", "--apply")[1]["run"] is None


def test_a_file_is_never_changed_and_what_fails_still_lies_beside_the_new_one(
    project: ProjectOnDisk, capsys: Any
) -> None:
    target = ["fix", "data/a.csv", "--contract", "contracts/a.odcs.yaml"]
    assert call(capsys, *target)[0] == 0
    code, document, _ = call(capsys, *target, "--apply")
    assert (code, document["error"]["hint"]) == (2, "write --apply -o NEWFILE")
    for ending in (".csv", ".parquet", ".jsonl"):
        output = project.folder / f"out{ending}"
        code, document, _ = call(capsys, *target, "--apply", "-o", output.name)
        assert (code, document["output"], document["left"]) == (0, output.name, 1)
        beside = output.with_name(output.name + ".quarantine.jsonl").read_text("utf-8").splitlines()
        assert [json.loads(line) for line in beside] == [
            {"id": 3, "status": "lost", "amount": 3, "_reasons": '["accepted_values:status"]'}
        ]
        found = propose_data(str(output), project.folder / "contracts/a.odcs.yaml")
        assert (found.rows, found.fixable, found.left) == (2, 0, 0)
        code, document, _ = call(capsys, *target, "--apply", "-o", output.name)
        assert (code, "is there already" in document["error"]["message"]) == (2, True)
    assert (project.folder / "data/a.csv").read_text("utf-8") == FILE
    written = (project.folder / "out.csv").read_text("utf-8")
    assert written == '"id","status","amount"\n1,"paid",1\n2,"paid",0\n'
    assert not [path.name for path in project.folder.glob(".out*")]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["a", "--rule", "nope"], "no check 'nope'"),
        (["a", "--rule", "row_count"], "has no fix"),
        (["a", "-o", "x.csv"], "-o is for files"),
        (["data/a.csv"], "nothing says what is wrong"),
        (["data/a.csv", "--contract", "nope.yaml"], "no contract"),
        (["data/a.csv", "--contract", "contracts/a.odcs.yaml", "--apply", "-o", "x.xlsx"], "none of .csv"),
        (["data/no.csv", "--contract", "contracts/a.odcs.yaml"], "no.csv"),
        (["mart.nothing"], "nothing says what is wrong"),
        (["nobody"], "nobody"),
        (["undo", "nobody"], "no receipt"),
    ],
)
def test_mistakes_are_told_without_a_trace(
    project: ProjectOnDisk, capsys: Any, args: list[str], said: str
) -> None:
    project.run("a")
    code, document, err = call(capsys, "fix", *args)
    assert code in (1, 2)
    assert said in document["error"]["message"]
    assert "Traceback" not in err


def test_the_page_s_example_runs(make_project: Any) -> None:
    text = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "fixes.md").read_text("utf-8"), re.S)[0]
    head = "order_id,customer_id,status,discount,phone,country,updated_at\n"
    project = make_project(
        {
            "pipelines/orders.yml": text,
            "data/customers.csv": "customer_id,country\n1,NL\n2,BE\n",
            "data/orders.csv": head
            + "1,1,paid,10,+31201234567,NL,2026-01-01\n2,2,Shiped ,250,020 123 4567,,2026-01-01\n"
            + "2,2,paid,5,,BE,2026-01-02\n3,9,lost,1,,,2026-01-01\n",
        },
        settings=LAKE,
    )
    result = project.run("orders")
    assert result.status == "succeeded", result.error
    assert project.rows("mart.orders", "order_id, status, discount, country") == [
        (1, "paid", 10, "NL"), (2, "paid", 5, "BE"),
    ]  # fmt: skip
    assert (result.records.published, result.records.quarantined) == (2, 2)
