"""sluiceway.yml: defaults, environments, connections, variables, secrets, and pipelines by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluiceway.errors import SpecError, Where
from sluiceway.secrets import redact
from sluiceway.spec.pipeline import PipelineConfig
from sluiceway.spec.project import default_project, find_pipeline, find_project, load_project, pipeline_files
from sluiceway.spec.resolve import environment_of
from sluiceway.spec.variables import register_secrets, substitute


def write(folder: Path, text: str, name: str = "sluiceway.yml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def error_of(folder: Path, text: str) -> SpecError:
    write(folder, text)
    with pytest.raises(SpecError) as caught:
        load_project(folder)
    assert caught.value.exit_code == 2
    return caught.value


def test_a_bare_project_has_one_environment_with_a_lake(tmp_path: Path) -> None:
    write(tmp_path, "project: shop\n")
    project = load_project(tmp_path)
    (env,) = project.environments
    assert (project.name, env.name, env.engine.type) == ("shop", "dev", "duckdb")
    assert dict(env.warehouse) == {"type": "ducklake", "path": ".sluiceway/lake"}
    assert project.metadata == f"sqlite:///{tmp_path}/.sluiceway/metadata.db"


def test_it_is_found_upward_and_absence_says_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "project: shop\n")
    deep = tmp_path / "pipelines" / "sales"
    deep.mkdir(parents=True)
    assert find_project(deep) == tmp_path / "sluiceway.yml"
    monkeypatch.chdir(deep)
    assert load_project().folder == tmp_path
    (tmp_path / "sluiceway.yml").unlink()
    with pytest.raises(SpecError, match=r"no sluiceway\.yml") as caught:
        load_project()
    assert "sluiceway init" in (caught.value.hint or "")


def test_the_first_environment_is_the_default_and_others_go_by_name(tmp_path: Path) -> None:
    write(
        tmp_path,
        "project: shop\nenvironments:\n  dev:\n  prod:\n"
        "    engine: {type: duckdb, threads: 2, memory_limit: 4GB, spill: tmp}\n"
        "    warehouse: {type: duckdb, path: out.duckdb}\n",
    )
    project = load_project(tmp_path)
    assert environment_of(project).name == "dev"
    engine = environment_of(project, "prod").engine
    assert (engine.threads, engine.memory_limit, engine.spill) == (2, "4GB", tmp_path / "tmp")
    assert engine.options == {}
    with pytest.raises(SpecError, match="no environment 'prd'") as caught:
        environment_of(project, "prd")
    assert caught.value.hint == "did you mean 'prod'?"


@pytest.mark.parametrize("engine", ["duckdb", "warehouse"])
def test_an_engine_without_keys_of_its_own_refuses_others(tmp_path: Path, engine: str) -> None:
    write(tmp_path, f"project: shop\nenvironments:\n  dev:\n    engine: {{type: {engine}, memory: 4GB}}\n")
    with pytest.raises(SpecError, match=f"unknown key 'memory': the engine {engine} has no keys") as caught:
        environment_of(load_project(tmp_path))
    assert str(caught.value.where).endswith("sluiceway.yml:4: environments.dev.engine.memory")
    assert caught.value.hint == "did you mean 'memory_limit'?"


def test_connections_of_an_environment_override_the_projects(tmp_path: Path) -> None:
    write(
        tmp_path,
        "project: shop\nconnections:\n  db: {type: postgres, host: a, user: me}\n"
        "environments:\n  dev:\n  prod:\n    connections:\n      db: {host: b}\n"
        "  other:\n    connections:\n      db: {type: sqlite, path: x.db}\n",
    )
    dev, prod, other = load_project(tmp_path).environments
    assert dict(dev.connections["db"]) == {"type": "postgres", "host": "a", "user": "me"}
    assert dict(prod.connections["db"]) == {"type": "postgres", "host": "b", "user": "me"}
    assert dict(other.connections["db"]) == {"type": "sqlite", "path": "x.db"}


def test_only_what_is_used_needs_its_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SW_REMOTE", "SW_URL", "SW_LAKE"):
        monkeypatch.delenv(name, raising=False)
    write(
        tmp_path,
        "project: shop\nenvironments:\n  dev:\n  prod:\n    engine: {type: spark, remote: '${SW_REMOTE}'}\n"
        "    warehouse: {type: ducklake, path: '${SW_LAKE}'}\n"
        "connections:\n  db: {type: postgres, url: '${SW_URL}'}\n"
        "alerts:\n  - {to: '${SW_URL}'}\n",
    )
    project = load_project(tmp_path)
    assert environment_of(project).connections.keys() == {"db"}
    with pytest.raises(SpecError, match="SW_REMOTE is not defined") as caught:
        environment_of(project, "prod")
    assert str(caught.value.where).endswith("sluiceway.yml:5: environments.prod.engine.remote")
    assert "export SW_REMOTE" in (caught.value.hint or "")
    with pytest.raises(SpecError, match="SW_URL is not defined") as caught:
        environment_of(project).connections["db"]["url"]
    assert str(caught.value.where).endswith("sluiceway.yml:8: connections.db.url")
    with pytest.raises(SpecError, match="SW_LAKE"):
        project.environments[1].warehouse["path"]


def test_substituted_connections_and_url_passwords_are_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SW_HOST", "db-host-4711")
    monkeypatch.setenv("SW_PORT", "54321")
    write(
        tmp_path,
        "project: shop\nconnections:\n  a: {type: postgres, host: '${SW_HOST}', port: '${SW_PORT}'}\n"
        "  b: {type: postgres, url: 'postgresql://bob:s3cr%40t@db/x'}\n  c: {type: x, api_key: key-0815}\n",
    )
    connections = load_project(tmp_path).environments[0].connections
    assert connections["a"]["host"] == "db-host-4711"
    for name in ("b", "c"):
        assert dict(connections[name])
    text = redact("db-host-4711 s3cr%40t s3cr@t key-0815 54321")
    assert text == "*** *** *** *** 54321"
    assert "s3cr" not in repr(connections["b"])


def test_metadata_urls(tmp_path: Path) -> None:
    write(tmp_path, "project: a\nmetadata: sqlite:////var/m.db\n")
    assert load_project(tmp_path).metadata == "sqlite:////var/m.db"
    write(tmp_path, "project: a\nmetadata: postgresql+psycopg://u@h/db\n")
    assert load_project(tmp_path).metadata == "postgresql+psycopg://u@h/db"
    assert "not a URL" in error_of(tmp_path, "project: a\nmetadata: meta.db\n").message


def test_lineage_and_alerts_are_kept(tmp_path: Path) -> None:
    write(
        tmp_path,
        "project: a\nalerts: [{to: x, throttle: 15m}]\nlineage: {type: file, path: lineage.jsonl, api: 1}\n",
    )
    project = load_project(tmp_path)
    assert project.lineage == {"type": "file", "path": "lineage.jsonl", "api": 1}
    assert [dict(alert) for alert in project.alerts] == [{"to": "x", "throttle": "15m"}]


@pytest.mark.parametrize(
    ("text", "place", "said", "hint"),
    [
        ("", "sluiceway.yml", "is empty", "project: NAME"),
        ("- a\n", "sluiceway.yml:1", "is a list", "project: NAME"),
        ("just text", "sluiceway.yml:1", "is 'just text'", "project: NAME"),
        ("environments: {}\n", "sluiceway.yml:1: project", "missing", "write project"),
        ("project: a\nenviroments: {}\n", "sluiceway.yml:2: enviroments", "unknown key", "'environments'"),
        ("project: [a]\n", "sluiceway.yml:1: project", "expected a text", ""),
        ("project: a\nconnections: x\n", "sluiceway.yml:2: connections", "expected a mapping", ""),
        ("project: a\nconnections:\n  db: x\n", "sluiceway.yml:3: connections.db", "expected a mapping", ""),
        (
            "project: a\nenvironments:\n  dev:\n    warehose: {}\n",
            "sluiceway.yml:4: environments.dev.warehose",
            "unknown key",
            "'warehouse'",
        ),
        (
            "project: a\nenvironments:\n  dev:\n    engine: {threads: many}\n",
            "sluiceway.yml:4: environments.dev.engine.threads",
            "whole number",
            "",
        ),
        (
            "project: a\nenvironments:\n  dev:\n    engine: {memory_limit: lots}\n",
            "sluiceway.yml:4: environments.dev.engine.memory_limit",
            "a size such as",
            "",
        ),
        ("project: a\nlineage: {type: fiel}\n", "sluiceway.yml:2: lineage.type", "file, http", "'file'"),
        ("project: a\nproject: b\n", "sluiceway.yml:2: project", "given twice", "remove"),
        ("project: a\nmetadata: '${'\n", "sluiceway.yml:2: metadata", "not a variable", "$${"),
    ],
)
def test_bad_projects(tmp_path: Path, text: str, place: str, said: str, hint: str) -> None:
    error = error_of(tmp_path, text)
    assert str(error.where).endswith(place) or str(error.where).endswith(place.rsplit(": ", 1)[0])
    assert said in error.message
    assert hint in (error.hint or "")


def test_pipelines_by_name_and_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "project: a\n")
    orders = write(tmp_path, "# c\npipeline: orders # c\n", "pipelines/a.yml")
    quoted = write(tmp_path, 'owner: x\npipeline: "sales.eu"\n', "pipelines/deep/b.yaml")
    flow = write(tmp_path, "{pipeline: flow}\n", "pipelines/c.yml")
    project = load_project(tmp_path)
    assert pipeline_files(project) == {"orders": orders, "sales.eu": quoted, "flow": flow}
    assert find_pipeline(project, "sales.eu") == quoted
    monkeypatch.chdir(tmp_path / "pipelines")
    assert find_pipeline(project, "a.yml") == Path("a.yml")
    with pytest.raises(SpecError, match="no pipeline 'ordres'") as caught:
        find_pipeline(project, "ordres")
    assert caught.value.hint == "did you mean 'orders'?"
    with pytest.raises(SpecError, match=r"no file z\.yml"):
        find_pipeline(project, "z.yml")


def test_two_files_with_one_name_are_both_named(tmp_path: Path) -> None:
    write(tmp_path, "project: a\n")
    write(tmp_path, "pipeline: orders\n", "pipelines/a.yml")
    write(tmp_path, "pipeline: 'orders'\n", "pipelines/b.yml")
    project = load_project(tmp_path)
    for find in (lambda: find_pipeline(project, "orders"), lambda: pipeline_files(project)):
        with pytest.raises(SpecError, match=r"a\.yml and .*b\.yml"):
            find()


def test_a_broken_file_does_not_hide_the_others_but_is_named(tmp_path: Path) -> None:
    write(tmp_path, "project: a\n")
    good = write(tmp_path, "pipeline: good\n", "pipelines/good.yml")
    write(tmp_path, "a: [", "pipelines/broken.yml")
    project = load_project(tmp_path)
    assert find_pipeline(project, "good") == good
    with pytest.raises(SpecError, match="no pipeline 'other'") as caught:
        find_pipeline(project, "other")
    assert "broken.yml" in (caught.value.hint or "")
    with pytest.raises(SpecError, match="not YAML"):
        PipelineConfig.load(find_pipeline(project, "broken"))
    with pytest.raises(SpecError, match="not YAML"):
        pipeline_files(project)


def test_a_folder_without_a_file_is_a_project_for_python(tmp_path: Path) -> None:
    project = default_project(tmp_path)
    assert project.file is None
    assert [env.name for env in project.environments] == ["dev"]


ENVIRON = {"A": "1", "EMPTY": "", "WORD": "a: [b"}


def put(value: object, environ: dict[str, str] = ENVIRON) -> object:
    return substitute(value, lambda path: Where("f", 1, str(path)), environ=environ)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("${A}", "1"), ("x${A}y${A}", "x1y1"), ("$A", "$A"), ("$${A}", "${A}"), ("$$${A}", "$${A}"),
        ("${B:-d}", "d"), ("${EMPTY:-d}", "d"), ("${EMPTY}", ""), ("${B:-}", ""), ("${B:-a:-b}", "a:-b"),
        ("${WORD}", "a: [b"), ("plain", "plain"),
    ],
)  # fmt: skip
def test_variables_in_texts(text: str, result: str) -> None:
    assert put({"k": [text]}) == {"k": [result]}


@pytest.mark.parametrize("text", ["${}", "${a-b}", "${A", "${1}", "${A:default}", "${ A }"])
def test_what_is_no_variable_is_an_error_with_its_place(text: str) -> None:
    with pytest.raises(SpecError, match="not a variable") as caught:
        put({"k": text})
    assert caught.value.where == Where("f", 1, "('k',)")


def test_variables_never_reach_sql_nor_keys() -> None:
    tree = {
        "transform": [
            {"sql": "${A}"},
            {"filter": "${A}"},
            {"derive": {"x": "${A}"}},
            {"expression": {"e": "${A}"}},
        ],
        "sources": {"filter": {"query": "${A}", "filters": ["${A}"], "path": "${A}"}},
        "${A}": {"where": "${A}"},
    }
    assert put(tree) == {**tree, "sources": {"filter": {"query": "${A}", "filters": ["${A}"], "path": "1"}}}


def test_a_masked_column_called_like_sql_still_takes_its_key() -> None:
    assert put({"transform": [{"mask": {"query": {"hmac": "${A}"}}}]}) == {
        "transform": [{"mask": {"query": {"hmac": "1"}}}]
    }


def test_only_secrets_are_registered() -> None:
    environ = {"KEY": "mask-key-1234", "OWNER": "sales-team-1234", "DSN": "dsn-value-1234"}
    put({"transform": [{"mask": {"email": {"hmac": "${KEY}"}}}], "owner": "${OWNER}"}, environ)
    put({"sources": {"a": {"url": "${DSN}"}}, "mask": {"e": {"hmac": "${NO:-default-1234}"}}}, environ)
    assert redact("mask-key-1234 sales-team-1234 dsn-value-1234 default-1234") == (
        "*** sales-team-1234 *** default-1234"
    )


def test_secrets_typed_into_a_file_are_registered_by_their_key() -> None:
    tree = {
        "a": {"password": "typed-pw-1", "user": "typed-user"},
        "columns": {"token": "SOMETYPE-1"},
        "transform": [
            {"mask": {"secret": "redact-word", "x": {"hmac": "typed-hmac"}}},
            {"cast": {"pwd": "OTHERTYPE"}},
        ],
        "password": "${NOT_RESOLVED}",
    }
    register_secrets(tree)
    text = redact("typed-pw-1 typed-user SOMETYPE-1 redact-word typed-hmac OTHERTYPE ${NOT_RESOLVED}")
    assert text == "*** typed-user SOMETYPE-1 redact-word *** OTHERTYPE ${NOT_RESOLVED}"
