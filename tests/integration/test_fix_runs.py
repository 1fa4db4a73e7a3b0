"""`on_fail: fix` in whole runs: what is published, quarantined, counted, kept for an undo, and put back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from sluiceway.errors import DestinationError, PlanError
from sluiceway.run.quarantine import list_quarantine, replay
from sluiceway.run.rollback import rollback
from sluiceway.run.unfix import fixed_runs, undo_fixes
from sluiceway.spec.project import load_project
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from tests.integration.conftest import ProjectOnDisk

    from sluiceway.run.result import CheckResult, RunResult

LAKE = "project: test\nenvironments:\n  dev:\n    warehouse: {type: ducklake, path: .sluiceway/lake}\n"
FILES = "project: test\nenvironments:\n  dev:\n    warehouse: {type: parquet, path: out}\n"
COLUMNS = "{id: BIGINT, status: VARCHAR, amount: BIGINT, seen: BIGINT}"
ROWS = """\
id,status,amount,seen
1,paid,10,1
2,Paid ,250,1
3,shiped,-5,1
4,lost,50,1
"""
RULES = """\
  - accepted_values: {column: status, values: [paid, shipped]}
    on_fail: fix
  - range: {column: amount, min: 0, max: 100}
    on_fail: fix
"""


def pipeline(rules: str = RULES, destination: str = "mode: merge, primary_key: id", more: str = "") -> str:
    return (
        f"pipeline: a\nsources:\n  a: {{type: csv, path: data/a.csv, columns: {COLUMNS}}}\n{more}"
        f"rules:\n{rules}destination: {{table: mart.a, {destination}}}\n"
    )


@pytest.fixture
def project(make_project: Any) -> ProjectOnDisk:
    made: ProjectOnDisk = make_project({"data/a.csv": ROWS, "pipelines/a.yml": pipeline()}, settings=LAKE)
    return made


def checks(result: RunResult) -> dict[str, CheckResult]:
    return {check.check.id: check for check in result.checks}


def images(project: ProjectOnDisk, run_id: str) -> list[tuple[Any, ...]]:
    return project.query(
        f"SELECT \"row\", reasons, status FROM {{q}} WHERE source = 'fixed' AND run_id = '{run_id}'"
    )


def test_rows_are_published_as_they_should_be_and_the_rest_is_quarantined(project: ProjectOnDisk) -> None:
    result = project.run("a")
    assert (result.status, result.verdict and result.verdict.outcome) == ("succeeded", "quarantine")
    assert project.rows("mart.a") == [(1, "paid", 10, 1), (2, "paid", 100, 1), (3, "shipped", 0, 1)]
    records = result.records
    assert records.staged == records.published + records.quarantined == 4
    found = checks(result)
    numbers = {id_: (c.failing, c.fixed, c.unfixable, c.total) for id_, c in found.items() if c.check.fixes}
    assert numbers == {"accepted_values:status": (3, 2, 1, 4), "range:amount": (2, 2, 0, 4)}
    document = {c["id"]: c for c in result.as_dict()["checks"]}
    assert document["range:amount"]["fixed"] == 2
    assert "fixed" not in document["not_null:id"]
    assert "2 fixed by near_miss, 1 not" in document["accepted_values:status"]["message"]
    # quarantine has the row as it came, with the rule that no fix could satisfy
    ((row, reasons),) = project.query("SELECT \"row\", reasons FROM {q} WHERE source <> 'fixed'")
    assert json.loads(row)["status"] == "lost"
    assert reasons == '["accepted_values:status"]'
    assert [r["rows"] for r in list_quarantine(load_project(project.folder), None)] == [1]


def test_the_store_keeps_what_people_look_at_and_the_warehouse_every_row(project: ProjectOnDisk) -> None:
    result = project.run("a")
    assert len(images(project, result.run_id)) == 2
    row = json.loads(images(project, result.run_id)[0][0])
    parts = {name: json.loads(text) for name, text in row.items()}
    assert parts["key"] == {"id": "2"}
    assert parts["before"] == {"status": "Paid ", "amount": "250"}
    assert parts["after"] == {"id": "2", "status": "paid", "amount": "100", "seen": "1"}
    with Store.open(load_project(project.folder).metadata) as store:
        kept = {row["check_id"]: row for row in store.fixes(run_id=result.run_id)}
        shown = store.run(result.run_id)
        waiting = {row["check_id"]: row["waiting"] for row in shown["quarantine"]}
    assert kept["range:amount"]["values"] == [
        {"before": "-5", "after": "0", "count": 1, "key": {"id": "3"}},
        {"before": "250", "after": "100", "count": 1, "key": {"id": "2"}},
    ]
    assert (kept["range:amount"]["dataset"], kept["range:amount"]["undone"]) == ("mart.a", 0)
    assert [fix["check_id"] for fix in shown["fixes"]] == list(kept)
    assert waiting == {"accepted_values:status": 1}


def test_a_dry_run_and_a_blocked_one_change_nothing(project: ProjectOnDisk) -> None:
    dry = project.run("a", dry_run=True)
    assert [fix.fixed for fix in dry.fixes] == [2, 2]
    assert not project.exists("mart.a")
    project.write("pipelines/a.yml", pipeline(RULES + "    tolerance: 1\n"))
    blocked = project.run("a")
    assert blocked.status == "blocked"
    assert "range:amount" in str(blocked.error)
    assert not project.exists("mart.a")
    assert fixed_runs(load_project(project.folder), None) == []
    with Store.open(load_project(project.folder).metadata) as store:
        assert store.fixes() == []


def test_values_that_pass_are_never_touched_and_a_second_run_finds_nothing(project: ProjectOnDisk) -> None:
    project.run("a")
    good = project.rows("mart.a")
    project.write(
        "data/a.csv", "id,status,amount,seen\n" + "".join(f"{','.join(map(str, r))}\n" for r in good)
    )
    again = project.run("a")
    assert project.rows("mart.a") == good
    assert [c.failing for c in again.checks] == [0] * len(again.checks)
    assert images(project, again.run_id) == []


def test_an_undo_restores_the_table_exactly_and_only_once(project: ProjectOnDisk) -> None:
    result = project.run("a")
    undone = undo_fixes(load_project(project.folder), None, result.run_id)
    assert (undone.restored, undone.changed, undone.before) == (2, 0, 0)
    assert project.rows("mart.a") == [(1, "paid", 10, 1), (2, "Paid ", 250, 1), (3, "shiped", -5, 1)]
    assert undone.run is not None
    assert undone.run.snapshot
    receipts = project.query("SELECT 1")  # the warehouse answers: the receipt below is asked of the store
    assert receipts
    with Store.open(load_project(project.folder).metadata) as store:
        assert store.run(undone.run.run_id)["kind"] == "undo"
        assert {(f["undone"], f["undone_by"]) for f in store.fixes(run_id=result.run_id)} == {
            (2, undone.run.run_id)
        }
    with pytest.raises(PlanError, match="undone before"):
        undo_fixes(load_project(project.folder), None, result.run_id)
    # a rollback of the undo gives the fixed rows back, and their images wait again
    rollback(load_project(project.folder), None, undone.run.run_id)
    assert project.rows("mart.a", "status") == [("paid",), ("paid",), ("shipped",)]
    assert undo_fixes(load_project(project.folder), None, result.run_id).restored == 2


def test_an_undo_leaves_rows_alone_that_were_changed_since(project: ProjectOnDisk) -> None:
    result = project.run("a")
    # another column of row 2 changes; the fixed values are the same
    project.write("data/a.csv", "id,status,amount,seen\n2,paid,100,2\n")
    project.run("a")
    undone = undo_fixes(load_project(project.folder), None, result.run_id)
    assert (undone.restored, undone.changed) == (1, 1)
    assert project.rows("mart.a") == [(1, "paid", 10, 1), (2, "paid", 100, 2), (3, "shiped", -5, 1)]
    with pytest.raises(PlanError, match="was changed since"):
        undo_fixes(load_project(project.folder), None, result.run_id)


@pytest.mark.parametrize(
    ("destination", "settings", "said"),
    [
        ("mode: append", LAKE, "no key to tell its rows apart"),
        ("mode: replace", LAKE, "no key to tell its rows apart"),
        ("mode: append, primary_key: id", FILES, "merges no rows"),
        ("mode: scd2, primary_key: id", LAKE, "its versions tell its history"),
    ],
)  # fmt: skip
def test_an_undo_that_can_t_be_says_why(
    make_project: Any, destination: str, settings: str, said: str
) -> None:
    project = make_project(
        {"data/a.csv": ROWS, "pipelines/a.yml": pipeline(destination=destination)}, settings=settings
    )
    result = project.run("a")
    assert result.status == "succeeded", result.error
    assert len(images(project, result.run_id)) == 2
    before = project.rows("mart.a", "id, status, amount")
    with pytest.raises((PlanError, DestinationError), match=said) as raised:
        undo_fixes(load_project(project.folder), None, result.run_id)
    assert raised.value.hint
    assert project.rows("mart.a", "id, status, amount") == before


def test_rows_that_stand_twice_in_an_append_table_are_not_put_back(project: ProjectOnDisk) -> None:
    project.write("pipelines/a.yml", pipeline(destination="mode: append, primary_key: id"))
    first = project.run("a")
    project.write("data/a.csv", "id,status,amount,seen\n3,shipped,0,1\n")
    project.run("a")  # a second row 3: which of the two was put right nobody can tell
    undone = undo_fixes(load_project(project.folder), None, first.run_id)
    assert (undone.restored, undone.changed) == (1, 1)
    assert project.rows("mart.a", "id, status") == [
        (1, "paid"), (2, "Paid "), (3, "shipped"), (3, "shipped"),
    ]  # fmt: skip


def test_runs_without_fixes_or_receipts_say_so(project: ProjectOnDisk) -> None:
    with pytest.raises(DestinationError, match="no receipt"):
        undo_fixes(load_project(project.folder), None, "nobody")
    project.write("data/a.csv", "id,status,amount,seen\n1,paid,1,1\n")
    with pytest.raises(PlanError, match="put no value right"):
        undo_fixes(load_project(project.folder), None, project.run("a").run_id)


def test_unique_keeps_one_row_of_those_that_nothing_else_turns_away(project: ProjectOnDisk) -> None:
    rules = (
        "  - range: {column: amount, max: 100}\n    on_fail: quarantine\n"
        "  - unique: id\n    on_fail: fix\n    fix: {deduplicate: {keep: latest, by: seen}}\n"
    )
    project.write("pipelines/a.yml", pipeline(rules))
    project.write("data/a.csv", "id,status,amount,seen\n1,a,1,1\n1,b,2,2\n1,c,999,3\n2,d,4,1\n,e,5,1\n")
    blocked = project.run("a")  # merge needs its key: the row without one is no business of unique's
    assert blocked.status == "blocked"
    project.write("data/a.csv", "id,status,amount,seen\n1,a,1,1\n1,b,2,2\n1,c,999,3\n2,d,4,1\n")
    result = project.run("a")
    assert project.rows("mart.a") == [(1, "b", 2, 2), (2, "d", 4, 1)]  # the latest would be wrong
    assert result.records.staged == result.records.published + result.records.quarantined == 4
    reasons = project.query("SELECT reasons FROM {q}")
    assert sorted(reasons) == [('["range:amount"]',), ('["unique:id#2"]',)]
    unique = checks(result)["unique:id#2"]
    assert (unique.failing, unique.fixed, unique.unfixable, unique.total) == (2, 1, 1, 3)
    assert fixed_runs(load_project(project.folder), None) == []  # no value was changed


def test_unique_judges_values_after_their_fixes_and_beside_the_table(project: ProjectOnDisk) -> None:
    rules = (
        "  - pattern: {column: status, regex: '[a-z]+'}\n    on_fail: fix\n    fix: [trim, lower]\n"
        "  - unique: status\n    on_fail: fix\n"
    )
    project.write("pipelines/a.yml", pipeline(rules, "mode: append, primary_key: id"))
    project.write("data/a.csv", "id,status,amount,seen\n1,A,1,1\n2, a ,2,2\n3,b,3,1\n")
    project.run("a")
    assert project.rows("mart.a", "id, status") == [(2, "a"), (3, "b")]
    project.write("data/a.csv", "id,status,amount,seen\n4,B ,1,1\n5,c,1,1\n")
    result = project.run("a")  # b is in the table: its row is no duplicate of the batch, and goes
    assert project.rows("mart.a", "id, status") == [(2, "a"), (3, "b"), (5, "c")]
    unique = checks(result)["unique:status"]
    assert (unique.failing, unique.fixed, unique.unfixable) == (1, 0, 1)
    ((row,),) = project.query(
        f"SELECT \"row\" FROM {{q}} WHERE run_id = '{result.run_id}' AND source <> 'fixed'"
    )
    assert json.loads(row)["status"] == "B "  # as it came: a fix that is not published did not happen


def test_a_lookup_fills_what_one_row_answers(project: ProjectOnDisk) -> None:
    more = "  c: {type: csv, path: data/c.csv}\n"
    rules = "  - not_null: status\n    on_fail: fix\n    fix: {lookup: {value: c.word, on: {amount: n}}}\n"
    project.write("data/c.csv", "n,word\n1,one\n2,two\n2,deux\n3,\n")
    project.write("data/a.csv", "id,status,amount,seen\n1,,1,1\n2,,2,1\n3,,3,1\n4,,,1\n5,x,1,1\n")
    project.write("pipelines/a.yml", pipeline(rules, more=more))
    result = project.run("a")
    assert project.rows("mart.a", "id, status") == [(1, "one"), (5, "x")]
    assert checks(result)["not_null:status"].unfixable == 3
    (image,) = images(project, result.run_id)
    assert json.loads(json.loads(image[0])["before"]) == {"status": None}
    undo_fixes(load_project(project.folder), None, result.run_id)
    assert project.rows("mart.a", "id, status") == [(1, None), (5, "x")]


def test_a_fix_that_breaks_another_rule_is_not_published(project: ProjectOnDisk) -> None:
    rules = (
        "  - accepted_values: {column: status, values: [paid]}\n    on_fail: fix\n    fix: {default: oops}\n"
        "  - pattern: {column: status, regex: '[a-z]{4}'}\n    on_fail: fix\n    fix: trim\n"
    )
    project.write("pipelines/a.yml", pipeline(rules))
    result = project.run("a")
    assert project.rows("mart.a", "id, status") == [(1, "paid")]
    assert result.records.quarantined == 3
    assert images(project, result.run_id) == []


def test_replayed_rows_are_put_right_by_today_s_rules(project: ProjectOnDisk) -> None:
    project.write("pipelines/a.yml", pipeline(RULES.replace("on_fail: fix", "on_fail: quarantine"),
                                              "mode: append, primary_key: id"))  # fmt: skip
    project.run("a")
    assert project.rows("mart.a", "id") == [(1,)]
    project.write("pipelines/a.yml", pipeline(destination="mode: append, primary_key: id"))
    result = replay(project.resolve("a"))
    assert result.status == "succeeded", result.error
    assert project.rows("mart.a", "id, status, amount") == [
        (1, "paid", 10),
        (2, "paid", 100),
        (3, "shipped", 0),
    ]
    assert len(images(project, result.run_id)) == 2
    # the before-images are no rows that wait: only what no fix could put right does
    waiting = list_quarantine(load_project(project.folder), None)
    assert [(row["rows"], row["reasons"]) for row in waiting] == [(1, ["accepted_values:status"])]


def test_classified_columns_are_masked_in_the_store_and_an_undo_still_works(project: ProjectOnDisk) -> None:
    project.write("contracts/a.odcs.yaml", """\
        apiVersion: v3.1.0
        kind: DataContract
        id: a
        version: 1.0.0
        status: active
        schema:
          - name: a
            properties:
              - {name: id, logicalType: integer, physicalType: BIGINT}
              - {name: status, logicalType: string, physicalType: VARCHAR, classification: confidential}
              - {name: amount, logicalType: integer, physicalType: BIGINT}
              - {name: seen, logicalType: integer, physicalType: BIGINT}
        """)  # fmt: skip
    project.write("pipelines/a.yml", pipeline(more="contract: contracts/a.odcs.yaml\n"))
    result = project.run("a")
    assert result.status == "succeeded", result.error
    with Store.open(load_project(project.folder).metadata) as store:
        kept = json.dumps(store.fixes(run_id=result.run_id)) + json.dumps(store.run(result.run_id))
    assert "Paid" not in kept
    assert "shiped" not in kept
    assert "***" in kept
    assert undo_fixes(load_project(project.folder), None, result.run_id).restored == 2
    assert project.rows("mart.a", "status") == [("Paid ",), ("paid",), ("shiped",)]


@pytest.mark.postgres
@pytest.mark.parametrize("engine", ["duckdb", "warehouse"])
def test_a_postgres_warehouse_keeps_and_undoes_fixes(make_project: Any, pg: str, engine: str) -> None:
    settings = (
        "project: test\nenvironments:\n  dev:\n    warehouse: {type: postgres, connection: db}\n"
        f"    engine: {{type: {engine}}}\n"
        'connections:\n  db: {type: postgres, url: "${DB_URL}"}\n'
    )
    near = RULES.replace("on_fail: fix\n", "on_fail: fix\n    fix: {near_miss: {distance: 0}}\n", 1)
    project = make_project({"data/a.csv": ROWS, "pipelines/a.yml": pipeline(near)}, settings=settings)
    result = project.run("a")
    assert result.status == "succeeded", result.error
    assert project.rows("mart.a", "id, status, amount") == [(1, "paid", 10), (2, "paid", 100)]
    assert undo_fixes(load_project(project.folder), None, result.run_id).restored == 1
    assert project.rows("mart.a", "id, status, amount") == [(1, "paid", 10), (2, "Paid ", 250)]


@pytest.mark.postgres
def test_an_engine_that_lacks_a_fix_refuses_it_with_its_place(make_project: Any, pg: str) -> None:
    settings = (
        "project: test\nenvironments:\n  dev:\n    warehouse: {type: postgres, connection: db}\n"
        '    engine: {type: warehouse}\nconnections:\n  db: {type: postgres, url: "${DB_URL}"}\n'
    )
    project = make_project({"data/a.csv": ROWS, "pipelines/a.yml": pipeline()}, settings=settings)
    with pytest.raises(
        PlanError, match="near_miss can't be done by postgres: it has no edit_distance"
    ) as raised:
        project.run("a")
    assert "a.yml:5" in str(raised.value.where)
    assert "distance: 0" in str(raised.value.hint)
    assert not project.exists("mart.a")


@pytest.mark.spark
@pytest.mark.slow
def test_a_run_on_spark_publishes_and_keeps_what_one_on_duckdb_does(make_project: Any, spark: Any) -> None:
    rules = (
        RULES + "  - unique: status\n    on_fail: fix\n    fix: {deduplicate: {keep: earliest, by: seen}}\n"
    )
    text = pipeline(rules, "mode: append, primary_key: id")
    rows = ROWS + "5,PAID,7,0\n"
    settings = LAKE + "  big:\n    engine: {type: spark}\n    warehouse: {type: duckdb, path: big.duckdb}\n"
    project = make_project({"data/a.csv": rows, "pipelines/a.yml": text}, settings=settings)
    from sluiceway.run.runner import run

    near, far = run(project.resolve("a")), run(project.resolve("a", "big"))
    assert far.status == "succeeded", far.error
    assert [(c.check.id, c.failing, c.fixed, c.unfixable) for c in far.checks] == [
        (c.check.id, c.failing, c.fixed, c.unfixable) for c in near.checks
    ]
    assert far.fixes == near.fixes
    assert far.records.as_dict() | {"read": None} == near.records.as_dict() | {"read": None}
    assert undo_fixes(load_project(project.folder), "big", far.run_id).restored == near.records.published
