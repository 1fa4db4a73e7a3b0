"""Steps, load modes, contracts, replay and rollback through whole runs."""

from __future__ import annotations

import json

import pytest

from sluiceway.duck import open_duckdb
from sluiceway.errors import DataQualityError, LockTimeoutError, PlanError
from sluiceway.run.check import check_pipeline
from sluiceway.run.explain import explain
from sluiceway.run.quarantine import discard, export, list_quarantine, replay, show
from sluiceway.run.rollback import rollback
from sluiceway.spec.project import load_project
from sluiceway.store.store import Store

MERGE = """\
pipeline: m
sources: {a: {type: csv, path: data/a.csv}}
rules:
  - range: {column: v, min: 0}
    on_fail: quarantine
destination: {table: mart.m, mode: merge, primary_key: id, version: at}
"""
FIRST = "id,v,at\n1,10,2026-01-02 00:00:00\n2,20,2026-01-02 00:00:00\n"


@pytest.fixture
def merge(make_project):
    return make_project({"data/a.csv": FIRST, "pipelines/m.yml": MERGE})


def test_merge_takes_the_newer_row_and_counts_late_ones(merge):
    assert merge.run("m").success
    merge.write(
        "data/a.csv",
        "id,v,at\n1,11,2026-01-01 00:00:00\n2,22,2026-01-03 00:00:00\n3,30,2026-01-03 00:00:00\n",
    )
    result = merge.run("m")
    assert result.error is None
    assert merge.rows("mart.m", "id, v") == [(1, 10), (2, 22), (3, 30)]
    assert (result.records.published, result.records.late) == (3, 1)


def test_merge_without_a_key_value_is_blocked(merge):
    merge.write("data/a.csv", FIRST + ",5,2026-01-02 00:00:00\n")
    result = merge.run("m")
    assert result.status == "blocked"
    assert not merge.exists("mart.m")


def test_replayed_rows_pass_todays_rules_and_leave_the_quarantine(merge):
    merge.write("data/a.csv", FIRST + "3,-1,2026-01-02 00:00:00\n4,-9,2026-01-02 00:00:00\n")
    assert merge.run("m").records.quarantined == 2
    project = load_project(merge.folder)
    assert sum(row["rows"] for row in list_quarantine(project, None)) == 2
    # a tolerance is of a batch; rows that were all turned away before may fail again without a block
    merge.write("pipelines/m.yml", MERGE.replace("min: 0}", "min: -5}\n    tolerance: 10%"))
    result = replay(merge.resolve("m"))
    assert result.error is None
    assert (result.records.published, result.records.quarantined) == (1, 1)
    assert merge.rows("mart.m", "id, v") == [(1, 10), (2, 20), (3, -1)]
    waiting = list_quarantine(project, None)
    assert sum(row["rows"] for row in waiting) == 1
    assert [row["row"]["id"] for row in show(project, None) if row["status"] == "waiting"] == ["4"]


def test_a_replay_that_no_row_passes_changes_nothing(merge):
    merge.write("data/a.csv", FIRST + "3,-1,2026-01-02 00:00:00\n")
    merge.run("m")
    before = merge.query("SELECT * FROM {q} ORDER BY ALL")
    replay(merge.resolve("m"))
    assert merge.query("SELECT * FROM {q} ORDER BY ALL") == before


def test_a_replay_never_overwrites_a_newer_row(merge):
    merge.write("data/a.csv", FIRST + "3,-1,2026-01-01 00:00:00\n")
    merge.run("m")
    merge.write("data/a.csv", "id,v,at\n3,33,2026-01-05 00:00:00\n")
    merge.run("m")
    merge.write("pipelines/m.yml", MERGE.replace("min: 0", "min: -5"))
    result = replay(merge.resolve("m"))
    assert result.error is None
    assert merge.rows("mart.m", "id, v") == [(1, 10), (2, 20), (3, 33)]


