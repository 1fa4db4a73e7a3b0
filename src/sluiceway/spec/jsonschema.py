"""JSON Schema (2020-12) of ``sluiceway.yml`` and of pipeline files, so that editors complete them.

It is made from the models of every connector, rule and step that is installed, so it never lags behind
them. What depends on more than one key (merge needs a key, one rule an item) the loader checks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from sluiceway import plugins
from sluiceway.connectors.base import Connector, Incremental
from sluiceway.errors import SluicewayError
from sluiceway.rules.base import Rule
from sluiceway.spec.aliases import ALIASES
from sluiceway.spec.pipeline import DestinationConfig, PipelineConfig
from sluiceway.spec.project import ProjectConfig
from sluiceway.spec.validate import field_names
from sluiceway.transforms.base import Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic import BaseModel
    from pydantic_core import core_schema

__all__ = ["engine_options", "pipeline_schema", "project_schema"]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
VARIABLE: Mapping[str, Any] = {"type": "string", "pattern": r"\$\{"}
_TOLERANCE = {
    "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*%?\s*$"}]
}
_PROBES: tuple[Any, ...] = (
    "a",
    "a > 1",
    "SELECT 1 AS a FROM _",
    "package.module:function",
    ["a"],
    ["a > 1"],
    1,
)
"""Bare values that a rule or step may take; which of them it does is asked of the class itself."""

_FREE: tuple[Any, ...] = ("amount + 1", "INTEGER", "redact", "b")


def project_schema() -> dict[str, Any]:
    """The schema of ``sluiceway.yml``."""
    defs: dict[str, Any] = {}
    schema = _model(ProjectConfig, "project", defs)
    sinks = [
        _branch(name, [connector.sink_config], defs, {"connection": _NAMED}) for name, connector in _sinks()
    ]
    everything = [
        _branch(name, [c.source_config, c.sink_config], defs, {}, required=()) for name, c in _connectors()
    ]
    connections = _named({"anyOf": everything}, "systems by name")
    schema["properties"]["connections"] = connections
    environment = defs["project.EnvironmentConfig"]["properties"]
    environment["connections"] = connections
    environment["engine"] = _engines(environment["engine"], defs)
    environment["warehouse"] = {
        "description": environment["warehouse"]["description"],
        "anyOf": [*sinks, _untyped(sinks)],
    }
    return _document(schema, defs, "sluiceway.yml")


def pipeline_schema() -> dict[str, Any]:
    """The schema of a file in ``pipelines/``."""
    defs: dict[str, Any] = {}
    schema = _model(PipelineConfig, "pipeline", defs)
    defs["rule"] = {"anyOf": [_item("rules", kind, Rule, defs) for kind in plugins.names("rules")]}
    defs["step"] = {"anyOf": [_item("transforms", kind, Step, defs) for kind in plugins.names("transforms")]}
    rules = {"type": "array", "items": {"$ref": "#/$defs/rule"}}
    beside = {
        "connection": _NAMED,
        "incremental": _model(Incremental, "incremental", defs),
        "rules": {**rules, "description": "what must hold before the transform"},
    }
    sources = [_branch(name, [c.source_config], defs, beside) for name, c in _connectors() if c.source_config]
    properties = schema["properties"]
    properties["sources"] = _named(
        {"anyOf": [*sources, _untyped(sources)]}, properties["sources"]["description"]
    )
    properties["transform"] = {
        "type": "array",
        "items": {"$ref": "#/$defs/step"},
        "description": properties["transform"]["description"],
    }
    properties["rules"] = {**rules, "description": properties["rules"]["description"]}
    destination = defs["pipeline.DestinationConfig"]
    destination["properties"] = {**_merged(_sinks(), defs), **destination["properties"]}
    destination["additionalProperties"] = False
    for alias, path in ALIASES.items():
        properties[alias] = {
            "description": f"another name for {'.'.join(map(str, path)).replace('*', 'NAME')}"
        }
    return _document(schema, defs, "a pipeline")


def engine_options() -> list[tuple[str, type[BaseModel]]]:
    """Engines that say which keys of their own they take, with the model of them."""
    every = [(name, plugins.load("engines", name).capabilities.options) for name in plugins.names("engines")]
    return [(name, model) for name, model in every if model is not None]


def _engines(declared: dict[str, Any], defs: dict[str, Any]) -> dict[str, Any]:
    """A branch for each engine that has keys of its own; the others take the general ones alone."""
    general, branches = defs["project.EngineConfig"], []
    for name, model in engine_options():
        own = _model(model, f"engine.{name}", defs)["properties"]
        type_ = {"const": name, "description": "the engine"}
        branches.append(
            {
                "type": "object",
                "properties": {**general["properties"], **own, "type": type_},
                "required": ["type"],
                "additionalProperties": False,
            }
        )
    general["additionalProperties"] = False
    names = [name for name, _ in engine_options()]
    general["properties"]["type"] = {**general["properties"]["type"], "not": {"enum": names}}
    return {**declared, "anyOf": [*branches, *declared["anyOf"]]}


_NAMED: Mapping[str, Any] = {"type": "string", "description": "an entry of the project's connections"}


def _document(schema: dict[str, Any], defs: dict[str, Any], title: str) -> dict[str, Any]:
    return {"$schema": DIALECT, **schema, "title": title, "$defs": defs}


def _connectors() -> list[tuple[str, Connector]]:
    return [(name, plugins.load("connectors", name)) for name in plugins.names("connectors")]


def _sinks() -> list[tuple[str, Connector]]:
    return [(name, connector) for name, connector in _connectors() if connector.sink_config is not None]


class _Generator(GenerateJsonSchema):
    """A type that JSON Schema can't say is left open: the loader checks it."""

    def handle_invalid_for_json_schema(
        self, schema: core_schema.CoreSchema, error_info: str
    ) -> JsonSchemaValue:
        return {}


