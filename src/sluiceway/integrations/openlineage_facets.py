"""OpenLineage's facets as plain dicts, each with the address of its schema."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sluiceway import __version__
from sluiceway.schema import as_number

__all__ = [
    "FACETS",
    "PRODUCER",
    "assertions",
    "column_lineage",
    "data_source",
    "facet",
    "quality_metrics",
    "schema",
    "tests_run",
]

PRODUCER = f"pkg:pypi/sluiceway@{__version__}"
"""A package URL: it names who made the event, exactly, and belongs to no host."""

FACETS: Mapping[str, str] = {
    "ColumnLineageDatasetFacet": "1-2-0",
    "DataQualityAssertionsDatasetFacet": "1-1-0",
    "DataQualityMetricsDatasetFacet": "1-0-0",
    "DataQualityMetricsInputDatasetFacet": "1-0-3",
    "DatasourceDatasetFacet": "1-0-1",
    "DocumentationJobFacet": "1-1-0",
    "ErrorMessageRunFacet": "1-0-1",
    "InputStatisticsInputDatasetFacet": "1-0-0",
    "JobTypeJobFacet": "2-0-4",
    "NominalTimeRunFacet": "1-0-1",
    "OutputStatisticsOutputDatasetFacet": "1-0-2",
    "OwnershipJobFacet": "1-0-1",
    "ParentRunFacet": "1-2-0",
    "ProcessingEngineRunFacet": "1-1-1",
    "SQLJobFacet": "1-1-0",
    "SchemaDatasetFacet": "1-2-0",
    "TagsRunFacet": "1-0-0",
    "TestRunFacet": "1-0-1",
}

_WHOLE = ("JOIN", "FILTER", "GROUP_BY", "SORT", "WINDOW")
"""Influences that, where every column has them, say which rows there are: they concern the dataset."""


def facet(kind: str, /, **fields: Any) -> dict[str, Any]:
    """A facet with its producer and schema.

    >>> facet("SQLJobFacet", query="SELECT 1")["_schemaURL"]
    'https://openlineage.io/spec/facets/1-1-0/SQLJobFacet.json#/$defs/SQLJobFacet'
    """
    address = f"https://openlineage.io/spec/facets/{FACETS[kind]}/{kind}.json#/$defs/{kind}"
    return {"_producer": PRODUCER, "_schemaURL": address, **fields}


def data_source(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """Where a dataset lies. A namespace that is no URI is a name only."""
    namespace = str(dataset["namespace"])
    named = facet("DatasourceDatasetFacet", name=namespace)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", namespace) and not re.search(r"[\s<>\"{}|\\^`]", namespace):
        named["uri"] = namespace
    return named


def schema(columns: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    fields = [
        {"name": column["name"], "type": str(column["type"]), "ordinal_position": position}
        for position, column in enumerate(columns, 1)
    ]
    return facet("SchemaDatasetFacet", fields=fields)


def quality_metrics(
    metrics: Mapping[str, Any], columns: Iterable[Mapping[str, Any]], kind: str
) -> dict[str, Any]:
    """Counts, and minima and maxima that are numbers: the specification has no others, and texts
    would be users' data."""
    types = {column["name"]: str(column["type"]) for column in columns}
    measured: dict[str, dict[str, Any]] = {}
    names = {"null_count": "nullCount", "distinct_count": "distinctCount"}
    for column, values in (metrics.get("columns") or {}).items():
        found: dict[str, Any] = {}
        for ours, theirs in names.items():
            if values.get(ours) is not None:
                found[theirs] = int(values[ours])
        for bound in ("min", "max", "sum"):
            number = _number(as_number(values.get(bound), types.get(column, "")))
            if number is not None:
                found[bound] = number
        measured[column] = found
    built = facet(kind, columnMetrics=measured)
    if metrics.get("row_count") is not None:
        built["rowCount"] = int(metrics["row_count"])
    return built


def _number(value: Any) -> int | float | None:
    """
    >>> from decimal import Decimal
    >>> _number(Decimal("1.5")), _number("a"), _number(True), _number(float("nan"))
    (1.5, None, None, None)
    """
    from decimal import Decimal
    from math import isfinite

    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    if isinstance(value, int):
        return value
    return float(value) if isfinite(value) else None


