"""``destination:`` and the environment's warehouse under it, and the rules that a load mode implies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sluiceway.connectors.base import Connector, ConnectorContext, SinkCapabilities, SinkConfig
from sluiceway.errors import SpecError
from sluiceway.exchange import Scd2
from sluiceway.schema import TableName
from sluiceway.spec.connect import connection_of, connector_of, settings_of, type_of
from sluiceway.spec.declared import parse_rules
from sluiceway.spec.fields import as_list
from sluiceway.spec.model import DeclaredRule, DestinationSpec, EnvironmentSpec, Project, SchemaContract
from sluiceway.spec.pipeline import DestinationConfig, PipelineConfig
from sluiceway.spec.validate import Place, field_names, under
from sluiceway.spec.variables import register_secrets
from sluiceway.units import duration

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["destination_of", "implied_rules"]


def destination_of(
    config: PipelineConfig, env: EnvironmentSpec, project: Project, place: Place, required: bool
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
    connector = connector_of(type_of(own, connection, where), where)
    model = connector.sink_config
    if model is None:
        raise SpecError(f"'{connector.name}' can't be loaded into, only read", where=where(("type",)))
    keys = {k: v for k, v in own.items() if k != "connection"} | {"type": connector.name}
    extra = field_names(DestinationConfig)
    sink = settings_of(model, connector.source_config, connection, keys, extra, where)
    register_secrets(sink.model_dump(warnings=False))
    _check_mode(declared, where)
    _check_modes_of(declared.mode, connector, sink, project, where)
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
    return connection_of(keys.get("connection"), env, where(("connection",))), keys


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


def _check_mode(declared: DestinationConfig, where: Place) -> None:
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


def _check_modes_of(
    mode: str, connector: Connector, config: SinkConfig, project: Project, where: Place
) -> None:
    """A sink's modes are its class's, or those of the object that its factory makes; nothing is opened."""
    capabilities = getattr(connector.sink, "capabilities", None)
    if capabilities is None and connector.sink is not None:
        sink = connector.sink(config, ConnectorContext(project.folder, where=where(())))
        capabilities = sink.capabilities
    if isinstance(capabilities, SinkCapabilities) and mode not in capabilities.modes:
        raise SpecError(
            f"'{connector.name}' can't {mode}; it can {', '.join(capabilities.modes)}",
            where=where(("mode",)),
            hint=f"write mode: {capabilities.modes[0]}, or choose a warehouse such as ducklake",
        )


def implied_rules(destination: DestinationSpec) -> tuple[DeclaredRule, ...]:
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