def _model(model: type[BaseModel], prefix: str, defs: dict[str, Any]) -> dict[str, Any]:
    """A model's schema; its parts go to ``defs`` under ``prefix.``, and variables are allowed in it."""
    schema = model.model_json_schema(
        schema_generator=_Generator, ref_template=f"#/$defs/{prefix}.{{model}}", by_alias=True
    )
    for name, part in schema.pop("$defs", {}).items():
        defs[f"{prefix}.{name}"] = _relaxed(part)
    return _relaxed(schema)


def _relaxed(schema: dict[str, Any]) -> dict[str, Any]:
    """Typed values may be a ``${VAR}``; titles made from names say nothing; null is not written out."""
    schema = {key: value for key, value in schema.items() if key != "title"}
    if "properties" in schema:
        schema["properties"] = {
            name: dict(_TOLERANCE, description=part.get("description"))
            if name == "tolerance"
            else _with_variable(part)
            for name, part in schema["properties"].items()
        }
    return schema


def _with_variable(part: dict[str, Any]) -> dict[str, Any]:
    part = {key: value for key, value in part.items() if key not in ("title", "default")}
    said = {"description": part.pop("description")} if "description" in part else {}
    choices = part.pop("anyOf", None) if set(part) <= {"anyOf"} else None
    choices = [one for one in choices if one != {"type": "null"}] if choices else [part]
    if any(one.get("type") == "string" and not set(one) - {"type"} for one in choices) or {} in choices:
        return {**(choices[0] if len(choices) == 1 else {"anyOf": choices}), **said}
    return {"anyOf": [*choices, dict(VARIABLE)], **said}


def _branch(
    name: str,
    models: Iterable[type[BaseModel] | None],
    defs: dict[str, Any],
    beside: Mapping[str, Any],
    required: tuple[str, ...] = ("type",),
) -> dict[str, Any]:
    """One connector's keys. Only ``type`` is required: a connection may give the others."""
    properties: dict[str, Any] = {}
    for model in models:
        if model is not None:
            properties = {**_model(model, name, defs)["properties"], **properties}
    properties["type"] = {"const": name, "description": "the connector"}
    return {
        "type": "object",
        "properties": {**properties, **beside},
        "required": list(required),
        "additionalProperties": False,
    }


