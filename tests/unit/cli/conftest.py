"""Runs commands as a shell would, in this process: arguments in, exit code and both streams out."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from sluiceway.cli.app import invoke

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Stdout as the one document that it must be."""
        return json.loads(self.out)


Sluiceway = Callable[..., Ran]


@pytest.fixture
def sluiceway(capsys: pytest.CaptureFixture[str]) -> Sluiceway:
    def call(*args: object) -> Ran:
        capsys.readouterr()
        code = invoke([str(arg) for arg in args])
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return call


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sluiceway: Sluiceway) -> Path:
    """The project that `sluiceway init` writes, as the working folder."""
    folder = tmp_path / "shop"
    assert sluiceway("init", folder).code == 0
    monkeypatch.chdir(folder)
    return folder
