"""``docs/configuration.md``, out of the models; ``make docs`` writes it."""

from __future__ import annotations

import types
import typing
from typing import TYPE_CHECKING, Any, Literal

from pydantic_core import PydanticUndefined

from sluiceway import plugins
from sluiceway.connectors.base import Incremental, SinkConfig, SourceConfig
from sluiceway.rules.base import Rule
from sluiceway.spec.alerts import AlertConfig
from sluiceway.spec.aliases import ALIASES
from sluiceway.spec.health import HealthConfig
from sluiceway.spec.jsonschema import engine_options
from sluiceway.spec.orchestrate import OrchestrateConfig
from sluiceway.spec.pipeline import (
    DestinationConfig,
    PipelineConfig,
    QualityConfig,
    RetryConfig,
    SchemaContractConfig,
)
from sluiceway.spec.project import EngineConfig, EnvironmentConfig, LineageConfig, ProjectConfig
from sluiceway.spec.schedule import ScheduleConfig
from sluiceway.transforms.base import Step

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

__all__ = ["configuration_page", "settings"]

_HEAD = """# Configuration

Written by `make docs` from the models; don't edit it.

A project is a folder with `sluiceway.yml`, `pipelines/*.yml` and, if wanted, `contracts/*.odcs.yaml`.
Paths inside files are relative to the project; paths on the command line to the working folder.
`sluiceway schema pipeline` and `sluiceway schema project` print JSON Schemas with which editors
complete and check these files.

## How files are read

- YAML 1.2, core schema: `yes`, `no` and `on` are texts, and so are dates. Duplicate keys, tags and a
  second document are errors. A file is at most 1 MB, 64 levels deep and 100,000 values with its aliases
  expanded. `<<` merges mappings; the keys written beside it win.
- Quote an expression that holds a comma or a colon.
- An unknown key, a wrong type, a missing file, an undefined connection or variable: an error with
  file, line and key, and exit code 2.

## Variables and secrets

`${VAR}` is the environment variable VAR, `${VAR:-default}` has a default for one that is not defined or
empty, and `$${` is a plain `${`. They stand in texts only, are put in after the YAML is parsed, and stay
texts: a value can't become YAML. They are never put into SQL (`sql`, `query`, `expression`, `filter`,
`filters`, `where`, `derive`, `measure`, `measures`): write `:name` there, and give it by `--vars name=…` or
`variables`. A variable must be defined only where it is used: another environment's, or that of a
connection that no source names, need not be.

What a variable puts under `connections`, `warehouse`, `engine`, `metadata`, `lineage` or `mask`, or in `to`
or `secret` of `alerts`, is a secret, and so are passwords in URLs and keys such as `password`, `token` and
`secret`: they are masked in logs, errors, events and the metadata store. Values of `type`, `port`, `path`,
`threads`, `memory_limit`, `spill`, `master` and `staging` are not secrets, and neither are defaults, nor
values of less than four characters. The stored configuration keeps `${VAR}` as it is written.

Durations are `30s`, `15m`, `1h30m`, `26h`, `2d`, or a number of seconds. Sizes are `4GB` (thousands),
`512MiB` (1024s), or a number of bytes.
"""

_SOURCES = """A source has a `type` (or a `connection` that has one), the keys below, and its connector's own
([connectors](connectors/)). A connection's keys are merged in; those written at the source win.
Installed: {names}.
"""
_STEPS = """A list; each item is one step and the options below. A step reads the one before it (`_` in SQL);
the first reads the first source. [Every step](transforms.md): {names}.
"""
_RULES = """A list; each item is one rule and the options below. `merge` and `scd2` add by themselves that
the key is not null and stands once in a batch. [Every rule](rules.md): {names}.
"""
_ALERTS = (
    "A list; each item is one route. What the channels are and how alerts are told: [alerts](alerts.md).\n"
)
_DESTINATION = """`type`, `connection` and the connector's keys are the environment's `warehouse` where
they are absent; a destination with another type or connection takes none of the warehouse's keys.
`primary_key` must be given with merge and scd2. With scd2 and `effective_at` a key may stand in a batch
once for each of its times.
"""