def test_without_a_version_a_replay_refuses_once_the_table_was_published_again(merge):
    unversioned = MERGE.replace(", version: at", "")
    merge.write("pipelines/m.yml", unversioned)
    merge.write("data/a.csv", FIRST + "3,-1,2026-01-01 00:00:00\n")
    merge.run("m")
    merge.write("data/a.csv", "id,v,at\n3,33,2026-01-05 00:00:00\n")
    merge.run("m")
    merge.write("pipelines/m.yml", unversioned.replace("min: 0", "min: -5"))
    with pytest.raises(PlanError, match="published again"):
        replay(merge.resolve("m"))


def test_discarded_and_exported_rows(merge, tmp_path):
    merge.write("data/a.csv", FIRST + "3,-1,2026-01-02 00:00:00\n")
    merge.run("m")
    project = load_project(merge.folder)
    out = tmp_path / "out" / "rows.jsonl"
    assert export(project, None, out) == 1
    assert json.loads(out.read_text())["row"]["v"] == "-1"
    assert discard(project, None, pipeline="m") == 1
    assert list_quarantine(project, None) == []
    assert list_quarantine(project, None, status="discarded")[0]["rows"] == 1


def test_rollback_gives_back_rows_and_cursor(make_project):
    project = make_project(
        {
            "data/a.csv": "id,at\n1,2026-01-01 00:00:00\n",
            "pipelines/a.yml": """\
                pipeline: a
                sources: {a: {type: csv, path: data/a.csv, incremental: {cursor: at}}}
                destination: {table: mart.a}
                """,
        }
    )
    project.run("a")
    project.write("data/a.csv", "id,at\n1,2026-01-01 00:00:00\n2,2026-01-02 00:00:00\n")
    second = project.run("a")
    assert len(project.rows("mart.a")) == 2
    rollback(load_project(project.folder), None, second.run_id)
    assert [row[0] for row in project.rows("mart.a")] == [1]
    assert project.run("a").records.published == 1  # the cursor went back too
    assert [row[0] for row in project.rows("mart.a")] == [1, 2]


def test_scd2_keeps_history(make_project):
    project = make_project(
        {
            "data/a.csv": "id,v,at\n1,x,2026-01-01 00:00:00\n",
            "pipelines/a.yml": """\
                pipeline: a
                sources: {a: {type: csv, path: data/a.csv}}
                destination: {table: mart.a, mode: scd2, primary_key: id, effective_at: at}
                """,
        }
    )
    assert project.run("a").error is None
    project.write("data/a.csv", "id,v,at\n1,y,2026-01-05 00:00:00\n")
    assert project.run("a").error is None
    rows = project.rows("mart.a", "id, v, CAST(valid_from AS VARCHAR), CAST(valid_to AS VARCHAR)")
    assert rows == [
        (1, "x", "2026-01-01 00:00:00", "2026-01-05 00:00:00"),
        (1, "y", "2026-01-05 00:00:00", None),
    ]


def test_relationships_joins_masks_and_python_steps(make_project):
    project = make_project(
        {
            "data/o.csv": "id,customer,mail\n1,a,x@y.z\n2,b,q@r.s\n3,nobody,t@u.v\n",
            "data/c.csv": "code,segment\na,gold\nb,silver\n",
            "steps.py": """\
                import pyarrow as pa
                import pyarrow.compute as pc

                def shout(batches):
                    for batch in batches:
                        i = batch.schema.get_field_index("segment")
                        yield batch.set_column(i, "segment", pc.utf8_upper(batch.column("segment")))
                """,
            "pipelines/o.yml": """\
                pipeline: o
                sources:
                  o: {type: csv, path: data/o.csv}
                  c: {type: csv, path: data/c.csv}
                transform:
                  - join: {with: c, on: {customer: code}, columns: [segment]}
                  - mask: {mail: {hmac: secret-key-of-this-test}}
                  - python: steps:shout
                rules:
                  - relationships: {column: customer, to: c.code}
                    on_fail: quarantine
                destination: {table: mart.o}
                """,
        }
    )
    result = project.run("o")
    assert result.error is None
    rows = project.rows("mart.o", "id, customer, segment, mail")
    assert [row[:3] for row in rows] == [(1, "a", "GOLD"), (2, "b", "SILVER")]
    assert all(len(row[3]) == 64 for row in rows)
    assert result.records.quarantined == 1
    stored = Store.open(load_project(project.folder).metadata)
    with stored as store:
        text = json.dumps(store.run(result.run_id))
    assert "secret-key-of-this-test" not in text
    assert "t@u.v" not in text


