"""OpenLineage events against the specification's own schemas, and the three ways by which they leave."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from tests.openlineage_spec import SPECS, validator

from sluiceway import plugins
from sluiceway.errors import ConfigError, RunError
from sluiceway.events import EventBus, NodeStarted, RunFinished, RunStarted
from sluiceway.ids import new_run_id
from sluiceway.integrations.openlineage import INTEGRATION, build_finish, build_start
from sluiceway.integrations.openlineage_facets import FACETS
from sluiceway.secrets import register_secret
from sluiceway.spec.model import Project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RUN = new_run_id()
ORDERS = {
    "namespace": "postgres://db:5432",
    "name": "shop.public.orders",
    "source": "orders",
    "columns": [{"name": "id", "type": "BIGINT"}, {"name": "amount", "type": "DECIMAL(18,2)"}],
}
RATES = {"namespace": "file", "name": "/data/rates.csv", "source": "rates", "columns": []}
OUTPUT = {
    "namespace": "ducklake:lake",
    "name": "mart.orders",
    "columns": [{"name": "id", "type": "BIGINT"}, {"name": "net", "type": "DOUBLE"}],
}
START = RunStarted(
    RUN, "orders", AT, environment="dev", inputs=(ORDERS, RATES), output=OUTPUT,
    description="Paid orders", owner="sales-data", engine={"name": "duckdb", "version": "1.5.5"},
    nominal_at=AT, parent={"run_id": new_run_id(), "namespace": "airflow", "job": "daily.orders"},
)  # fmt: skip


def check(id_: str, phase: str = "gate", passed: bool = True, **more: Any) -> dict[str, Any]:
    return {
        "id": id_, "rule": id_.partition(":")[0], "phase": phase, "columns": ["id"],
        "dimension": "accuracy", "severity": "error", "on_fail": "block", "failing": 0 if passed else 3,
        "total": 10, "passed": passed, "observed": None, "proven": False, "message": "",
    } | more  # fmt: skip


def edge(dataset: str, column: str, type_: str, subtype: str, masking: bool = False) -> dict[str, Any]:
    return {"dataset": dataset, "column": column, "type": type_, "subtype": subtype, "masking": masking}


JOIN = edge("postgres://db:5432.shop.public.orders", "id", "INDIRECT", "JOIN")
WINDOW = edge("orders", "id", "INDIRECT", "WINDOW")
FINISH = RunFinished(
    RUN, "orders", AT, environment="dev", status="succeeded", seconds=1.0,
    records={"read": 12, "rejected": 0, "staged": 10, "published": 8, "quarantined": 2},
    inputs=(ORDERS, RATES), output=OUTPUT,
    checks=(
        check("not_null:id", "source", source="orders"),
        check("range:id", passed=False, on_fail="quarantine", observed=Decimal("1.5"), message="3 of 10"),
        check("unique:id,net", columns=["id", "net"]),
        check("row_count", columns=[]),
    ),
    metrics={
        "row_count": 8,
        "columns": {
            "id": {"null_count": 0, "distinct_count": 8, "min": 1, "max": 9},
            "email": {"null_count": 1, "min": "anna@example.org", "max": "12345"},
            "net": {"min": Decimal("1.5"), "max": float("inf"), "sum": "2.25"},
        },
    },
    lineage={
        "id": [edge("postgres://db:5432.shop.public.orders", "id", "DIRECT", "IDENTITY"), JOIN],
        "net": [
            edge("orders", "amount", "DIRECT", "TRANSFORMATION"),
            edge("orders", "amount", "DIRECT", "AGGREGATION", masking=True),
            edge("file./data/rates.csv", "rate", "DIRECT", "TRANSFORMATION"),
            JOIN,
            WINDOW,
        ],
    },
    sql="SELECT 1", error=None,
)  # fmt: skip


@pytest.fixture(scope="session")
def validate() -> Callable[[dict[str, Any]], None]:
    return validator()


@dataclass
class Recorder:
    """A real HTTP server that keeps what it was sent."""

    url: str = ""
    status: int = 201
    delay: threading.Event | None = None
    seen: list[tuple[str, str, dict[str, str], dict[str, Any]]] = field(default_factory=list)


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    record = Recorder()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            record.seen.append(("POST", self.path, headers, json.loads(body)))
            if record.delay is not None:
                record.delay.wait(30)
            self.send_response(record.status)
            if record.status == 302:
                self.send_header("Location", f"{record.url}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            record.seen.append(("GET", self.path, {}, {}))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    record.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield record
    if record.delay is not None:
        record.delay.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project("shop", tmp_path, tmp_path / "sluiceway.yml", (), "sqlite:///m.db")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


# what is told ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"),
    [("succeeded", "COMPLETE"), ("blocked", "FAIL"), ("failed", "FAIL"), ("cancelled", "ABORT")],
)
def test_events_fit_the_specification(
    validate: Callable[[dict[str, Any]], None], status: str, kind: str
) -> None:
    error = None if status == "succeeded" else {"message": "it did not pass", "hint": "look at range:id"}
    start = build_start(START, "shop/dev")
    end = build_finish(replace(FINISH, status=status, error=error), "shop/dev", START)
    validate(start)
    validate(end)
    assert (start["eventType"], end["eventType"]) == ("START", kind)
    assert start["run"]["runId"] == end["run"]["runId"] == RUN
    assert start["job"]["name"] == end["job"]["name"] == "orders"
    assert end["eventTime"] == "2026-01-02T03:04:05.000000Z"
    assert ("errorMessage" in end["run"]["facets"]) == (error is not None)


def test_bare_events_fit_too(validate: Callable[[dict[str, Any]], None]) -> None:
    validate(build_start(RunStarted(RUN, "p", AT), "shop"))
    validate(build_finish(RunFinished(RUN, "p", AT, status="succeeded"), "shop"))


def test_the_schema_addresses_are_those_of_the_specification() -> None:
    if not SPECS.is_dir():
        pytest.skip("no OpenLineage specification: ../shared/specs/openlineage is missing")
    for name, number in FACETS.items():
        schema = json.loads((SPECS / "facets" / f"{name}.json").read_text())
        assert schema["$id"].endswith(f"/{number}/{name}.json")
        assert name in schema["$defs"]


def test_facets_of_run_and_job() -> None:
    end = build_finish(FINISH, "shop/dev", START)
    run, job = end["run"]["facets"], end["job"]["facets"]
    assert (run["processing_engine"]["name"], run["processing_engine"]["version"]) == ("duckdb", "1.5.5")
    assert run["nominalTime"]["nominalStartTime"] == "2026-01-02T03:04:05.000000Z"
    assert run["parent"]["job"] == {"namespace": "airflow", "name": "daily.orders"}
    assert [(t["key"], t["value"]) for t in run["tags"]["tags"]] == [("environment", "dev")]
    assert [(t["name"], t["status"], t["severity"]) for t in run["test"]["tests"]] == [
        ("not_null:id", "pass", "error"),
        ("range:id", "fail", "warn"),
        ("unique:id,net", "pass", "error"),
        ("row_count", "pass", "error"),
    ]
    assert job["documentation"]["description"] == "Paid orders"
    assert job["ownership"]["owners"] == [{"name": "sales-data", "type": "OWNER"}]
    assert job["sql"]["query"] == "SELECT 1"
    assert job["jobType"]["processingType"] == "BATCH"


def test_checks_stand_at_the_dataset_that_they_judged() -> None:
    end = build_finish(FINISH, "shop/dev", START)
    orders, rates = end["inputs"]
    (source,) = orders["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert (source["assertion"], source["success"], source["column"]) == ("not_null", True, "id")
    assert "inputFacets" not in rates
    gate = end["outputs"][0]["facets"]["dataQualityAssertions"]["assertions"]
    assert [(a["name"], a["success"], a.get("column"), a["severity"]) for a in gate] == [
        ("range:id", False, "id", "warn"),
        ("unique:id,net", True, None, "error"),
        ("row_count", True, None, "error"),
    ]
    assert (gate[0]["actual"], gate[0]["params"]["failing"]) == ("1.5", 3)
    assert gate[1]["params"]["columns"] == ["id", "net"]


def test_column_lineage_names_inputs_and_tells_the_whole_from_the_part() -> None:
    facet = build_finish(FINISH, "shop/dev", START)["outputs"][0]["facets"]["columnLineage"]
    orders = {"namespace": "postgres://db:5432", "name": "shop.public.orders"}
    assert facet["fields"]["id"]["inputFields"] == [
        {
            **orders,
            "field": "id",
            "transformations": [{"type": "DIRECT", "subtype": "IDENTITY", "masking": False}],
        }
    ]
    net = {(f["name"], f["field"]): f["transformations"] for f in facet["fields"]["net"]["inputFields"]}
    assert net["shop.public.orders", "amount"] == [
        {"type": "DIRECT", "subtype": "TRANSFORMATION", "masking": False},
        {"type": "DIRECT", "subtype": "AGGREGATION", "masking": True},
    ]
    assert net["/data/rates.csv", "rate"][0]["subtype"] == "TRANSFORMATION"
    # a window concerns its own column; the join reaches every row and stands once
    assert net["shop.public.orders", "id"] == [{"type": "INDIRECT", "subtype": "WINDOW", "masking": False}]
    assert facet["dataset"] == [
        {
            **orders,
            "field": "id",
            "transformations": [{"type": "INDIRECT", "subtype": "JOIN", "masking": False}],
        }
    ]


def test_metrics_hold_numbers_and_no_users_values() -> None:
    end = build_finish(FINISH, "shop/dev", START)
    output = end["outputs"][0]
    metrics = output["facets"]["dataQualityMetrics"]
    assert metrics["rowCount"] == 8
    assert metrics["columnMetrics"] == {
        "id": {"nullCount": 0, "distinctCount": 8, "min": 1, "max": 9},
        "email": {"nullCount": 1},
        "net": {"min": 1.5, "sum": 2.25},
    }
    assert "@example.org" not in json.dumps(end)
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 8
    alone = build_finish(replace(FINISH, inputs=(ORDERS,)), "shop/dev", START)
    assert alone["inputs"][0]["inputFacets"]["inputStatistics"]["rowCount"] == 12


@pytest.mark.parametrize("status", ["blocked", "failed", "cancelled"])
def test_what_was_not_published_is_not_told_as_published(status: str) -> None:
    end = build_finish(replace(FINISH, status=status), "shop/dev", START)
    output = end["outputs"][0]
    assert sorted(output["facets"]) == ["dataQualityAssertions", "dataSource"]
    assert "outputFacets" not in output
    assert "schema" not in build_start(START, "shop/dev")["outputs"][0]["facets"]


def test_secrets_do_not_leave() -> None:
    secret = "hunter2-lineage-secret"
    register_secret(secret)
    leaky = f"postgres://bob:{secret}@db"
    dirty = {"namespace": leaky, "name": secret, "columns": [{"name": secret, "type": "BIGINT"}]}
    start = replace(START, inputs=(dirty,), description=leaky, owner=secret)
    end = replace(
        FINISH, inputs=(dirty,), sql=f"SELECT '{secret}'", status="failed",
        error={"message": leaky, "hint": secret}, checks=(check("c", message=leaky, observed=secret),),
    )  # fmt: skip
    told = json.dumps([build_start(start, "n"), build_finish(end, "n", start)])
    assert secret not in told
    assert "***" in told


def test_a_parent_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = replace(START, parent=None)
    monkeypatch.setenv("OPENLINEAGE_PARENT_ID", f"a/b/daily.orders/{RUN}")
    parent = build_start(plain, "n")["run"]["facets"]["parent"]
    assert (parent["job"], parent["run"]) == ({"namespace": "a/b", "name": "daily.orders"}, {"runId": RUN})
    monkeypatch.setenv("OPENLINEAGE_PARENT_ID", "nonsense")
    assert "parent" not in build_start(plain, "n")["run"]["facets"]


# how it leaves -----------------------------------------------------------------------------------------


def test_it_is_found_as_a_plugin() -> None:
    assert plugins.load("integrations", "openlineage") is INTEGRATION


def test_to_a_file_line_by_line(
    project: Project, tmp_path: Path, validate: Callable[[dict[str, Any]], None]
) -> None:
    listen = INTEGRATION.listener({"type": "file", "path": "out/lineage.jsonl"}, project)
    listen(START)
    listen(NodeStarted(RUN, "orders", AT, node="stage"))
    listen(FINISH)
    told = lines(tmp_path / "out/lineage.jsonl")
    assert [e["eventType"] for e in told] == ["START", "COMPLETE"]
    assert {e["job"]["namespace"] for e in told} == {"shop/dev"}
    for event in told:
        validate(event)


def test_attempts_and_ends_without_a_beginning(project: Project, tmp_path: Path) -> None:
    listen = INTEGRATION.listener({"type": "file", "path": "l.jsonl", "namespace": "mine"}, project)
    listen(START)
    listen(replace(START, attempt=2))
    listen(replace(FINISH, status="failed", error={"message": "x"}))
    listen(replace(FINISH, run_id=new_run_id(), status="failed"))
    told = lines(tmp_path / "l.jsonl")
    assert [e["eventType"] for e in told] == ["START", "RUNNING", "FAIL", "START", "FAIL"]
    assert {e["job"]["namespace"] for e in told} == {"mine"}


WRITE = """
import sys
from datetime import datetime
from pathlib import Path
from sluiceway.events import RunStarted
from sluiceway.integrations.openlineage import INTEGRATION
from sluiceway.spec.model import Project
project = Project("shop", Path(sys.argv[1]), None, (), "")
listen = INTEGRATION.listener({"type": "file", "path": "l.jsonl"}, project)
for n in range(50):
    listen(RunStarted(f"{sys.argv[2]}-{n}", "p", datetime(2026, 1, 2), description="x" * 20_000))