def _severity(check: Mapping[str, Any]) -> str:
    """The specification knows error (blocks) and warn; a rule that quarantines doesn't block."""
    return "error" if check["on_fail"] == "block" else "warn"


def assertions(checks: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return facet("DataQualityAssertionsDatasetFacet", assertions=[_assertion(check) for check in checks])


def _assertion(check: Mapping[str, Any]) -> dict[str, Any]:
    columns = check.get("columns") or []
    built: dict[str, Any] = {
        "assertion": check["rule"],
        "success": bool(check["passed"]),
        "severity": _severity(check),
        "name": check["id"],
        "params": {
            "failing": check.get("failing"),
            "total": check.get("total"),
            "dimension": check["dimension"],
            "on_fail": check["on_fail"],
        },
    }
    if len(columns) == 1:
        built["column"] = columns[0]
    elif columns:
        built["params"]["columns"] = list(columns)
    if check.get("message"):
        built["description"] = check["message"]
    if check.get("observed") is not None:
        built["actual"] = str(check["observed"])
    return built


def tests_run(checks: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """All checks of a run, for consumers that look at runs and not at datasets."""
    tests = []
    for check in checks:
        test: dict[str, Any] = {
            "name": check["id"],
            "status": "pass" if check["passed"] else "fail",
            "severity": _severity(check),
            "type": check["rule"],
        }
        if check.get("message"):
            test["description"] = check["message"]
        tests.append(test)
    return facet("TestRunFacet", tests=tests)


Field = tuple[str, str, str]  # namespace, name, column


def column_lineage(
    lineage: Mapping[str, Sequence[Mapping[str, Any]]], inputs: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Which input columns each output column comes from; filters, joins, groups, sorts and windows that
    reach every column stand once, under ``dataset``."""
    names = _names(inputs)
    whole = _reaching_all(lineage)
    fields = {
        column: {"inputFields": _inputs([i for i in found if _mark(i) not in whole], names)}
        for column, found in lineage.items()
    }
    built = facet("ColumnLineageDatasetFacet", fields=fields)
    if whole:
        first = next(iter(lineage.values()))
        built["dataset"] = _inputs([i for i in first if _mark(i) in whole], names)
    return built


Mark = tuple[str, str, str, str]


def _mark(item: Mapping[str, Any]) -> Mark:
    return (
        str(item["dataset"]), str(item["column"]), str(item.get("type")), str(item.get("subtype")),
    )  # fmt: skip


def _reaching_all(lineage: Mapping[str, Sequence[Mapping[str, Any]]]) -> set[Mark]:
    marks = [
        {_mark(i) for i in found if i.get("type") == "INDIRECT" and i.get("subtype") in _WHOLE}
        for found in lineage.values()
    ]
    return set.intersection(*marks) if marks else set()


def _names(inputs: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, str]]:
    """Every way in which lineage may name an input: in full, by its source's name, by its name."""
    names: dict[str, tuple[str, str]] = {}
    for item in inputs:
        pair = (str(item["namespace"]), str(item["name"]))
        names.setdefault(pair[1], pair)
        if item.get("source"):
            names[str(item["source"])] = pair
    return names | {f"{namespace}.{name}": (namespace, name) for namespace, name in list(names.values())}


def _inputs(found: Sequence[Mapping[str, Any]], names: Mapping[str, tuple[str, str]]) -> list[dict[str, Any]]:
    """One entry an input column, with everything that is done to it."""
    grouped: dict[Field, list[dict[str, Any]]] = {}
    for item in found:
        dataset = str(item["dataset"])
        if dataset in names:
            namespace, name = names[dataset]
        else:  # read, but not listed among the inputs; a URI in front can't be told from the name
            head, dot, tail = dataset.partition(".")
            namespace, name = (head, tail) if dot and "://" not in dataset else ("", dataset)
        done: dict[str, Any] = {"type": item.get("type") or "DIRECT"}
        if item.get("subtype"):
            done["subtype"] = item["subtype"]
        done["masking"] = bool(item.get("masking"))
        entry = grouped.setdefault((namespace, name, str(item["column"])), [])
        if done not in entry:
            entry.append(done)
    return [
        {"namespace": namespace, "name": name, "field": column, "transformations": done}
        for (namespace, name, column), done in grouped.items()
    ]
