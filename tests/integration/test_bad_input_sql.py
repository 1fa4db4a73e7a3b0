"""SQL that reads or writes what the pipeline does not name: refused by the check, and by the engine."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.integration.badinput import refused, run

from sluiceway.errors import EngineError, PlanError, SpecError
from sluiceway.events import NodeStarted
from sluiceway.run.execute import Execution
from sluiceway.run.explain import explain

SECRET = "the-content-that-nobody-named"

READS = [
    "SELECT * FROM 'SECRET'",
    "SELECT * FROM read_csv('SECRET')",
    "SELECT * FROM read_text('SECRET')",
    "SELECT content FROM read_blob('SECRET')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM a, read_csv_auto('SECRET')",
    "WITH x AS (FROM 'SECRET') SELECT * FROM x",
    "SELECT (SELECT max(content) FROM read_text('SECRET')) AS c FROM a",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM _sluiceway.quarantine",
    "SELECT * FROM postgres_query('x', 'SELECT 1')",
    "SELECT getenv('HOME') AS h FROM a",
    "SELECT current_setting('temp_directory') AS h FROM a",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM query_table('a')",
]
WRITES = [
    "COPY a TO 'SECRET'",
    "ATTACH 'SECRET' AS s",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET memory_limit = '1GB'",
    "PRAGMA database_list",
    "CREATE TABLE t AS SELECT 1",
    "DROP TABLE a",
    "INSERT INTO a VALUES (1)",
    "UPDATE a SET id = 1",
    "DELETE FROM a",
    "EXPORT DATABASE 'SECRET'",
    "CALL pragma_version()",
    "SELECT 1; DROP TABLE a",
    "SELECT 1 INTO t",
    "EXPLAIN SELECT 1",
    "VACUUM",
]

STEP = """\
pipeline: a
sources:
  a: {{type: csv, path: data/a.csv{source}}}
transform: {steps}
rules: {rules}
destination: {{table: mart.a}}
"""


def pipeline(*, source: str = "", steps: Any = (), rules: Any = ()) -> str:
    return STEP.format(source=source, steps=json.dumps(list(steps)), rules=json.dumps(list(rules)))


@pytest.fixture
def project(make_project, tmp_path_factory) -> Any:
    made = make_project({"data/a.csv": "id,name\n1,a\n"})
    secret = tmp_path_factory.mktemp("elsewhere") / "secret.csv"
    secret.write_text(f"x\n{SECRET}\n", encoding="utf-8")
    made.secret = secret
    return made


def refuse(project: Any, text: str, key: str) -> str | None:
    """What is wrong with how a pipeline is refused; None if nothing is."""
    project.write("pipelines/a.yml", text)
    try:
        explain(project.resolve("a"))
    except (PlanError, SpecError) as error:
        where = error.where
        if where is None or not where.line or key not in str(where.key):
            return f"at {where}: {error.message}"
        return None if error.hint and SECRET not in str(error) else f"no hint or a secret: {error}"
    return "not refused"


def refuse_all(project: Any, texts: list[str], key: str) -> None:
    """Every one is refused before a run, at its place; the first is tried by ``sluiceway run`` too."""
    before = project.secret.read_bytes()
    made = [text.replace("SECRET", str(project.secret)) for text in texts]
    wrong = {text: found for text in made if (found := refuse(project, text, key))}
    assert wrong == {}
    project.write("pipelines/a.yml", made[0])
    told = run(project.folder)
    refused(told, 2, "PlanError")
    assert SECRET not in json.dumps(told.document) + told.err
    assert project.secret.read_bytes() == before
    assert not project.exists("mart.a")


def test_a_step_of_sql(project):
    refuse_all(project, [pipeline(steps=[{"sql": sql}]) for sql in READS + WRITES], "transform[0]")


EXPRESSIONS = [
    "(SELECT max(content) FROM read_text('SECRET')) = ''",
    "EXISTS (FROM 'SECRET')",
    "getenv('HOME') = ''",
    "current_setting('temp_directory') = ''",
    "id IN (SELECT id FROM duckdb_tables())",
    "true; DROP TABLE a",
    "nextval('s') = 1",
    "pg_sleep(9) IS NULL",
]


@pytest.mark.parametrize(
    ("key", "made"),
    [
        ("transform[0]", lambda text: pipeline(steps=[{"filter": text}])),
        ("transform[0]", lambda text: pipeline(steps=[{"derive": {"x": text}}])),
        (
            "transform[0]",
            lambda text: pipeline(steps=[{"aggregate": {"group_by": "id", "measures": {"x": text}}}]),
        ),
        ("rules[0]", lambda text: pipeline(rules=[{"expression": text}])),
        ("rules[0]", lambda text: pipeline(rules=[{"not_null": "id", "where": text}])),
        ("rules[0]", lambda text: pipeline(rules=[{"aggregate": {"measure": f"count({text})", "min": 0}}])),
        ("sources", lambda text: pipeline(source=f", filters: [{json.dumps(text)}]")),
    ],
    ids=["filter", "derive", "aggregate step", "expression", "where", "aggregate rule", "filters"],
)
def test_an_expression(project, key, made):
    refuse_all(project, [made(text) for text in EXPRESSIONS], key)


def test_a_rule_of_sql(project):
    refuse_all(project, [pipeline(rules=[{"sql": sql}]) for sql in READS + WRITES], "rules[0]")


def test_the_query_of_a_duckdb_file(project):
    import duckdb

    with duckdb.connect(str(project.folder / "data/x.db")) as con:
        con.execute("CREATE TABLE a (id INTEGER)")
    refuse_all(project, [reading("duckdb", sql) for sql in READS + WRITES], "sources")


def test_the_query_of_a_sqlite_file_reaches_that_file_alone(project):
    """SQLite runs it, where DuckDB's functions are unknown: an error of the source, no row read."""
    import sqlite3

    con = sqlite3.connect(project.folder / "data/x.db")
    con.execute("CREATE TABLE a (id INTEGER)")
    con.close()
    refuse_all(project, [reading("sqlite", sql) for sql in WRITES if " INTO t" not in sql], "sources")
    for sql in READS[:6]:
        project.write("pipelines/a.yml", reading("sqlite", sql).replace("SECRET", str(project.secret)))
        told = run(project.folder)
        refused(told, *((2, "PlanError") if "glob(" in sql else (1, "SourceError")))  # an operator there
        assert "sqlglot" not in told.err
        assert SECRET not in json.dumps(told.document) + told.err
    assert not project.exists("mart.a")


