"""``python``: a function of the user's, from Arrow batches to Arrow batches."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator

from sluiceway.errors import EngineError, PlanError, SluicewayError, Where
from sluiceway.schema import Column, Schema
from sluiceway.transforms.base import Step, StepContext

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlglot import exp

__all__ = ["Python"]

_projects: set[str] = set()
"""Folders that were put on the path here."""
_REFERENCE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


class Python(Step):
    """Calls ``function`` with an iterator of ``pyarrow.RecordBatch`` and takes the batches or tables
    that it yields. The module is looked for in the project's folder first. **It runs as the user, with
    all that the user may do:** unlike SQL it is not fenced in. Without ``columns`` the result's columns
    are found by calling it with no rows.

    .. code-block:: yaml

        - python: {function: "steps.geo:add_region", columns: {order_id: BIGINT, region: VARCHAR}}
    """

    kind: ClassVar[str] = "python"
    row_wise: ClassVar[bool] = False

    function: str = Field(description="package.module:function")
    columns: dict[str, str] | None = Field(None, description="the result's columns: name and type")
    batch_size: int = Field(50_000, ge=1, description="rows of a batch at most")

    @classmethod
    def shorthand(cls) -> str:
        return "function"

    @field_validator("function")
    @classmethod
    def _reference(cls, value: str) -> str:
        if not _REFERENCE.fullmatch(value):
            raise ValueError(f"'{value}' is not package.module:function")
        return value

    def compile(self, ctx: StepContext) -> exp.Query:
        """A Python step has no SQL; the planner makes a node of its own out of it."""
        raise PlanError(
            f"{self.function} is Python and has no SQL",
            where=ctx.where,
            hint="run the pipeline; explain shows it as a step of its own",
        )

    def load(self, project: Path) -> Callable[[Iterator[Any]], Any]:
        """The function.

        Raises:
            PlanError: the module or the function is not there, or the module fails when imported.
        """
        module_name, name = self.function.split(":")
        folder = str(project.resolve())
        # not beside another project's: its package would win over a folder without __init__.py here
        sys.path[:] = [folder, *(p for p in sys.path if p not in (folder, *_projects))]
        _projects.add(folder)
        importlib.invalidate_caches()
        _forget(module_name, project.resolve())
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            raise PlanError(
                f"there is no module '{error.name}' for {self.function}",
                hint=f"make {module_name.replace('.', '/')}.py in the project's folder, "
                "or install the package",
            ) from error
        except Exception as error:  # the user's module runs here and may raise anything
            raise PlanError(f"importing {module_name} failed: {_said(error)}", hint=_at(error)) from error
        function: Any = getattr(module, name, None)
        if not callable(function):
            raise PlanError(f"{module_name} has no function '{name}'", hint=f"write: def {name}(batches): …")
        return function  # type: ignore[no-any-return]

    def output_schema(self, schema: Schema, project: Path) -> Schema:
        """The columns that come out: as declared, else those of a call with no rows."""
        if self.columns is not None:
            from sluiceway.sql.typing import canonical

            types = {name: canonical(type_, Where(key=self.kind)) for name, type_ in self.columns.items()}
            return Schema(tuple(Column(name, type_) for name, type_ in types.items()))
        import pyarrow as pa

        from sluiceway.sql.typing import arrow_schema, schema_of_arrow

        empty = pa.RecordBatch.from_pylist([], schema=arrow_schema(schema))
        first = next(self._batches(iter([empty]), project), None)
        if first is None:
            raise PlanError(
                f"{self.function} gave no batch for no rows, so its columns are unknown",
                hint="declare them: columns: {NAME: TYPE}",
            )
        return schema_of_arrow(first.schema)

    def function_for(self, schema: Schema, project: Path) -> Callable[[Any], Any]:
        """``run`` as an engine calls it, with the batches alone."""

        def function(batches: Any) -> pa.RecordBatchReader:
            return self.run(batches, schema, project)

        return function

    def run(self, batches: Any, schema: Schema, project: Path) -> pa.RecordBatchReader:
        """The function's batches, with ``schema``'s columns in its order and types.

        Raises:
            EngineError: while reading: the function raised, or a batch does not fit ``schema``.
        """
        import pyarrow as pa

        from sluiceway.sql.typing import arrow_schema

        wanted = arrow_schema(schema)
        fitted = (self._fit(batch, wanted) for batch in self._batches(iter(batches), project))
        return pa.RecordBatchReader.from_batches(wanted, fitted)

    def _batches(self, batches: Iterator[Any], project: Path) -> Iterator[Any]:
        import pyarrow as pa

        function = self.load(project)
        try:
            result = function(batches)
            if isinstance(result, pa.RecordBatch | pa.Table):
                result = [result]
            for item in result:
                if isinstance(item, pa.Table):
                    yield from item.to_batches() or [pa.RecordBatch.from_pylist([], schema=item.schema)]
                elif isinstance(item, pa.RecordBatch):
                    yield item
                else:
                    raise TypeError(f"it yielded {type(item).__name__}, not a pyarrow.RecordBatch")
        except SluicewayError:
            raise
        except Exception as error:  # the user's function may raise anything; it becomes our error
            raise EngineError(
                f"the python step {self.function} failed: {_said(error)}", hint=_at(error)
            ) from error

    def _fit(self, batch: Any, wanted: Any) -> Any:
        import pyarrow as pa

        given, names = batch.schema.names, wanted.names
        if sorted(given) != sorted(names):
            raise EngineError(
                f"the python step {self.function} gave columns {', '.join(given)}; "
                f"expected {', '.join(names)}",
                hint="declare what it gives: columns: {NAME: TYPE}",
            )
        try:
            arrays = [_as(batch.column(given.index(field.name)), field.type) for field in wanted]
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise EngineError(
                f"the python step {self.function} gave a value that does not fit: {error}",
                hint="declare the types it gives: columns: {NAME: TYPE}",
            ) from error
        return pa.RecordBatch.from_arrays(arrays, schema=wanted)


def _as(values: Any, type_: Any) -> Any:
    """Cast; lists with views go by their values, for pyarrow 26 casts them to lists that lack some."""
    import pyarrow as pa

    if _has_list_view(values.type):
        return pa.array(values.to_pylist(), type_)
    return values.cast(type_)


def _has_list_view(type_: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_list_view(type_) or pa.types.is_large_list_view(type_):
        return True
    return any(_has_list_view(type_.field(i).type) for i in range(type_.num_fields))


def _forget(module_name: str, project: Path) -> None:
    """Another project's modules of the same name are not this one's: drop them before the import.

    The whole package goes, also a folder without ``__init__.py``, which has no file of its own.
    """
    top = module_name.partition(".")[0]
    if not ((project / f"{top}.py").is_file() or (project / top).is_dir()):
        return
    family = [name for name in sys.modules if name == top or name.startswith(f"{top}.")]
    if any(not place.is_relative_to(project) for name in family for place in _places(sys.modules[name])):
        for name in family:
            del sys.modules[name]


def _places(module: ModuleType) -> list[Path]:
    found = [module.__file__] if module.__file__ else list(getattr(module, "__path__", ()))
    return [Path(place).resolve() for place in found]


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _at(error: Exception) -> str:
    """The last place in the user's own code."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if file != __file__ and "importlib" not in file:
            place = f"look at {Path(file).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place or "look at what the function does with its batches"
