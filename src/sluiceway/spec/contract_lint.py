"""What is wrong with a contract file, all of it: the standard, the rules, and what they speak about."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sluiceway.errors import SluicewayError, SpecError, Where, did_you_mean
from sluiceway.rules.base import RuleContext
from sluiceway.schema import Schema
from sluiceway.spec.contract import ObjectReader
from sluiceway.spec.entries import Entry, parse_entries
from sluiceway.spec.odcs_shape import shape_problems
from sluiceway.spec.yaml import Document, KeyPath, read_yaml

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Problem", "lint", "lint_file"]

_STATUSES = ("proposed", "draft", "active", "deprecated", "retired")
_VERSIONS = ("v3.0.0", "v3.0.1", "v3.0.2", "v3.1.0")
_SEMVER = re.compile(r"v?\d+\.\d+\.\d+(?:[-+].*)?")
_PERSONAL = re.compile(
    r"(^|_)(e_?mail|phone|mobile|msisdn|first_?name|last_?name|full_?name|sur_?name|maiden_?name|birth_?(day|date)"
    r"|date_?of_?birth|dob|ssn|bsn|social_?security|passport|national_?id|tax_?id|iban|card_?(number|no)|credit_?card"
    r"|street|home_?address|postal_?address|ip_?address|salary|gender|religion|ethnicity)(_|$)",
    re.IGNORECASE,
)
"""Names of columns about persons; the profile looks at the values as well."""


@dataclass(frozen=True)
class Problem:
    """One thing to look at. ``kind`` is its name, such as ``unknown_column``."""

    level: Literal["error", "warning"]
    kind: str
    message: str
    where: Where
    hint: str | None = None

    @classmethod
    def of(cls, level: Literal["error", "warning"], kind: str, error: SluicewayError) -> Problem:
        return cls(level, kind, error.message, error.where or Where(), error.hint)

    def as_dict(self) -> dict[str, Any]:
        return {
            "level": self.level, "kind": self.kind, "message": self.message, "hint": self.hint,
            "where": {"file": self.where.file, "line": self.where.line, "key": self.where.key},
        }  # fmt: skip


def lint_file(path: Path) -> tuple[Problem, ...]:
    """``lint`` of a file; a file that is no YAML is one problem."""
    try:
        return lint(read_yaml(path))
    except SpecError as error:
        return (Problem.of("error", "unreadable", error),)


def lint(document: Document) -> tuple[Problem, ...]:
    """Every problem of a contract, in the order of the file.

    >>> from sluiceway.spec.yaml import read_yaml_text
    >>> [p.kind for p in lint(read_yaml_text("kind: DataContract"))]
    ['shape', 'shape', 'shape', 'shape', 'no_schema']
    """
    raw = document.value
    found: list[Problem] = []
    for level, error in shape_problems(raw, document.where):
        found.append(Problem.of("error" if level == "error" else "warning", "shape", error))
    if isinstance(raw, dict):
        found += _header(raw, document)
        objects = raw.get("schema")
        if isinstance(objects, list):
            found += _repeated(objects, "name", ("schema",), "table", document)
            for n, item in enumerate(objects):
                if isinstance(item, dict) and isinstance(item.get("name"), str):
                    found += _object(item, ("schema", n), document)
        if not objects:
            message = "the contract has no schema: it freezes no columns and has no rules"
            found.append(Problem("warning", "no_schema", message, document.where(("schema",))))
    unique = {(p.where.line, p.where.key, p.message): p for p in reversed(found)}.values()
    return tuple(sorted(unique, key=lambda p: (p.where.line or 0, p.where.key or "", p.level, p.message)))


def _header(raw: dict[str, Any], document: Document) -> Iterator[Problem]:
    def problem(
        level: Literal["error", "warning"], key: str, kind: str, said: str, hint: str | None
    ) -> Problem:
        return Problem(level, kind, said, document.where((key,)), hint)

    kind, api = raw.get("kind"), raw.get("apiVersion")
    if kind not in (None, "DataContract"):
        yield problem(
            "error", "kind", "kind", f"expected DataContract, got '{kind}'", "write kind: DataContract"
        )
    if isinstance(api, str) and api not in _VERSIONS:
        old = not api.startswith("v3.")
        said = f"apiVersion {api} can't be read" if old else f"apiVersion {api} is not known here"
        yield problem(
            "error" if old else "warning", "apiVersion", "api_version", said, "write apiVersion: v3.1.0"
        )
    version = raw.get("version")
    if isinstance(version, str) and not _SEMVER.fullmatch(version):
        said = f"version '{version}' is no semantic version: which change breaks can't be seen from it"
        yield problem("warning", "version", "version", said, "write version: 1.0.0")
    status = raw.get("status")
    if isinstance(status, str) and status not in _STATUSES:
        said = f"'{status}' is not one of {', '.join(_STATUSES)}"
        yield problem("warning", "status", "status", said, did_you_mean(status, _STATUSES))


def _object(declared: dict[str, Any], base: KeyPath, document: Document) -> Iterator[Problem]:
    properties = declared.get("properties")
    if isinstance(properties, list):
        yield from _repeated(properties, "name", (*base, "properties"), "column", document)
        for n, item in enumerate(properties):
            if isinstance(item, dict):
                yield from _personal(item, (*base, "properties", n), document)
                yield from _ids(item.get("quality"), (*base, "properties", n, "quality"), document)
    yield from _ids(declared.get("quality"), (*base, "quality"), document)
    try:
        reader = ObjectReader(document, base, declared)
        parts = list(reader.parts())
    except SluicewayError as error:
        yield Problem.of("error", "schema", error)
        return
    rules: list[tuple[Where, Entry]] = []
    for part in parts:
        try:
            for path, item in part():
                where = document.where(path)
                rules += [(where, entry) for entry in parse_entries([item], where)]
        except SluicewayError as error:
            yield Problem.of("error", "rule", error)
    schema = reader.schema()
    if schema is not None:
        yield from _columns(rules, schema, str(declared["name"]))
    yield from _same_id(rules)


def _columns(rules: list[tuple[Where, Entry]], schema: Schema, table: str) -> Iterator[Problem]:
    """Rules about columns that the contract doesn't have, or of a type that they can't judge."""
    for where, entry in rules:
        try:
            used = entry.rule.columns_used
        except SluicewayError as error:
            yield Problem.of("error", "rule", error)
            continue
        absent = [name for name in used if name not in schema]
        for name in absent:
            said = f"rule {entry.rule.name or entry.rule.kind}: {table} has no column '{name}'"
            yield Problem("error", "unknown_column", said, where, did_you_mean(name, schema.names))
        # a type left open fits everything, and parents are looked up in a project
        judged = [schema[name] for name in used if name in schema]
        if absent or entry.rule.reads() or not judged or any(c.family == "unknown" for c in judged):
            continue
        try:
            entry.rule.validate_for(RuleContext(_typed(schema), where))
        except SluicewayError as error:
            yield Problem.of("error", "rule", error)


def _typed(schema: Schema) -> Schema:
    return Schema(tuple(column for column in schema if column.family != "unknown"))


def _same_id(rules: list[tuple[Where, Entry]]) -> Iterator[Problem]:
    """Results are keyed by the rule's id: two of one name can't be told apart over time."""
    named = Counter(entry.rule.name for _, entry in rules if entry.rule.name)
    seen: set[str] = set()
    for where, entry in rules:
        name = entry.rule.name
        if name and named[name] > 1:
            if name in seen:
                said = f"two rules of this table are called '{name}': their results get numbers"
                yield Problem("warning", "same_name", said, where, "give each an id of its own")
            seen.add(name)


def _ids(checks: Any, path: KeyPath, document: Document) -> Iterator[Problem]:
    if isinstance(checks, list):
        yield from _repeated(checks, "id", path, "check", document)


def _repeated(items: list[Any], key: str, path: KeyPath, what: str, document: Document) -> Iterator[Problem]:
    seen: set[str] = set()
    for n, item in enumerate(items):
        value = item.get(key) if isinstance(item, dict) else None
        if isinstance(value, str):
            if value in seen:
                said = f"two {what}s have the {key} '{value}'"
                yield Problem("error", f"duplicate_{key}", said, document.where((*path, n, key)))
            seen.add(value)


def _personal(item: dict[str, Any], path: KeyPath, document: Document) -> Iterator[Problem]:
    names = [str(item.get(key)) for key in ("physicalName", "name") if item.get(key)]
    snake = [re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name) for name in names]
    if not item.get("classification") and any(_PERSONAL.search(name) for name in snake):
        said = f"'{names[0]}' looks personal and has no classification: samples of its values are kept"
        yield Problem(
            "warning", "unclassified", said, document.where(path), "write classification: confidential"
        )
