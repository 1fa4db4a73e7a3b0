"""What the tests of bad input share: a command as a user types it, and what a clear error is."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sluiceway.cli.app import invoke

if TYPE_CHECKING:
    from pathlib import Path

PIPELINE = """\
pipeline: a
sources:
  a: {type: csv, path: data/a.csv}
destination: {table: mart.a}
"""


@dataclass(frozen=True)
class Told:
    """A command's end. ``error`` is the one of its JSON document."""

    code: int
    document: dict[str, Any]
    err: str

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = self.document["error"]
        return found

    @property
    def records(self) -> dict[str, Any]:
        found: dict[str, Any] = self.document["records"]
        return found


def sluiceway(folder: Path, *args: str) -> Told:
    """``sluiceway ARGS --project FOLDER --json``: stdout must be one document, and there is no trace."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = invoke([*args, "--project", str(folder), "--json"])
    told = Told(code, json.loads(out.getvalue()), err.getvalue())
    assert "Traceback" not in out.getvalue() + told.err, told.err
    assert "please report it" not in told.err, told.err
    return told


def run(folder: Path, name: str = "a", *args: str) -> Told:
    return sluiceway(folder, "run", name, *args)


def refused(told: Told, code: int, type_: str, *words: str) -> dict[str, Any]:
    """A clear error: its class and exit code, one line of what, and every word that helps.

    ``words`` are looked for in place, message and hint together, as a person reads them.
    """
    error = told.error
    assert error is not None, told.document
    assert (told.code, error["type"]) == (code, type_), (error, told.err)
    assert error["message"].strip()
    assert "\n" not in error["message"]
    read = json.dumps(error, ensure_ascii=False)
    for word in words:
        assert word in read or word in f"{error['message']} {error['hint']}", (word, read)
    assert error["hint"], error
    return error
