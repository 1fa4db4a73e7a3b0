"""``sluiceway.yml``: environments, connections, where metadata lives; and finding pipelines by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from sluiceway import plugins
from sluiceway.engines.base import EngineSettings
from sluiceway.errors import SluicewayError, SpecError, Where, did_you_mean
from sluiceway.secrets import register_secret
from sluiceway.spec.alerts import AlertConfig, AlertSpec
from sluiceway.spec.fields import Int, Size, Strict
from sluiceway.spec.model import EnvironmentSpec, Project
from sluiceway.spec.observe import ObserveConfig
from sluiceway.spec.orchestrate import OrchestrateConfig, OrchestrateSpec
from sluiceway.spec.validate import brief, build, field_names, spec_error
from sluiceway.spec.variables import register_secrets, substitute
from sluiceway.spec.yaml import Document, KeyPath, read_yaml, shown

__all__ = [
    "EngineConfig",
    "EnvironmentConfig",
    "LineageConfig",
    "ProjectConfig",
    "default_project",
    "find_pipeline",
    "find_project",
    "load_project",
    "pipeline_files",
    "project_at",
]

FILES = ("sluiceway.yml", "sluiceway.yaml")
DEFAULT_WAREHOUSE: Mapping[str, Any] = {"type": "ducklake", "path": ".sluiceway/lake"}
_QUICK_NAME = re.compile(r"^pipeline[ ]*:[ ]+(?:([\w.\-]+)|'([\w.\-]+)'|\"([\w.\-]+)\")[ ]*(?:#.*)?$", re.M)


class EngineConfig(Strict):
    """Where SQL runs. Further keys are the engine's own."""

    model_config = ConfigDict(extra="allow", defer_build=True)

    type: str = Field("duckdb", description="the engine")
    threads: Int | None = Field(None, description="threads; all cores if absent")
    memory_limit: Size | None = Field(
        None, description="the engine's own buffer, such as 4GB; 60 % of the pipeline's limit if absent"
    )
    spill: str | None = Field(None, description="the folder for what does not fit in memory")


class EnvironmentConfig(Strict):
    """One place to run in."""

    engine: EngineConfig | str = Field(
        default_factory=EngineConfig, description="where SQL runs: a mapping, or the engine's name alone"
    )
    warehouse: dict[str, Any] = Field(
        default_factory=lambda: dict(DEFAULT_WAREHOUSE),
        description="the default destination: `type`, `connection`, and the connector's keys",
    )
    connections: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="connections that differ here; keys override the project's"
    )


class LineageConfig(Strict):
    """Where OpenLineage events go. Further keys are the transport's own."""

    model_config = ConfigDict(extra="allow", defer_build=True)

    type: Literal["file", "http", "console"] = Field(description="the transport: file, http or console")
    path: str | None = Field(None, description="file: one JSON document a line is appended here")
    url: str | None = Field(None, description="http: the endpoint")
    namespace: str | None = Field(None, description="the namespace of jobs; the project's name if absent")


class ProjectConfig(Strict):
    """``sluiceway.yml``."""

    project: str = Field(description="the project's name")
    environments: dict[str, EnvironmentConfig | None] = Field(
        default_factory=dict,
        description="places to run in, chosen by --env; the first is the default; one called `dev` if absent",
    )
    connections: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="systems by name: `type` and the connector's keys"
    )
    metadata: str = Field(
        "sqlite:///.sluiceway/metadata.db",
        description="the metadata store: sqlite:///PATH, or postgresql+psycopg://… for a team",
    )
    alerts: list[AlertConfig] = Field(default_factory=list, description="who is told, and of what")
    lineage: LineageConfig | None = Field(None, description="where OpenLineage events go")
    observe: ObserveConfig | None = Field(None, description="whom numbers and traces of runs are sent to")
    orchestrate: OrchestrateConfig = Field(
        default_factory=OrchestrateConfig, description="how runs are orchestrated"
    )


class _Lazy(Mapping[str, Any]):
    """A mapping whose variables are put in when it is read: who doesn't use it needn't define them."""

    def __init__(self, raw: Mapping[str, Any], resolve: Callable[[], Mapping[str, Any]]) -> None:
        self._raw, self._resolve = raw, resolve

    def __getitem__(self, key: str) -> Any:
        return self._resolve()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)

    def __repr__(self) -> str:
        return f"<{', '.join(self._raw)}>"


def find_project(folder: Path | None = None) -> Path:
    """The ``sluiceway.yml`` of ``folder`` or of the nearest folder above it.

    Raises:
        SpecError: there is none.
    """
    start = (folder or Path.cwd()).absolute()
    for place in (start, *start.parents):
        for name in FILES:
            if (place / name).is_file():
                return place / name
    raise SpecError(
        f"there is no sluiceway.yml in {shown(start)} or in a folder above it",
        hint="type: sluiceway init   or give the folder: --project DIR",
    )


