"""Which pipeline needs which: by ``depends_on``, and by the tables that one loads and another reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sluiceway.errors import SluicewayError, SpecError, Where, did_you_mean
from sluiceway.schema import TableName
from sluiceway.spec.pipeline import PipelineConfig
from sluiceway.spec.project import pipeline_files
from sluiceway.spec.resolve import environment_of, resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from sluiceway.spec.model import EnvironmentSpec, Pipeline, Project

__all__ = ["Graph", "Node"]


@dataclass(frozen=True)
class Node:
    """A pipeline: the table it loads, the tables it reads from the warehouse, and the pipelines that it says
    it needs. ``places`` says where each need was written."""

    name: str
    file: Path | None = None
    output: str | None = None
    reads: frozenset[str] = frozenset()
    pipelines: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    owner: str = ""
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
        self._loaders: dict[str, list[str]] = {}
        for node in self.nodes.values():
            if node.output is not None:
                self._loaders.setdefault(node.output.casefold(), []).append(node.name)
        self._up = {name: self._needs(node) for name, node in self.nodes.items()}
        self._down: dict[str, tuple[str, ...]] = dict.fromkeys(self.nodes, ())
        for name, needs in self._up.items():
            for need in needs:
                self._down[need] = (*self._down[need], name)
        self.names = self._sorted()

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
        for file in pipeline_files(project).values():
            try:
                config = PipelineConfig.load(file)
            except SluicewayError as error:
                broken[file] = error
                continue
            try:
                pipeline = resolve(config, project, environment=env.name, variables=dict(variables or {}))
            except SluicewayError:  # a variable that is not set here, say: whoever runs it is told
                nodes.append(declared_node(config))
            else:
                nodes.append(node_of(pipeline, config))
        return cls(nodes, broken)

    def _needs(self, node: Node) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for name in sorted(node.pipelines):
            if name not in self.nodes:
                if self.broken:
                    continue  # it may be one of those that can't be read
                raise SpecError(
                    f"{node.name} depends on pipeline:{name}, and there is none",
                    where=node.places.get(f"pipeline:{name}"),
                    hint=did_you_mean(name, self.nodes),
                )
            found[name] = None
        for table in sorted(node.reads):
            found |= dict.fromkeys(self._loaders.get(table.casefold(), ()))
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
        where = next((w for name in names for w in self.nodes[name].places.values()), None)
        arrows = " → ".join(names)
        return SpecError(
            f"pipelines need each other in a circle: {arrows}",
            where=where,
            hint="remove one of the entries of depends_on, or read the other's table in a third pipeline",
        )

    def upstream(self, name: str) -> tuple[str, ...]:
        """The pipelines that it needs itself."""
        return self._up[name]

    def downstream(self, name: str) -> tuple[str, ...]:
        """The pipelines that need it themselves."""
        return self._down[name]

    def ancestors(self, name: str, depth: int | None = None) -> tuple[str, ...]:
        """All that it needs, and what those need, ``depth`` steps at the most; in order."""
        return self._reached(name, self._up, depth)

    def descendants(self, name: str, depth: int | None = None) -> tuple[str, ...]:
        """All that need it, and what needs those, ``depth`` steps at the most; in order."""
        return self._reached(name, self._down, depth)

    def _reached(self, name: str, edges: Mapping[str, tuple[str, ...]], depth: int | None) -> tuple[str, ...]:
        found: set[str] = set()
        edge, steps = {name}, 0
        while edge and (depth is None or steps < depth):
            edge = {to for at in edge for to in edges[at]} - found - {name}
            found |= edge
            steps += 1
        return self.order(found)

    def loaders(self, table: str) -> tuple[str, ...]:
        """The pipelines that load a table."""
        return tuple(self._loaders.get(table.casefold(), ()))

    def order(self, names: Iterable[str]) -> tuple[str, ...]:
        """These, each after those that it needs."""
        wanted = set(names)
        return tuple(name for name in self.names if name in wanted)


def node_of(pipeline: Pipeline, config: PipelineConfig) -> Node:
    """What a pipeline needs: what it says, and the warehouse's tables that its sources and steps name."""
    said = [entry.partition(":")[::2] for entry in pipeline.depends_on]
    datasets = {name for kind, name in said if kind == "dataset"}
    if pipeline.schedule is not None:
        datasets |= set(pipeline.schedule.datasets)
    own = {name.casefold() for name in pipeline.sources}
    own |= {s.step.name.casefold() for s in pipeline.steps if s.step.name}
    named = {name for s in pipeline.steps for name in s.step.reads() if name.casefold() not in own}
    read = {table for name in pipeline.sources if (table := _table(pipeline, name)) is not None}
    places = {entry: config.where(("depends_on", n)) for n, entry in enumerate(pipeline.depends_on)}
    return Node(
        pipeline.name, pipeline.file, str(pipeline.destination.table),
        frozenset(_named(name) for name in datasets | named | read if not name.startswith("_")),
        frozenset(name for kind, name in said if kind == "pipeline"),
        frozenset(pipeline.tags), pipeline.owner, places,
    )  # fmt: skip


def declared_node(config: PipelineConfig) -> Node:
    """What a file says by itself, where it can't be resolved now."""
    said = [entry.partition(":")[::2] for entry in config.depends_on]
    table = None if config.destination is None else config.destination.table
    return Node(
        config.pipeline, config.file, table,
        frozenset(_named(name) for kind, name in said if kind == "dataset"),
        frozenset(name for kind, name in said if kind == "pipeline"),
        frozenset(config.tags), config.owner,
        {entry: config.where(("depends_on", n)) for n, entry in enumerate(config.depends_on)},
    )  # fmt: skip


def _named(name: str) -> str:
    return str(TableName.parse(name)) if name.count(".") <= 1 else name


def _table(pipeline: Pipeline, name: str) -> str | None:
    """The table of the environment's warehouse that a source reads, if it reads one."""
    source = pipeline.sources[name]
    table = getattr(source.config, "table", None)
    if not isinstance(table, str) or source.connector.name != pipeline.destination.connector.name:
        return None
    return table if _same_place(source.config, pipeline.environment) else None


def _same_place(config: Any, environment: EnvironmentSpec) -> bool:
    """Whether a source's place is the warehouse's: the same connection, or the same path."""
    for key in ("connection", "path", "catalog"):
        mine, its = getattr(config, key, None), environment.warehouse.get(key)
        if mine is not None and its is not None and str(mine) != str(its):
            return False
    return True
