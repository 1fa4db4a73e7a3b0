"""Which pipeline needs which, and choosing some of them."""

from __future__ import annotations

import random
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluiceway.errors import ConfigError, SpecError
from sluiceway.orchestrate.graph import Graph, Node
from sluiceway.orchestrate.select import chosen
from sluiceway.spec.project import load_project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def node(name: str, *reads: str, pipelines: tuple[str, ...] = (), tags: tuple[str, ...] = ()) -> Node:
    return Node(
        name, Path(f"/p/pipelines/{name}.yml"), f"mart.{name}", frozenset(reads), frozenset(pipelines),
        frozenset(tags), "team" if name < "c" else "other",
    )  # fmt: skip


CHAIN = Graph([
    node("e"), node("d", "mart.c", tags=("daily",)), node("c", "mart.b"), node("b", pipelines=("a",)),
    node("a", tags=("daily", "raw")), node("x", "mart.b"),
])  # fmt: skip


@pytest.mark.parametrize(
    ("select", "exclude", "expected"),
    [
        (["c"], [], "c"),
        (["+c"], [], "abc"),
        (["1+c"], [], "bc"),
        (["b+"], [], "bcdx"),
        (["b+1"], [], "bcx"),
        (["+b+"], [], "abcdx"),
        (["@b"], [], "abcdx"),
        (["@x"], [], "abx"),
        (["mart.c", "e"], [], "ce"),
        (["mart.[ab]"], [], "ab"),
        (["a e"], [], "ae"),
        (["tag:daily"], [], "ad"),
        (["tag:daily,tag:raw"], [], "a"),
        (["a+,+d"], [], "abcd"),
        (["*"], ["b+"], "ae"),
        (["path:pipelines/a.yml"], [], "a"),
        (["path:pipelines"], ["owner:other"], "ab"),
        (["pipeline:x", "dataset:mart.e"], ["nobody"], "ex"),
    ],
)
def test_selectors(select: list[str], exclude: list[str], expected: str) -> None:
    assert "".join(sorted(chosen(CHAIN, select, exclude, Path("/p")))) == expected


