"""Which pipeline needs which: by ``depends_on``, and by the tables that one loads and another reads."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from sluiceway.connectors.base import ConnectorContext
from sluiceway.errors import PlanError, SluicewayError, SpecError, Where, did_you_mean
from sluiceway.run.warehouse import sink_of
from sluiceway.schema import TableName
from sluiceway.spec.pipeline import PipelineConfig
from sluiceway.spec.project import pipeline_files
from sluiceway.spec.resolve import environment_of, resolve
from sluiceway.spec.variables import has_variable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from sluiceway.spec.model import EnvironmentSpec, Pipeline, Project

__all__ = ["Graph", "Node"]

_PATTERN = re.compile(r"[*?\[{]")
_NAMES = re.compile(r"^\s*(?:pipeline|name)\s*:\s*['\"]?([\w.\-]+)", re.MULTILINE)


Dataset = tuple[str, str]


@dataclass(frozen=True)
class Node:
    """A pipeline: the table it loads, the tables of the warehouse that it reads, and the pipelines that it
    says it needs. ``loads`` and ``datasets`` are what it loads and reads by lineage's names, which are the
    same for the same table wherever it is named; a node without them has its tables in one warehouse.
    ``places`` says where each need was written."""

    name: str
    file: Path | None = None
    output: str | None = None
    reads: frozenset[str] = frozenset()
    pipelines: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    owner: str = ""
    loads: Dataset | None = None
    datasets: frozenset[Dataset] = frozenset()
    places: Mapping[str, Where] = field(default_factory=dict)


class Graph:
    """Pipelines, each after those that it needs.

    >>> graph = Graph([Node("mart", reads=frozenset({"raw.a"})), Node("load", output="raw.a")])
    >>> graph.names, graph.upstream("mart"), graph.descendants("load")
    (('load', 'mart'), ('load',), ('mart',))
    """

    def __init__(self, nodes: Iterable[Node], broken: Mapping[Path, SluicewayError] | None = None) -> None:
        """Raises SpecError where pipelines need each other in a circle, or one that there is not."""
        self.nodes = {node.name: node for node in nodes}
        self.broken = dict(broken or {})
        self._unread = {name for file in self.broken for name in _may_be_called(file)}
        self._loaders: dict[str, list[str]] = {}
        self._loads: dict[Dataset, list[str]] = {}
        for node in self.nodes.values():
            if node.output is not None:
                self._loaders.setdefault(node.output.casefold(), []).append(node.name)
            if (loads := _loads_of(node)) is not None:
                self._loads.setdefault(_key(loads), []).append(node.name)
        self._folders = {name: names for (kind, name), names in self._loads.items() if kind == "file"}
        self._ordered = sorted(self._folders)
        self._up = {name: self._needs(node) for name, node in self.nodes.items()}
        down: dict[str, list[str]] = {name: [] for name in self.nodes}
        for name, needs in self._up.items():
            for need in needs:
                down[need].append(name)
        self._down = {name: tuple(found) for name, found in down.items()}
        self.names = self._sorted()
        self._place = {name: n for n, name in enumerate(self.names)}

    @classmethod
    def load(
        cls, project: Project, environment: str | None = None, variables: Mapping[str, Any] | None = None
    ) -> Graph:
        """Of a project's files. One that can't be read is in ``broken``, and the others are as without it.

        Raises:
            SpecError: a circle, a need that there is not, or two files with one name.
        """
        nodes, broken = [], {}
        env = environment_of(project, environment)
        lies = _warehouse(project, env)
        for file in pipeline_files(project).values():
            try:
                config = PipelineConfig.load(file)
            except SluicewayError as error:
                broken[file] = error
                continue
            try:
                pipeline = resolve(config, project, environment=env.name, variables=dict(variables or {}))
            except SluicewayError:  # a variable that is not set here, say: whoever runs it is told
                nodes.append(declared_node(config, lies))
            else:
                nodes.append(node_of(pipeline, config, lies))
        return cls(nodes, broken)

    def _needs(self, node: Node) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for name in sorted(node.pipelines):
            if name not in self.nodes:
                if name in self._unread:
                    continue
                raise SpecError(
                    f"{node.name} depends on pipeline:{name}, and there is none",
                    where=node.places.get(f"pipeline:{name}"),
                    hint=did_you_mean(name, self.nodes),
                )
            found[name] = None
        for dataset in sorted(_datasets_of(node)):
            found |= dict.fromkeys(self._loads.get(_key(dataset), ()))
            if dataset[0] == "file":
                for folder in _holding(dataset[1], self._ordered):
                    found |= dict.fromkeys(self._folders[folder])
        found.pop(node.name, None)  # what reads its own table waits for nobody
        return tuple(found)

    def _sorted(self) -> tuple[str, ...]:
        done: dict[str, None] = {}
        for start in self.nodes:
            path: dict[str, None] = {}
            stack = [(start, iter(self._up[start]))] if start not in done else []
            path |= {start: None} if stack else {}
            while stack:
                name, rest = stack[-1]
                need = next((n for n in rest if n not in done), None)
                if need is None:
                    stack.pop()
                    path.pop(name)
                    done[name] = None
                elif need in path:
                    raise self._circle([*list(path)[list(path).index(need) :], need])
                else:
                    path[need] = None
                    stack.append((need, iter(self._up[need])))
        return tuple(done)

    def _circle(self, names: list[str]) -> SpecError:
        edges = [self._edge(name, need) for name, need in pairwise(names)]
        arrows = " → ".join(names)
        return SpecError(
            f"pipelines need each other in a circle: {arrows}; {'; '.join(said for said, _ in edges)}",
            where=next((where for _, where in edges if where is not None), None),
            hint="remove one of the entries of depends_on, or read the other's table in a third pipeline",
        )

    def _edge(self, name: str, need: str) -> tuple[str, Where | None]:
        """How one needs the other, and where that was written."""
        node, other = self.nodes[name], self.nodes[need]
        table = (other.output or "").casefold()
        for entry, where in node.places.items():
            kind, _, said = entry.partition(":")
            if said == need if kind == "pipeline" else _named(said).casefold() == table:
                return f"{name} depends on {entry} ({where})", where
        return f"{name} reads {other.output}, which {need} loads", None

    def upstream(self, name: str) -> tuple[str, ...]:
        """The pipelines that it needs itself."""
        return self._up[name]

    def downstream(self, name: str) -> tuple[str, ...]:
        """The pipelines that need it themselves."""
        return self._down[name]

    def ancestors(self, *names: str, depth: int | None = None) -> tuple[str, ...]:
        """All that these need, and what those need, ``depth`` steps at the most; in order."""
        return self._reached(set(names), self._up, depth)

    def descendants(self, *names: str, depth: int | None = None) -> tuple[str, ...]:
        """All that need these, and what needs those, ``depth`` steps at the most; in order."""
        return self._reached(set(names), self._down, depth)

    def nearest(self, name: str, among: Collection[str]) -> frozenset[str]:
        """Those of ``among`` that it needs with none of ``among`` between.

        >>> b, c = Node("b", pipelines=frozenset("a")), Node("c", pipelines=frozenset("b"))
        >>> graph = Graph([Node("a"), b, c])
        >>> sorted(graph.nearest("c", {"a", "c"})), sorted(graph.nearest("c", {"a", "b"}))
        (['a'], ['b'])
        """
        seen, edge = {name}, {name}
        while edge:
            edge = {to for at in edge if at == name or at not in among for to in self._up[at]} - seen
            seen |= edge
        return frozenset(other for other in seen - {name} if other in among)

    def _reached(
        self, names: set[str], edges: Mapping[str, tuple[str, ...]], depth: int | None
    ) -> tuple[str, ...]:
        found: set[str] = set()
        edge, steps = names, 0
        while edge and (depth is None or steps < depth):
            edge = {to for at in edge for to in edges[at]} - found - names
            found |= edge
            steps += 1
        return self.order(found)

    def loaders(self, table: str) -> tuple[str, ...]:
        """The pipelines that load a table."""
        return tuple(self._loaders.get(table.casefold(), ()))

    def order(self, names: Iterable[str]) -> tuple[str, ...]:
        """These, each after those that it needs."""
        wanted = set(names)
        return tuple(sorted(wanted & self._place.keys(), key=self._place.__getitem__))


Lies = Callable[[TableName], Dataset]
"""A table of the environment's warehouse by lineage's name."""


def _warehouse(project: Project, environment: EnvironmentSpec) -> Lies:
    try:
        sink = sink_of(project, environment)
    except SluicewayError:  # whoever runs a pipeline is told
        return lambda table: ("", str(table))
    return sink.dataset


def node_of(pipeline: Pipeline, config: PipelineConfig, lies: Lies) -> Node:
    """What a pipeline needs: what it says, and the warehouse's tables that its sources and steps name."""
    said = [entry.partition(":")[::2] for entry in pipeline.depends_on]
    datasets = {name for kind, name in said if kind == "dataset"}
    if pipeline.schedule is not None:
        datasets |= set(pipeline.schedule.datasets)
    own = {name.casefold() for name in pipeline.sources}
    own |= {s.step.name.casefold() for s in pipeline.steps if s.step.name}
    named = {name for s in pipeline.steps for name in s.step.reads() if name.casefold() not in own}
    reads = {_named(name) for name in datasets | named if _table(name) and name[:1] != "_"}
    read = {lies(TableName.parse(name)) for name in reads}
    for name, spec in pipeline.sources.items():
        dataset, table = _source(pipeline, name), getattr(spec.config, "table", None)
        read |= set() if dataset is None else {dataset}
        written = _table(table) if isinstance(table, str) else None
        if written is not None and dataset == lies(written):
            reads.add(str(written))
    places = {entry: config.where(("depends_on", n)) for n, entry in enumerate(pipeline.depends_on)}
    return Node(
        pipeline.name, pipeline.file, str(pipeline.destination.table), frozenset(reads),
        pipelines=frozenset(name for kind, name in said if kind == "pipeline"),
        tags=frozenset(pipeline.tags), owner=pipeline.owner,
        loads=_loads(pipeline, lies), datasets=frozenset(read),
        places=places,
    )  # fmt: skip


