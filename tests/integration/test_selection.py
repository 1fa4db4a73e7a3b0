"""Several pipelines in one call: what needs one that did not succeed is skipped, all the way down."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
from tests.integration.commanded import meet

from sluiceway.spec.project import load_project
from sluiceway.store.store import Store


def pipeline(name: str, source: str, rule: str = "") -> str:
    return (
        f"pipeline: {name}\nsources: {{s: {source}}}\n{rule}"
        f"destination: {{table: mart.{name}, mode: replace}}\n"
    )


def lake(table: str) -> str:
    return f"{{type: ducklake, table: {table}}}"


@pytest.fixture
def chain(make_project: Any) -> Any:
    """a -> b -> c, and d by itself."""
    return make_project(
        {
            "s.csv": "id\n1\n",
            "pipelines/a.yml": pipeline("a", "{type: csv, path: s.csv}"),
            "pipelines/b.yml": pipeline("b", lake("mart.a")),
            "pipelines/c.yml": pipeline("c", lake("mart.b")),
            "pipelines/d.yml": pipeline("d", "{type: csv, path: s.csv}"),
        }
    )


def run(project: Any, *arguments: str) -> tuple[int, dict[str, str]]:
    command = [
        sys.executable,
        "-m",
        "sluiceway",
        "run",
        *arguments,
        "--json",
        "--project",
        str(project.folder),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, {r["pipeline"]: r["status"] for r in json.loads(done.stdout)["runs"]}


def statuses(project: Any) -> list[tuple[str, str]]:
    command = [sys.executable, "-m", "sluiceway", "runs", "list", "--json", "--project", str(project.folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return sorted((r["pipeline"], r["status"]) for r in json.loads(done.stdout)["runs"])


def test_all_of_them_in_order(chain: Any) -> None:
    assert run(chain, "--select", "+c") == (0, {"a": "succeeded", "b": "succeeded", "c": "succeeded"})
    assert chain.rows("mart.c") == [(1,)]


def test_what_fails_takes_all_that_need_it_and_no_other(chain: Any) -> None:
    run(chain, "--select", "*")
    chain.write(
        "pipelines/a.yml",
        pipeline("a", "{type: csv, path: s.csv}", "rules: [{range: {column: id, max: 0}}]\n"),
    )
    code, found = run(chain, "--select", "*")
    assert code == 3
    assert found == {"a": "blocked", "b": "skipped", "c": "skipped", "d": "succeeded"}
    assert statuses(chain)[:8] == [
        ("a", "blocked"), ("a", "succeeded"), ("b", "skipped"), ("b", "succeeded"), ("c", "skipped"),
        ("c", "succeeded"), ("d", "succeeded"), ("d", "succeeded"),
    ]  # fmt: skip


def test_a_need_that_was_not_selected_still_ties_what_was(chain: Any) -> None:
    run(chain, "--select", "*")
    (chain.folder / "s.csv").unlink()
    code, found = run(chain, "--select", "a c")
    assert code == 1
    assert found == {"a": "failed", "c": "skipped"}


def test_a_setting_that_is_wrong_ends_its_own_run_alone(chain: Any) -> None:
    chain.write("pipelines/d.yml", pipeline("d", lake("mart.nothing")))
    code, found = run(chain, "--select", "*")
    assert code in (1, 2)
    assert found == {"a": "succeeded", "b": "succeeded", "c": "succeeded", "d": "failed"}


def test_exclude_takes_away(chain: Any) -> None:
    assert run(chain, "--select", "*", "--exclude", "b+") == (0, {"a": "succeeded", "d": "succeeded"})


BLOCKS = "rules: [{range: {column: id, max: 0}}]\n"


def retried(project: Any, group: str) -> tuple[int, dict[str, str]]:
    command = [sys.executable, "-m", "sluiceway", "runs", "retry", group, "--json"]
    command += ["--project", str(project.folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in done.stderr
    document = json.loads(done.stdout)
    return done.returncode, {r["pipeline"]: r["status"] for r in document.get("runs", ())} or document


def group_of(project: Any, *arguments: str) -> str:
    command = [sys.executable, "-m", "sluiceway", "run", *arguments, "--json"]
    command += ["--project", str(project.folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    found: str = json.loads(done.stdout)["group"]
    return found


def test_what_needs_nothing_of_one_another_runs_at_once(chain: Any) -> None:
    """Two that wait for each other, in processes of their own; the others as they may."""
    step = 'transform: [{python: {function: "steps.meet:meet", columns: {id: BIGINT}}}]\n'
    chain.write("steps/__init__.py", "")
    chain.write("steps/meet.py", meet(2))
    for name in "ad":
        chain.write(f"pipelines/{name}.yml", pipeline(name, "{type: csv, path: s.csv}", step))
    assert run(chain, "--select", "*", "--jobs", "2") == (0, dict.fromkeys("abcd", "succeeded"))
    assert chain.rows("mart.c") == [(1,)]


def test_side_by_side_is_as_in_turn(chain: Any) -> None:
    run(chain, "--select", "*")
    chain.write("pipelines/a.yml", pipeline("a", "{type: csv, path: s.csv}", BLOCKS))
    code, found = run(chain, "--select", "*", "--jobs", "3")
    assert (code, found) == (3, {"a": "blocked", "b": "skipped", "c": "skipped", "d": "succeeded"})
    chain.write("pipelines/a.yml", pipeline("a", lake("mart.nothing")))
    in_turn = run(chain, "--select", "*")
    assert in_turn[1] == {"a": "failed", "b": "skipped", "c": "skipped", "d": "succeeded"}
    assert run(chain, "--select", "*", "--jobs", "3") == in_turn
    before = statuses(chain)
    assert run(chain, "--select", "d", "d", "--jobs", "2", "--dry-run")[1] == {"d": "succeeded"}
    assert [s for s in statuses(chain) if s not in before] == []


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_fail_fast_begins_no_other(chain: Any, jobs: str) -> None:
    chain.write("pipelines/a.yml", pipeline("a", "{type: csv, path: s.csv}", BLOCKS))
    chain.write("pipelines/d.yml", pipeline("d", "{type: csv, path: s.csv}") + 'depends_on: ["pipeline:c"]\n')
    chain.write("pipelines/z.yml", pipeline("z", lake("mart.y")))
    chain.write("pipelines/y.yml", pipeline("y", lake("mart.x")))
    chain.write("pipelines/x.yml", pipeline("x", "{type: csv, path: s.csv}"))
    code, found = run(chain, "--select", "a+ +z", "--fail-fast", "--jobs", jobs)
    assert code == 3
    assert {name: found[name] for name in "abc"} == {"a": "blocked", "b": "skipped", "c": "skipped"}
    assert found["z"] == "skipped"
    assert not chain.exists("mart.z")


def test_a_selection_goes_on_from_what_failed(chain: Any) -> None:
    chain.write("pipelines/a.yml", pipeline("a", "{type: csv, path: s.csv}", BLOCKS))
    group = group_of(chain, "--select", "*")
    assert retried(chain, group) == (3, {"a": "blocked", "b": "skipped", "c": "skipped"})
    chain.write("pipelines/a.yml", pipeline("a", "{type: csv, path: s.csv}"))
    assert retried(chain, group) == (0, {"a": "succeeded", "b": "succeeded", "c": "succeeded"})
    assert [status for name, status in statuses(chain) if name == "d"] == ["succeeded"]  # once
    code, document = retried(chain, group)
    assert (code, document) == (0, {"group": group, "runs": []})


def test_a_run_that_never_was_in_the_queue_is_retried_out_of_it(chain: Any) -> None:
    """With the variables unknown, but with its moment and its group."""
    chain.write("pipelines/a.yml", pipeline("a", "{type: csv, path: s.csv}", BLOCKS))
    group = group_of(chain, "--select", "a b", "--at", "2026-01-02T03:04:05")
    listed = [sys.executable, "-m", "sluiceway", "runs", "list", "--json", "--project", str(chain.folder)]
    done = subprocess.run(listed, capture_output=True, text=True, timeout=60, check=True)
    [first] = [r for r in json.loads(done.stdout)["runs"] if r["pipeline"] == "a"]
    code, made = retried(chain, first["run_id"])
    assert code == 0
    chain.write("pipelines/a.yml", pipeline("a", "{type: csv, path: s.csv}"))
    worker = [sys.executable, "-m", "sluiceway", "worker", "--until-idle", "--project", str(chain.folder)]
    subprocess.run(worker, capture_output=True, timeout=120, check=True)
    done = subprocess.run(listed, capture_output=True, text=True, timeout=60, check=True)
    [again] = [r for r in json.loads(done.stdout)["runs"] if r["run_id"] == made["run_id"]]
    assert (again["status"], again["group_id"], again["nominal_at"]) == (
        "succeeded", group, first["nominal_at"],
    )  # fmt: skip


def test_jobs_of_one_pipeline_are_refused(chain: Any) -> None:
    command = [sys.executable, "-m", "sluiceway", "run", "d", "--jobs", "2", "--project", str(chain.folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "--jobs is for several pipelines" in done.stderr


def shown(project: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sluiceway", "graph", *arguments, "--project", str(project.folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr
    return done


def test_the_graph_is_shown(chain: Any) -> None:
    document = json.loads(shown(chain, "--json").stdout)
    assert document["edges"] == [{"from": "a", "to": "b"}, {"from": "b", "to": "c"}]
    assert [p["pipeline"] for p in document["pipelines"]] == ["a", "b", "c", "d"]
    assert document["pipelines"][1]["needed_by"] == ["c"]
    dot = shown(chain, "--select", "b+", "--format", "dot").stdout
    assert '"b" -> "c";' in dot
    assert '"a"' not in dot
    assert "p0 --> p1" in shown(chain, "--format", "mermaid").stdout
    lines = shown(chain, "--exclude", "d").stdout.splitlines()
    assert [line.split()[0] for line in lines if "mart." in line] == ["a", "b", "c"]
    chain.write("pipelines/a.yml", pipeline("a", lake("mart.c")))
    circle = shown(chain)
    assert circle.returncode == 2
    assert "in a circle" in circle.stderr


def test_state_chooses_what_was_changed_since_it_succeeded(chain: Any) -> None:
    assert run(chain, "--select", "a d")[0] == 0
    assert run(chain, "--select", "state:new", "--dry-run")[1].keys() == {"b", "c"}
    chain.write("pipelines/d.yml", "# a comment\n" + pipeline("d", "{type: csv, path: s.csv}"))
    chain.write("pipelines/a.yml", pipeline("a", "{type: csv, path: s.csv}", BLOCKS))
    assert run(chain, "--select", "state:modified", "--exclude", "state:new")[1] == {"a": "blocked"}
    code, found = run(chain, "--select", "state:modified+")  # it did not succeed with that
    assert (code, found) == (3, {"a": "blocked", "b": "skipped", "c": "skipped"})
    assert run(chain, "--select", "state:unmodified")[1] == {"d": "succeeded"}
    command = [sys.executable, "-m", "sluiceway", "run", "--select", "state:changed", "--project"]
    done = subprocess.run(
        [*command, str(chain.folder)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert "there is no such state" in done.stderr


def called(project: Any, *arguments: str) -> tuple[int, dict[str, Any], str]:
    command = [sys.executable, "-m", "sluiceway", *arguments, "--json", "--project", str(project.folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout), done.stderr


ASKED = 'transform: [{sql: "SELECT *, :w AS w FROM s"}]\n'


def test_a_run_is_run_again_where_and_as_it_was_called(chain: Any) -> None:
    """Of a selection the variables are known; what ran in prod is not run in dev, and a check publishes
    nothing later."""
    lakes = "".join(f"  {e}: {{warehouse: {{type: ducklake, path: {e}}}}}\n" for e in ("dev", "prod"))
    chain.write("sluiceway.yml", f"project: test\nenvironments:\n{lakes}")
    chain.write("pipelines/a.yml", pipeline("a", "{type: csv, path: s.csv}", ASKED + BLOCKS))
    code, found, _ = called(chain, "run", "--select", "a", "--env", "prod", "--vars", "w=7", "--full-refresh")
    assert code == 3
    run_id = found["runs"][0]["run_id"]
    code, wrong, _ = called(chain, "runs", "retry", run_id, "--env", "dev")
    assert code == 2
    assert "prod" in wrong["error"]["message"]
    code, made, _ = called(chain, "runs", "retry", run_id)
    assert code == 0
    with Store.open(load_project(chain.folder).metadata) as store:
        (job,) = store.queue.jobs()
        assert (job["environment"], job["run_id"]) == ("prod", made["run_id"])
        assert job["payload"] == {"vars": {"w": 7}, "full_refresh": True}
        assert job["group_id"] == found["group"]
    called(chain, "runs", "cancel", made["run_id"], "--env", "prod")
    code, again, _ = called(chain, "runs", "retry", made["run_id"])  # it never began, so no run has its id
    assert code == 0
    with Store.open(load_project(chain.folder).metadata) as store:
        (job,) = store.queue.jobs(run_id=again["run_id"])
        assert job["payload"]["vars"] == {"w": 7}
        before = len(store.queue.jobs())

    called(chain, "run", "a", "--dry-run", "--vars", "w=7")
    _, listed, _ = called(chain, "runs", "list", "--limit", "1")
    code, wrong, _ = called(chain, "runs", "retry", listed["runs"][0]["run_id"])
    assert code == 2
    assert "check" in wrong["error"]["hint"]
    with Store.open(load_project(chain.folder).metadata) as store:
        assert len(store.queue.jobs()) == before

    code, alone, _ = called(chain, "run", "a", "--vars", "w=7")
    assert code == 3
    code, _, said = called(chain, "runs", "retry", alone["run_id"])
    assert code == 0
    assert "--vars" in said  # they were not kept, and it says so


def test_a_signal_ends_what_runs_and_begins_no_other(chain: Any) -> None:
    """The first one tells them to stop, the second one ends them."""
    step = 'transform: [{python: {function: "steps.slow:meet", columns: {id: BIGINT}}}]\n'
    chain.write("steps/__init__.py", "")
    chain.write("steps/slow.py", meet(9))
    for name in "ad":
        chain.write(f"pipelines/{name}.yml", pipeline(name, "{type: csv, path: s.csv}", step))
    command = [sys.executable, "-m", "sluiceway", "run", "--select", "*", "--jobs", "2"]
    process = subprocess.Popen([*command, "--project", str(chain.folder)], stderr=subprocess.PIPE, text=True)
    here = chain.folder / "steps" / "here"
    while not here.is_dir() or len(list(here.iterdir())) < 2:
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "Traceback" not in said
    assert statuses(chain) == [("a", "cancelled"), ("b", "skipped"), ("c", "skipped"), ("d", "cancelled")]
    assert not chain.exists("mart.a")


HOLDS = '''\
"""Nine tenths of its memory_limit, until the test has heard of it."""
import os, pathlib

def holds(batches):
    page, held = os.sysconf("SC_PAGESIZE"), []
    while int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * page < 810_000_000:
        held.append(bytearray(b"x") * 5_000_000)
    with open(pathlib.Path(__file__).parent / "go") as fifo:
        fifo.read()
    yield from batches
'''


def test_a_run_of_several_that_is_near_its_limit_says_so_in_its_log(chain: Any) -> None:
    step = 'transform: [{python: {function: "steps.holds:holds", columns: {id: BIGINT}}}]\n'
    step += "memory_limit: 900MB\n"
    chain.write("steps/__init__.py", "")
    chain.write("steps/holds.py", HOLDS)
    chain.write("pipelines/a.yml", pipeline("a", "{type: csv, path: s.csv}", step))
    os.mkfifo(chain.folder / "steps" / "go")
    command = [sys.executable, "-m", "sluiceway", "run", "a", "d", "--jobs", "2"]
    process = subprocess.Popen([*command, "--project", str(chain.folder)], stdout=subprocess.DEVNULL)
    with Store.open(load_project(chain.folder).metadata) as store:
        end = time.monotonic() + 60
        lines: list[str] = []
        while not lines and time.monotonic() < end:
            assert process.poll() is None
            runs = [run["run_id"] for run in store.runs(pipeline="a")]
            said = [
                line for run in runs for part in store.logs.read(run) for line in part["text"].split("\n")
            ]
            lines = [line for line in said if line.startswith("warning")]
        (chain.folder / "steps" / "go").write_text("")
    assert process.wait(timeout=60) == 0
    [line] = lines
    assert line.startswith("warning: it has ")
    assert line.endswith("of the 900.0 MB that it may have")