@pytest.mark.parametrize(
    ("select", "exclude", "says"),
    [
        (["nobody"], [], "no pipeline matches 'nobody'"),
        (["mart.cc"], [], "mart.c"),
        (["tags:daily"], [], "tag"),
        (["a++"], [], "no selector"),
        (["a,e"], [], "none in common"),
        (["a"], ["*"], "nothing is left"),
        ([""], [], "empty selector"),
    ],
)
def test_selectors_that_choose_nothing_say_so(select: list[str], exclude: list[str], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        chosen(CHAIN, select, exclude)
    assert says in str(caught.value)


@given(st.integers(0, 2**32), st.integers(1, 12))
def test_the_order_and_what_is_reached_are_what_a_naive_walk_says(seed: int, count: int) -> None:
    draw = random.Random(seed)
    edges = {(a, b) for a, b in product(range(count), repeat=2) if a < b and draw.random() < 0.3}
    nodes = [node(f"n{b}", pipelines=tuple(f"n{a}" for a, c in edges if c == b)) for b in range(count)]
    draw.shuffle(nodes)
    graph = Graph(nodes)
    position = {name: n for n, name in enumerate(graph.names)}
    assert sorted(position) == sorted(n.name for n in nodes)
    assert all(position[f"n{a}"] < position[f"n{b}"] for a, b in edges)
    reach = {b: {a for a, c in edges if c == b} for b in range(count)}
    for _ in range(count):
        reach = {b: up | {x for a in up for x in reach[a]} for b, up in reach.items()}
    for b, up in reach.items():
        assert set(graph.ancestors(f"n{b}")) == {f"n{a}" for a in up}
        assert set(chosen(graph, [f"+n{b}"])) == {f"n{a}" for a in up} | {f"n{b}"}
        assert {d for d in range(count) if b in reach[d]} == {
            int(name[1:]) for name in graph.descendants(f"n{b}")
        }


def test_a_circle_names_all_of_it() -> None:
    with pytest.raises(SpecError, match=r"(\w → ){3}\w"):
        Graph([node("b", "mart.c"), node("a", pipelines=("b",)), node("c", "mart.a")])


def test_a_need_that_there_is_not() -> None:
    with pytest.raises(SpecError, match="pipeline:ordesr") as caught:
        Graph([node("a", pipelines=("ordesr",)), node("orders")])
    assert "orders" in str(caught.value)


def test_what_reads_its_own_table_waits_for_nobody() -> None:
    assert Graph([node("a", "mart.a")]).upstream("a") == ()


def test_a_project_says_it_by_its_files(tmp_path: Path) -> None:
    """depends_on, a table in SQL, a join, a source of the lake; a file that can't be read stops no other."""
    pipelines = tmp_path / "pipelines"
    pipelines.mkdir()
    (tmp_path / "sluiceway.yml").write_text("project: t\n")
    source = "sources: {s: {type: csv, path: s.csv}}\n"

    def write(name: str, more: str = "", read: str = source) -> None:
        text = f"pipeline: {name}\n{read}{more}destination: {{table: mart.{name}}}\n"
        (pipelines / f"{name}.yml").write_text(text)

    write("raw")
    write("rates")
    write("joined", "transform: [{join: {with: mart.rates, on: id}}]\n")
    write("asked", "transform: [{sql: 'SELECT s.* FROM s JOIN mart.raw USING (id)'}]\n")
    write("lake", read="sources: {s: {type: ducklake, table: mart.asked}}\n")
    write("said", "depends_on: ['pipeline:lake', 'dataset:mart.joined']\n")
    (pipelines / "broken.yml").write_text("pipeline: broken\nsorces: {}\n")
    graph = Graph.load(load_project(tmp_path))
    assert {name: set(graph.upstream(name)) for name in graph.names} == {
        "raw": set(), "rates": set(), "joined": {"rates"}, "asked": {"raw"}, "lake": {"asked"},
        "said": {"lake", "joined"},
    }  # fmt: skip
    assert [path.name for path in graph.broken] == ["broken.yml"]
    write("raw", "depends_on: ['pipeline:said']\n")
    with pytest.raises(SpecError, match="circle") as caught:
        Graph.load(load_project(tmp_path))
    assert caught.value.where is not None
    assert caught.value.where.line is not None


def test_an_owner_may_be_an_address() -> None:
    graph = Graph([Node("a", owner="data@shop.example"), Node("b", owner="else")])
    assert chosen(graph, ["owner:data@shop.example"]) == ("a",)


def test_a_variable_that_is_not_set_hides_no_pipeline(tmp_path: Path) -> None:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "sluiceway.yml").write_text("project: t\n")
    for name, path in (("a", "${NO_SUCH_FOLDER}/s.csv"), ("b", "s.csv")):
        (tmp_path / "pipelines" / f"{name}.yml").write_text(
            f"pipeline: {name}\ntags: [x]\nsources: {{s: {{type: csv, path: '{path}'}}}}\n"
            f"destination: {{table: mart.{name}}}\n"
        )
    graph = Graph.load(load_project(tmp_path))
    assert set(chosen(graph, ["tag:x"])) == {"a", "b"}
    assert graph.broken == {}


class Files:
    """A project whose pipelines are written by the test."""

    def __init__(self, folder: Path, settings: str = "project: t\n") -> None:
        self.folder = folder
        (folder / "pipelines").mkdir()
        (folder / "sluiceway.yml").write_text(settings)

    def write(self, name: str, source: str, destination: str = "", more: str = "") -> None:
        text = f"pipeline: {name}\nsources: {{s: {{{source}}}}}\n{more}"
        (self.folder / "pipelines" / f"{name}.yml").write_text(
            f"{text}destination: {{table: mart.{name}{destination}}}\n"
        )

    def needs(self) -> dict[str, set[str]]:
        graph = Graph.load(load_project(self.folder))
        return {name: set(graph.upstream(name)) for name in sorted(graph.names)}