def load_project(folder: Path | None = None) -> Project:
    """Read the project that ``folder`` (default: the working folder) lies in.

    Variables of environments and connections that are not used need not be defined.

    Raises:
        SpecError: with file, line and key.
    """
    file = find_project(folder)
    document = read_yaml(file)
    if not isinstance(document.value, dict):
        what = "is empty" if document.value is None else f"is {brief(document.value)}, not a mapping"
        raise SpecError(f"the file {what}", where=document.where(), hint="begin it with project: NAME")
    config = build(ProjectConfig, document.value, document.where)
    root = file.parent
    declared = config.environments or {"dev": EnvironmentConfig()}
    lineage = config.lineage.model_dump(exclude_none=True) if config.lineage else {}
    return Project(
        name=config.project,
        folder=root,
        file=file,
        environments=tuple(
            _environment(name, item or EnvironmentConfig(), config, root, document)
            for name, item in declared.items()
        ),
        metadata=_metadata(config.metadata, root, document),
        alerts=_alerts(config, document),
        lineage=_settled(lineage, ("lineage",), document),
        orchestrate=_orchestrate(document),
        observe=_observe(document),
    )


def default_project(folder: Path) -> Project:
    """The project that a folder without ``sluiceway.yml`` is taken for: one environment, ``dev``, with a
    lake and the metadata under ``.sluiceway``.

    >>> default_project(Path("/data")).environments[0].name
    'dev'
    """
    root = folder.absolute()
    config = ProjectConfig(project=root.name or "sluiceway")
    document = Document(None)
    return Project(
        name=config.project,
        folder=root,
        file=None,
        environments=(_environment("dev", EnvironmentConfig(), config, root, document),),
        metadata=_metadata(config.metadata, root, document),
    )


def project_at(folder: Path | None = None) -> Project:
    """The project that ``folder`` lies in, or what the folder is taken for if it lies in none.

    Raises:
        SpecError: there is one, and it can't be read.
    """
    start = (folder or Path.cwd()).absolute()
    inside = any((place / name).is_file() for place in (start, *start.parents) for name in FILES)
    return load_project(start) if inside else default_project(start)


def _settled(value: Any, path: KeyPath, document: Document) -> Any:
    result = substitute(value, document.where, path=path)
    register_secrets(result, path)
    return result


def _lazy(value: Mapping[str, Any], path: KeyPath, document: Document) -> _Lazy:
    return _Lazy(value, lambda: dict(_settled(dict(value), path, document)))


def _observe(document: Document) -> dict[str, dict[str, Any]]:
    declared = document.value.get("observe")
    if not declared:
        return {}
    settled = _settled(declared, ("observe",), document)
    config = build(ObserveConfig, settled, lambda path: document.where(("observe", *path)))
    for secret in config.otel.headers.values() if config.otel else ():
        register_secret(secret)
    return {name: value for name, value in config.model_dump().items() if value is not None}


def _orchestrate(document: Document) -> OrchestrateSpec:
    declared = _settled(document.value.get("orchestrate") or {}, ("orchestrate",), document)
    return OrchestrateSpec.of(
        build(OrchestrateConfig, declared, lambda path: document.where(("orchestrate", *path)))
    )


def _alerts(config: ProjectConfig, document: Document) -> tuple[AlertSpec, ...]:
    declared = document.value.get("alerts") or []
    names: set[str] = set()
    for n, item in enumerate(config.alerts):
        if item.name is not None and item.name in names:
            raise SpecError(
                f"two channels are called '{item.name}'",
                where=document.where(("alerts", n, "name")),
                hint="give one of them another name: the history tells them apart by it",
            )
        names.add(item.name or "")
    return tuple(
        AlertSpec(raw, partial(_one_of, raw, ("alerts", n), document)) for n, raw in enumerate(declared)
    )


def _one_of(raw: Mapping[str, Any], path: KeyPath, document: Document, below: KeyPath) -> Any:
    value: Any = raw
    for part in below:
        value = value[part]
    return _settled(value, (*path, *below), document)


def _environment(
    name: str, item: EnvironmentConfig, config: ProjectConfig, root: Path, document: Document
) -> EnvironmentSpec:
    place: KeyPath = ("environments", name)
    connections = {
        key: _connection(key, config, item, place, document)
        for key in {**config.connections, **item.connections}
    }
    declared = (
        {"type": item.engine} if isinstance(item.engine, str) else item.engine.model_dump(exclude_none=True)
    )
    spec = EnvironmentSpec(
        name=name,
        engine=EngineSettings(type=str(declared["type"])),
        warehouse=_lazy(item.warehouse, (*place, "warehouse"), document),
        connections=connections,
    )
    try:
        return replace(spec, engine=_engine(declared, (*place, "engine"), root, document))
    except SpecError as error:  # an undefined variable of an environment that may not be the one used
        return replace(spec, error=error)


def _connection(
    key: str, config: ProjectConfig, item: EnvironmentConfig, place: KeyPath, document: Document
) -> _Lazy:
    """The project's keys under the environment's; a connection of another type starts afresh."""
    general, own = config.connections.get(key, {}), item.connections.get(key, {})
    if own.get("type", general.get("type")) != general.get("type"):
        general = {}
    base = _lazy(general, ("connections", key), document)
    over = _lazy(own, (*place, "connections", key), document)
    merged = {**general, **own}

    def resolve() -> Mapping[str, Any]:
        return {k: over[k] if k in own else base[k] for k in merged}

    return _Lazy(merged, resolve)


