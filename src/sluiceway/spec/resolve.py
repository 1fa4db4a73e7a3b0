"""A declared pipeline and its project into what the planner sees, for one environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sluiceway.connectors.base import (
    Connector,
    Incremental,
    SinkConfig,
    SourceConfig,
)
from sluiceway.errors import SpecError, Where, did_you_mean
from sluiceway.spec.connect import connection_of, connector_of, settings_of, type_of
from sluiceway.spec.declared import parse_rules, parse_steps
from sluiceway.spec.destination import destination_of, implied_rules
from sluiceway.spec.fields import as_list
from sluiceway.spec.lanes import refuse_side_by_side
from sluiceway.spec.model import (
    ContractSpec,
    DeclaredStep,
    DestinationSpec,
    EnvironmentSpec,
    Pipeline,
    Project,
    QualitySpec,
    RetrySpec,
    SourceSpec,
)
from sluiceway.spec.pipeline import PipelineConfig, build_config
from sluiceway.spec.schedule import schedule_of
from sluiceway.spec.validate import COMMA_HINT, Place, brief, build, under
from sluiceway.spec.variables import register_secrets, substitute
from sluiceway.units import duration, size

if TYPE_CHECKING:
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
    destination = destination_of(settled, env, project, config.where, require_destination)
    _check_lag(sources, destination, config.where)
    steps = parse_steps(settled.transform, under(config.where, "transform"))
    _check_names(steps, sources, config.where)
    contract = _contract(settled, project, destination, config.where)
    rules = [
        *implied_rules(destination),
        *parse_rules(settled.rules, under(config.where, "rules")),
        *(contract.rules if contract else ()),
    ]
    if settled.max_active_runs > 1:
        where = config.where(("max_active_runs",))
        refuse_side_by_side(destination.mode, destination.version, str(destination.table), where)
    return Pipeline(
        name=settled.pipeline,
        project=project,
        environment=env,
        sources=sources,
        steps=steps,
        rules=tuple(rules),
        destination=destination,
        quality=QualitySpec(
            dict(settled.quality.thresholds),
            dict(settled.quality.weights),
            settled.quality.samples,
            settled.quality.metrics,
            tuple(as_list(settled.quality.columns)),
            settled.quality.freshness_column,
        ),
        contract=contract,
        description=settled.description,
        owner=settled.owner,
        tags=tuple(settled.tags),
        schedule=schedule_of(settled.schedule, settled.timezone),
        pool=settled.pool,
        max_active_runs=settled.max_active_runs,
        priority=settled.priority,
        sla=None if settled.sla is None else duration(settled.sla),
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


def _source(name: str, declared: Any, env: EnvironmentSpec, where: Place) -> SourceSpec:
    if not isinstance(declared, Mapping):
        raise SpecError(
            f"expected a mapping, got {brief(declared)}",
            where=where(()),
            hint=f"write {name}: {{type: csv, path: data/{name}.csv}}",
        )
    connection = connection_of(declared.get("connection"), env, where(("connection",)))
    connector = connector_of(type_of(declared, connection, where), where)
    model: type[SourceConfig] | None = connector.source_config
    if model is None:
        raise SpecError(f"'{connector.name}' can't be read from, only written to", where=where(("type",)))
    own = {k: v for k, v in declared.items() if k not in ("connection", "incremental", "rules")}
    own["type"] = connector.name
    extra = ["connection", "incremental", "rules"]
    config = settings_of(model, connector.sink_config, connection, own, extra, where)
    register_secrets(config.model_dump(warnings=False))
    incremental = None
    if declared.get("incremental") is not None:
        incremental = build(Incremental, declared["incremental"], under(where, "incremental"))
        if incremental.lag is not None:
            _duration(incremental.lag, where(("incremental", "lag")))
    rules = parse_rules(declared.get("rules"), under(where, "rules"))
    return SourceSpec(name, connector, config, where(()), incremental, rules)


def _duration(value: Any, where: Where) -> float:
    try:
        return duration(value)
    except ValueError as error:
        raise SpecError(f"{error}, got {brief(value)}", where=where) from None


def warehouse_config(project: Project, env: EnvironmentSpec) -> tuple[Connector, SinkConfig]:
    """The environment's warehouse by itself: its connector and its settings.

    Raises:
        SpecError: an unknown key or connection, with its place.
    """
    file = project.file.name if project.file else None

    def where(path: KeyPath) -> Where:
        return Where(file, None, ".".join(map(str, ("environments", env.name, "warehouse", *path))))

    keys = dict(env.warehouse)
    connection = connection_of(keys.pop("connection", None), env, where(("connection",)))
    connector = connector_of(type_of(keys, connection, where), where)
    if connector.sink_config is None:
        raise SpecError(f"'{connector.name}' can't be loaded into, only read", where=where(("type",)))
    own = keys | {"type": connector.name}
    config = settings_of(connector.sink_config, connector.source_config, connection, own, [], where)
    register_secrets(config.model_dump(warnings=False))
    return connector, config


def _check_lag(sources: Mapping[str, SourceSpec], destination: DestinationSpec, place: Place) -> None:
    for name, source in sources.items():
        if source.incremental and source.incremental.lag and destination.mode != "merge":
            raise SpecError(
                f"lag reads rows again, and mode: {destination.mode} would load them twice",
                where=place(("sources", name, "incremental", "lag")),
                hint="write mode: merge with a primary_key in the destination, or remove lag",
            )


def _check_names(steps: tuple[DeclaredStep, ...], sources: Mapping[str, SourceSpec], place: Place) -> None:
    for n, declared in enumerate(steps):
        if declared.step.name in sources:
            raise SpecError(
                f"'{declared.step.name}' is a source already",
                where=place(("transform", n, "name")),
                hint="give the step another name",
            )


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