CSV = "type: csv, path: s.csv"


def test_a_table_of_the_same_name_elsewhere_is_another(tmp_path: Path) -> None:
    files = Files(
        tmp_path,
        "project: t\nconnections:\n  shop: {type: postgres, url: 'postgresql://u@h/shop'}\n"
        "  wh: {type: postgres, url: 'postgresql://u@h/wh'}\n"
        "environments: {dev: {warehouse: {type: postgres, connection: wh}}}\n",
    )
    files.write("a", CSV)
    files.write("b", "type: postgres, connection: shop, table: mart.a")
    files.write("c", "type: postgres, connection: wh, table: mart.a")
    files.write("d", "type: postgres, url: 'postgresql://u@h/wh', table: MART.A")
    files.write("e", CSV, ", type: duckdb, path: e.duckdb")
    files.write("f", "type: duckdb, path: ./e.duckdb, table: mart.e")
    files.write("g", CSV, more="transform: [{join: {with: mart.e, on: id}}]\n")  # the warehouse's mart.e
    assert files.needs() == {
        "a": set(), "b": set(), "c": {"a"}, "d": {"a"}, "e": set(), "f": {"e"}, "g": set(),
    }  # fmt: skip


def test_files_that_another_pipeline_loads_are_needed(tmp_path: Path) -> None:
    settings = "project: t\nenvironments: {dev: {warehouse: {type: parquet, path: out}}}\n"
    files = Files(tmp_path, settings)
    files.write("a", CSV)
    files.write("ab", CSV)
    files.write("b", "type: parquet, path: out/mart/a/*.parquet")
    files.write("c", f"type: parquet, path: {tmp_path}/out/mart/a")
    files.write("d", "type: parquet, path: 'out/**/*.parquet'")
    files.write("e", "type: parquet, path: in/*.parquet")
    assert files.needs() == {
        "a": set(), "ab": set(), "b": {"a"}, "c": {"a"}, "d": {"a", "ab", "b", "c", "e"}, "e": set(),
    }  # fmt: skip


def test_a_circle_says_each_need_and_where_it_stands(tmp_path: Path) -> None:
    files = Files(tmp_path)
    files.write("a", CSV, more="depends_on: ['pipeline:c']\n")
    files.write("b", "type: ducklake, table: mart.a")
    files.write("c", CSV, more="depends_on: ['dataset:mart.b']\n")
    with pytest.raises(SpecError) as caught:
        files.needs()
    said = caught.value.message
    for part in (
        "a depends on pipeline:c (",
        "b reads mart.a, which a loads",
        "c depends on dataset:mart.b (",
    ):
        assert part in said
    assert "a.yml:3" in said
    assert "c.yml:3" in said


def test_a_broken_file_hides_no_other_s_wrong_need(tmp_path: Path) -> None:
    files = Files(tmp_path)
    files.write("a", CSV, more="depends_on: ['pipeline:late']\n")
    (tmp_path / "pipelines" / "x.yml").write_text("pipeline: late\nsorces: {}\n")
    assert files.needs() == {"a": set()}  # it may be the one that can't be read
    files.write("b", CSV, more="depends_on: ['pipeline:lost']\n")
    with pytest.raises(SpecError, match="pipeline:lost, and there is none"):
        files.needs()


def test_a_table_is_chosen_as_it_is_read_in_whatever_case() -> None:
    graph = Graph([Node("a", output="Mart.Orders"), Node("b", reads=frozenset({"mart.ORDERS"}))])
    assert graph.upstream("b") == ("a",)
    assert chosen(graph, ["MART.orders"]) == chosen(graph, ["dataset:mart.*"]) == ("a",)


NAMES = [f"n{n}" for n in range(8)]


