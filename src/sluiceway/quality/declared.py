"""The rules that a project declares: of a pipeline, of a dataset, of a contract; each by its id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.errors import ConfigError, PlanError, SluicewayError, SpecError, did_you_mean
from sluiceway.schema import TableName
from sluiceway.spec.contract import load_contract
from sluiceway.spec.entries import Entry, entry_of
from sluiceway.spec.pipeline import PipelineConfig
from sluiceway.spec.project import find_pipeline, pipeline_files
from sluiceway.spec.resolve import resolve

if TYPE_CHECKING:
    from sluiceway.spec.model import DeclaredRule, Pipeline, Project

__all__ = ["Ruled", "chosen", "declared_for", "pipelines_loading", "ruled", "rules_declared"]


@dataclass(frozen=True)
class Ruled:
    """A rule with the id that results give it. ``source`` names the source that it judges, else it is the
    gate's; ``pipeline`` whose it is, "" for a contract by itself."""

    id: str
    declared: DeclaredRule
    source: str = ""
    pipeline: str = ""

    def as_dict(self) -> dict[str, Any]:
        rule = self.declared.rule
        return {
            "id": self.id,
            "rule": entry_of(Entry(rule)),
            "pipeline": self.pipeline or None,
            "phase": "source" if self.source else "gate",
            "columns": list(rule.columns_used),
            "severity": rule.severity,
            "on_fail": rule.declared_on_fail,
            "status": rule.status,
            "origin": self.declared.origin,
            "where": str(self.declared.where),
        }


def ruled(declared: Sequence[DeclaredRule], *, source: str = "", pipeline: str = "") -> list[Ruled]:
    """Rules with their ids, as ``rules.fuse.number_checks`` gives them.

    >>> from sluiceway.errors import Where
    >>> from sluiceway.rules.not_null import NotNull
    >>> from sluiceway.spec.model import DeclaredRule
    >>> rules = [DeclaredRule(rule, Where()) for rule in NotNull.parse(["a", "a"], {})]
    >>> [r.id for r in ruled(rules, source="orders")]
    ['orders.not_null:a', 'orders.not_null:a#2']
    """
    seen: dict[str, int] = {}
    out = []
    for one in declared:
        id_ = one.rule.name or one.rule.default_id()
        id_ = f"{source}.{id_}" if source else id_
        seen[id_] = seen.get(id_, 0) + 1
        out.append(Ruled(id_ if seen[id_] == 1 else f"{id_}#{seen[id_]}", one, source, pipeline))
    return out


def rules_declared(pipeline: Pipeline) -> list[Ruled]:
    """A pipeline's rules: of its sources, then of its gate."""
    found = [
        one
        for name, spec in pipeline.sources.items()
        for one in ruled(spec.rules, source=name, pipeline=pipeline.name)
    ]
    return found + ruled(pipeline.rules, pipeline=pipeline.name)


def pipelines_loading(target: str, project: Project, environment: str | None) -> list[Pipeline]:
    """The pipeline that is called so, or those that load the dataset of that name.

    Raises:
        SpecError: neither; or one that may load it can't be read.
    """
    files = pipeline_files(project)
    path = Path(target)
    if target in files or path.suffix in (".yml", ".yaml"):
        config = PipelineConfig.load(find_pipeline(project, target))
        return [resolve(config, project, environment=environment)]
    try:
        wanted = TableName.parse(target)
    except PlanError:
        find_pipeline(project, target)  # says which there are
        raise
    found = []
    for file in files.values():
        try:
            config = PipelineConfig.load(file)
            loads = None if config.destination is None else TableName.parse(config.destination.table)
        except SluicewayError:
            if wanted.name.casefold() in file.read_text("utf-8", errors="replace").casefold():
                raise
            continue
        if loads == wanted:
            found.append(resolve(config, project, environment=environment))
    return found


def declared_for(
    target: str | None, project: Project | None, environment: str | None, contract: Path | None = None
) -> list[Ruled]:
    """The rules of a pipeline, of whatever loads a dataset, of a contract file; of all pipelines for None.

    Raises:
        ConfigError: there is no such thing.
    """
    if contract is not None:
        return ruled(_contract(contract, project, target))
    if target is not None and target.endswith((".odcs.yaml", ".odcs.yml", ".odcs.json")):
        return ruled(_contract(Path(target), project, None))
    if project is None:
        raise ConfigError("there is no project to look for rules in", hint="pass --project DIR")
    if target is None:
        names = list(pipeline_files(project))
        return [
            r
            for name in names
            for p in pipelines_loading(name, project, environment)
            for r in rules_declared(p)
        ]
    pipelines = pipelines_loading(target, project, environment)
    if not pipelines:
        raise ConfigError(
            f"no pipeline loads '{target}'", hint=did_you_mean(target, list(pipeline_files(project)))
        )
    return [r for p in pipelines for r in rules_declared(p)]


def _contract(path: Path, project: Project | None, target: str | None) -> tuple[DeclaredRule, ...]:
    if not path.is_file() and (project is None or not (project.folder / path).is_file()):
        raise ConfigError(f"there is no contract '{path}'", hint="name a *.odcs.yaml file")
    table = None
    if target is not None:
        try:
            table = TableName.parse(target)
        except PlanError:
            table = None
    try:
        return tuple(load_contract(path, project=project, table=table).rules)
    except SpecError:
        if table is None:
            raise
        return tuple(load_contract(path, project=project).rules)


def chosen(rules: Sequence[Ruled], wanted: Sequence[str]) -> list[Ruled]:
    """The rules of these ids; all for none.

    Raises:
        ConfigError: there is no rule of an id.
    """
    if not wanted:
        return list(rules)
    known = {r.id: r for r in rules}
    for name in wanted:
        if name not in known:
            raise ConfigError(f"there is no rule '{name}'", hint=did_you_mean(name, list(known)))
    return [known[name] for name in dict.fromkeys(wanted)]
