"""What the command line promises of every command: exit codes, streams, errors, a cheap --help."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from io import StringIO
from pathlib import Path

import click
import pytest

from sluiceway.cli import app as app_module
from sluiceway.cli.app import COMMANDS, app, invoke
from sluiceway.cli.console import Console
from sluiceway.errors import SpecError, Where
from sluiceway.secrets import register_secret

HEAVY = ("duckdb", "pyarrow", "pydantic", "sqlglot", "sqlalchemy", "alembic", "rich", "pandas", "ruamel")


def test_help_lists_every_command(sluiceway):
    ran = sluiceway("--help")
    assert ran.code == 0
    assert ran.err == ""
    for name in COMMANDS:
        assert f"\n  {name} " in ran.out


@pytest.mark.parametrize("name", ["--help", *(f"{name} --help" for name in COMMANDS)])
def test_help_imports_nothing_heavy(name):
    code = (
        "import sys\n"
        "from sluiceway.cli.app import invoke\n"
        f"assert invoke({name.split()!r}) == 0\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_the_module_is_the_command():
    command = [sys.executable, "-m", "sluiceway", "explian"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "did you mean 'explain'?" in done.stderr


def test_version(sluiceway):
    assert sluiceway("--version").out.startswith("sluiceway, version ")


def test_misspelt_command_is_usage_and_says_what_was_meant(sluiceway):
    ran = sluiceway("explian")
    assert ran.code == 2
    assert "did you mean 'explain'?" in ran.err
    assert ran.out == ""


@pytest.mark.parametrize("args", [("run", "x", "--nope"), ("check",), ("schema", "nonsense")])
def test_wrong_usage_ends_2_with_the_command_to_type(sluiceway, args):
    ran = sluiceway(*args)
    assert ran.code == 2
    assert f"see: sluiceway {args[0]} --help" in ran.err
    assert "Traceback" not in ran.err
    assert ran.out == ""


def test_usage_error_as_json_is_one_document(sluiceway):
    ran = sluiceway("run", "x", "--nope", "--json")
    assert ran.code == 2
    assert ran.json["error"]["type"] == "ConfigError"
    assert set(ran.json["error"]) == {"type", "message", "where", "hint", "details"}


def test_no_project_says_how_to_make_one(sluiceway, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = sluiceway("run", "orders")
    assert ran.code == 2
    assert "sluiceway init" in ran.err
    assert ran.out == ""


def _command(monkeypatch, error: BaseException) -> None:
    """A command that ends in ``error``, in the place of `doctor`."""

    @click.command()
    @click.option("--json", "as_json", is_flag=True)
    def command(as_json: bool) -> None:
        raise error

    monkeypatch.setattr(app_module.LazyGroup, "get_command", lambda *_: command)


def test_error_shows_place_and_hint_and_no_trace(monkeypatch, sluiceway):
    _command(monkeypatch, SpecError("bad", where=Where("a.yml", 3, "rules"), hint="do that"))
    ran = sluiceway("doctor")
    assert ran.code == 2
    assert ran.err == "error: a.yml:3: rules: bad\n  do that\n"
    assert ran.out == ""
    assert sluiceway("doctor", "--json").json == {
        "error": {
            "type": "SpecError",
            "message": "bad",
            "where": {"file": "a.yml", "line": 3, "key": "rules"},
            "hint": "do that",
            "details": {},
        }
    }


def test_a_bug_shows_its_trace_and_asks_for_a_report(monkeypatch, sluiceway):
    _command(monkeypatch, ZeroDivisionError("oops"))
    ran = sluiceway("doctor")
    assert ran.code == 1
    assert "Traceback" in ran.err
    assert "please report it" in ran.err
    assert "sluiceway 0." in ran.err
    assert sluiceway("doctor", "--json").json["error"]["type"] == "ZeroDivisionError"


def test_secrets_are_cut_out_of_every_stream(monkeypatch, sluiceway):
    register_secret("s3cr3t-value-of-test")
    for error in (SpecError("at s3cr3t-value-of-test"), ValueError("at s3cr3t-value-of-test")):
        _command(monkeypatch, error)
        for args in (("doctor",), ("doctor", "--json")):
            ran = sluiceway(*args)
            assert "s3cr3t" not in ran.out + ran.err
            assert "***" in ran.err


def test_table_and_document_are_redacted():
    register_secret("tabled-secret-of-test")
    out, err = StringIO(), StringIO()
    console = Console(out=out, err=err)
    console.table(("a", "n"), [("tabled-secret-of-test", 1234)], ("n",))
    Console(json=True, out=out, err=err).document({"deep": [{"x": "tabled-secret-of-test"}]})
    assert "tabled-secret-of-test" not in out.getvalue()
    assert "1,234" in out.getvalue()


def test_with_json_people_read_stderr():
    out, err = StringIO(), StringIO()
    console = Console(json=True, out=out, err=err)
    console.say("hello")
    console.table(("a",), [("b",)])
    console.document({"é": 1})
    assert json.loads(out.getvalue()) == {"é": 1}
    assert "hello" in err.getvalue()


def test_interrupt_is_cancelled(monkeypatch, sluiceway):
    _command(monkeypatch, KeyboardInterrupt())
    ran = sluiceway("doctor")
    assert (ran.code, ran.err.strip()) == (1, "error: cancelled")
    assert sluiceway("doctor", "--json").json["error"]["type"] == "CancelledError"


def test_sigterm_is_an_interrupt_and_the_handler_is_put_back(monkeypatch, capsys):
    before = signal.getsignal(signal.SIGTERM)

    @click.command()
    def command() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        pytest.fail("went on after SIGTERM")

    monkeypatch.setattr(app_module.LazyGroup, "get_command", lambda *_: command)
    assert invoke(["doctor"]) == 1
    assert "cancelled" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is before


def _leaves(group: click.Group, path: str = ""):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from _leaves(command, f"{path}{name} ")
        else:
            yield f"{path}{name}", command


LEAVES = dict(_leaves(app))


@pytest.mark.parametrize("name", LEAVES)
def test_every_command_takes_the_common_options_and_documents_its_own(name):
    command = LEAVES[name]
    options = {opt for param in command.params for opt in param.opts}
    assert {"--project", "--env", "--json"} <= options
    assert command.help
    undocumented = [p.name for p in command.params if isinstance(p, click.Option) and not p.help]
    assert undocumented == []


def test_the_page_of_commands_is_up_to_date():
    root = Path(__file__).parents[3]
    code = "import sys; sys.path.insert(0, 'scripts'); import docs; sys.stdout.write(docs.render())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True, encoding="utf-8"
    )
    assert done.stdout == (root / "docs" / "cli.md").read_text("utf-8"), "type: make docs"
