"""Each problem of a contract by its name, with its line; all of them, and none where there is none."""

from __future__ import annotations

import contextlib
import copy
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sluiceway.errors import SluicewayError
from sluiceway.spec.contract_diff import compare_contracts
from sluiceway.spec.contract_lint import Problem, lint, lint_file
from sluiceway.spec.odcs_write import with_rules
from sluiceway.spec.yaml import Document, KeyPath, read_yaml, read_yaml_text

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = "version: 1.0.0\napiVersion: v3.1.0\nkind: DataContract\nid: c\nstatus: active\n"
TABLE = "schema:\n  - name: t\n    properties:\n"


def problems(text: str, head: str = HEAD) -> tuple[Problem, ...]:
    return lint(read_yaml_text(head + text, "c.odcs.yaml"))


def told(text: str, head: str = HEAD) -> list[tuple[str, str, int | None]]:
    return [(p.level, p.kind, p.where.line) for p in problems(text, head)]


def table(*properties: str) -> str:
    return TABLE + "".join(f"      - {{{text}}}\n" for text in properties)


def ours(rule: str) -> str:
    return f"name: a, quality: [{{type: custom, engine: sluiceway, implementation: {{{rule}}}}}]"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("schema: x\n", [("error", "shape", 6)]),
        (table("name: a, requird: true"), [("error", "shape", 9)]),
        (table("name: a", "name: a"), [("error", "duplicate_name", 10), ("error", "schema", 10)]),
        (table("name: a, required: maybe"), [("error", "shape", 9)]),
        (table("name: a, logicalType: text"), [("error", "shape", 9)]),
        (table("name: a, tags: x"), [("error", "shape", 9)]),
        (table("name: a, id: 'a b'"), [("error", "shape", 9)]),
        (table("name: a, whatever: 1"), [("warning", "shape", 9)]),
        (table("logicalType: string"), [("error", "schema", 9)]),
        (table("name: email"), [("warning", "unclassified", 9)]),
        (table("name: customerPhone"), [("warning", "unclassified", 9)]),
        (table("name: n, physicalName: birth_date"), [("warning", "unclassified", 9)]),
        (table("name: email, classification: pii"), []),
        (table("name: emailed_count", "name: phonetic", "name: gendered"), []),
        (table("name: a, quality: [{metric: nullValue, mustBe: 0}]"), [("error", "rule", 9)]),
        (table("name: a, quality: [{metric: nullValues}]"), [("error", "rule", 9)]),
        (
            table("name: a, quality: [{metric: nullValues}, {metric: odd, mustBe: 1}]", "name: b, unique: 1"),
            [("error", "rule", 9), ("error", "rule", 9), ("error", "shape", 10)],
        ),
        (
            table(ours("not_null: b")),
            [("error", "unknown_column", 9)],
        ),
        (
            table(ours("expression: b > 0")),
            [("error", "unknown_column", 9)],
        ),
        (table("name: a, quality: [{type: custom, engine: soda, implementation: {not_null: b}}]"), []),
        (
            table("name: a, logicalType: string, logicalTypeOptions: {minimum: 3}"),
            [("error", "rule", 9)],
        ),
        (
            table("name: a, logicalType: boolean, quality: [{metric: invalidValues, mustBe: 0, "
                  "arguments: {pattern: x}}]"),
            [("error", "rule", 9)],
        ),
        (
            table("name: a, quality: [{id: x, metric: nullValues, mustBe: 0}, {id: x, type: text}]"),
            [("error", "duplicate_id", 9)],
        ),
        (
            table("name: a, quality: [{name: x, metric: nullValues, mustBe: 0}]",
                  "name: b, quality: [{name: x, metric: nullValues, mustBe: 0}]"),
            [("warning", "same_name", 10)],
        ),
        ("schema: [{name: t}, {name: t}]\n", [("error", "duplicate_name", 6)]),
        ("", [("warning", "no_schema", 1)]),
        ("schema: []\nsupport: [{tool: x}]\n", [("warning", "no_schema", 6), ("error", "shape", 7)]),
        ("schema: [{name: t}]\nteam: [{username: ann}]\n", [("warning", "shape", 7)]),
        ("schema: [{name: t}]\ndescription: words\n", [("error", "shape", 7)]),
        ("schema: [{name: t}]\nserver: []\n", [("error", "shape", 7)]),
        ("schema: [{name: t}]\nservers: [{server: s, type: postgres, host: h, theirs: 1}]\n", []),
    ],
)  # fmt: skip
def test_problems(text: str, expected: list[tuple[str, str, int | None]]) -> None:
    assert sorted(told(text), key=str) == sorted(expected, key=str)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("version: 1.0.0", "version: spring", [("warning", "version", 1)]),
        ("version: 1.0.0", "version: 1.0", [("error", "shape", 1)]),
        ("v3.1.0", "v3.9.0", [("warning", "api_version", 2)]),
        ("v3.1.0", "v2.2.2", [("error", "api_version", 2)]),
        ("DataContract", "Contract", [("error", "kind", 3)]),
        ("status: active", "status: activ", [("warning", "status", 5)]),
        ("id: c\n", "", [("error", "shape", 1)]),
    ],
)
def test_the_head(old: str, new: str, expected: list[tuple[str, str, int | None]]) -> None:
    assert told("schema: [{name: t}]\n", HEAD.replace(old, new)) == expected