def naive(graph: Graph, item: str) -> set[str]:
    """One selector, by the words of its definition, over edges and nothing else."""
    whole, item = item.startswith("@"), item.removeprefix("@")
    up, plus, rest = item.partition("+") if item[0] in "+0123456789" else ("", "", item)
    what, after, down = rest.partition("+")
    if what.startswith("tag:"):
        start = {n for n in graph.names if what[4:] in graph.nodes[n].tags}
    elif what.endswith("*"):
        start = {n for n in graph.names if n.startswith(what[:-1])}
    else:
        start = {what}

    def walk(found: set[str], edges: Callable[[str], tuple[str, ...]], steps: int) -> set[str]:
        for _ in range(steps):
            found = found | {to for at in found for to in edges(at)}
        return found

    found = set(start)
    if plus:
        found |= walk(start, graph.upstream, int(up) if up else 99)
    if after:
        found |= walk(start, graph.downstream, int(down) if down else 99)
    if whole:
        found |= walk(walk(start, graph.downstream, 99), graph.upstream, 99)
    return found


PART = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "", "+", "1+", "2+", "@"]),
    st.sampled_from([*NAMES, "n*", "tag:odd", "tag:even"]),
    st.sampled_from(["", "", "+", "+1", "+2"]),
)
CHOICE = st.lists(st.lists(PART, min_size=1, max_size=3), min_size=1, max_size=3)


@given(st.integers(0, 2**32), CHOICE, CHOICE | st.just([]))
def test_selectors_choose_what_their_definition_says(
    seed: int, select: list[list[str]], exclude: list[list[str]]
) -> None:
    draw = random.Random(seed)
    graph = Graph(
        node(
            name, pipelines=tuple(other for other in NAMES[:n] if draw.random() < 0.3),
            tags=("odd" if n % 2 else "even",),
        )
        for n, name in enumerate(NAMES)
    )  # fmt: skip

    def union(choice: list[list[str]]) -> tuple[set[str], bool]:
        parts = [set.intersection(*(naive(graph, item) for item in both)) for both in choice]
        return set().union(*parts), all(parts)

    (wanted, all_there), (out, _) = union(select), union(exclude)
    texts = [",".join(both) for both in select]
    if not all_there or not wanted - out:
        with pytest.raises(ConfigError):
            chosen(graph, texts, [",".join(both) for both in exclude])
        return
    found = chosen(graph, [" ".join(texts)], [",".join(both) for both in exclude])
    assert set(found) == wanted - out
    assert list(found) == [name for name in graph.names if name in found]


def test_selectors_of_a_long_chain_take_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once over the graph for a selector, and not once for each pipeline that it matches."""
    count = 3_000
    graph = Graph([node(f"n{n}", pipelines=(f"n{n - 1}",) if n else ()) for n in range(count)])
    sorted_, order = 0, Graph.order

    def counted(self: Graph, names: Iterable[str]) -> tuple[str, ...]:
        nonlocal sorted_
        sorted_ += 1
        return order(self, names)

    monkeypatch.setattr(Graph, "order", counted)
    for selector in ("+*", "*+", "@*", "2+n*+3"):
        assert len(chosen(graph, [selector])) == count
    assert sorted_ < 20


@given(st.integers(0, 2**32), st.integers(1, 12))
def test_the_nearest_that_are_chosen_are_what_is_needed_without_another_between(
    seed: int, count: int
) -> None:
    draw = random.Random(seed)
    edges = {(a, b) for a, b in product(range(count), repeat=2) if a < b and draw.random() < 0.3}
    graph = Graph([node(f"n{b}", pipelines=tuple(f"n{a}" for a, c in edges if c == b)) for b in range(count)])
    among = {f"n{n}" for n in range(count) if draw.random() < 0.5}

    def nearest(name: str) -> set[str]:
        return {x for up in graph.upstream(name) for x in ({up} if up in among else nearest(up))}

    for name in graph.names:
        assert graph.nearest(name, among) == nearest(name)
