"""The quarantine's commands, whole, on every kind of warehouse; the store on PostgreSQL; no secret left."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.databases import empty_mariadb

from sluiceway.cli.app import invoke
from sluiceway.spec.project import load_project
from sluiceway.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from scripts.servers import Server
    from tests.integration.conftest import ProjectOnDisk

KINDS = {
    "ducklake": "{type: ducklake, path: .sluiceway/lake}",
    "duckdb": "{type: duckdb, path: out.duckdb}",
    "sqlite": "{type: sqlite, path: out.sqlite}",
    "parquet": "{type: parquet, path: out}",
    "postgres": "{type: postgres, connection: db}",
    "mariadb": "{type: mysql, connection: db}",
}
MARKS = {"postgres": [pytest.mark.postgres], "mariadb": [pytest.mark.mysql]}
PIPELINE = """\
pipeline: a
sources:
  a: {{type: csv, path: data/a.csv, columns: {{id: BIGINT, v: "DECIMAL(9,2)", day: DATE, s: VARCHAR}}}}
rules:
  - range: {{column: v, min: {least}}}
    on_fail: quarantine
destination: {{table: mart.a{mode}}}
"""
ROWS = 'id,v,day,s\n1,1.50,2026-01-01,a\n2,-2.25,2026-01-02,é"x\n3,-9.00,,\n4,-1.00,2026-01-04,d\n'.replace(
    'é"x', '"é""x"'
)


@pytest.fixture(params=[pytest.param(name, marks=MARKS.get(name, [])) for name in KINDS])
def place(
    request: pytest.FixtureRequest, make_project: Any, monkeypatch: pytest.MonkeyPatch
) -> ProjectOnDisk:
    kind = request.param
    settings = f"project: test\nenvironments:\n  dev:\n    warehouse: {KINDS[kind]}\n"
    if kind in MARKS:
        server: Server = request.getfixturevalue(kind)
        if kind == "mariadb":
            empty_mariadb(server)
        monkeypatch.setenv("DB_URL", server.url_of(server.create_database()))
        system = "postgres" if kind == "postgres" else "mysql"
        settings += f'connections:\n  db: {{type: {system}, url: "${{DB_URL}}"}}\n'
    project: ProjectOnDisk = make_project({"data/a.csv": ROWS}, settings=settings)
    rewrite(project, 0)
    return project


def rewrite(project: ProjectOnDisk, least: int) -> None:
    plain = "parquet, path" in (project.folder / "sluiceway.yml").read_text()
    mode = "" if plain else ", mode: merge, primary_key: id"
    project.write("pipelines/a.yml", PIPELINE.format(least=least, mode=mode))


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def call(project: ProjectOnDisk, *arguments: str) -> tuple[int, str]:
        capfd.readouterr()
        code = invoke([*arguments, "--project", str(project.folder)])
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return code, out if "--json" in arguments else out + err

    return call


def waiting(call: Any, project: ProjectOnDisk, status: str = "waiting") -> int:
    code, out = call(project, "quarantine", "list", "--status", status, "--json")
    assert code == 0, out
    return sum(row["rows"] for row in json.loads(out)["quarantine"])


def test_list_show_export_replay_and_discard(place: ProjectOnDisk, command: Any, tmp_path: Path) -> None:
    code, out = command(place, "run", "a")
    assert code == 0, out
    assert place.rows("mart.a", "id") == [(1,)]
    assert waiting(command, place) == 3
    code, out = command(place, "quarantine", "show", "--json")
    shown = {row["row"]["id"]: row for row in json.loads(out)["rows"]}
    assert shown["2"]["row"] == {"id": "2", "v": "-2.25", "day": "2026-01-02", "s": 'é"x'}
    assert shown["3"]["row"]["day"] is None
    target = tmp_path / "rows.jsonl"
    code, out = command(place, "quarantine", "export", str(target))
    assert code == 0, out
    assert {json.loads(line)["row"]["id"] for line in target.read_text().splitlines()} == {"2", "3", "4"}
    code, out = command(place, "quarantine", "discard", shown["4"]["quarantine_id"])
    assert code == 0, out
    assert (waiting(command, place), waiting(command, place, "discarded")) == (2, 1)
    rewrite(place, -5)
    code, out = command(place, "quarantine", "replay", "a", "--all")
    assert code == 0, out
    assert place.query("SELECT id, v::TEXT, day::TEXT, s FROM {t} ORDER BY id", "mart.a") == [
        (1, "1.50", "2026-01-01", "a"),
        (2, "-2.25", "2026-01-02", 'é"x'),
    ]
    assert waiting(command, place) == 1  # 3 fails today's rule, too
    code, out = command(place, "quarantine", "show", "--json")
    assert [r["row"]["id"] for r in json.loads(out)["rows"] if r["status"] == "waiting"] == ["3"]
    rewrite(place, -50)
    code, out = command(place, "quarantine", "replay", "a", "--all")
    assert code == 0, out
    assert place.query("SELECT id, day, s FROM {t} WHERE id = 3", "mart.a") == [(3, None, None)]
    assert waiting(command, place) == 0
    code, out = command(place, "quarantine", "replay", "a", "--all")
    assert code == 2, out  # nothing waits: said, not done twice
    assert len(place.rows("mart.a")) == 3


@pytest.mark.postgres
def test_everything_in_one_postgres_and_its_password_nowhere(
    postgres: Server, make_project: Any, command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, store, warehouse = (postgres.create_database() for _ in range(3))
    role, secret = f"reader_{store}", "pa55/w@rd:é'x"
    postgres.execute(
        f"CREATE ROLE {role} LOGIN SUPERUSER PASSWORD 'pa55/w@rd:é''x'",
    )
    postgres.execute("CREATE TABLE a AS SELECT 1 AS id, 'x' AS s UNION ALL SELECT 2, NULL", database=source)
    quoted = "pa55%2Fw%40rd%3A%C3%A9%27x"

    def url(database: str, scheme: str = "postgresql") -> str:
        return f"{scheme}://{role}:{quoted}@{postgres.host}:{postgres.port}/{database}"

    monkeypatch.setenv("SOURCE_URL", url(source))
    monkeypatch.setenv("WAREHOUSE_URL", url(warehouse))
    monkeypatch.setenv("META_URL", url(store, "postgresql+psycopg"))
    project: ProjectOnDisk = make_project(
        {
            "pipelines/a.yml": """\
                pipeline: a
                sources: {a: {type: postgres, connection: from, table: a}}
                rules:
                  - not_null: s
                    on_fail: quarantine
                destination: {table: mart.a}
                """
        },
        settings="""\
            project: test
            metadata: "${META_URL}"
            lineage: {type: file, path: lineage.jsonl}
            environments:
              dev:
                warehouse: {type: postgres, connection: to}
            connections:
              from: {type: postgres, url: "${SOURCE_URL}"}
              to: {type: postgres, url: "${WAREHOUSE_URL}"}
            """.replace("            ", ""),
    )
    said = ""
    for arguments in (
        ("run", "a"), ("run", "a", "--json"), ("runs", "list"), ("explain", "a"), ("plan", "a"),
        ("quarantine", "list"), ("lineage", "mart.a"), ("doctor",), ("check", "a"),
    ):  # fmt: skip
        code, out = command(project, *arguments)
        assert code == 0, (arguments, out)
        said += out
    postgres.execute("DROP TABLE a", database=source)
    code, out = command(project, "run", "a")
    assert code == 1, out
    said += out
    assert not (project.folder / ".sluiceway" / "metadata.db").exists()
    with Store.open(load_project(project.folder).metadata) as opened:
        runs = opened.runs()
        said += json.dumps([opened.run(run["run_id"]) for run in runs], default=str)
    statuses = [run["status"] for run in runs]
    assert statuses.count("succeeded") >= 2
    assert statuses[0] == "failed"
    for file in project.folder.rglob("*"):
        if file.is_file():
            said += file.read_bytes().decode(errors="replace")
    for hidden in (secret, quoted, "pa55"):
        assert hidden not in said
    found = postgres.execute("SELECT id, s FROM mart.a ORDER BY 1", database=warehouse)
    assert found == [(1, "x"), (1, "x")]