"""


def test_processes_side_by_side_do_not_mix_their_lines(tmp_path: Path) -> None:
    crowd = [subprocess.Popen([sys.executable, "-c", WRITE, str(tmp_path), str(n)]) for n in range(4)]
    assert [one.wait(60) for one in crowd] == [0] * 4
    told = lines(tmp_path / "l.jsonl")
    assert {e["run"]["runId"] for e in told} == {f"{p}-{n}" for p in range(4) for n in range(50)}
    assert len(told) == 200


def test_a_line_waits_for_who_holds_the_file(project: Project, tmp_path: Path) -> None:
    """Also where appending is not atomic by itself, as on network file systems."""
    import fcntl

    listen = INTEGRATION.listener({"type": "file", "path": "l.jsonl"}, project)
    with (tmp_path / "l.jsonl").open("ab") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        writer = threading.Thread(target=listen, args=(START,))
        writer.start()
        writer.join(0.3)
        assert writer.is_alive()
        assert (tmp_path / "l.jsonl").read_bytes() == b""
    writer.join(30)
    assert len(lines(tmp_path / "l.jsonl")) == 1


def test_a_full_disk_leaves_no_half_line(project: Project, tmp_path: Path) -> None:
    import resource
    import signal

    listen = INTEGRATION.listener({"type": "file", "path": "l.jsonl"}, project)
    listen(START)
    before = (tmp_path / "l.jsonl").read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, hard))  # the write stops after 100 bytes
    try:
        with pytest.raises(RunError, match="took 100 of"):
            listen(FINISH)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert (tmp_path / "l.jsonl").read_bytes() == before


def test_to_the_console_but_never_to_stdout(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    INTEGRATION.listener({"type": "console"}, project)(START)
    said = capsys.readouterr()
    assert json.loads(said.err)["eventType"] == "START"
    assert said.out == ""


def test_by_http(project: Project, recorder: Recorder, validate: Callable[[dict[str, Any]], None]) -> None:
    config = {
        "type": "http",
        "url": recorder.url,
        "auth": {"type": "api_key", "api_key": "key-for-lineage"},
        "headers": {"X-Team": "data"},
    }
    listen = INTEGRATION.listener(config, project)
    listen(START)
    listen(FINISH)
    assert [(s[0], s[1], s[3]["eventType"]) for s in recorder.seen] == [
        ("POST", "/api/v1/lineage", "START"),
        ("POST", "/api/v1/lineage", "COMPLETE"),
    ]
    headers = recorder.seen[0][2]
    assert headers["authorization"] == "Bearer key-for-lineage"
    assert (headers["content-type"], headers["x-team"]) == ("application/json", "data")
    for *_, body in recorder.seen:
        validate(body)


def test_an_endpoint_and_a_path_before_it(project: Project, recorder: Recorder) -> None:
    config = {"type": "http", "url": f"{recorder.url}/gateway/", "endpoint": "/lineage", "api_key": "k123"}
    INTEGRATION.listener(config, project)(START)
    assert recorder.seen[0][1] == "/gateway/lineage"
    assert recorder.seen[0][2]["authorization"] == "Bearer k123"


@pytest.mark.parametrize("status", [302, 401, 500])
def test_a_refusal_is_logged_and_counted_and_breaks_nothing(
    project: Project, recorder: Recorder, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    recorder.status = status
    bus, after = EventBus(), []
    config = {"type": "http", "url": recorder.url, "api_key": "key-for-lineage-2"}
    bus.listen("openlineage", INTEGRATION.listener(config, project))
    bus.listen("next", after.append)
    with caplog.at_level(logging.WARNING):
        bus.emit(START)
        bus.emit(FINISH)
    assert bus.failures == {"openlineage": 2}
    assert after == [START, FINISH]
    assert str(status) in caplog.text
    assert "key-for-lineage-2" not in caplog.text
    assert {s[0] for s in recorder.seen} == {"POST"}  # a redirect is not followed


def test_a_server_that_does_not_answer_holds_no_run(project: Project, recorder: Recorder) -> None:
    recorder.delay = threading.Event()
    listen = INTEGRATION.listener({"type": "http", "url": recorder.url, "timeout": 0.3}, project)
    begun = time.monotonic()
    with pytest.raises(RunError, match=r"timed out|no answer"):
        listen(START)
    assert time.monotonic() - begun < 10  # the server would have waited for 30


def test_no_server(project: Project) -> None:
    listen = INTEGRATION.listener({"type": "http", "url": "http://127.0.0.1:9"}, project)
    with pytest.raises(RunError, match="refused") as refused:
        listen(START)
    assert refused.value.hint is not None


@pytest.mark.parametrize(
    ("config", "message", "hint"),
    [
        ({}, "type is missing", "type: console | file | http"),
        ({"type": "kafka"}, "'kafka' is no OpenLineage transport", "console"),
        ({"type": "file"}, "needs a path", "path:"),
        ({"type": "file", "path": "x", "urll": 1}, "unknown key 'urll'", "expected one of"),
        ({"type": "http", "urll": "x"}, "unknown key 'urll'", "did you mean 'url'?"),
        ({"type": "http"}, "needs a url", "url:"),
        ({"type": "http", "url": "file:///etc/passwd"}, "needs a url", "url:"),
        ({"type": "http", "url": "http://h", "timeout": 0}, "timeout is 0", "seconds"),
        ({"type": "http", "url": "http://h", "timeout": "5"}, "timeout is '5'", "seconds"),
        ({"type": "http", "url": "http://h", "auth": {"type": "kerberos"}}, "auth can't be used", "api_key"),
        ({"type": "http", "url": "http://h", "headers": "x"}, "not a mapping", "X-Team"),
    ],
)
def test_a_wrong_configuration_says_what_to_write(
    project: Project, config: dict[str, Any], message: str, hint: str
) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        INTEGRATION.listener(config, project)
    assert hint in str(refused.value.hint)
    assert str(refused.value.where) == f"{project.file}: lineage"


def test_an_influence_on_some_columns_only_is_not_told_of_the_dataset() -> None:
    both = {"id": [JOIN, WINDOW], "net": [JOIN, WINDOW | {"subtype": "CONDITIONAL"}]}
    end = build_finish(replace(FINISH, lineage=both), "n", START)
    facet = end["outputs"][0]["facets"]["columnLineage"]
    assert [t["subtype"] for f in facet["dataset"] for t in f["transformations"]] == ["JOIN"]
    assert facet["fields"]["id"]["inputFields"][0]["transformations"][0]["subtype"] == "WINDOW"
    alike = replace(FINISH, lineage={"id": [JOIN, WINDOW], "net": [WINDOW, JOIN]})
    facet = build_finish(alike, "n", START)["outputs"][0]["facets"]["columnLineage"]
    assert {t["subtype"] for f in facet["dataset"] for t in f["transformations"]} == {"JOIN", "WINDOW"}
    assert facet["fields"] == {"id": {"inputFields": []}, "net": {"inputFields": []}}