def declared_node(config: PipelineConfig, lies: Lies) -> Node:
    """What a file says by itself, where it can't be resolved now."""
    said = [entry.partition(":")[::2] for entry in config.depends_on if not has_variable(entry)]
    table = None if config.destination is None else config.destination.table
    written = None if table is None or has_variable(table) else _table(table)
    tables = {name for kind, name in said if kind == "dataset" and _table(name)}
    return Node(
        config.pipeline, config.file, table, frozenset(map(_named, tables)),
        pipelines=frozenset(name for kind, name in said if kind == "pipeline"),
        tags=frozenset(config.tags), owner=config.owner,
        loads=None if written is None else lies(written),
        datasets=frozenset(lies(TableName.parse(name)) for name in tables),
        places={entry: config.where(("depends_on", n)) for n, entry in enumerate(config.depends_on)},
    )  # fmt: skip


def _named(name: str) -> str:
    return str(_table(name) or name)


def _table(name: str) -> TableName | None:
    """None where it is no table's name: whoever runs the pipeline is told, and the others go on."""
    try:
        return TableName.parse(name)
    except PlanError:
        return None


def _loads_of(node: Node) -> Dataset | None:
    return node.loads or (None if node.output is None else ("", node.output))


def _datasets_of(node: Node) -> frozenset[Dataset]:
    return node.datasets or frozenset(("", table) for table in node.reads if node.loads is None)


