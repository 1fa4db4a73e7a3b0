"""Secrets are planted wherever one may stand, and looked for in everything that a run leaves behind."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from tests.integration.badinput import Told, run, sluiceway

from sluiceway.run.runner import run as run_pipeline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

URL_PASSWORD = "planted-in-a-url-1"
ODD_PASSWORD = "pl@nted/in:a-url 2"
KEY_PASSWORD = "planted-under-a-key-3"
FROM_ENV = "planted-in-the-environment-4"
MASK_KEY = "planted-as-a-mask-key-5"
LITERAL_MASK = "planted-in-a-pipeline-file-6"
HEADER = "planted-in-a-header-7"
SECRETS = (URL_PASSWORD, ODD_PASSWORD, quote(ODD_PASSWORD, safe=""), KEY_PASSWORD, FROM_ENV, MASK_KEY,
           LITERAL_MASK, HEADER)  # fmt: skip

PROJECT = f"""\
project: secretive
connections:
  by_url: {{type: postgres, url: "postgresql://bob:{URL_PASSWORD}@127.0.0.1:1/db"}}
  odd: {{type: postgres, url: "postgresql://bob:{quote(ODD_PASSWORD, safe="")}@127.0.0.1:1/db"}}
  by_key: {{type: mysql, host: 127.0.0.1, port: 1, user: bob, password: {KEY_PASSWORD}, database: db}}
  by_env: {{type: postgres, url: "${{PLANTED_URL}}"}}
lineage: {{type: file, path: lineage.jsonl}}
"""

GOOD = f"""\
pipeline: good
description: masks what it reads
sources: {{a: {{type: csv, path: data/a.csv}}}}
transform:
  - mask: {{mail: {{hmac: "${{PLANTED_KEY}}"}}, phone: {{hmac: {LITERAL_MASK}}}}}
rules:
  - range: {{column: v, min: 0}}
    on_fail: quarantine
destination: {{table: mart.good}}
"""

FROM = """\
pipeline: NAME
sources: {a: {connection: CONNECTION, table: public.t}}
destination: {table: mart.NAME}
"""
TO = """\
pipeline: NAME
sources: {a: {type: csv, path: data/a.csv}}
destination: {table: public.NAME, connection: CONNECTION}
"""


@pytest.fixture
def project(make_project, monkeypatch) -> Any:
    monkeypatch.setenv("PLANTED_KEY", MASK_KEY)
    monkeypatch.setenv("PLANTED_URL", f"postgresql://bob:{FROM_ENV}@127.0.0.1:1/db")
    files = {
        "data/a.csv": "id,mail,phone,v\n1,x@y.example,0612345678,1\n2,q@r.example,0687654321,-1\n",
        "pipelines/good.yml": GOOD,
    }
    for connection in ("by_url", "odd", "by_key", "by_env"):
        for kind, text in (("from", FROM), ("to", TO)):
            name = f"{kind}_{connection}"
            files[f"pipelines/{name}.yml"] = text.replace("NAME", name).replace("CONNECTION", connection)
    return make_project(files, settings=PROJECT)


def left_behind(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file but those that the user wrote."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.parent.name not in ("pipelines", "data") and path.name != "sluiceway.yml":
            yield str(path.relative_to(folder)), path.read_bytes()


def found_in(name: str, content: bytes) -> list[tuple[str, str]]:
    return [(name, secret) for secret in SECRETS if secret.encode() in content]


def search(folder: Path, said: dict[str, Told], caplog: pytest.LogCaptureFixture) -> None:
    found = [hit for name, told in said.items() for hit in found_in(name, text_of(told).encode())]
    found += found_in("the log", caplog.text.encode())
    for name, content in left_behind(folder):
        found += found_in(name, content)
    assert found == []


def text_of(told: Told) -> str:
    return json.dumps(told.document, ensure_ascii=False) + told.err


def test_a_run_that_masks(project, caplog):
    said = {"run": run(project.folder, "good")}
    assert said["run"].code == 0, said["run"].document["error"]
    run_id = said["run"].document["run_id"]
    for args in (
        ("plan", "good"), ("explain", "good"), ("check", "good"), ("runs", "list"), ("runs", "show", run_id),
        ("quarantine", "list"), ("quarantine", "show"), ("lineage", "mart.good"), ("doctor",),
    ):  # fmt: skip
        said[" ".join(args)] = sluiceway(project.folder, *args)
    search(project.folder, said, caplog)
    names = dict(left_behind(project.folder))
    assert {"lineage.jsonl", ".sluiceway/metadata.db"} <= set(names)
    # what was looked through did hold what a run leaves, and the configuration as it was written
    assert b"${PLANTED_KEY}" in b"".join(c for n, c in names.items() if n.startswith(".sluiceway/metadata"))
    assert all(len(mail) == 64 for (mail,) in project.rows("mart.good", "mail"))
    assert b"x@y.example" not in b"".join(names.values())


@pytest.mark.parametrize("kind", ["from", "to"])
@pytest.mark.parametrize("connection", ["by_url", "odd", "by_key", "by_env"])
def test_a_server_that_is_not_there(project, caplog, kind, connection):
    name = f"{kind}_{connection}"
    said = {
        args[0]: sluiceway(project.folder, *args) for args in (("run", name), ("explain", name), ("doctor",))
    }
    assert said["run"].code == 1
    error = said["run"].error
    assert error["type"] in ("SourceError", "DestinationError")
    assert "127.0.0.1" in error["message"]
    assert error["hint"]
    said["runs"] = sluiceway(project.folder, "runs", "show", said["run"].document["run_id"])
    search(project.folder, said, caplog)
    result = run_pipeline(project.resolve(name))
    assert found_in("python", f"{result.error!r} {result.error} {result.as_dict()}".encode()) == []


def test_mistakes_beside_a_secret(project, caplog):
    mistakes: dict[str, Callable[[str], str]] = {
        "an unknown key": lambda t: t.replace("database: db}", "databas: db}"),
        "a wrong type": lambda t: t.replace("port: 1,", "port: many,"),
        "a broken url": lambda t: t.replace("postgresql://bob", "postgresq//bob"),
        "a variable that is not there": lambda t: t.replace("${PLANTED_URL}", "x${PLANTED_URL}${NOT_THERE}"),
        "a key twice": lambda t: t.replace("user: bob,", "user: bob, user: eve,"),
        "no YAML": lambda t: t.replace("database: db}", "database: db"),
    }
    said = {}
    for what, change in mistakes.items():
        project.write("sluiceway.yml", change(PROJECT))
        for name in ("from_by_url", "from_by_key", "from_by_env"):
            said[f"{what} {name}"] = told = run(project.folder, name)
            assert told.code in (1, 2), what
    search(project.folder, said, caplog)


def test_lineage_to_a_server_that_is_not_there(project, caplog):
    lineage = f'lineage: {{type: http, url: "http://bob:{URL_PASSWORD}@127.0.0.1:1/", api_key: {HEADER}}}'
    text = PROJECT.replace("lineage: {type: file, path: lineage.jsonl}", lineage)
    project.write("sluiceway.yml", text)
    said = {"run": run(project.folder, "good")}
    assert said["run"].code == 0, "a broken integration never breaks a run"
    said["runs"] = sluiceway(project.folder, "runs", "show", said["run"].document["run_id"])
    search(project.folder, said, caplog)