def _untyped(branches: list[dict[str, Any]]) -> dict[str, Any]:
    """Without ``type`` the connection says what it is; then any connector's keys may stand there."""
    names = sorted({name for branch in branches for name in branch["properties"]} - {"type"})
    shared = {name: [b["properties"][name] for b in branches if name in b["properties"]] for name in names}
    return {
        "type": "object",
        "properties": {name: _any(options) for name, options in shared.items()},
        "required": ["connection"],
        "additionalProperties": False,
    }


def _any(options: list[Any]) -> Any:
    distinct = [option for n, option in enumerate(options) if option not in options[:n]]
    return distinct[0] if len(distinct) == 1 else {"anyOf": distinct}


def _merged(connectors: list[tuple[str, Connector]], defs: dict[str, Any]) -> dict[str, Any]:
    branches = [
        _branch(name, [connector.sink_config], defs, {"connection": _NAMED}) for name, connector in connectors
    ]
    own = field_names(DestinationConfig)
    return {name: part for name, part in _untyped(branches)["properties"].items() if name not in own}


def _named(value: Mapping[str, Any], description: str) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": dict(value), "description": description}


def _item(group: str, kind: str, base: type[BaseModel], defs: dict[str, Any]) -> dict[str, Any]:
    """An item of ``rules:`` or ``transform:``: the kind with its value, and options beside it."""
    cls = plugins.load(group, kind)
    schema = _model(cls, kind, defs)
    options = {name: part for name, part in schema["properties"].items() if name in field_names(base)}
    about = " ".join((cls.__doc__ or "").split("\n\n")[0].split())
    return {
        "type": "object",
        "properties": {kind: {"description": about, "anyOf": _values(cls, schema)}, **options},
        "required": [kind],
        "additionalProperties": False,
    }


def _values(cls: Any, schema: dict[str, Any]) -> list[dict[str, Any]]:
    mapping = {key: part for key, part in schema.items() if key not in ("title", "description")}
    if "column" in mapping.get("properties", {}) and _takes(cls, _with_list(cls)):
        column = mapping["properties"]["column"]
        names = {"type": "array", "items": {"type": "string"}}
        mapping["properties"] = {
            **mapping["properties"],
            "column": {"anyOf": [{"type": "string"}, names], "description": column.get("description")},
        }
    values = [mapping]
    taken = [probe for probe in _PROBES if _takes(cls, probe)]
    for type_, json_type in ((str, "string"), (list, "array"), (int, "number")):
        if any(isinstance(probe, type_) for probe in taken):
            values.append({"type": json_type})
    if any(_takes(cls, {"any name": free}) for free in _FREE):
        values.append({"type": "object", "additionalProperties": _value_of_dict(schema)})
    return values


def _with_list(cls: Any) -> dict[str, Any]:
    """A mapping that fills what is required, with a list of columns."""
    fillers = {"values": ["a"], "min": 1, "regex": "a", "type": "integer", "to": ["a.b"], "max_age": "1h"}
    names = set(cls.model_fields)
    given = {name: value for name, value in fillers.items() if name in names}
    return {**given, "column": ["a"]}


def _takes(cls: Any, value: Any) -> bool:
    try:
        cls.parse(value, {})
    except (ValidationError, ValueError, TypeError, SluicewayError):
        return False
    return True


def _value_of_dict(schema: Mapping[str, Any]) -> Any:
    """What a free mapping (``derive: {net: …}``) holds: the values of the model's first mapping."""
    for part in schema["properties"].values():
        for choice in part.get("anyOf", [part]):
            if isinstance(choice.get("additionalProperties"), dict):
                return {"anyOf": [choice["additionalProperties"], {"type": "string"}]}
    return {}
