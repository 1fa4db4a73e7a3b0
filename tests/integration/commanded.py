"""The command line in a process of its own, and steps that show which runs there are at once."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["meet", "sluiceway", "work"]


def sluiceway(folder: Path, *arguments: str, code: int = 0) -> dict[str, Any]:
    """The document of ``--json``; it must end with this code, and without a trace. ``said`` is what was
    printed where it failed."""
    done = subprocess.run(
        [sys.executable, "-m", "sluiceway", *arguments, "--json", "--project", str(folder)],
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    if code:
        document["said"] = done.stdout
    return document


def work(folder: Path, *options: str) -> None:
    """A worker, until the queue is empty."""
    worker = [sys.executable, "-m", "sluiceway", "worker", "--until-idle", *options]
    subprocess.run([*worker, "--project", str(folder)], check=True, timeout=180, capture_output=True)


def meet(many: int) -> str:
    """A module with a step that goes on when so many are in it: who went alone would wait for ever."""
    return f"""\
import os, pathlib, time

def meet(batches):
    here = pathlib.Path(__file__).parent / "here"
    here.mkdir(exist_ok=True)
    (here / str(os.getpid())).touch()
    end = time.monotonic() + 60
    while len(list(here.iterdir())) < {many}:
        if time.monotonic() > end:
            raise RuntimeError("the others did not come")
        time.sleep(0.01)
    yield from batches
"""
