"""Mistakes in a pipeline file: each says file, line, key, what was expected and what to type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sluiceway.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

BAD: dict[str, tuple[str | dict[str, str], str, str, str]] = {
    "empty": ("", "pipelines/orders.yml", "is empty", "pipeline: NAME"),
    "a list": ("- a\n", ":1", "is a list", "pipeline: NAME"),
    "a text": ("hello\n", ":1", "is 'hello'", ""),
    "no name": ("sources: {}\n", ":1", "'pipeline' is missing", ""),
    "odd name": ({"pipeline": "'a b/../c'"}, ":1: pipeline", "can't be a pipeline's name", ""),
    "name with a variable": ({"pipeline": "'o${X}'"}, ":1: pipeline", "can't be a pipeline's name", ""),
    "number as a name": ({"pipeline": "7"}, ":1: pipeline", "expected a text, got 7", "quotes"),
    "duplicate key": ({"owner": "x\npipeline: b"}, ":5: pipeline", "given twice", ""),
    "unknown key": ({"scheduel": "x"}, ":4: scheduel", "unknown key", "'schedule'"),
    "unknown nested key": ({"retry": "{atempts: 1}"}, ":4: retry.atempts", "unknown key", "'attempts'"),
    "wrong type": ({"retry": "{attempts: many}"}, ":4: retry.attempts", "a whole number, got 'many'", ""),
    "too few": ({"retry": "{attempts: 0}"}, ":4: retry.attempts", "greater than or equal to 1", ""),
    "timeout": ({"timeout": "soon"}, ":4: timeout", "a duration such as", ""),
    "memory": ({"memory_limit": "lots"}, ":4: memory_limit", "a size such as", ""),
    "timezone": ({"timezone": "Europe/Amsterdm"}, ":4: timezone", "not a time zone", ""),
    "depends_on": ({"depends_on": "[customers]"}, ":4: depends_on", "'pipeline:NAME'", ""),
    "threshold": ({"quality": "{thresholds: {scroe: 1}}"}, ":4: quality.thresholds", "'scroe'", ""),
    "threshold range": ({"quality": "{thresholds: {score: 7}}"}, ":4: quality.thresholds.score", "7", ""),
    "tags": ({"tags": "a"}, ":4: tags", "expected a list, got 'a'", ""),
    "no sources": ({"sources": ""}, "sources", "has no sources", "sources: {NAME"),
    "source is a text": ({"sources": "{a: a.csv}"}, ":2: sources.a", "expected a mapping", "type: csv"),
    "source with a reserved name": ({"sources": "{_a: {type: csv, path: x}}"}, ":1", "'_a'", ""),
    "source without a type": ({"sources": "{a: {path: x}}"}, ":2: sources.a", "'type' is missing", "csv"),
    "source of unknown type": ({"sources": "{a: {type: cvs}}"}, ":2: sources.a.type", "'cvs'", "'csv'"),
    "source key": ({"sources": "{a: {type: csv, pth: x}}"}, ":2: sources.a.pth", "unknown key", "'path'"),
    "source value": (
        {"sources": "{a: {type: csv, path: x, batch_size: 0}}"},
        ":2: sources.a.batch_size",
        "1",
        "",
    ),
    "source needs a path": ({"sources": "{a: {type: csv}}"}, ":2: sources.a", "'path' is missing", ""),
    "undefined connection": (
        {"sources": "{a: {connection: foldr}}"},
        ":2: sources.a.connection",
        "no connection 'foldr'",
        "'folder'",
    ),
    "type against the connection": (
        {"sources": "{a: {type: json, connection: folder}}"},
        ":2: sources.a.type",
        "'json'",
        "remove the type",
    ),
    "unknown key of a connection": (
        {"sources": "{a: {connection: broken}}"},
        ":2: sources.a.connection",
        "'pth'",
        "'path'",
    ),
    "incremental key": (
        {"sources": "{a: {type: csv, path: x, incremental: {curser: x}}}"},
        ":2: sources.a.incremental.curser",
        "unknown key",
        "'cursor'",
    ),
    "lag without merge": (
        {"sources": "{a: {type: csv, path: x, incremental: {cursor: x, lag: 1h}}}"},
        ":2: sources.a.incremental.lag",
        "load them twice",
        "mode: merge",
    ),
    "lag is no duration": (
        {"sources": "{a: {type: csv, path: x, incremental: {cursor: x, lag: often}}}"},
        ":2: sources.a.incremental.lag",
        "a duration such as",
        "",
    ),
    "rules are no list": ({"rules": "{not_null: a}"}, ":4: rules", "expected a list", ""),
    "rule is a text": ({"rules": "[not_null]"}, ":4: rules[0]", "expected a mapping", "not_null: …"),
    "unknown rule": (
        {"rules": "\n  - not_nul: a"},
        ":5: rules[0].not_nul",
        "no rule 'not_nul'",
        "'not_null'",
    ),
    "two rules in one": ({"rules": "[{not_null: a, unique: b}]"}, ":4: rules[0].unique", "two rules", "-"),
    "no rule named": ({"rules": "[{severity: error}]"}, ":4: rules[0]", "no rule is named", "not_null"),
    "unknown option": (
        {"rules": "[{not_null: a, severty: error}]"},
        ":4: rules[0].severty",
        "unknown key",
        "'severity'",
    ),
    "wrong option": (
        {"rules": "[{not_null: a, severity: eror}]"},
        ":4: rules[0].severity",
        "got 'eror'",
        "'error'",
    ),
    "wrong tolerance": (
        {"rules": "[{not_null: a, tolerance: lots}]"},
        ":4: rules[0].tolerance",
        "such as '0.5%'",
        "",
    ),
    "unknown key of a rule": (
        {"rules": "[{range: {column: a, mni: 0}}]"},
        ":4: rules[0].range.mni",
        "unknown key",
        "'min'",
    ),
    "rule of the wrong type": (
        {"rules": "[{not_null: [a, 5]}]"},
        ":4: rules[0].not_null",
        "expected a text, got 5",
        "",
    ),
    "missing key of a rule": (
        {"rules": "[{range: {min: 0}}]"},
        ":4: rules[0].range",
        "'column' is missing",
        "",
    ),
    "bare value where a mapping is meant": ({"rules": "[{range: 5}]"}, ":4: rules[0].range", "mapping", ""),
    "option given twice": (
        {"rules": "[{range: {column: a, min: 0, severity: info}, severity: error}]"},
        ":4: rules[0].severity",
        "given twice",
        "remove",
    ),
    "expression that became null": (
        {"rules": "[{expression: }]"},
        ":4: rules[0].expression",
        "no value",
        "comma",
    ),
    "expression with a comma": (
        {"rules": "[{expression: coalesce(a, 0) > 1}]"},
        ":4: rules[0].0) > 1",
        "no value",
        "comma",
    ),
    "derive with a comma": (
        {"transform": "[{derive: {net: coalesce(a, 0)}}]"},
        ":4: transform[0].derive.0)",
        "no value",
        "comma",
    ),
    "unknown step": (
        {"transform": "[{filtre: a}]"},
        ":4: transform[0].filtre",
        "no step 'filtre'",
        "'filter'",
    ),
    "step option": (
        {"transform": "[{filter: a > 1, nam: b}]"},
        ":4: transform[0].nam",
        "unknown key",
        "'name'",
    ),
    "two steps with a name": (
        {"transform": "[{filter: a > 1, name: b}, {filter: a > 2, name: b}]"},
        ":4: transform[1].name",
        "two steps are called 'b'",
        "",
    ),
    "step called like a source": (
        {"transform": "[{filter: a > 1, name: a}]"},
        ":4: transform[0].name",
        "is a source already",
        "",
    ),
    "reserved step name": ({"transform": "[{filter: x, name: _x}]"}, ":4: transform[0].name", "reserved", ""),
    "no table": ({"destination": "{tabel: a.b}"}, ":3: destination", "'table' is missing", "'table'"),
    "path as a table": ({"destination": "{table: ../../x}"}, ":3: destination.table", "not a table name", ""),
    "dotted path as a table": ({"destination": "{table: ..x}"}, ":3: destination.table", "table name", ""),
    "unknown mode": (
        {"destination": "{table: b, mode: megre}"},
        ":3: destination.mode",
        "'megre'",
        "'merge'",
    ),
    "merge without a key": (
        {"destination": "{table: b, mode: merge}"},
        ":3: destination.mode",
        "merge needs a key",
        "primary_key",
    ),
    "scd2 without a key": (
        {"destination": "{table: b, mode: scd2}"},
        ":3: destination.mode",
        "needs a key",
        "",
    ),
    "version without merge": (
        {"destination": "{table: b, version: v}"},
        ":3: destination.version",
        "no meaning",
        "mode: merge",
    ),
    "scd2 option without scd2": (
        {"destination": "{table: b, effective_at: v}"},
        ":3: destination.effective_at",
        "no meaning",
        "scd2",
    ),
    "destination key": (
        {"destination": "{table: b, mod: append}"},
        ":3: destination.mod",
        "unknown key",
        "'mode'",
    ),
    "destination type": (
        {"destination": "{table: b, type: duckbd}"},
        ":3: destination.type",
        "'duckbd'",
        "'duckdb'",
    ),
    "destination connection": (
        {"destination": "{table: b, connection: wh}"},
        ":3: destination.connection",
        "no connection 'wh'",
        "",
    ),
    "schema contract": (
        {"destination": "{table: b, schema_contract: {columns: frezee}}"},
        ":3: destination.schema_contract.columns",
        "got 'frezee'",
        "'freeze'",
    ),
    "files can't merge": (
        {"destination": "{table: b, type: parquet, path: out, mode: merge, primary_key: id}"},
        ":3: destination.mode",
        "can't merge",
        "mode:",
    ),
    "missing contract": (
        {"contract": "contracts/x.odcs.yaml"},
        ":4: contract",
        "no contract file",
        "project",
    ),
    "both names": ({"destination_table": "x.y"}, ":4: destination_table", "both are given", "remove"),
}
"""Case: the text, or parts of a short pipeline; the end of the place; what is said; the hint."""


@pytest.mark.parametrize("case", BAD)
def test_mistakes_say_where_what_and_what_to_type(
    make: Callable[..., Any], small: Callable[..., str], case: str
) -> None:
    text, place, said, hint = BAD[case]
    with pytest.raises(ConfigError) as caught:
        make(text if isinstance(text, str) else small(**text))
    error = caught.value
    assert error.exit_code == 2
    assert str(error.where).startswith("pipelines/orders.yml")
    assert str(error.where).endswith(place), str(error.where)
    assert said in error.message
    assert hint in (error.hint or "")