def _engine(declared: Mapping[str, Any], path: KeyPath, root: Path, document: Document) -> EngineSettings:
    config = build(
        EngineConfig, _settled(dict(declared), path, document), lambda p: document.where((*path, *p))
    )
    own = dict(config.model_extra or {})
    if own or config.type not in plugins.names("engines"):  # else the engine needn't be imported for this
        _check_own(config.type, own, path, document)
    return EngineSettings(
        type=config.type,
        threads=config.threads,
        memory_limit=None if config.memory_limit is None else str(config.memory_limit),
        spill=None if config.spill is None else root / config.spill,
        options=own,
    )


def _check_own(type_: str, own: dict[str, Any], path: KeyPath, document: Document) -> None:
    """The keys that only this engine has."""
    known = plugins.names("engines")
    if type_ not in known:
        raise SpecError(
            f"there is no engine '{type_}'",
            where=document.where((*path, "type")),
            hint=did_you_mean(type_, known),
        )
    model = plugins.load("engines", type_).capabilities.options
    if model is None:
        key = next(iter(own))
        raise SpecError(
            f"unknown key '{key}': the engine {type_} has no keys of its own",
            where=document.where((*path, key)),
            hint=did_you_mean(key, field_names(EngineConfig)),
        )
    try:
        model.model_validate(own)
    except ValidationError as error:
        keys = [*field_names(EngineConfig), *field_names(model)]
        raise spec_error(error, own, lambda p: document.where((*path, *p)), model, keys) from None


def _metadata(declared: str, root: Path, document: Document) -> str:
    url: str = _settled(declared, ("metadata",), document)
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise SpecError(
            "the metadata store is not a URL",
            where=document.where(("metadata",)),
            hint="write sqlite:///PATH or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE",
        )
    if not scheme.startswith("sqlite") or not rest.startswith("/") or rest.startswith("//"):
        return url
    return f"{scheme}:///{root / rest[1:]}"


def pipeline_files(project: Project) -> dict[str, Path]:
    """Every pipeline of the project by name: ``pipelines/**/*.yml`` and ``.yaml``.

    Raises:
        SpecError: two files have the same name, or one can't be read.
    """
    found: dict[str, Path] = {}
    for path in _files(project):
        name = _name_in(path)
        if name in found:
            raise _twice(name, found[name], path)
        found[name] = path
    return found


def find_pipeline(project: Project, name_or_path: str) -> Path:
    """The file of a pipeline: by name, or by a path relative to the working folder.

    Raises:
        SpecError: there is none, or two files have that name.
    """
    path = Path(name_or_path)
    if path.suffix in (".yml", ".yaml") or path.is_file():
        if path.is_file():
            return path
        raise SpecError(f"there is no file {name_or_path}", hint=_known(_names(project)[0], path.stem))
    names, broken = _names(project)
    matches = [file for name, file in names if name == name_or_path]
    if len(matches) > 1:
        raise _twice(name_or_path, matches[0], matches[1])
    unnamed = [file for file in broken if file.stem == name_or_path]
    if matches or unnamed:  # loading the broken one says what is wrong with it
        return [*matches, *unnamed][0]
    where = None if project.file is None else Where(shown(project.file.parent / "pipelines"))
    hint = _known(names, name_or_path)
    if broken:
        hint += f"; not readable: {', '.join(shown(file) for file in broken)}"
    raise SpecError(f"there is no pipeline '{name_or_path}'", where=where, hint=hint)


def _known(names: list[tuple[str, Path]], wanted: str) -> str:
    if not names:
        return "there are no pipelines yet: write pipelines/NAME.yml"
    return did_you_mean(wanted, [name for name, _ in names])


def _files(project: Project) -> list[Path]:
    folder = project.folder / "pipelines"
    return sorted(p for p in folder.rglob("*") if p.suffix in (".yml", ".yaml") and p.is_file())


def _names(project: Project) -> tuple[list[tuple[str, Path]], list[Path]]:
    """Names with their files, and the files that have none because they can't be read.

    A broken file must not keep the others from running; it is named when a name is not found.
    """
    names, broken = [], []
    for path in _files(project):
        try:
            names.append((_name_in(path), path))
        except SluicewayError:
            broken.append(path)
    return names, broken


def _name_in(path: Path) -> str:
    """The name in a file. Most begin with it plainly, and a full parse takes ten times as long."""
    try:
        quick = _QUICK_NAME.search(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        quick = None
    if quick:
        return str(quick[1] or quick[2] or quick[3])
    document = read_yaml(path)
    name = document.value.get("pipeline") if isinstance(document.value, dict) else None
    if not isinstance(name, str):
        raise SpecError(
            "the pipeline has no name", where=document.where(), hint="begin it with pipeline: NAME"
        )
    return name


def _twice(name: str, first: Path, second: Path) -> SpecError:
    return SpecError(
        f"two files have the pipeline '{name}': {shown(first)} and {shown(second)}",
        where=Where(shown(second), None, "pipeline"),
        hint="give one of them another name",
    )