def test_new_columns_evolve_freeze_or_are_discarded(make_project):
    def pipeline(policy: str) -> str:
        return f"""\
            pipeline: a
            sources: {{a: {{type: csv, path: data/a.csv}}}}
            destination: {{table: mart.a, schema_contract: {{columns: {policy}}}}}
            """

    project = make_project({"data/a.csv": "id\n1\n", "pipelines/a.yml": pipeline("evolve")})
    project.run("a")
    project.write("data/a.csv", "id,extra\n2,\n3,z\n")
    project.write("pipelines/a.yml", pipeline("freeze"))
    frozen = project.run("a")
    assert isinstance(frozen.error, DataQualityError)
    assert project.rows("mart.a") == [(1,)]
    project.write("pipelines/a.yml", pipeline("discard_row"))
    result = project.run("a")
    assert result.error is None
    assert (result.records.published, result.records.quarantined) == (1, 1)
    assert project.rows("mart.a") == [(1,), (2,)]
    project.write("pipelines/a.yml", pipeline("discard_value"))
    result = project.run("a")
    assert result.error is None
    assert (result.records.published, result.records.quarantined) == (2, 0)
    assert project.rows("mart.a") == [(1,), (2,), (2,), (3,)]
    kept = project.query("SELECT \"row\" FROM {q} WHERE source LIKE 'discarded%'")
    assert json.loads(kept[0][0]) == {"extra": "z"}
    project.write("pipelines/a.yml", pipeline("evolve"))
    assert project.run("a").success
    assert project.rows("mart.a", "count(*), count(extra)") == [(6, 1)]


def test_a_changed_type_freezes_by_default(make_project):
    project = make_project(
        {
            "data/a.csv": "id\n1\n",
            "pipelines/a.yml": """\
                pipeline: a
                sources: {a: {type: csv, path: data/a.csv}}
                destination: {table: mart.a}
                """,
        }
    )
    project.run("a")
    project.write("data/a.csv", "id\n2\nabc\n")
    result = project.run("a")
    assert result.status == "blocked"
    assert "BIGINT" in str(result.error)
    project.write("data/a.csv", "id\n3\n")
    assert project.run("a").success
    assert project.rows("mart.a") == [(1,), (3,)]


def test_broken_lines_stop_the_run_or_wait_in_quarantine(make_project):
    def pipeline(policy: str) -> str:
        return f"""\
            pipeline: a
            sources:
              a: {{type: csv, path: data/a.csv, columns: {{id: BIGINT, v: VARCHAR}}, on_bad_row: {policy}}}
            destination: {{table: mart.a}}
            """

    broken = "id,v\n1,a\nnot a number,b\n2,c,too,many\n3,d\n"
    project = make_project({"data/a.csv": broken, "pipelines/a.yml": pipeline("fail")})
    result = project.run("a")
    assert result.status == "failed"
    assert not project.exists("mart.a")
    project.write("pipelines/a.yml", pipeline("quarantine"))
    result = project.run("a")
    assert result.error is None
    assert (result.records.read, result.records.rejected, result.records.published) == (4, 2, 2)
    texts = [json.loads(row[0])["text"] for row in project.query('SELECT "row" FROM {q}')]
    assert sorted(texts) == ["2,c,too,many", "not a number,b"]


