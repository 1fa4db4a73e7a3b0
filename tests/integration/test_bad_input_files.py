"""Sources that are broken, empty, changed or replaced: a clear error or a count, and nothing lost."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.badinput import PIPELINE, refused, run, sluiceway

from sluiceway.errors import SourceError
from sluiceway.events import NodeStarted

if TYPE_CHECKING:
    from pathlib import Path

BROKEN = b'id,name,x\n1,bob,1.5\n2,"al,""x""",2\n3,z\nx4,r,4\n5,q,5,6\n6,caf\xe9,6\n7,"unt"x,7\n8,ok,8\n'
"""Good are 1, 2 and 8; the others lack or have too many values, a number, an encoding, a quote."""
BAD_LINES = ["3,z", "x4,r,4", "5,q,5,6", "6,caf\ufffd,6", '7,"unt"x,7']


def declared(policy: str, types: str = "{id: BIGINT, name: VARCHAR, x: DOUBLE}") -> str:
    return f"""\
        pipeline: a
        sources:
          a: {{type: csv, path: data/a.csv, columns: {types}, on_bad_row: {policy}}}
        destination: {{table: mart.a}}
        """


def broken(make_project: Any, policy: str) -> Any:
    project = make_project({"pipelines/a.yml": declared(policy)})
    (project.folder / "data").mkdir()
    (project.folder / "data/a.csv").write_bytes(BROKEN)
    return project


def test_broken_rows_stop_the_run_with_file_line_and_text(make_project):
    project = broken(make_project, "fail")
    told = run(project.folder)
    error = refused(told, 1, "SourceError", "data/a.csv:", "on_bad_row: quarantine")
    assert error["where"]["file"].endswith("pipelines/a.yml")
    assert error["details"]["line"] == 4
    assert not project.exists("mart.a")


def test_broken_rows_wait_in_quarantine_each_once(make_project):
    project = broken(make_project, "quarantine")
    told = run(project.folder)
    assert told.code == 0, told.err
    records = told.records
    assert (records["read"], records["rejected"]) == (8, 5)
    assert (records["staged"], records["published"], records["quarantined"]) == (3, 3, 0)
    assert project.rows("mart.a", "id, name") == [(1, "bob"), (2, 'al,"x"'), (8, "ok")]
    kept = project.query('SELECT phase, source, reasons, "row" FROM {q}')
    assert {(phase, source) for phase, source, *_ in kept} == {("source", "a")}
    texts = [json.loads(row)["text"] for *_, row in kept]
    assert sorted(t for t in texts if not t.startswith("6,")) == sorted(
        t for t in BAD_LINES if not t.startswith("6,")
    )
    assert len(texts) == 5
    reasons = [json.loads(text)[0] for _, _, text, _ in kept]
    assert all(reason.startswith("unreadable: data/a.csv:") for reason in reasons), reasons


def test_broken_rows_that_are_skipped_are_counted_and_not_kept(make_project):
    project = broken(make_project, "skip")
    told = run(project.folder)
    assert told.code == 0
    assert (told.records["read"], told.records["rejected"], told.records["published"]) == (8, 5, 3)
    assert project.query("SELECT count(*) FROM {q}") == [(0,)]


def test_a_source_of_only_bad_rows_publishes_nothing_and_keeps_them_all(make_project):
    project = make_project(
        {"data/a.csv": "id,name,x\nnone,a\nnope,b\n", "pipelines/a.yml": declared("quarantine")}
    )
    told = run(project.folder)
    assert told.code == 0, told.err
    assert (told.records["read"], told.records["rejected"], told.records["published"]) == (2, 2, 0)
    assert project.query("SELECT count(*) FROM {q}") == [(2,)]
    assert project.rows("mart.a") == []


def test_a_replace_by_only_bad_rows_is_blocked_and_the_table_stays(make_project):
    replacing = declared("quarantine").replace("mart.a}", "mart.a, mode: replace}")
    project = make_project({"data/a.csv": "id,name,x\n1,a,1\n", "pipelines/a.yml": replacing})
    assert run(project.folder).code == 0
    project.write("data/a.csv", "id,name,x\nnone,a\nnope,b\n")
    told = run(project.folder)
    assert told.code == 3
    assert "allow_empty" in told.error["message"]
    assert project.rows("mart.a", "id") == [(1,)]
    assert project.query("SELECT count(*) FROM {q}") == [(0,)], "a blocked run quarantines nothing"


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff"])
def test_a_file_without_bytes_says_how_to_go_on(make_project, content):
    project = make_project({"pipelines/a.yml": PIPELINE})
    project.write("data/a.csv", content)
    refused(run(project.folder), 1, "SourceError", "a.csv is empty", "columns: {id: BIGINT")
    assert not project.exists("mart.a")
    project.write("pipelines/a.yml", declared("fail"))
    told = run(project.folder)
    assert (told.code, told.records["published"]) == (0, 0)
    assert project.rows("mart.a") == []


