"""The commands on the project that `sluiceway init` writes, as a newcomer meets them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

IDENTITY = ("staged", "published", "quarantined")
RUN_KEYS = {
    "run_id", "pipeline", "environment", "status", "success", "verdict", "records", "quality_score",
    "dimensions", "checks", "nodes", "execution_time", "snapshot", "error",
}  # fmt: skip
CHECK_KEYS = {
    "id", "rule", "phase", "columns", "dimension", "severity", "on_fail", "failing", "total", "passed",
    "observed", "proven", "message",
}  # fmt: skip


def _edit(path, old, new):
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def _block(project):
    """Makes the orders pipeline block: an unknown status is no longer only quarantined."""
    old = "values: [paid, shipped, returned]}\n    on_fail: quarantine"
    _edit(project / "pipelines" / "orders.yml", old, "values: [paid, shipped, returned]}")


def test_init_refuses_a_project_that_is_there(project, sluiceway):
    mine = project / "pipelines" / "orders.yml"
    _edit(mine, "owner: me", "owner: someone")
    ran = sluiceway("init", ".")
    assert ran.code == 2
    assert "--force" in ran.err
    assert "owner: someone" in mine.read_text("utf-8")
    assert sluiceway("init", ".", "--force").code == 0
    assert "owner: me" in mine.read_text("utf-8")


def test_init_writes_schemas_that_its_files_pass(project):
    import jsonschema
    from ruamel.yaml import YAML

    reader = YAML(typ="safe")
    for file, schema in (("sluiceway.yml", "project"), ("pipelines/orders.yml", "pipeline")):
        first = (project / file).read_text("utf-8").splitlines()[0]
        assert first.startswith("# yaml-language-server: $schema=")
        assert ((project / file).parent / first.partition("=")[2]).is_file()
        document = json.loads((project / "schemas" / f"{schema}.json").read_text("utf-8"))
        jsonschema.validate(reader.load((project / file).read_text("utf-8")), document)


def test_init_where_it_can_not_write_is_an_error_and_no_trace(tmp_path, sluiceway):
    (tmp_path / "file").write_text("", "utf-8")
    ran = sluiceway("init", tmp_path / "file" / "shop")
    assert ran.code == 2
    assert "can't write" in ran.err
    assert "Traceback" not in ran.err


def test_run_json_is_the_one_document(project, sluiceway):
    ran = sluiceway("run", "orders", "--json")
    assert ran.code == 0
    document = ran.json
    assert document.keys() >= RUN_KEYS
    assert all(check.keys() >= CHECK_KEYS for check in document["checks"])
    assert [document["records"][key] for key in IDENTITY] == [6, 4, 2]
    assert (document["status"], document["verdict"], document["error"]) == ("succeeded", "quarantine", None)
    assert "published to mart.orders" in ran.err


def test_run_for_people_says_what_happened_and_what_to_type(project, sluiceway):
    ran = sluiceway("run", "orders")
    assert ran.code == 0
    assert "6 staged   4 published   2 quarantined" in ran.out
    assert "sluiceway quarantine list --run " in ran.out
    assert "publish" in ran.err  # progress, one line a node
    assert "ada@example.org" not in ran.out + ran.err


def test_blocked_run_ends_3_and_publishes_nothing(project, sluiceway):
    first = sluiceway("run", "orders", "--json").json
    _block(project)
    ran = sluiceway("run", "orders", "--json")
    assert ran.code == 3
    assert ran.json["status"] == "blocked"
    assert ran.json["error"]["type"] == "DataQualityError"
    assert ran.json["records"]["published"] == ran.json["records"]["quarantined"] == 0
    assert ran.json["snapshot"] is None
    runs = sluiceway("runs", "list", "--json").json["runs"]
    assert [(run["status"], run["run_id"]) for run in runs] == [
        ("blocked", ran.json["run_id"]),
        ("succeeded", first["run_id"]),
    ]
    waiting = sluiceway("quarantine", "list", "--json").json["quarantine"]
    assert {row["run_id"] for row in waiting} == {first["run_id"]}


def test_dry_run_and_check_judge_and_load_nothing(project, sluiceway):
    for args in (("run", "orders", "--dry-run"), ("check", "orders")):
        ran = sluiceway(*args, "--json")
        assert ran.code == 0
        assert ran.json["records"]["staged"] == 6
        assert ran.json["records"]["published"] == 0
        assert ran.json["snapshot"] is None
        assert "would be published" in ran.err
    assert sluiceway("quarantine", "list", "--json").json == {"quarantine": []}
    assert sluiceway("lineage", "mart.orders", "--json").json["edges"] == []
    _block(project)
    assert sluiceway("check", "orders").code == 3


def test_check_a_file_by_a_contract(project, sluiceway):
    (project / "good.csv").write_text("order_id,customer_id\n1,1\n2,1\n", "utf-8")
    (project / "bad.csv").write_text("order_id,customer_id\n1,1\n1,1\n,2\n", "utf-8")
    contract = project / "c.odcs.yaml"
    contract.write_text(
        "apiVersion: v3.1.0\nkind: DataContract\nid: c\nversion: 1.0.0\nstatus: active\n"
        "schema:\n  - name: orders\n    properties:\n"
        "      - {name: order_id, logicalType: integer, required: true, unique: true}\n",
        "utf-8",
    )
    assert sluiceway("check", "good.csv", "--contract", contract).code == 0
    ran = sluiceway("check", "bad.csv", "--contract", contract, "--json")
    assert ran.code == 3
    failing = {check["rule"]: check["failing"] for check in ran.json["checks"]}
    assert failing["not_null"] == 1
    assert failing["unique"] == 2
    assert sluiceway("check", "good.csv", "--contract", "nowhere.yaml").code == 2


def test_merge_without_a_key_is_an_error_and_not_an_append(project, sluiceway):
    _edit(project / "pipelines" / "orders.yml", "  primary_key: order_id\n", "")
    ran = sluiceway("run", "orders", "--json")
    assert ran.code == 2
    assert ran.json["error"]["where"]["file"].endswith("orders.yml")
    assert "primary_key" in ran.err
    assert sluiceway("runs", "list", "--json").json == {"runs": []}


def test_select_runs_what_matches_dependencies_first(project, sluiceway):
    text = (project / "pipelines" / "orders.yml").read_text("utf-8")
    second = text.replace("pipeline: orders\n", "pipeline: again\n").replace("mart.orders", "mart.again")
    second = second.replace("contract: contracts/orders.odcs.yaml", "tags: [late]  #").replace(
        "owner: me", 'owner: me\ndepends_on: ["pipeline:orders"]'
    )
    (project / "pipelines" / "again.yml").write_text(second, "utf-8")
    ran = sluiceway("run", "--select", "*", "--json")
    assert ran.code == 0
    assert [run["pipeline"] for run in ran.json["runs"]] == ["orders", "again"]
    _block(project)
    ran = sluiceway("run", "again", "orders", "--json")
    assert ran.code == 3
    assert [run["status"] for run in ran.json["runs"]] == ["blocked", "skipped"]
    tagged = sluiceway("run", "--select", "tag:la*", "--json").json["runs"]
    assert [run["pipeline"] for run in tagged] == ["again"]
    ran = sluiceway("run", "--select", "orde")
    assert ran.code == 2
    assert "did you mean 'orders'?" in ran.err


def test_run_without_a_name_lists_the_pipelines(project, sluiceway):
    ran = sluiceway("run")
    assert ran.code == 2
    assert "orders" in ran.err


def test_unknown_environment_and_pipeline_are_usage(project, sluiceway):
    for args in (("run", "orderz"), ("run", "orders", "--env", "prd"), ("doctor", "--env", "prd")):
        ran = sluiceway(*args)
        assert ran.code == (1 if args[0] == "doctor" else 2)
        assert "Traceback" not in ran.err


def test_plan_and_explain_read_no_rows_and_agree(project, sluiceway):
    plan, explain = sluiceway("plan", "orders"), sluiceway("explain", "orders")
    assert plan.code == explain.code == 0
    assert "SELECT" not in plan.out
    assert "SELECT" in explain.out
    assert "accepted_values:status: else quarantine" in plan.out
    documents = [sluiceway(name, "orders", "--json").json for name in ("plan", "explain")]
    for document in documents:
        assert document["estimate"].pop("free") > 0  # the disk's, which others write to meanwhile
    assert documents[0] == documents[1]
    assert "engine_plan" in sluiceway("explain", "orders", "--engine-plan", "--json").json
    assert sluiceway("runs", "list", "--json").json == {"runs": []}


def test_quarantine_from_list_to_replay(project, sluiceway):
    sluiceway("run", "orders")
    rows = sluiceway("quarantine", "show", "--json").json["rows"]
    assert {row["row"]["order_id"] for row in rows} == {"5", "6"}
    assert sluiceway("quarantine", "export", "out.jsonl", "--json").json["rows"] == 2
    assert len((project / "out.jsonl").read_text("utf-8").splitlines()) == 2
    assert sluiceway("quarantine", "replay", "orders").code == 2  # says which rows, or nothing happens
    _edit(project / "pipelines" / "orders.yml", "shipped, returned]", "shipped, returned, lost]")
    lost = next(row["quarantine_id"] for row in rows if row["row"]["order_id"] == "6")
    replayed = sluiceway("quarantine", "replay", "orders", lost, "--json")
    assert replayed.code == 0, replayed.err
    assert [replayed.json["records"][key] for key in IDENTITY] == [1, 1, 0]
    assert _orders(project) == 5
    assert sluiceway("quarantine", "discard").code == 2
    assert sluiceway("quarantine", "discard", "--all", "--json").json == {"discarded": 1}
    assert sluiceway("quarantine", "list", "--json").json == {"quarantine": []}
    kept = sluiceway("quarantine", "list", "--status", "all", "--json").json["quarantine"]
    assert {row["status"] for row in kept} == {"replayed", "discarded"}


def test_rollback_undoes_a_run_and_refuses_an_unknown_one(project, sluiceway):
    first = sluiceway("run", "orders", "--json").json
    with (project / "data" / "orders.csv").open("a", encoding="utf-8") as file:
        file.write("8,16,gil@example.org,paid,1.00,,2026-01-04T09:00:00Z\n")
    second = sluiceway("run", "orders", "--json").json
    assert second["records"]["published"] == first["records"]["published"] + 1
    ran = sluiceway("rollback", second["run_id"], "--json")
    assert ran.code == 0
    assert ran.json["rolled_back"] == second["run_id"]
    assert _orders(project) == first["records"]["published"]
    ran = sluiceway("rollback", "no-such-run")
    assert ran.code == 1
    assert "sluiceway runs list" in ran.err


def _orders(project) -> int:
    from sluiceway.duck import open_duckdb
    from sluiceway.run.warehouse import environment_of, sink_of
    from sluiceway.schema import TableName
    from sluiceway.spec.project import load_project

    loaded = load_project(project)
    sink = sink_of(loaded, environment_of(loaded, None))
    with open_duckdb() as connection:
        try:
            sink.open(type("Reader", (), {"name": "duckdb", "connection": connection})())
            scan = sink.scan(TableName.parse("mart.orders"))
            return connection.execute(f"SELECT count(*) FROM ({scan})").fetchall()[0][0]
        finally:
            sink.close()


def test_lineage_of_a_column_goes_to_the_file(project, sluiceway):
    sluiceway("run", "orders")
    ran = sluiceway("lineage", "mart.orders.net", "--up")
    assert ran.code == 0
    assert "← data/orders.csv.amount   (direct transformation" in ran.out
    assert "← data/orders.csv.discount   (direct transformation" in ran.out
    document = sluiceway("lineage", "mart.orders.net", "--json").json
    direct = {e["from_column"] for e in document["column_edges"] if e["type"] == "DIRECT"}
    assert (document["direction"], direct) == ("both", {"amount", "discount"})
    ran = sluiceway("lineage", "mart.orders.nett")
    assert ran.code != 0
    assert "did you mean 'net'?" in ran.err


def test_runs_show_by_id_and_last(project, sluiceway):
    run = sluiceway("run", "orders", "--json").json
    shown = sluiceway("runs", "show", "last", "--json").json
    assert shown["run_id"] == run["run_id"]
    assert [c["id"] for c in shown["checks"]] == [c["id"] for c in run["checks"]]
    assert "accepted_values:status" in sluiceway("runs", "show", run["run_id"]).out
    ran = sluiceway("runs", "show", "nope")
    assert ran.code != 0
    assert "Traceback" not in ran.err


def test_schema_prints_a_json_schema(sluiceway, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # no project is needed
    for file in ("pipeline", "project"):
        assert sluiceway("schema", file).json["type"] == "object"


def test_connectors_lists_them_and_shows_one(sluiceway):
    listed = {item["name"] for item in sluiceway("connectors", "--json").json["connectors"]}
    assert listed >= {"csv", "json", "parquet", "sqlite", "duckdb", "ducklake", "postgres", "mysql"}
    ran = sluiceway("connectors", "csv")
    assert "delimiter" in ran.out
    assert sluiceway("connectors", "cvs").code == 2


def test_doctor_is_well_in_a_new_project(project, sluiceway):
    ran = sluiceway("doctor", "--json")
    assert ran.code == 0, ran.json
    found = {check["check"]: check["result"] for check in ran.json["checks"]}
    assert set(found.values()) == {"ok"}
    assert {"project", "warehouse (ducklake)", "metadata store", "locks", "disk"} <= found.keys()


def test_doctor_says_what_is_broken_and_what_to_type(project, sluiceway):
    _edit(project / "pipelines" / "orders.yml", "rules:", "ruels:")
    (project / ".sluiceway").mkdir(exist_ok=True)
    (project / ".sluiceway" / "metadata.db").write_text("this is no database, whatever it is called", "utf-8")
    ran = sluiceway("doctor", "--json")
    assert ran.code == 1
    failed = {check["check"]: check for check in ran.json["checks"] if check["result"] == "fail"}
    assert set(failed) == {"pipeline orders", "metadata store"}
    assert "orders.yml" in failed["pipeline orders"]["said"]
    assert failed["pipeline orders"]["hint"]


def test_doctor_sees_who_holds_a_lock(project, sluiceway):
    from sluiceway.locks import file_lock

    with file_lock(project / ".sluiceway" / "locks", "table mart.orders", 0, "run of the test"):
        ran = sluiceway("doctor", "--json")
    found = next(check for check in ran.json["checks"] if check["check"] == "locks")
    assert found["result"] == "warn"
    assert f"run of the test (pid {os.getpid()})" in found["said"]


@pytest.mark.slow
def test_the_test_that_init_writes_passes(project):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