def test_a_second_run_waits_and_says_who_holds_the_lock(merge):
    merge.write("pipelines/m.yml", MERGE.replace("version: at", "version: at, lock_timeout: 0.2s"))
    sink = merge.sink()
    sink.open(None)
    try:
        with sink.lock("pipeline m", 1.0, "run 42 of m"):
            result = merge.run("m")
    finally:
        sink.close()
    assert result.status == "failed"
    assert isinstance(result.error, LockTimeoutError)
    assert "run 42 of m" in str(result.error)
    assert not merge.exists("mart.m")


def test_sql_can_reach_nothing_that_the_pipeline_does_not_name(make_project, tmp_path):
    secret = tmp_path / "secret.csv"
    secret.write_text("x\n1\n")
    project = make_project(
        {
            "data/a.csv": "id\n1\n",
            "pipelines/a.yml": f"""\
                pipeline: a
                sources: {{a: {{type: csv, path: data/a.csv}}}}
                transform:
                  - sql: SELECT * FROM read_csv('{secret}')
                destination: {{table: mart.a}}
                """,
        }
    )
    with pytest.raises(PlanError, match="read_csv"):
        project.run("a")


def test_names_that_need_quoting(make_project):
    project = make_project(
        {
            "data/a.csv": 'order,my "col",naïve café\n1,x,y\n2,,z\n',
            "pipelines/a.yml": """\
                pipeline: a
                sources: {a: {type: csv, path: data/a.csv}}
                rules:
                  - not_null: 'my "col"'
                    on_fail: quarantine
                  - unique: order
                destination: {table: mart.my orders}
                """,
        }
    )
    result = project.run("a")
    assert result.error is None
    assert project.rows("mart.my orders") == [(1, "x", "y")]


def test_explain_names_the_nodes_that_run(merge):
    document = explain(merge.resolve("m"), engine_plan=True)
    kinds = [node["kind"] for node in document["nodes"]]
    assert kinds == ["Extract", "Stage", "AuditGate", "Quarantine", "Publish"]
    assert document["checks"] == 3  # the range, and what merge implies: not_null and unique of the key
    assert "engine_plan" in document
    assert not merge.exists("mart.m")


def test_a_dry_run_publishes_nothing(merge):
    result = merge.run("m", dry_run=True)
    assert (result.status, result.records.staged, result.records.published) == ("succeeded", 2, 0)
    assert not merge.exists("mart.m")


def test_the_store_knows_the_run_its_lineage_and_masked_samples(merge):
    merge.write("data/a.csv", FIRST + "3,-1,2026-01-02 00:00:00\n")
    result = merge.run("m")
    with Store.open(load_project(merge.folder).metadata) as store:
        document = store.run(result.run_id)
        graph = store.lineage("mart.m", "v")
    assert document["status"] == "succeeded"
    assert json.dumps(document).count("range:v") >= 1
    assert any("a.csv" in json.dumps(node) for node in graph["nodes"])


CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: a-contract
version: 1.0.0
status: active
schema:
  - name: a
    properties:
      - {name: id, logicalType: integer, physicalType: BIGINT, required: true}