_CONTRACT = """## Contracts

`contract:` names an Open Data Contract Standard file (v3). Of several schema objects the one is taken whose
name or physical name is the destination's table.

| in the contract | at the gate |
| --- | --- |
| `properties` | the columns with their types; new ones block |
| `physicalType`, else `logicalType` | the column's type; open where neither is known |
| `required`, `primaryKey` | `not_null` |
| `primaryKey` (by `primaryKeyPosition`), `unique` | `unique` |
| `minLength`, `maxLength` | `length` |
| `pattern`; `format` of a string: email, uuid, uri, ipv4, ipv6 | `pattern`, on the whole value |
| `minimum`, `maximum`, `exclusiveMinimum`, `exclusiveMaximum` | `range` |
| `multipleOf` | `expression` |
| `relationships` | `relationships` |
| `classification` other than `public` | samples of the column are masked |
| quality `nullValues` | `not_null` |
| quality `missingValues` | `expression` |
| quality `invalidValues` | `accepted_values` or `pattern` |
| quality `duplicateValues` | `unique` |
| quality `rowCount` | `row_count` |
| quality `type: sql` | `sql`; `${object}` and the table's own name are the batch, `${property}` the column |
| quality `type: custom`, `engine: sluiceway` | `implementation` is an item of `rules:` |

`mustBe: 0`, `mustBeLessThan`, `mustBeLessOrEqualTo` and `mustBeBetween: [0, n]` become a tolerance, in rows
or percent; other comparisons a `sql` rule about the number. `mustBeBetween` includes its bounds.
`id`, else `name`, is the check's id. `conformity` counts as accuracy and `coverage` as completeness.
A severity other than info, warning (warn), error and critical counts as error.
`customProperties` of a check may set `on_fail` and `tolerance`.
Text checks, other tools' checks and everything else are kept and not evaluated.
"""


def _sections() -> list[tuple[str, type[BaseModel], str]]:
    return [
        ("sluiceway.yml", ProjectConfig, ""),
        ("environments.NAME", EnvironmentConfig, ""),
        ("engine", EngineConfig, "Further keys are the engine's own options.\n"),
        *(
            (f"engine type: {name}", model, "Beside the keys of every engine.\n")
            for name, model in engine_options()
        ),
        ("alerts", AlertConfig, _ALERTS),
        ("lineage", LineageConfig, "Further keys are the transport's own.\n"),
        ("orchestrate", OrchestrateConfig, ""),
        ("orchestrate.health", HealthConfig, ""),
        ("A pipeline", PipelineConfig, ""),
        ("schedule", ScheduleConfig, "Or a text: a cron expression, `@daily`, `every 15m`.\n"),
        ("sources.NAME", SourceConfig, _SOURCES.format(names=_listed("connectors"))),
        ("incremental", Incremental, ""),
        ("transform", Step, _STEPS.format(names=_listed("transforms"))),
        ("rules", Rule, _RULES.format(names=_listed("rules"))),
        ("quality", QualityConfig, ""),
        ("retry", RetryConfig, ""),
        ("destination", DestinationConfig, _DESTINATION),
        ("destination.schema_contract", SchemaContractConfig, ""),
        ("warehouse", SinkConfig, "And its connector's own keys, or a `connection`.\n"),
    ]


def settings() -> dict[str, dict[str, str]]:
    """Every setting: section -> key -> what is said of it (``""`` where nothing is)."""
    return {
        title: {_key(name, field): field.description or "" for name, field in model.model_fields.items()}
        for title, model, _ in _sections()
    }


def configuration_page() -> str:
    """The whole page, as Markdown."""
    parts = [_HEAD]
    for title, model, text in _sections():
        level = "##" if title in ("sluiceway.yml", "A pipeline") else "###"
        parts.append(f"{level} {title}\n\n" + (f"{text}\n" if text else "") + _table(model))
        if model is SourceConfig:
            parts.append(_BESIDE)
    parts.append(_aliases())
    parts.append(_CONTRACT)
    return "\n".join(parts)


_BESIDE = """Beside these: `connection` (an entry of `connections`), `incremental` and `rules` (what must hold
before the transform: a row that fails is the source's).
"""


def _aliases() -> str:
    rows = "".join(
        f"| `{alias}` | `{'.'.join(map(str, path)).replace('*', 'NAME')}` |\n"
        for alias, path in ALIASES.items()
    )
    return (
        "### Other names\n\nUnderstood in Python and YAML. Those of a source need a pipeline with one "
        "source; `batch_size` holds for every source. `sources` may be a list (items with a `name`), and "
        f"`destination` the table's name alone.\n\n| name | is |\n| --- | --- |\n{rows}"
    )


def _listed(group: str) -> str:
    return ", ".join(f"`{name}`" for name in plugins.names(group))


def _table(model: type[BaseModel]) -> str:
    rows = ["| key | takes | default | |", "| --- | --- | --- | --- |"]
    for name, field in model.model_fields.items():
        said = (field.description or "").replace("|", "\\|")
        rows.append(f"| `{_key(name, field)}` | {_takes(field.annotation)} | {_default(field)} | {said} |")
    return "\n".join(rows) + "\n"


def _key(name: str, field: FieldInfo) -> str:
    return field.alias or name


_WORDS: dict[Any, str] = {
    str: "text", int: "number", float: "number", bool: "true, false", dict: "mapping", list: "list",
    tuple: "list", Any: "any",
}  # fmt: skip


def _takes(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (typing.Union, types.UnionType):
        words = dict.fromkeys(_takes(one) for one in arguments if one is not type(None))
        return " or ".join(words)
    if origin is typing.Annotated:
        return _takes(arguments[0])
    base = origin or annotation
    if base in _WORDS:
        return _WORDS[base]
    return "number or share" if getattr(base, "__name__", "") == "Tolerance" else "mapping"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default is PydanticUndefined or field.default is None:
        return ""
    value = str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
    return f"`{value}`" if value else ""
