"""Contracts of pipelines and datasets: what is declared as a document, and a document into the project."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.errors import ConfigError, SpecError, Where
from sluiceway.plan.build import names_read
from sluiceway.rules.freshness import Freshness
from sluiceway.run.resolve import resolved
from sluiceway.run.standing import standing
from sluiceway.schema import TableName
from sluiceway.spec.contract import chosen_object, read_contract, read_contract_document
from sluiceway.spec.contract_lint import lint_file
from sluiceway.spec.entries import Entry, entry_of, plain
from sluiceway.spec.odcs_new import new_contract, properties_of
from sluiceway.spec.odcs_write import entries_in, with_rules
from sluiceway.spec.pipeline import PipelineConfig
from sluiceway.spec.project import find_pipeline, pipeline_files
from sluiceway.spec.resolve import resolve
from sluiceway.spec.variables import has_variable
from sluiceway.spec.yaml import Document, shown
from sluiceway.spec.yaml_edit import dump, read_editable, set_key, write_text

if TYPE_CHECKING:
    from sluiceway.schema import Schema
    from sluiceway.spec.contract_lint import Problem
    from sluiceway.spec.model import Pipeline, Project

__all__ = ["Exported", "Imported", "contract_of_standing", "exported", "frequency", "imported"]


@dataclass(frozen=True)
class Exported:
    """A contract to hand out: the document, and its text with the comments that it had."""

    document: dict[str, Any]
    text: str
    columns: int
    rules: int


@dataclass(frozen=True)
class Imported:
    """What an import did. ``written``: the file is new; ``linked``: the pipeline's file was changed."""

    path: Path
    written: bool
    rules: int
    linked: bool
    problems: tuple[Problem, ...] = ()


def exported(target: str, project: Project, environment: str | None = None) -> Exported:
    """The contract of a pipeline's table, or of a dataset and whatever the pipelines that load it declare.

    Args:
        target: a pipeline's name or file, or ``NAMESPACE.NAME`` of a table that stands.

    Raises:
        ConfigError: no such thing, or a rule takes a value from a variable.
    """
    pipelines = _pipelines(target, project, environment)
    if pipelines is not None and len(pipelines) == 1 and pipelines[0].name == _named(target, project):
        schema = _planned(pipelines[0])
    else:
        schema = _stands(target, project, environment)
    for pipeline in pipelines or []:
        _no_variables(pipeline)
    made, like = _base(target, pipelines or [], schema)
    table = pipelines[0].destination.table if pipelines else TableName.parse(target)
    rules = [
        entry_of(Entry(declared.rule))
        for pipeline in pipelines or []
        for declared in pipeline.rules
        if declared.origin == "pipeline"
    ]
    made = with_rules(made, rules, table=table)
    document = plain(made)
    found = chosen_object(document, table, Document(document))
    columns = len(found[1].get("properties") or ()) if found is not None else 0
    return Exported(document, dump(made, like=like), columns, len(entries_in(document, table)))


def _no_variables(pipeline: Pipeline) -> None:
    """A contract is handed out, and is the same for everyone: no value of this machine's may be in it.

    Raises:
        ConfigError: a rule, or a word for people, takes a value from a variable.
    """
    said = {key: pipeline.raw.get(key) for key in ("rules", "description", "owner", "tags", "schedule")}
    left = [said]
    while left:
        value: Any = left.pop()
        if isinstance(value, Mapping):
            left += value.values()
        elif isinstance(value, list | tuple):
            left += value
        elif has_variable(value):
            raise ConfigError(
                f"pipeline {pipeline.name} has '{value}', and a contract is handed out",
                hint="write the value itself, or leave it out of what the contract holds",
            )


def _named(target: str, project: Project) -> str | None:
    """The pipeline's name if ``target`` is one; None for a dataset."""
    path = Path(target)
    if path.suffix in (".yml", ".yaml") or path.is_file():
        return PipelineConfig.load(find_pipeline(project, target)).pipeline
    return target if target in pipeline_files(project) else None


def _pipelines(target: str, project: Project, environment: str | None) -> list[Pipeline] | None:
    """The pipeline, or those that load the dataset."""
    if _named(target, project) is not None:
        config = PipelineConfig.load(find_pipeline(project, target))
        return [resolve(config, project, environment=environment)]
    if "." not in target:
        find_pipeline(project, target)  # says which pipelines there are
    table = str(TableName.parse(target)).casefold()
    found = []
    for file in pipeline_files(project).values():
        config = PipelineConfig.load(file)
        declared = config.destination
        if declared is not None and str(TableName.parse(declared.table)).casefold() == table:
            found.append(resolve(config, project, environment=environment))
    return found


def _planned(pipeline: Pipeline) -> Schema:
    with (
        tempfile.TemporaryDirectory(prefix="sluiceway-") as scratch,
        resolved(
            pipeline,
            started_at=datetime.now(UTC),
            staging=Path(scratch) / "plan",
            named=names_read(pipeline),
        ) as opened,
    ):
        return opened.plan().output


def _stands(target: str, project: Project, environment: str | None) -> Schema:
    with standing(target, project=project, environment=environment) as data:
        return data.schema


def contract_of_standing(target: str, project: Project, environment: str | None = None) -> dict[str, Any]:
    """A table as it stands, as a contract: its columns and nothing else.

    Raises:
        PlanError: there is no such table.
    """
    table = TableName.parse(target)
    return new_contract(str(table), _stands(target, project, environment), table=table)


