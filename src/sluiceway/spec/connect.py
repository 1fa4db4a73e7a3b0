"""What a source and a warehouse share: connection, type, and the connector's settings out of both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sluiceway import plugins
from sluiceway.connectors.base import Connector
from sluiceway.errors import SpecError, Where, did_you_mean
from sluiceway.spec.validate import Place, brief, build, field_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from sluiceway.spec.model import EnvironmentSpec
    from sluiceway.spec.yaml import KeyPath

__all__ = ["connection_of", "connector_of", "settings_of", "type_of"]


def connection_of(name: Any, env: EnvironmentSpec, where: Where) -> Mapping[str, Any]:
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


def type_of(keys: Mapping[str, Any], connection: Mapping[str, Any], where: Place) -> str:
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


def settings_of(
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


def connector_of(type_: str, where: Place) -> Connector:
    if type_ == "memory":  # rows that Python hands over beside the declaration; not a type of files
        from sluiceway.connectors.memory import MemoryConfig

        return Connector("memory", "Rows given in Python.", source_config=MemoryConfig)
    connector: Connector = plugins.load("connectors", type_, where(("type",)))
    return connector