def test_a_problem_says_where_and_what_to_type() -> None:
    (problem,) = problems(table("name: amount", "name: b, quality: [{type: custom, engine: sluiceway, "
                                "implementation: {not_null: amuont}}]"))  # fmt: skip
    assert str(problem.where) == "c.odcs.yaml:10: schema[0].properties[1].quality[0]"
    assert problem.message == "rule not_null: t has no column 'amuont'"
    assert problem.hint == "did you mean 'amount'?"


def test_a_file_that_is_no_yaml_is_one_problem(tmp_path: Path) -> None:
    file = tmp_path / "c.odcs.yaml"
    file.write_text("a: [")
    assert [(p.level, p.kind) for p in lint_file(file)] == [("error", "unreadable")]
    assert [(p.level, p.kind) for p in lint_file(tmp_path / "none.yaml")] == [("error", "unreadable")]
    file.write_text("- a\n")
    assert [p.message for p in lint_file(file)] == ["expected a mapping, got a list"]


JUNK: list[Any] = [
    None,
    1,
    -1,
    2.5,
    True,
    "x",
    "",
    [],
    {},
    [1],
    ["x"],
    {"a": 1},
    [{}],
    [None],
    "null",
    "a.b.c",
]


@pytest.mark.parametrize("seed", range(3))
def test_whatever_a_file_holds_nobody_sees_a_trace(seed: int) -> None:
    """Two places of a whole contract hold something else, or nothing: told as a mistake, or taken."""
    draw = random.Random(seed)
    base = read_yaml(Path(__file__).parent / "data" / "everything.odcs.yaml").value
    places = [path for path in _paths(base) if path]
    errors = 0
    for _ in range(30):
        changed = copy.deepcopy(base)
        for path in draw.sample(places, 2):
            _spoil(changed, path, draw)
        errors += any(problem.level == "error" for problem in lint(Document(changed)))
        for work in (
            lambda: compare_contracts(base, changed),  # noqa: B023
            lambda: compare_contracts(changed, base),  # noqa: B023
            lambda: with_rules(changed, [{"not_null": "email"}]),  # noqa: B023
        ):
            with contextlib.suppress(SluicewayError):
                work()
    assert errors > 10


def _paths(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    yield path
    items: Any = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, item in items:
        yield from _paths(item, (*path, key))


def _spoil(value: Any, path: KeyPath, draw: random.Random) -> None:
    with contextlib.suppress(KeyError, IndexError, TypeError):  # the other change took the place away
        for key in path[:-1]:
            value = value[key]
        if draw.random() < 0.3:
            del value[path[-1]]
        else:
            value[path[-1]] = draw.choice(JUNK)
