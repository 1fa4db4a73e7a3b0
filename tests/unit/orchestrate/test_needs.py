"""What pipelines wait for by what their files say, whatever else is wrong with these."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluiceway.orchestrate.graph import Graph
from sluiceway.orchestrate.index import Index
from sluiceway.orchestrate.needs import Needs
from sluiceway.spec.project import load_project


def indexed(folder: Path, files: dict[str, str]) -> tuple[Index, Needs]:
    (folder / "pipelines").mkdir()
    (folder / "sluiceway.yml").write_text("project: t\n")
    for name, text in files.items():
        source = "sources: {s: {type: csv, path: s.csv}}\n"
        (folder / f"pipelines/{name}.yml").write_text(f"pipeline: {name}\n{source}{text}\n")
    index = Index(load_project(folder))
    index.refresh()
    return index, Needs(index.entries.values(), index.broken)


@pytest.mark.parametrize("table", ["''", "raw.", ".x", "'raw./x'"])
@pytest.mark.parametrize("wrong", ["loaded", "needed"])
def test_what_is_no_table_s_name_hides_no_other_pipeline(tmp_path: Path, table: str, wrong: str) -> None:
    """Whoever runs it is told; the schedules and the graph of the others go on."""
    said = "" if table == "''" else table.strip("'")
    bad = (
        f"destination: {{table: {table}}}"
        if wrong == "loaded" or not said
        else f"depends_on: ['dataset:{said}']\ndestination: {{table: mart.bad}}"
    )
    _, needs = indexed(
        tmp_path,
        {
            "bad": bad,
            "a": "destination: {table: mart.a}",
            "b": "depends_on: ['dataset:mart.a']\ndestination: {table: mart.b}",
        },
    )
    assert needs.error is None
    assert (needs.of("b"), needs.of("bad")) == (("a",), ())
    graph = Graph.load(load_project(tmp_path))
    assert graph.upstream("b") == ("a",)
    assert graph.upstream("bad") == ()


def test_a_need_may_be_named_by_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOADER", "a")
    files = {
        "a": "destination: {table: mart.a}",
        "b": "depends_on: ['pipeline:${LOADER}']\ndestination: {table: mart.b}",
    }
    index, needs = indexed(tmp_path, files)
    assert (needs.error, needs.of("b")) == (None, ("a",))
    assert Graph.load(load_project(tmp_path)).upstream("b") == ("a",)
    monkeypatch.delenv("LOADER")
    again = Index(load_project(tmp_path))
    again.refresh()
    (said,) = again.broken.values()
    assert "LOADER" in said
    assert Graph.load(load_project(tmp_path)).upstream("b") == ()  # and is no circle, and no unknown pipeline
    assert index.entries["b"].error is None
