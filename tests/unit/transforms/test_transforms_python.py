"""python: Arrow batches in, Arrow batches out, and every mistake told with its place."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError
from step_bench import parse

from sluiceway.errors import EngineError, PlanError
from sluiceway.schema import Schema

IN = Schema.of({"id": "INTEGER", "name": "VARCHAR"})
_number = itertools.count()


@pytest.fixture
def project(tmp_path: Path) -> Any:
    """Writes a module with a name of its own; gives (folder, module name)."""

    def write(text: str) -> tuple[Path, str]:
        name = f"steps_{next(_number)}"
        (tmp_path / f"{name}.py").write_text("import pyarrow as pa\n" + text)
        return tmp_path, name

    return write


def run(step: Any, folder: Path, schema: Schema, *batches: pa.RecordBatch) -> list[dict[str, Any]]:
    reader = pa.RecordBatchReader.from_batches(batches[0].schema, iter(batches))
    found: list[dict[str, Any]] = step.run(reader, schema, folder).read_all().to_pylist()
    return found


def batch(*ids: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"id": pa.array(ids, pa.int32()), "name": [f"n{i}" for i in ids]})


ADD = """
def fn(batches):
    for batch in batches:
        yield batch.append_column("double", pa.array([2 * v.as_py() for v in batch["id"]], pa.int64()))
"""


def test_columns_are_found_with_no_rows(project: Any) -> None:
    folder, module = project(ADD)
    step: Any = parse("python", {"function": f"{module}:fn"})
    schema = step.output_schema(IN, folder)
    assert [(c.name, c.type) for c in schema] == [
        ("id", "INTEGER"),
        ("name", "VARCHAR"),
        ("double", "BIGINT"),
    ]
    assert [r["double"] for r in run(step, folder, schema, batch(1, 2), batch(3))] == [2, 4, 6]


def test_declared_columns_set_order_and_types(project: Any) -> None:
    folder, module = project(ADD)
    step: Any = parse(
        "python",
        {"function": f"{module}:fn", "columns": {"double": "double", "id": "bigint", "name": "text"}},
    )
    schema = step.output_schema(IN, folder)
    assert [(c.name, c.type) for c in schema] == [("double", "DOUBLE"), ("id", "BIGINT"), ("name", "VARCHAR")]
    assert run(step, folder, schema, batch(1)) == [{"double": 2.0, "id": 1, "name": "n1"}]


def test_views_come_out_as_the_plain_types_that_every_engine_has(project: Any) -> None:
    """Arrow's string_view and list_view, which Spark lacks; Polars makes them."""
    folder, module = project(
        "def fn(batches):\n    for b in batches:\n"
        "        yield b.append_column('view', pa.array(['x' * 40, None], pa.string_view()))"
        ".append_column('list', pa.array([[1], [2, 3]], pa.list_view(pa.uint64())))\n"
    )
    columns = {"id": "integer", "name": "text", "view": "text", "list": "ubigint[]"}
    step: Any = parse("python", {"function": f"{module}:fn", "columns": columns})
    schema = step.output_schema(IN, folder)
    reader = step.run([batch(1, 2)], schema, folder)
    assert reader.schema.field("view").type == pa.string()
    assert reader.schema.field("list").type == pa.list_(pa.uint64())
    assert [(r["view"], r["list"]) for r in reader.read_all().to_pylist()] == [
        ("x" * 40, [1]),
        (None, [2, 3]),
    ]


def test_a_table_may_come_back(project: Any) -> None:
    folder, module = project("def fn(batches):\n    return pa.Table.from_batches(list(batches))\n")
    step: Any = parse("python", f"{module}:fn")
    assert run(step, folder, step.output_schema(IN, folder), batch(1), batch(2)) == [
        {"id": 1, "name": "n1"}, {"id": 2, "name": "n2"}]  # fmt: skip


def test_batches_are_streamed(project: Any) -> None:
    folder, module = project(ADD)
    step: Any = parse("python", f"{module}:fn")
    taken = []

    def source() -> Any:
        for i in range(100):
            taken.append(i)
            yield batch(i)

    reader = pa.RecordBatchReader.from_batches(batch(1).schema, source())
    out = step.run(reader, step.output_schema(IN, folder), folder)
    out.read_next_batch()
    assert len(taken) < 5, "the input is not read ahead"


@pytest.mark.parametrize("reference", ["nocolon", "a.b", ":fn", "a:", "a b:c", "os;x:y", "../x:fn"])
def test_a_reference_is_module_and_function(reference: str) -> None:
    with pytest.raises(ValidationError, match=r"is not package\.module:function"):
        parse("python", reference)


def test_missing_module_and_function(project: Any) -> None:
    folder, module = project(ADD)
    with pytest.raises(PlanError, match="there is no module 'no_such_module'") as caught:
        parse("python", "no_such_module:fn").load(folder)  # type: ignore[attr-defined]
    assert "no_such_module.py" in str(caught.value)
    with pytest.raises(PlanError, match="has no function 'gn'"):
        parse("python", f"{module}:gn").load(folder)  # type: ignore[attr-defined]
    _, broken = project("raise RuntimeError('at import')\n")
    with pytest.raises(PlanError, match=r"importing .* failed: RuntimeError: at import"):
        parse("python", f"{broken}:fn").load(folder)  # type: ignore[attr-defined]


@pytest.mark.parametrize("there", ["shared_step.py", "shared_step/__init__.py", "shared_step/part.py"])
@pytest.mark.parametrize("here", ["shared_step.py", "shared_step/__init__.py", "shared_step/part.py"])
def test_a_module_of_another_project_s_is_not_taken(tmp_path: Path, there: str, here: str) -> None:
    """Two projects in one process, whose modules have one name."""
    for folder, file in (("one", there), ("two", here), ("one", there)):
        path = tmp_path / folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"def of_{folder}(batches):\n    yield from batches\n")
        module = "shared_step.part" if file.endswith("part.py") else "shared_step"
        loaded = parse("python", f"{module}:of_{folder}").load(tmp_path / folder)  # type: ignore[attr-defined]
        assert Path(loaded.__code__.co_filename) == path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "def fn(batches):\n    next(batches)\n    raise ValueError('bad row')\n    yield\n",
            "ValueError: bad row",
        ),
        ("def fn(batches):\n    yield 3\n", "it yielded int"),
        ("def fn(batches):\n    return 3\n", "TypeError"),
        (
            "def fn(batches):\n    yield pa.RecordBatch.from_pydict({'x': [1]})\n",
            "gave columns x; expected id, name",
        ),
        (
            "def fn(batches):\n    yield pa.RecordBatch.from_pydict({'id': ['x'], 'name': ['y']})\n",
            "does not fit",
        ),
    ],
)
def test_what_goes_wrong_in_the_function_is_told(project: Any, text: str, said: str) -> None:
    folder, module = project(text)
    step: Any = parse("python", f"{module}:fn")
    with pytest.raises(EngineError) as caught:
        run(step, folder, IN, batch(1))
    assert said in str(caught.value)
    assert f"{module}:fn" in str(caught.value)
    assert caught.value.hint


def test_no_batch_for_no_rows_asks_for_columns(project: Any) -> None:
    folder, module = project("def fn(batches):\n    return iter(())\n")
    with pytest.raises(PlanError, match="its columns are unknown"):
        parse("python", f"{module}:fn").output_schema(IN, folder)  # type: ignore[attr-defined]
