"""A run of ours as a process of another orchestrator: what it says, and what another try may help."""

from __future__ import annotations

import ast
import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from sluiceway.integrations.elsewhere import TRANSIENT, Blocked, Failed, Sluiceway
from sluiceway.orchestrate import policy

SOURCE = Path(__file__).parents[3] / "src"


def command(code: str) -> str:
    """A command that does as ours would: Python, whose arguments are ignored."""
    return shlex.join([sys.executable, "-c", code])


def ends(document: object, code: int) -> Sluiceway:
    text = json.dumps(document)
    return Sluiceway(".", command=command(f"import sys; print({text!r}); sys.exit({code})"))


@pytest.mark.parametrize("module", ["airflow", "dagster", "elsewhere", "luigi", "prefect"])
def test_what_a_tool_imports_needs_nothing_but_python(module: str) -> None:
    """``pip install --no-deps sluiceway`` is enough: no site-packages, no modules of ours that are heavy."""
    code = (
        f"import sys; sys.path.insert(0, {str(SOURCE)!r}); import sluiceway.integrations.{module}; "
        "print(sorted(m for m in sys.modules if m.startswith('sluiceway.')))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    allowed = {"code", "dagster", "elsewhere", "outline", "airflow", "luigi", "prefect"}
    loaded = {name for name in ast.literal_eval(done.stdout) if name.count(".") == 2}
    assert loaded <= {f"sluiceway.integrations.{name}" for name in allowed}


def test_errors_that_are_tried_again_are_those_of_our_workers() -> None:
    assert TRANSIENT == policy._TRANSIENT


def error(type: str, **details: object) -> dict[str, object]:
    return {"error": {"type": type, "message": "no", "details": details}}


@pytest.mark.parametrize(
    ("document", "code", "final"),
    [
        (error("SourceError"), 1, False),
        (error("SourceError", final=True), 1, True),
        (error("RunError"), 1, True),  # its time is over
        (error("CancelledError"), 1, True),
        (error("SpecError"), 2, True),
        (None, 137, False),  # killed before it could say anything
    ],
)
def test_another_try_is_for_what_it_may_help(document: object, code: int, final: bool) -> None:
    silent = Sluiceway(".", command=command(f"import sys; sys.exit({code})"))
    with pytest.raises(Failed) as caught:
        (ends(document, code) if document else silent).run("orders")
    assert caught.value.final is final


def test_a_block_has_its_verdict_and_its_document() -> None:
    check = {"on_fail": "block", "passed": False, "message": "few"}
    rows = {**check, "id": "range:v", "failing": 1, "total": 3}
    table = {**check, "id": "row_count", "failing": None, "total": None}
    said = {"status": "blocked", "checks": [rows, table], "error": {"message": "no", "hint": "look"}}
    with pytest.raises(Blocked) as caught:
        ends(said, 3).run("orders")
    first, second, *rest = str(caught.value).splitlines()
    assert (first, second) == ("no", "look")
    assert rest == [
        "blocked: 0 published, 0 quarantined", "  range:v (block): 1 of 3", "  row_count (block): few"
    ]  # fmt: skip
    assert caught.value.document == said


def test_a_command_that_is_not_there_says_what_to_set() -> None:
    for asked in (lambda s: s.run("orders"), lambda s: s.ask("runs", "list")):
        with pytest.raises(Failed, match="SLUICEWAY_BIN") as caught:
            asked(Sluiceway(".", command="/nowhere/sluiceway"))
        assert caught.value.final


def test_the_command_is_the_argument_s_then_the_variable_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICEWAY_BIN", "'/opt/with space/sluiceway' -x")
    assert Sluiceway(".").command == ["/opt/with space/sluiceway", "-x"]
    assert Sluiceway(".", command="other").command == ["other"]
    monkeypatch.delenv("SLUICEWAY_BIN")
    monkeypatch.setenv("PATH", "/nowhere")
    assert Sluiceway(".").command == [str(Path(sys.executable).with_name("sluiceway"))]


def test_much_output_of_both_kinds_is_read() -> None:
    code = (
        "import sys, json\n"
        "for _ in range(20000): print('x' * 100, file=sys.stderr)\n"
        "sys.stderr.buffer.write(b'\\xff\\n')\n"
        "print(json.dumps({'status': 'succeeded', 'more': 'y' * 2000000}))\n"
    )
    lines: list[str] = []
    document = Sluiceway(".", command=command(code)).run("orders", log=lines.append)
    assert len(document["more"]) == 2_000_000
    assert (len(lines), lines[0], lines[-1]) == (20001, "x" * 100, "\N{REPLACEMENT CHARACTER}")


def test_a_process_that_is_left_behind_holds_nobody_up() -> None:
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(30)'])\n"
        'print(\'{"status": "succeeded", "child": %d}\' % child.pid)\n'
    )
    document = Sluiceway(".", command=command(code)).run("orders")
    assert document["status"] == "succeeded"
    subprocess.run(["kill", str(document["child"])], check=True)  # it is still there: nobody waited for it


def test_an_exception_meanwhile_ends_the_run(tmp_path: Path) -> None:
    """As of a time limit: what is raised in the thread that waits."""
    code = (
        "import pathlib, signal, sys, time\n"
        "def stop(*_):\n"
        f"    pathlib.Path({str(tmp_path / 'told')!r}).touch()\n"
        "    sys.exit(1)\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        "print('begun', file=sys.stderr, flush=True)\n"
        "time.sleep(60)\n"
    )

    def over(_line: str) -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        Sluiceway(".", command=command(code)).run("orders", log=over)
    assert (tmp_path / "told").exists()