def reading(kind: str, sql: str) -> str:
    source = f"{{type: {kind}, path: data/x.db, query: {json.dumps(sql)}}}"
    return pipeline().replace("{type: csv, path: data/a.csv}", source)


# the engine itself ------------------------------------------------------------------------------------

ENGINE_REFUSES = [
    "SELECT * FROM read_text('SECRET')",
    "SELECT * FROM read_csv('SECRET')",
    "SELECT * FROM 'SECRET'",
    "SELECT * FROM read_text('PROJECT/data/../elsewhere-of-the-project.txt')",
    "SELECT * FROM read_text('LINK')",
    "SELECT * FROM glob('/etc/*')",
    "COPY (SELECT 1) TO 'SECRET.out'",
    "COPY (SELECT 1) TO 'PROJECT/sluiceway.yml'",
    "ATTACH 'SECRET.db' AS other",
    "ATTACH ':memory:' AS other; ATTACH 'SECRET.db' AS third",
    "EXPORT DATABASE 'SECRET.folder'",
    "SET enable_external_access = true",
    "SET allowed_directories = ['/']",
    "RESET enable_external_access",
    "SET lock_configuration = false",
    "PRAGMA temp_directory = '/'",
    "INSTALL httpfs",
    "LOAD 'SECRET'",
    "SELECT * FROM read_csv('https://example.com/x.csv')",
    "CREATE TABLE t AS FROM read_text('SECRET')",
]


def test_the_sealed_engine_refuses_by_itself(project):
    """The check is one wall; here it is walked round, and the second one stands."""
    project.write("pipelines/a.yml", pipeline())
    inside = project.folder / "data/link.txt"
    inside.symlink_to(project.secret)
    (project.folder / "elsewhere-of-the-project.txt").write_text(SECRET, encoding="utf-8")
    tried: dict[str, str] = {}
    seen: list[Execution] = []
    opened = Execution.open_scans

    def tries(event: object) -> None:
        if not (isinstance(event, NodeStarted) and event.node == "stage"):
            return
        engine = seen[0].engine
        names = {"SECRET": project.secret, "PROJECT": project.folder, "LINK": inside}
        for sql in ENGINE_REFUSES:
            text = sql
            for name, path in names.items():
                text = text.replace(name, str(path))
            try:
                rows = engine.query(text)
            except EngineError as error:
                tried[sql] = str(error)
            else:
                tried[sql] = f"GAVE {rows}"

    with pytest.MonkeyPatch.context() as patch:  # only to get hold of the engine of a real run

        def spy(self: Execution) -> None:
            seen.append(self)
            opened(self)

        patch.setattr(Execution, "open_scans", spy)
        result = project.run("a", progress=tries)
    assert result.error is None
    assert set(tried) == set(ENGINE_REFUSES)
    gave = {sql: said for sql, said in tried.items() if said.startswith("GAVE") or SECRET in said}
    assert gave == {}
    left = sorted(p.name for p in project.secret.parent.iterdir())
    assert left == ["secret.csv"]
    assert (project.folder / "sluiceway.yml").read_text(encoding="utf-8") == "project: test\n"


def test_what_the_pipeline_names_can_be_read(project):
    """The walls stand where they should: subqueries over sources, steps and tables of the warehouse."""
    project.write("pipelines/a.yml", pipeline())
    assert run(project.folder).code == 0
    text = pipeline(
        steps=[
            {"filter": "id IN (SELECT id FROM mart.a)", "name": "known"},
            {"sql": "SELECT k.*, (SELECT count(*) FROM a) AS n FROM known AS k"},
        ],
        rules=[{"sql": "SELECT * FROM _ WHERE id NOT IN (SELECT id FROM known)"}],
    ).replace("mart.a}}", "mart.b}}")
    project.write(
        "pipelines/b.yml", re.sub(r"mart\.a\}\n$", "mart.b}\n", text.replace("pipeline: a", "pipeline: b"))
    )
    told = run(project.folder, "b")
    assert told.code == 0, told.document
    assert project.rows("mart.b") == [(1, "a", 1)]


def test_a_python_step_of_a_file_that_is_not_there(project):
    project.write("pipelines/a.yml", pipeline(steps=[{"python": "nothing:there"}]))
    told = run(project.folder)
    refused(told, 2, told.error["type"], "nothing")
    assert Path(project.secret).exists()
