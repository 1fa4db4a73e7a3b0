"""What real runs raise and put an end to, from Python and from the command line; and what they never do."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

import sluiceway
from sluiceway.alerts.dispatch import raise_alert
from sluiceway.cli.app import invoke
from sluiceway.errors import DataQualityError, SluicewayError
from sluiceway.store.store import Store

PIPELINE = """pipeline: orders
owner: sales-data
sources:
  orders: {type: csv, path: orders.csv}
rules:
  - not_null: id
  - range: {column: amount, min: 0}
    on_fail: quarantine
destination: {table: mart.orders, mode: replace}
"""
GOOD = "id,amount\n1,10\n2,20\n3,30\n4,40\n"


@pytest.fixture
def run(make, tmp_path):
    """Runs the pipeline of a project with these routes over these rows, from Python."""

    def call(route, rows=GOOD, **options):
        project = make(route)
        (tmp_path / "pipelines").mkdir(exist_ok=True)
        file = tmp_path / "pipelines" / "orders.yml"
        file.write_text(PIPELINE, "utf-8")
        if rows is None:
            (tmp_path / "orders.csv").unlink(missing_ok=True)
        else:
            (tmp_path / "orders.csv").write_text(rows, "utf-8")
        config = sluiceway.PipelineConfig.load(file)
        return sluiceway.DataPipeline(config, project=project).run(**options)

    return call


TO = "{to: 'file:said.jsonl', throttle: 0}"


def test_a_run_that_succeeds_tells_nothing(run, said):
    assert run(TO).success
    assert said() == []


def test_a_failed_run_is_told_and_so_is_the_next_success(run, said):
    with pytest.raises(SluicewayError):
        run(TO, None)
    [message] = said()
    [found] = message["alerts"]
    assert (found["kind"], found["severity"]) == ("run_failed", "error")
    assert (found["pipeline"], found["owner"], found["dataset"]) == ("orders", "sales-data", "mart.orders")
    assert "orders.csv" in found["message"]
    assert found["details"]["next"] == f"sluiceway runs show {found['run_id']}"
    run(TO)
    run(TO)
    assert [(m["kind"], m["alerts"][0]["key"]) for m in said()] == [
        ("raised", "run_failed:orders"),
        ("resolved", "run_failed:orders"),
    ]


def test_a_blocked_run_is_told_with_its_reasons_and_without_its_rows(run, said):
    rows = GOOD + ",4711\n"
    with pytest.raises(DataQualityError):
        run(TO, rows)
    [message] = said()
    [found] = message["alerts"]
    assert (found["kind"], found["key"]) == ("gate_blocked", "gate_blocked:orders")
    assert found["details"]["reasons"] == ["not_null:id: 1 of 5"]
    assert found["details"]["records"]["published"] == 0
    assert "4711" not in str(message)
    with pytest.raises(SluicewayError):
        run(TO, None)  # that it fails now does not mean that the gate is content
    assert [m["alerts"][0]["key"] for m in said()] == ["gate_blocked:orders", "run_failed:orders"]
    run(TO)
    over = said()[2]
    assert over["kind"] == "resolved"
    assert sorted(a["key"] for a in over["alerts"]) == ["gate_blocked:orders", "run_failed:orders"]


@pytest.mark.parametrize(("limit", "told"), [("10%", True), ("25%", False), ("0%", True)])
def test_quarantine_above_a_share(run, said, limit, told):
    route = f"{{to: 'file:said.jsonl', severity: critical, quarantined: {limit}, throttle: 0}}"
    run(route, GOOD.replace("40", "-47.11"))
    assert [m["alerts"][0]["kind"] for m in said()] == (["quarantine"] if told else [])
    if told:
        [found] = said()[0]["alerts"]
        assert found["details"]["share"] == 0.25
        assert found["details"]["next"] == f"sluiceway quarantine list --run {found['run_id']}"
        assert "47.11" not in str(found)
        run(route)
        assert [m["kind"] for m in said()] == ["raised", "resolved"]


def test_a_slow_run(run, said):
    run("{to: 'file:said.jsonl', slow: 1ms}")
    assert [m["alerts"][0]["kind"] for m in said()] == ["run_slow"]
    run("{to: 'file:said.jsonl', slow: 1h}")
    assert [m["kind"] for m in said()] == ["raised", "resolved"]


def test_a_listener_that_fails_is_told(run, said, tmp_path):
    (tmp_path / "lineage.jsonl").mkdir()
    assert run(TO + "\nlineage: {type: file, path: lineage.jsonl}").success
    [message] = said()
    assert message["alerts"][0]["key"] == "listener_failed:orders"
    assert "openlineage failed on 2 events" in message["alerts"][0]["message"]
    (tmp_path / "lineage.jsonl").rmdir()
    run(TO + "\nlineage: {type: file, path: lineage.jsonl}")
    assert [m["kind"] for m in said()] == ["raised", "resolved"]


def test_a_check_raises_nothing_and_ends_nothing(run, said, tmp_path, capsys):
    with pytest.raises(SluicewayError):
        run(TO, None)
    (tmp_path / "orders.csv").write_text(GOOD + ",1\n", "utf-8")
    assert invoke(["check", "orders", "--project", str(tmp_path)]) == 3
    assert invoke(["run", "orders", "--dry-run", "--project", str(tmp_path)]) == 3
    (tmp_path / "orders.csv").write_text(GOOD, "utf-8")
    assert invoke(["run", "orders", "--dry-run", "--project", str(tmp_path)]) == 0
    assert len(said()) == 1


def test_a_channel_that_hangs_or_fails_changes_no_run(run, silent_port, tmp_path):
    to = f"['webhook+http://127.0.0.1:{silent_port}/x', 'nosuch://x']"
    route = f"{{to: {to}, timeout: 0.3, slow: 1ms, name: ops}}"
    began = time.monotonic()
    result = run(route)
    assert time.monotonic() - began < 20
    assert result.success
    assert len(result.run.notes) == 2
    assert "ops.1 was not told of run_slow:orders: no answer within 0.3 s" in result.run.notes[0]
    assert "sluiceway alerts history" in result.run.notes[0]
    with Store.open(result_store(tmp_path)) as store:
        assert store.run(result.run_id)["status"] == "succeeded"
        assert [d["status"] for d in store.alerts.history()] == ["failed", "failed"]


def result_store(folder):
    return f"sqlite:///{folder}/.sluiceway/metadata.db"


def test_what_is_sent_is_sent_after_the_status_is_written(make, run, hooks, tmp_path):
    """The receiver looks into the store while it is being told."""
    seen = []
    append = hooks.requests.append

    class Looking(list):
        def append(self, request):
            with Store.open(result_store(tmp_path)) as store:
                seen.append(store.runs(1)[0]["status"])
            append(request)

    hooks.requests = Looking()
    with pytest.raises(SluicewayError):
        run(f"{{to: 'webhook+http://127.0.0.1:{hooks.port}/in'}}", None)
    assert seen == ["failed"]


def test_a_missing_variable_of_a_channel_breaks_no_run(run, monkeypatch):
    monkeypatch.delenv("SW_NO", raising=False)
    assert run("{to: '${SW_NO}'}").run.notes == ()
    with pytest.raises(SluicewayError) as caught:
        run("{to: '${SW_NO}'}", None)
    assert "SW_NO" not in caught.value.message


def test_a_run_that_alerts_nobody_imports_no_channel(run, tmp_path):
    run("{to: 'slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ'}")
    code = (
        "import sys; from sluiceway.cli.app import invoke; assert invoke(sys.argv[1:]) == 0\n"
        "print([m for m in ('apprise', 'requests', 'smtplib', 'urllib.request') if m in sys.modules])"
    )
    command = [sys.executable, "-c", code, "run", "orders", "--project", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_two_processes_that_raise_at_once_are_one_message(make, hooks):
    project = make(f"{{to: 'webhook+http://127.0.0.1:{hooks.port}/in', timeout: 30}}")
    with Store.open(project.metadata):
        pass
    code = (
        "import sys; from pathlib import Path; from sluiceway.spec.project import load_project\n"
        "from sluiceway.alerts.dispatch import raise_alert; from sluiceway.alerts.model import Alert\n"
        "project = load_project(Path(sys.argv[1])); alert = Alert('k', 'error', 'k:1', 't', 'm')\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "for _ in range(5):\n"
        "    print(*[d.status for d in raise_alert(project, 'dev', alert, budget=30)], flush=True)\n"
    )
    command = [sys.executable, "-c", code, str(project.folder)]
    both = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in both:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    told = [line for process in both for line in process.communicate(timeout=60)[0].split()]
    assert sorted(told) == ["sent", *["throttled"] * 9]
    assert len(hooks.requests) == 1
    with Store.open(project.metadata) as store:
        [row] = store.alerts.alerts()
        assert row["count"] == 10


def test_a_store_that_is_open_is_used(make, alert, said):
    project = make(TO)
    with Store.open(project.metadata) as store:
        assert raise_alert(project, "dev", alert(), store=store)[0].status == "sent"
        assert store.alerts.alerts()[0]["count"] == 1