def test_a_header_alone_is_an_empty_table(make_project):
    project = make_project({"data/a.csv": "id,name\n", "pipelines/a.yml": PIPELINE})
    told = run(project.folder)
    assert told.code == 0, told.err
    assert (told.records["staged"], told.records["published"]) == (0, 0)
    assert project.rows("mart.a") == []
    # the types that nothing showed are not held against the first rows that come
    project.write("data/a.csv", "id,name\nx,y\n")
    assert run(project.folder).code == 0
    assert project.rows("mart.a") == [("x", "y")]


def test_row_count_judges_an_empty_source(make_project):
    ruled = PIPELINE + "rules:\n  - row_count: {min: 1}\n"
    project = make_project({"data/a.csv": "id,name\n", "pipelines/a.yml": ruled})
    told = run(project.folder)
    refused(told, 3, "DataQualityError", "row_count")
    assert not project.exists("mart.a")


def test_a_file_that_is_not_there(make_project):
    project = make_project({"pipelines/a.yml": PIPELINE})
    error = refused(run(project.folder), 1, "SourceError", "data/a.csv")
    assert error["where"]["line"] == 3
    assert not project.exists("mart.a")


@pytest.mark.parametrize("kind", ["json", "parquet"])
def test_files_of_another_format(make_project, kind):
    project = make_project(
        {"pipelines/a.yml": PIPELINE.replace("type: csv", f"type: {kind}"), "data/a.csv": "id,name\n1,a\n"}
    )
    refused(run(project.folder), 1, "SourceError", "a.csv")
    assert not project.exists("mart.a")


# between two runs -------------------------------------------------------------------------------------


def test_a_column_that_vanished_where_something_names_it(make_project):
    ruled = PIPELINE + "rules:\n  - not_null: name\n"
    project = make_project({"data/a.csv": "id,name\n1,a\n", "pipelines/a.yml": ruled})
    assert run(project.folder).code == 0
    project.write("data/a.csv", "id\n2\n")
    error = refused(run(project.folder), 2, "PlanError", "'name'", "there are: id")
    assert error["where"]["key"] == "rules[0].not_null"
    assert project.rows("mart.a") == [(1, "a")]


def test_a_column_that_vanished_where_nothing_names_it(make_project):
    """The destination has it and the batch does not: NULL, as the frozen columns allow; a contract
    or not_null is what forbids it."""
    project = make_project({"data/a.csv": "id,name\n1,a\n", "pipelines/a.yml": PIPELINE})
    assert run(project.folder).code == 0
    project.write("data/a.csv", "id\n2\n")
    assert run(project.folder).code == 0
    assert project.rows("mart.a") == [(1, "a"), (2, None)]


def test_a_column_that_vanished_from_a_contract(make_project):
    contract = """\
        apiVersion: v3.1.0
        kind: DataContract
        id: a-contract
        version: 1.0.0
        status: active
        schema:
          - name: a
            properties:
              - {name: id, logicalType: integer, physicalType: BIGINT, required: true}
              - {name: name, logicalType: string, physicalType: VARCHAR}
        """
    project = make_project(
        {
            "data/a.csv": "id,name\n1,a\n",
            "pipelines/a.yml": PIPELINE + "contract: contracts/a.odcs.yaml\n",
            "contracts/a.odcs.yaml": contract,
        }
    )
    assert run(project.folder).code == 0
    project.write("data/a.csv", "id\n2\n")
    told = run(project.folder)
    assert told.code == 3, told.document
    assert "name" in told.error["message"]
    assert project.rows("mart.a") == [(1, "a")]


@pytest.mark.parametrize(
    ("policy", "code", "rows"),
    [
        ("freeze", 3, [(1, 5)]),
        ("discard_row", 0, [(1, 5), (2, 6)]),
        ("discard_value", 0, [(1, 5), (2, 6), (3, None)]),
    ],
)
def test_a_column_whose_type_changed(make_project, policy, code, rows):
    text = PIPELINE.replace("mart.a}", f"mart.a, schema_contract: {{data_type: {policy}}}}}")
    project = make_project({"data/a.csv": "id,v\n1,5\n", "pipelines/a.yml": text})
    assert run(project.folder).code == 0
    project.write("data/a.csv", "id,v\n2,6\n3,many\n")
    told = run(project.folder)
    assert told.code == code, told.document
    assert project.rows("mart.a") == rows
    records = told.records
    if code:
        assert "'v'" in told.error["message"] or ":v" in told.error["message"]
        assert (records["published"], records["quarantined"]) == (0, 0)
    else:
        assert records["staged"] == records["published"] + records["quarantined"] == 2
        kept = project.query('SELECT "row" FROM {q}')
        assert [json.loads(row)["v"] for (row,) in kept] == ["many"]