def _base(target: str, pipelines: Sequence[Pipeline], schema: Schema) -> tuple[dict[str, Any], str | None]:
    """What the rules go into, and the text that it was read from: the pipeline's own contract, if any."""
    if not pipelines:
        return new_contract(str(TableName.parse(target)), schema), None
    first = pipelines[0]
    table, key = first.destination.table, first.destination.key
    sla = [item for pipeline in pipelines for item in _promises(pipeline)]
    if first.contract is None:
        made = new_contract(
            str(table), schema, key=key, table=table, description=first.description, owner=first.owner,
            tags=first.tags, sla=sla,
        )  # fmt: skip
        return made, None
    made, document = read_editable(first.contract.file)
    found = chosen_object(made, table, document)
    if found is not None and not found[1].get("properties"):
        found[1]["properties"] = properties_of(schema, key)
    if first.owner and not made.get("team"):
        made["team"] = {"name": first.owner}
    known = {(item.get("property"), item.get("element")) for item in made.get("slaProperties") or ()}
    more = [item for item in sla if (item["property"], item.get("element")) not in known]
    if more:
        made.setdefault("slaProperties", []).extend(more)
    return made, first.contract.file.read_text("utf-8-sig")


def _promises(pipeline: Pipeline) -> list[dict[str, Any]]:
    """The schedule as ``frequency``, and each freshness rule as ``latency``."""
    found: list[dict[str, Any]] = []
    name = pipeline.destination.table.name
    if pipeline.schedule and len(pipeline.schedule.crons) == 1:
        cron = pipeline.schedule.crons[0]
        value, unit = frequency(cron)
        promise: dict[str, Any] = {"property": "frequency", "value": value}
        if unit:
            promise["unit"] = unit
        promise |= {"scheduler": "cron", "schedule": cron}
        if pipeline.timezone != "UTC":
            promise["description"] = f"in {pipeline.timezone}"
        found.append(promise)
    for declared in pipeline.rules:
        if isinstance(declared.rule, Freshness):
            number = re.fullmatch(r"\s*(\d+)\s*([a-z]+)\s*", declared.rule.max_age)
            limit: dict[str, Any] = {"property": "latency", "value": declared.rule.max_age}
            if number is not None:
                limit = {"property": "latency", "value": int(number[1]), "unit": number[2]}
            found.append({**limit, "element": f"{name}.{declared.rule.column}"})
    return found


def frequency(cron: str) -> tuple[int | None, str]:
    """How often a cron expression fires, where that is one number: (1, "d"); else (None, "").

    >>> frequency("0 6 * * *"), frequency("*/15 * * * *"), frequency("0 6 * * 1"), frequency("0 6 1,9 * *")
    ((1, 'd'), (15, 'm'), (7, 'd'), (None, ''))
    """
    minute, hour, day, month, weekday = [*cron.split(), "", "", "", "", ""][:5]
    fixed = str.isdecimal
    if (day, month, weekday) == ("*", "*", "*") and len(cron.split()) == 5:
        step = re.fullmatch(r"\*/(\d+)", minute)
        if hour == "*" and step and 60 % int(step[1] or 1) == 0:
            return int(step[1]), "m"
        if hour == "*" and fixed(minute):
            return 1, "h"
        step = re.fullmatch(r"\*/(\d+)", hour)
        if fixed(minute) and step and 24 % int(step[1] or 1) == 0:
            return int(step[1]), "h"
        if fixed(minute) and fixed(hour):
            return 1, "d"
    if (
        (day, month) == ("*", "*")
        and re.fullmatch(r"[0-7]|[A-Za-z]{3}", weekday)
        and fixed(minute)
        and fixed(hour)
    ):
        return 7, "d"
    return None, ""


def imported(
    file: Path, project: Project, *, pipeline: str | None = None, name: str | None = None, force: bool = False
) -> Imported:
    """Copy a contract into ``contracts/`` byte for byte, and make it a pipeline's, if one is named.

    Nothing is written before all of it was read: the contract, and with a pipeline its table in it.

    Raises:
        SpecError: the file is no contract that can be read, or its name is taken by another one.
    """
    read_contract_document(file)
    given = name or re.sub(r"(\.odcs)?\.(ya?ml|json)$", "", file.name)
    if not re.fullmatch(r"[\w][\w.\-]*", given):
        raise ConfigError(f"'{given}' can't be a file's name", hint="give one: --name orders")
    target = project.folder / "contracts" / f"{given.removesuffix('.odcs.yaml')}.odcs.yaml"
    config = None if pipeline is None else PipelineConfig.load(find_pipeline(project, pipeline))
    table = TableName.parse(config.destination.table) if config and config.destination else None
    rules = len(_rules(file, table))
    data = file.read_bytes()
    there = target.read_bytes() if target.is_file() else None
    if there not in (None, data) and not force:
        raise SpecError(
            "another contract has that name",
            where=Where(shown(target)),
            hint="give it another: --name NAME, or --force to write over it",
        )
    written = there != data
    if written:
        write_text(target, data)
    linked = False
    if config is not None and config.file is not None:
        value = target.relative_to(project.folder).as_posix()
        linked = set_key(config.file, "contract", value, before=("rules", "quality", "destination"))
    return Imported(target, written, rules, linked, lint_file(target))


def _rules(file: Path, table: TableName | None) -> list[Any]:
    """The rules that the gate will judge by; of every table where none is named."""
    if table is not None:
        return list(read_contract(file, table).rules)
    objects: Sequence[Mapping[str, Any]] = read_contract_document(file).get("schema") or []
    names = [TableName("main", str(item.get("name"))) for item in objects]
    return [rule for one in names for rule in read_contract(file, one).rules]
