"""Types of configuration values that may still be a ``${VAR}`` when they are declared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WrapValidator, field_validator

from sluiceway.spec.variables import has_variable
from sluiceway.units import duration, size

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Duration", "Int", "Names", "Share", "Size", "Strict", "Weight", "as_list"]


class Strict(BaseModel):
    """A mapping whose unknown keys are errors. A variable is checked when it has its value."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, defer_build=True)

    @field_validator("*", mode="wrap")
    @classmethod
    def _declared(cls, value: Any, handler: Callable[[Any], Any]) -> Any:
        return _or_variable(value, handler)


def _or_variable(value: Any, handler: Callable[[Any], Any]) -> Any:
    """A variable is checked when it has its value."""
    return value if has_variable(value) else handler(value)


def _checked(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Keep what was declared; only see that it can be read."""

    def validate(value: Any) -> Any:
        check(value)
        return value

    return validate


def as_list(value: Any) -> Any:
    """``a`` and ``[a]`` are the same.

    >>> as_list("a"), as_list(["a", "b"])
    (['a'], ['a', 'b'])
    """
    return [value] if isinstance(value, str) else value


Variable = WrapValidator(_or_variable)
Int = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1), Variable]
Weight = Annotated[float, Field(ge=0), Variable]
Names = str | list[str]
_QUANTITY = {"anyOf": [{"type": "string"}, {"type": "number"}]}
Duration = Annotated[
    str | int | float, PlainValidator(_checked(duration)), Field(json_schema_extra=dict(_QUANTITY))
]
Size = Annotated[str | int, PlainValidator(_checked(size)), Field(json_schema_extra=dict(_QUANTITY))]
