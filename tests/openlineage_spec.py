"""Events against the JSON schemas of the OpenLineage specification, which lie beside the repository."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SPECS = Path(__file__).resolve().parents[1].parent / "shared" / "specs" / "openlineage"


def validator() -> Callable[[dict[str, Any]], None]:
    """Fails unless an event fits the core schema and each facet that of its own ``_schemaURL``."""
    if not SPECS.is_dir():
        pytest.skip("no OpenLineage specification: ../shared/specs/openlineage is missing")
    from jsonschema import Draft202012Validator, FormatChecker
    from referencing import Registry, Resource

    found = [json.loads(file.read_text()) for file in SPECS.rglob("*.json")]
    registry: Any = Registry().with_resources([(s["$id"], Resource.from_contents(s)) for s in found])
    known = {s["$id"] for s in found}

    def against(reference: str, value: Any) -> None:
        assert reference.partition("#")[0] in known, reference
        schema = {"$ref": reference}
        checker = Draft202012Validator(schema, registry=registry, format_checker=FormatChecker())
        errors = [f"{e.json_path}: {e.message}" for e in checker.iter_errors(value)]
        assert errors == []

    def facets(value: Any) -> Iterator[dict[str, Any]]:
        if isinstance(value, dict):
            if "_schemaURL" in value:
                yield value
            for item in value.values():
                yield from facets(item)
        elif isinstance(value, list):
            for item in value:
                yield from facets(item)

    def event(value: dict[str, Any]) -> None:
        assert value == json.loads(json.dumps(value, allow_nan=False))
        against(value["schemaURL"], value)
        seen = list(facets(value))
        assert seen
        for one in seen:
            against(one["_schemaURL"], one)
            assert one["_producer"] == value["producer"]

    return event