"""


def test_a_column_beyond_the_contract_blocks_and_the_other_rules_are_judged(make_project):
    project = make_project(
        {
            "data/a.csv": "id,extra\n1,x\n1,y\n",
            "contracts/a.odcs.yaml": CONTRACT,
            "pipelines/a.yml": """\
                pipeline: a
                sources: {a: {type: csv, path: data/a.csv}}
                contract: contracts/a.odcs.yaml
                rules:
                  - unique: extra
                  - unique: id
                destination: {table: mart.a}
                """,
        }
    )
    result = project.run("a")
    assert result.status == "blocked"
    failing = {check.check.id: check.failing for check in result.checks}
    assert failing["schema:extra"] == 1
    assert (failing["unique:extra"], failing["unique:id"]) == (0, 2)
    assert not project.exists("mart.a")


def test_sums_of_integers_are_integers_in_the_lake_and_other_types_are_refused_at_plan_time(make_project):
    def pipeline(steps: str) -> str:
        return f"""\
            pipeline: a
            sources: {{a: {{type: csv, path: data/a.csv}}}}
            transform:
              - {steps}
            destination: {{table: mart.a}}
            """

    project = make_project({"data/a.csv": "k,v\n1,2\n1,3\n", "pipelines/a.yml": ""})
    project.write("pipelines/a.yml", pipeline("aggregate: {group_by: k, measures: {total: sum(v)}}"))
    assert project.run("a").error is None
    assert project.query("SELECT typeof(total), total FROM {t}", "mart.a") == [("BIGINT", 5)]
    project.write("pipelines/a.yml", pipeline("derive: {gap: INTERVAL '1 day'}"))
    with pytest.raises(PlanError, match="INTERVAL"):
        project.run("a")


def test_a_wrong_column_in_where_is_found_before_anything_is_read(make_project):
    project = make_project(
        {
            "data/a.csv": "k,v\n1,2\n",
            "pipelines/a.yml": """\
                pipeline: a
                sources: {a: {type: csv, path: data/a.csv}}
                rules:
                  - not_null: k
                    where: vv > 1
                destination: {table: mart.a}
                """,
        }
    )
    with pytest.raises(PlanError, match="vv"):
        project.run("a")


def test_parents_in_the_table_itself_before_it_exists(make_project):
    project = make_project(
        {
            "data/a.csv": "id,boss\n1,\n2,1\n3,9\n",
            "pipelines/a.yml": """\
                pipeline: a
                sources: {a: {type: csv, path: data/a.csv}}
                rules:
                  - relationships: {column: boss, to: mart.a.id}
                    on_fail: quarantine
                destination: {table: mart.a}
                """,
        }
    )
    assert project.run("a").error is None
    assert project.rows("mart.a", "id") == [(1,), (2,)]
    project.write("data/a.csv", "id,boss\n4,2\n5,4\n6,7\n")
    result = project.run("a")
    assert result.error is None
    assert project.rows("mart.a", "id") == [(1,), (2,), (4,), (5,)]


def test_check_judges_a_plain_scan_in_place_and_says_what_metadata_proves(make_project):
    project = make_project(
        {
            "pipelines/a.yml": """\
                pipeline: a
                sources: {a: {type: parquet, path: data/a.parquet}}
                rules:
                  - not_null: [id, v]
                  - range: {column: id, min: 0, max: 99}
                  - range: {column: v, min: 0}
                    severity: warning
                  - row_count: {equals: 100}
                destination: {table: mart.a}
                """,
        }
    )
    (project.folder / "data").mkdir()
    con = open_duckdb()
    rows = "SELECT range AS id, CASE WHEN range = 7 THEN -1 ELSE range END AS v FROM range(100)"
    con.execute(f"COPY ({rows}) TO '{project.folder}/data/a.parquet' (FORMAT parquet)")
    con.close()
    result = check_pipeline(project.resolve("a"))
    assert result.error is None
    found = {check.check.id: (check.failing, check.proven) for check in result.checks}
    assert found == {
        "not_null:id": (0, True), "not_null:v": (0, True), "range:id": (0, True), "range:v": (1, False),
        "row_count": (0, True),
    }  # fmt: skip
    assert result.samples["range:v"] == [{"v": "-1"}]
    assert not project.exists("mart.a")
    assert explain(project.resolve("a"))["summary"].endswith("4 proven from metadata")


def test_a_variable_that_is_a_text_becomes_a_column(make_project):
    text = (
        "pipeline: a\nvariables: {region: EU}\nsources: {s: {type: csv, path: s.csv}}\n"
        'transform: [{derive: {region: ":region"}}]\nrules: [{not_null: id}]\ndestination: {table: mart.a}\n'
    )
    project = make_project({"pipelines/a.yml": text, "s.csv": "id\n1\n2\n"})
    assert project.run("a").status == "succeeded"
    assert project.rows("mart.a") == [(1, "EU"), (2, "EU")]