def test_a_replay_takes_whole_rows_and_never_a_discarded_value(make_project):
    def text(least: int) -> str:
        mode = "mart.a, schema_contract: {columns: discard_value}}"
        rules = f"rules:\n  - range: {{column: v, min: {least}}}\n    on_fail: quarantine\n"
        return PIPELINE.replace("mart.a}", mode) + rules

    project = make_project({"data/a.csv": "id,v\n1,5\n", "pipelines/a.yml": text(0)})
    assert run(project.folder).code == 0
    project.write("data/a.csv", "id,v,extra\n2,6,kept apart\n3,-1,\n")
    assert run(project.folder).code == 0
    project.write("pipelines/a.yml", text(-5))
    told = sluiceway(project.folder, "quarantine", "replay", "a", "--all")
    assert told.code == 0, told.document
    assert told.records["published"] == 1
    assert project.rows("mart.a") == [(1, 5), (2, 6), (3, -1)]
    refused(
        sluiceway(project.folder, "quarantine", "replay", "a", "--all"), 2, "PlanError", "no row of a waits"
    )


def test_a_replay_of_runs_whose_columns_differ(make_project):
    def text(least: int) -> str:
        return PIPELINE + f"rules:\n  - range: {{column: v, min: {least}}}\n    on_fail: quarantine\n"

    project = make_project({"data/a.csv": "id,v\n1,5\n2,-1\n", "pipelines/a.yml": text(0)})
    assert run(project.folder).code == 0
    project.write("data/a.csv", "id,v,extra\n3,6,x\n4,-1,y\n")
    assert run(project.folder).code == 0
    project.write("pipelines/a.yml", text(-5))
    told = sluiceway(project.folder, "quarantine", "replay", "a", "--all")
    assert told.code == 0, told.document
    assert project.rows("mart.a") == [(1, 5, None), (2, -1, None), (3, 6, "x"), (4, -1, "y")]


def test_a_type_that_a_rule_can_not_judge_any_more(make_project):
    ruled = PIPELINE + "rules:\n  - range: {column: v, min: 0}\n"
    project = make_project({"data/a.csv": "id,v\n1,5\n", "pipelines/a.yml": ruled})
    assert run(project.folder).code == 0
    project.write("data/a.csv", "id,v\n2,many\n")
    error = refused(run(project.folder), 2, "PlanError", "'v'", "VARCHAR")
    assert error["where"]["key"].startswith("rules[0]")
    assert project.rows("mart.a") == [(1, 5)]


# while it is read -------------------------------------------------------------------------------------


def replaced_at(node: str, file: Path, how: str) -> Any:
    def progress(event: object) -> None:
        if isinstance(event, NodeStarted) and event.node == node:
            if how == "renamed over":
                new = file.with_suffix(".new")
                new.write_text("id,name\n7,z\n8,z\n", encoding="utf-8")
                new.replace(file)
            elif how == "longer":
                with file.open("a", encoding="utf-8") as out:
                    out.write("9,z\n")
            elif how == "same size":
                before = file.stat()
                file.write_text(file.read_text(encoding="utf-8").replace("1,a", "1,b"), encoding="utf-8")
                os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000))
            else:
                file.unlink()

    return progress


@pytest.mark.parametrize("how", ["renamed over", "longer", "same size", "removed"])
@pytest.mark.parametrize("node", ["stage", "extract a"])
def test_a_file_that_is_replaced_while_it_is_read(make_project, how, node):
    spooled = node == "extract a"
    text = PIPELINE.replace("a.csv}", "a.csv, on_bad_row: quarantine}") if spooled else PIPELINE
    project = make_project({"data/a.csv": "id,name\n1,a\n", "pipelines/a.yml": text})
    assert run(project.folder).code == 0
    before = project.rows("mart.a")
    project.write("data/a.csv", "id,name\n1,a\n2,b\n")
    result = project.run("a", progress=replaced_at(node, project.folder / "data/a.csv", how))
    assert result.status == "failed"
    assert isinstance(result.error, SourceError), result.error
    assert result.error.hint
    assert result.records.published == 0
    assert project.rows("mart.a") == before
    project.write("data/a.csv", "id,name\n2,b\n")
    assert run(project.folder).code == 0
    assert project.rows("mart.a") == [*before, (2, "b")]


def test_a_file_that_comes_in_among_those_of_a_glob(make_project):
    text = PIPELINE.replace("data/a.csv", "data/*.csv")
    project = make_project({"data/a.csv": "id,name\n1,a\n", "pipelines/a.yml": text})
    folder = project.folder / "data"

    def add(event: object) -> None:
        if isinstance(event, NodeStarted) and event.node == "stage":
            shutil.copy(folder / "a.csv", folder / "b.csv")

    result = project.run("a", progress=add)
    # the files were listed once: the new one belongs to the next run, or this one says that it came
    assert result.status in ("succeeded", "failed")
    if result.status == "succeeded":
        assert project.rows("mart.a") == [(1, "a")]
    else:
        assert isinstance(result.error, SourceError)
        assert not project.exists("mart.a")
