"""How deduplicate is run, which is said by explain and never seen in the rows."""

from __future__ import annotations

import asyncio

import pytest

from sluiceway import DataPipeline, PipelineConfig
from sluiceway.duck import literal, open_duckdb
from sluiceway.run.explain import explain
from sluiceway.run.prepared import prepared

ROWS = """\
id,status,amount,at,note
1,paid,10.50,2026-01-01 00:00:00,a
1,paid,11.50,2026-01-03 00:00:00,b
1,draft,99.00,2026-01-09 00:00:00,c
2,paid,20.00,2026-01-02 00:00:00,d
2,paid,20.00,2026-01-02 00:00:00,e
2,paid,19.00,2026-01-02 00:00:00,f
3,open,30.00,,g
3,open,31.00,2026-01-01 00:00:00,h
,open,1.00,2026-01-01 00:00:00,i
,open,2.00,2026-01-01 00:00:00,j
4,open,40.00,2026-01-01 00:00:00,k
5,open,50.00,2026-01-01 00:00:00,l
5,open,50.00,2026-01-01 00:00:00,l
"""
KEPT = [("b",), ("e",), ("h",), ("i",), ("j",), ("k",), ("l",)]
DEDUPLICATE = "  - deduplicate: {key: id, keep: latest, by: at}\n"
FILTER = "  - filter: status <> 'draft'\n"
CSV = "{type: csv, path: data/a.csv}"
SEVERAL = "spooled: deduplicate reads it several times, which costs less than to sort it"


def pipeline(source: str, steps: str) -> str:
    return f"pipeline: p\nsources:\n  a: {source}\ntransform:\n{steps}destination: {{table: mart.p}}\n"


@pytest.fixture
def project(make_project):
    made = make_project({"data/a.csv": ROWS})
    file = literal(str(made.folder / "data" / "a.parquet"))
    open_duckdb().execute(f"COPY (FROM read_csv('{made.folder}/data/a.csv')) TO {file} (FORMAT parquet)")
    return made


def told(project) -> dict[str, dict]:
    document = explain(project.resolve("p"), engine_plan=True)
    assert document["engine_plan"]
    return {node["node"]: node for node in document["nodes"]}


WAYS = {
    # how deduplicate looks for what repeats, what is spooled for it: source, steps
    "a step": ("_lost", {"transform _step_1": SEVERAL}, CSV, FILTER + DEDUPLICATE),
    "a source": (
        "_lost", {"extract a": SEVERAL}, "{type: csv, path: data/a.csv, filters: \"status <> 'draft'\"}",
        DEDUPLICATE,
    ),
    "what is cheap to scan": ("_repeated", {}, "{type: parquet, path: data/a.parquet}", FILTER + DEDUPLICATE),
    "a spool that is there anyway": (
        "_repeated", {"extract a": "spooled: unreadable rows are counted and kept"},
        "{type: csv, path: data/a.csv, on_bad_row: skip}", FILTER + DEDUPLICATE,
    ),
    "types that a staging would change": (
        "QUALIFY", {}, CSV,
        FILTER + "  - derive: {age: \"TIMESTAMP '2027-01-01' - at\"}\n" + DEDUPLICATE
        + "  - derive: {age: 'CAST(age AS VARCHAR)'}\n",
    ),
    "a name that tells rows apart": (
        "QUALIFY", {}, CSV, FILTER + "  - derive: {File_Index: '1'}\n" + DEDUPLICATE,
    ),
    "what looks at other rows": (
        "_lost", {"transform _step_2": SEVERAL}, "{type: parquet, path: data/a.parquet}",
        FILTER + "  - derive: {n: count(*) OVER ()}\n" + DEDUPLICATE,
    ),
    "twice": (
        "_lost", {"transform _step_1": SEVERAL, "transform _step_2": SEVERAL}, CSV,
        FILTER + DEDUPLICATE * 2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("limit", ["", "memory_limit: 1GB\n"])
@pytest.mark.parametrize("way", WAYS)
def test_however_it_is_run_the_same_rows_stay(project, way, limit):
    words, spooled, source, steps = WAYS[way]
    project.write("pipelines/p.yml", limit + pipeline(source, steps))
    nodes = told(project)
    how = {name: n["how"] for name, n in nodes.items() if n.get("how", "").startswith("spooled")}
    assert how == spooled
    assert all(words in n["sql"] for n in nodes.values() if n.get("step") == "deduplicate")
    result = project.run("p")
    assert result.error is None
    assert project.rows("mart.p", "note") == KEPT
    assert {n.name for n in result.nodes if n.rows is not None} >= set(spooled)


def test_rows_without_an_order_and_copies_are_told_apart(project):
    project.write("pipelines/p.yml", pipeline(CSV, FILTER + "  - deduplicate: {key: [id, status]}\n"))
    assert project.run("p").error is None
    found = project.rows("mart.p", "note")
    project.write("pipelines/p.yml", pipeline("{type: parquet, path: data/a.parquet}", FILTER
                                              + "  - deduplicate: {key: [id, status]}\n"))  # fmt: skip
    assert project.run("p", full_refresh=True).error is None
    assert project.rows("mart.p", "note") == found
    assert len(found) == len(KEPT)


@pytest.mark.parametrize("way", ["a step", "a source"])
def test_the_door_to_the_transform_alone_runs_it_too(project, way):
    _, _, source, steps = WAYS[way]
    project.write("pipelines/p.yml", pipeline(source, steps))
    config = PipelineConfig.load(project.folder / "pipelines" / "p.yml")
    table = asyncio.run(DataPipeline(config, project=project.folder).transform_data()).data
    assert sorted(table.column("note").to_pylist()) == [note for (note,) in KEPT]


def test_lineage_says_what_is_meant_and_not_how_it_is_run(project):
    found = []
    for source in (CSV, "{type: parquet, path: data/a.parquet}"):
        project.write("pipelines/p.yml", pipeline(source, FILTER + DEDUPLICATE))
        with prepared(project.resolve("p")) as (plan, _):
            found.append(plan.lineage)
    assert found[0] == found[1]
    assert {edge.subtype for edge in found[0].columns["note"]} == {"IDENTITY", "FILTER", "WINDOW"}


def test_explain_spools_nothing(project):
    project.write("data/a.csv", ROWS + "x,paid,1,2026-01-01 00:00:00,not a number\n")
    project.write("pipelines/p.yml", pipeline(
        "{type: csv, path: data/a.csv, columns: {id: BIGINT, status: VARCHAR, at: TIMESTAMP, note: VARCHAR}}",
        FILTER + DEDUPLICATE,
    ))  # fmt: skip
    assert told(project)["transform _step_1"]["how"] == SEVERAL  # the row that can't be read was not met
    assert project.run("p").status == "failed"
