"""A declared pipeline and its project into what the planner sees, for one environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sluiceway import plugins
from sluiceway.connectors.base import Connector, Incremental, SinkCapabilities, SinkConfig, SourceConfig
from sluiceway.errors import SpecError, Where, did_you_mean
from sluiceway.exchange import Scd2
from sluiceway.schema import TableName
from sluiceway.spec.declared import parse_rules, parse_steps
from sluiceway.spec.fields import as_list
from sluiceway.spec.model import (
    ContractSpec,
    DeclaredRule,
    DeclaredStep,
    DestinationSpec,
    EnvironmentSpec,
    Pipeline,
    Project,
    QualitySpec,
    RetrySpec,
    SchemaContract,
    SourceSpec,
)
from sluiceway.spec.pipeline import DestinationConfig, PipelineConfig, build_config
from sluiceway.spec.units import duration, size
from sluiceway.spec.validate import COMMA_HINT, Place, brief, build, field_names, under
from sluiceway.spec.variables import register_secrets, substitute

if TYPE_CHECKING:
    from pydantic import BaseModel

    from sluiceway.spec.yaml import KeyPath

__all__ = ["environment_of", "resolve", "warehouse_config"]


def resolve(
    config: PipelineConfig,
    project: Project,
    environment: str | None = None,
    variables: Mapping[str, Any] | None = None,
    *,
    require_destination: bool = True,
) -> Pipeline:
    """The pipeline in one environment (default: the project's first), ready to be planned.

    Args:
        variables: ``--vars``; they override the pipeline's own ``variables``.
        require_destination: False for a check, which publishes nothing: without a ``destination`` the
            environment's warehouse is taken, and the table's name from the pipeline.

    Raises:
        SpecError: with file, line and key.
        PlanError: a table's name or SQL that can't be used.
    """
    env = environment_of(project, environment)
    declared = config.declared()
    values = substitute(declared, config.where)
    register_secrets(values)
    settled = build_config(PipelineConfig, values, config.where)
    if not settled.sources:
        raise SpecError(
            "the pipeline has no sources",
            where=config.where(("sources",)),
            hint="write sources: {NAME: {type: csv, path: data/NAME.csv}}",
        )
    sources = {
        name: _source(name, value, env, under(config.where, "sources", name))
        for name, value in settled.sources.items()
    }
    destination = _destination(settled, env, config.where, require_destination)
    _check_lag(sources, destination, config.where)
    steps = parse_steps(settled.transform, under(config.where, "transform"))
    _check_names(steps, sources)
    contract = _contract(settled, project, destination, config.where)
    rules = [
        *_implied(destination),
        *parse_rules(settled.rules, under(config.where, "rules")),
        *(contract.rules if contract else ()),
    ]
    return Pipeline(
        name=settled.pipeline,
        project=project,
        environment=env,
        sources=sources,
        steps=steps,
        rules=tuple(rules),
        destination=destination,
        quality=QualitySpec(
            dict(settled.quality.thresholds), dict(settled.quality.weights), settled.quality.samples
        ),
        contract=contract,
        description=settled.description,
        owner=settled.owner,
        tags=tuple(settled.tags),
        schedule=settled.schedule,
        timezone=settled.timezone,
        depends_on=tuple(settled.depends_on),
        retry=RetrySpec(settled.retry.attempts, settled.retry.backoff, duration(settled.retry.delay)),
        timeout=None if settled.timeout is None else duration(settled.timeout),
        memory_limit=None if settled.memory_limit is None else size(settled.memory_limit),
        variables={**settled.variables, **(variables or {})},
        file=config.file,
        raw=declared,
    )


def environment_of(project: Project, name: str | None = None) -> EnvironmentSpec:
    """The environment called ``name``, or the first.

    Raises:
        SpecError: there is none of that name, or a variable that it needs is not defined.
    """
    found = next((e for e in project.environments if name in (None, e.name)), None)
    if found is None:
        raise SpecError(
            f"there is no environment '{name}'",
            where=Where(project.file.name if project.file else None, None, "environments"),
            hint=did_you_mean(str(name), [e.name for e in project.environments]),
        )
    if found.error is not None:
        raise found.error
    return found


def _connection(name: Any, env: EnvironmentSpec, where: Where) -> Mapping[str, Any]:
    if name is None:
        return {}
    if not isinstance(name, str) or name not in env.connections:
        raise SpecError(
            f"there is no connection {brief(name)}",
            where=where,
            hint=did_you_mean(str(name), env.connections)
            if env.connections
            else "write it in sluiceway.yml: connections: {NAME: {type: …}}",
        )
    return dict(env.connections[name])


def _type_of(keys: Mapping[str, Any], connection: Mapping[str, Any], where: Place) -> str:
    own, theirs = keys.get("type"), connection.get("type")
    if own is None and theirs is None:
        raise SpecError(
            "the key 'type' is missing",
            where=where(()),
            hint=f"write type: one of {', '.join(plugins.names('connectors'))}",
        )
    if own is not None and theirs is not None and own != theirs:
        raise SpecError(
            f"the type is {brief(own)}, but the connection '{keys.get('connection')}' is {brief(theirs)}",
            where=where(("type",)),
            hint="remove the type: the connection has one",
        )
    return str(own or theirs)


def _settings(
    model: type[BaseModel],
    other: type[BaseModel] | None,
    connection: Mapping[str, Any],
    own: Mapping[str, Any],
    extra: list[str],
    where: Place,
) -> Any:
    """A connector's model out of the connection's keys that it knows and the keys beside them.

    ``other`` is the connector's other side: a connection may hold keys for both. ``extra`` are known
    keys beside the model's own, for the did-you-mean.
    """
    known = field_names(model)
    for key in connection:
        if key not in known and key not in (field_names(other) if other else ()):
            raise SpecError(
                f"the connection has an unknown key '{key}'",
                where=where(("connection",)),
                hint=did_you_mean(key, known),
            )
    for key in own:
        if key not in known:
            raise SpecError(
                f"unknown key '{key}'", where=where((key,)), hint=did_you_mean(key, [*known, *extra])
            )
    merged = {**{key: value for key, value in connection.items() if key in known}, **own}

    def place(path: KeyPath) -> Where:
        return where(("connection",) if path and path[0] not in own and path[0] in connection else path)

    return build(model, merged, place)


def _source(name: str, declared: Any, env: EnvironmentSpec, where: Place) -> SourceSpec:
    if not isinstance(declared, Mapping):
        raise SpecError(
            f"expected a mapping, got {brief(declared)}",
            where=where(()),
            hint=f"write {name}: {{type: csv, path: data/{name}.csv}}",
        )
    connection = _connection(declared.get("connection"), env, where(("connection",)))
    connector = _connector(_type_of(declared, connection, where), where)
    model: type[SourceConfig] | None = connector.source_config
    if model is None:
        raise SpecError(f"'{connector.name}' can't be read from, only written to", where=where(("type",)))
    own = {k: v for k, v in declared.items() if k not in ("connection", "incremental", "rules")}
    own["type"] = connector.name
    extra = ["connection", "incremental", "rules"]
    config = _settings(model, connector.sink_config, connection, own, extra, where)
    register_secrets(config.model_dump(warnings=False))
    incremental = None
    if declared.get("incremental") is not None:
        incremental = build(Incremental, declared["incremental"], under(where, "incremental"))
        if incremental.lag is not None:
            _duration(incremental.lag, where(("incremental", "lag")))
    rules = parse_rules(declared.get("rules"), under(where, "rules"))
    return SourceSpec(name, connector, config, where(()), incremental, rules)


def _connector(type_: str, where: Place) -> Connector:
    if type_ == "memory":  # rows that Python hands over beside the declaration; not a type of files
        from sluiceway.connectors.memory import MemoryConfig

        return Connector("memory", "Rows given in Python.", source_config=MemoryConfig)
    connector: Connector = plugins.load("connectors", type_, where(("type",)))
    return connector


def _duration(value: Any, where: Where) -> float:
    try:
        return duration(value)
    except ValueError as error:
        raise SpecError(f"{error}, got {brief(value)}", where=where) from None


def _destination(
    config: PipelineConfig, env: EnvironmentSpec, place: Place, required: bool
) -> DestinationSpec:
    where = under(place, "destination")
    declared = config.destination
    if declared is None:
        if required:
            raise SpecError(
                "the pipeline has no destination",
                where=place(("destination",)),
                hint="write destination: {table: NAMESPACE.NAME}",
            )
        declared = DestinationConfig(table=config.pipeline.replace(".", "_"))
    connection, own = _warehouse(declared, env, where)
    connector = _connector(_type_of(own, connection, where), where)
    model = connector.sink_config
    if model is None:
        raise SpecError(f"'{connector.name}' can't be loaded into, only read", where=where(("type",)))
    keys = {k: v for k, v in own.items() if k != "connection"} | {"type": connector.name}
    extra = field_names(DestinationConfig)
    sink = _settings(model, connector.source_config, connection, keys, extra, where)
    register_secrets(sink.model_dump(warnings=False))
    _check_mode(declared, connector, where)
    return DestinationSpec(
        table=TableName.parse(declared.table, where=where(("table",))),
        mode=declared.mode,
        connector=connector,
        config=sink,
        where=where(()),
        key=tuple(as_list(declared.primary_key)),
        version=declared.version,
        scd2=_scd2(declared) if declared.mode == "scd2" else None,
        schema_contract=_schema_contract(declared),
        allow_empty=declared.allow_empty,
        lock_timeout=duration(declared.lock_timeout),
        load_batch_size=declared.load_batch_size,
    )


def _warehouse(
    declared: DestinationConfig, env: EnvironmentSpec, where: Place
) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """The connection's keys, and the warehouse's under the destination's own.

    A destination of another type or connection takes nothing of the environment's warehouse.
    """
    own = dict(declared.model_extra or {})
    if declared.type is not None:
        own["type"] = declared.type
    if declared.connection is not None:
        own["connection"] = declared.connection
    base = dict(env.warehouse)
    other = declared.connection is not None and declared.connection != base.get("connection")
    if declared.type is not None and declared.type != base.get("type", declared.type):
        other = True
    keys = own if other else {**base, **own}
    return _connection(keys.get("connection"), env, where(("connection",))), keys


def warehouse_config(project: Project, env: EnvironmentSpec) -> tuple[Connector, SinkConfig]:
    """The environment's warehouse by itself: its connector and its settings.

    Raises:
        SpecError: an unknown key or connection, with its place.
    """
    file = project.file.name if project.file else None

    def where(path: KeyPath) -> Where:
        return Where(file, None, ".".join(map(str, ("environments", env.name, "warehouse", *path))))

    keys = dict(env.warehouse)
    connection = _connection(keys.pop("connection", None), env, where(("connection",)))
    connector = _connector(_type_of(keys, connection, where), where)
    if connector.sink_config is None:
        raise SpecError(f"'{connector.name}' can't be loaded into, only read", where=where(("type",)))
    own = keys | {"type": connector.name}
    config = _settings(connector.sink_config, connector.source_config, connection, own, [], where)
    register_secrets(config.model_dump(warnings=False))
    return connector, config


def _schema_contract(declared: DestinationConfig) -> SchemaContract:
    given = declared.schema_contract
    if isinstance(given, str):
        return SchemaContract(given, given)
    return SchemaContract(given.columns, given.data_type)


def _scd2(declared: DestinationConfig) -> Scd2:
    return Scd2(
        declared.effective_at, declared.late, declared.on_delete, declared.valid_from, declared.valid_to
    )


_ONLY_FOR = {
    "version": ("merge",), "effective_at": ("scd2",), "late": ("scd2",), "on_delete": ("scd2",),
    "valid_from": ("scd2",), "valid_to": ("scd2",),
}  # fmt: skip


def _check_mode(declared: DestinationConfig, connector: Connector, where: Place) -> None:
    mode = declared.mode
    if mode in ("merge", "scd2") and not declared.primary_key:
        raise SpecError(
            f"{mode} needs a key",
            where=where(("mode",)),
            hint="write primary_key: COLUMN, or mode: append if every row is new",
        )
    for key, modes in _ONLY_FOR.items():
        if key in declared.model_fields_set and mode not in modes and getattr(declared, key) is not None:
            raise SpecError(
                f"'{key}' has no meaning with mode: {mode}",
                where=where((key,)),
                hint=f"remove it, or write mode: {modes[0]}",
            )
    if mode == "scd2" and declared.valid_from.casefold() == declared.valid_to.casefold():
        raise SpecError("valid_from and valid_to are the same column", where=where(("valid_to",)))
    capabilities = getattr(connector.sink, "capabilities", None)
    if isinstance(capabilities, SinkCapabilities) and mode not in capabilities.modes:
        raise SpecError(
            f"'{connector.name}' can't {mode}; it can {', '.join(capabilities.modes)}",
            where=where(("mode",)),
            hint=f"write mode: {capabilities.modes[0]}, or choose a warehouse such as ducklake",
        )


def _check_lag(sources: Mapping[str, SourceSpec], destination: DestinationSpec, place: Place) -> None:
    for name, source in sources.items():
        if source.incremental and source.incremental.lag and destination.mode != "merge":
            raise SpecError(
                f"lag reads rows again, and mode: {destination.mode} would load them twice",
                where=place(("sources", name, "incremental", "lag")),
                hint="write mode: merge with a primary_key in the destination, or remove lag",
            )


def _check_names(steps: tuple[DeclaredStep, ...], sources: Mapping[str, SourceSpec]) -> None:
    for declared in steps:
        if declared.step.name in sources:
            raise SpecError(
                f"'{declared.step.name}' is a source already",
                where=declared.where,
                hint="give the step another name",
            )


def _implied(destination: DestinationSpec) -> tuple[DeclaredRule, ...]:
    """A key that is missing or stands twice in a batch makes merge and scd2 lose rows silently."""
    if destination.mode not in ("merge", "scd2"):
        return ()
    why = f"{destination.mode} finds rows by their key"
    always = {"on_fail": "block", "description": why}
    unique = [*destination.key]
    if destination.scd2 is not None and destination.scd2.effective_at:
        unique.append(destination.scd2.effective_at)  # versions of one key are told apart by their time
    items = [
        {"not_null": list(destination.key), **always},
        {"unique": unique, "scope": "batch", **always},
    ]
    return parse_rules(items, lambda path: destination.where, "implied")


def _contract(
    config: PipelineConfig, project: Project, destination: DestinationSpec, place: Place
) -> ContractSpec | None:
    if config.contract is None:
        return None
    if not config.contract.strip():
        raise SpecError("has no value", where=place(("contract",)), hint=COMMA_HINT)
    from sluiceway.spec.contract import read_contract

    path = project.folder / config.contract
    if not path.is_file():
        raise SpecError(
            f"there is no contract file {config.contract}",
            where=place(("contract",)),
            hint="the path is relative to the project's folder",
        )
    return read_contract(path, destination.table)