def _key(dataset: Dataset) -> Dataset:
    """Tables are the same in whatever case they are written; files are not."""
    return dataset if dataset[0] == "file" else (dataset[0], dataset[1].casefold())


def _loads(pipeline: Pipeline, lies: Lies) -> Dataset:
    destination = pipeline.destination
    if not pipeline.file or destination.connector.sink is None:
        return lies(destination.table)
    context = ConnectorContext(project=pipeline.project.folder)
    found: Dataset = destination.connector.sink(destination.config, context).dataset(destination.table)
    return found


def _source(pipeline: Pipeline, name: str) -> Dataset | None:
    """What a source reads. None where that is no table or file by itself, such as a query."""
    spec = pipeline.sources[name]
    if spec.connector.source is None or getattr(spec.config, "query", None) is not None:
        return None
    try:
        context = ConnectorContext(project=pipeline.project.folder, name=name, where=spec.where)
        found: Dataset = spec.connector.source(spec.config, context).dataset()
    except SluicewayError:  # whoever runs it is told
        return None
    return found


def _holding(path: str, folders: Sequence[str]) -> Iterator[str]:
    """The tables' folders, of these sorted ones, that a source reads by this path or pattern.

    >>> tables = ["/lake/mart/a", "/lake/mart/ab", "/lake/raw/c"]
    >>> list(_holding("/lake/mart/a/*.parquet", tables)), list(_holding("/lake/mart/a", tables))
    (['/lake/mart/a'], ['/lake/mart/a'])
    >>> list(_holding("/lake/mart/**", tables)), list(_holding("/in/*.csv", tables))
    (['/lake/mart/a', '/lake/mart/ab'], [])
    """
    match = _PATTERN.search(path)
    above = path if match is None else path[: match.start()].rpartition("/")[0]
    if match is not None:
        for folder in folders[bisect_left(folders, f"{above}/") :]:
            if not folder.startswith(f"{above}/"):
                break
            yield folder
    while above:
        place = bisect_left(folders, above)
        if place < len(folders) and folders[place] == above:
            yield above
        above = above.rpartition("/")[0]


def _may_be_called(file: Path) -> set[str]:
    """Names that the pipeline of a file that can't be read may have."""
    try:
        found = _NAMES.findall(file.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        found = []
    return {file.stem, *found}
