"""What pydantic says, as an error that a user can act on: the place, what was expected, what was meant."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from sluiceway.errors import SpecError, Where, did_you_mean
from sluiceway.secrets import redact

if TYPE_CHECKING:
    from sluiceway.spec.yaml import KeyPath

__all__ = ["Place", "brief", "build", "field_names", "spec_error", "under"]

M = TypeVar("M", bound=BaseModel)
Place = Callable[["KeyPath"], Where]
"""Finds the place of a key path."""

COMMA_HINT = "quote expressions with a comma or a colon"

_WANTED = {
    "bool": "true or false", "int": "a whole number", "float": "a number", "string": "a text",
    "list": "a list", "tuple": "a list", "dict": "a mapping", "model": "a mapping", "mapping": "a mapping",
    "dataclass": "a mapping", "decimal": "a number", "path": "a path", "set": "a list",
}  # fmt: skip


def build(model: type[M], value: Any, where: Place) -> M:
    """``model.model_validate(value)``, where ``where`` finds the place of a path inside ``value``.

    Raises:
        SpecError: with place, what was expected, and the closest known key.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise spec_error(error, value, where, model) from None


def under(where: Place, *prefix: str | int) -> Place:
    """``where`` for paths that begin below ``prefix``.

    >>> under(lambda path: Where(key=str(path)), "rules", 0)(("range",)).key
    "('rules', 0, 'range')"
    """
    return lambda path: where((*prefix, *path))


def field_names(model: type[BaseModel]) -> list[str]:
    """The keys that a model takes, as users write them."""
    return [field.alias or name for name, field in model.model_fields.items()]


def spec_error(
    error: ValidationError,
    value: Any,
    where: Place,
    model: type[BaseModel] | None = None,
    known: Iterable[str] = (),
) -> SpecError:
    """The first of pydantic's errors; the others are counted, and all are in ``details``.

    Args:
        known: the keys of the outermost mapping where they are more than the model's own.
    """
    problems = [_one(item, value, model, list(known)) for item in _sorted(error)]
    deeper = {p[:n] for p, _, _ in problems for n in range(len(p))}
    # a union says of a mapping that it is no text, and then what is wrong inside: only that is news
    problems = [p for p in problems if not (p[0] in deeper and p[1].startswith("expected "))] or problems
    path, message, hint = problems[0]
    # one bad value of a union is one problem, however many members turned it away
    same = [text for other, text, _ in problems if other == path and text.startswith("expected ")]
    if len(same) > 1 and message.startswith("expected "):
        each = dict.fromkeys(text.removeprefix("expected ").split(", got ")[0] for text in same)
        message = f"expected {' or '.join(each)}, got {brief(_at(value, path))}"
    others = len({other for other, _, _ in problems}) - 1
    if others:
        message += f" (and {others} more problem{'s' if others > 1 else ''} here)"
    every = [{"where": str(where(p)), "message": m, "hint": h} for p, m, h in problems]
    return SpecError(message, where=where(path), hint=hint, details={"problems": every})


def _sorted(error: ValidationError) -> list[Any]:
    """Unknown keys first: a misspelt key is why another one is missing."""
    order = {"extra_forbidden": 0, "missing": 2}
    items = error.errors(include_url=False, include_context=True)
    return sorted(items, key=lambda item: order.get(item["type"], 1))


def _one(
    item: Any, value: Any, model: type[BaseModel] | None, known: list[str]
) -> tuple[KeyPath, str, str | None]:
    kind, location = item["type"], tuple(item["loc"])
    if kind in ("extra_forbidden", "missing", "unexpected_keyword_argument"):
        parent = _in_data(value, location[:-1])
        name = str(location[-1])
        names = known if known and not parent else _known_keys(model, location[:-1])
        if kind == "missing":
            there = _at(value, parent)
            meant = get_close_matches(name, there if isinstance(there, Mapping) else (), n=1, cutoff=0.7)
            meant = [key for key in meant if key not in names]
            hint = f"you wrote '{meant[0]}': did you mean '{name}'?" if meant else f"write {name}: …"
            return parent, f"the key '{name}' is missing", hint
        return (*parent, name), f"unknown key '{name}'", did_you_mean(name, names) if names else None
    path = _in_data(value, location)
    got = _at(value, path)
    if got is None:
        return path, "has no value", COMMA_HINT
    if kind in ("literal_error", "enum"):
        choices = str(item.get("ctx", {}).get("expected", "")).replace("'", "")
        names = [part.strip() for part in choices.replace(" or ", ", ").split(",")]
        return path, f"expected {choices}, got {brief(got)}", did_you_mean(str(got), names)
    if kind in ("value_error", "assertion_error"):
        said: str = str(item.get("ctx", {}).get("error", item["msg"]))
        if said.startswith("expected ") and ", got " not in said:
            said += f", got {brief(got)}"
        return path, said, None
    wanted = next((text for start, text in _WANTED.items() if kind.startswith(start)), "")
    if wanted and kind.endswith(("_type", "_parsing", "_from_float", "_attributes_type")):
        quote = "put the text in quotes" if wanted == "a text" else None
        return path, f"expected {wanted}, got {brief(got)}", quote
    said = str(item["msg"])[:1].lower() + str(item["msg"])[1:]
    return path, f"{said}, got {brief(got)}", None


def brief(value: Any) -> str:
    """A value as an error shows it: what it is, and its beginning.

    >>> brief([1, 2]), brief("abc"), brief(None)
    ('a list', "'abc'", 'nothing')
    """
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, str):
        text = redact(value)  # before it is cut: half a secret is not recognised
        return repr(text if len(text) <= 40 else text[:37] + "…")
    return str(value) if isinstance(value, int | float) else type(value).__name__


def _in_data(value: Any, location: tuple[Any, ...]) -> KeyPath:
    """The part of pydantic's location that lies in the data; tags of unions and validators don't."""
    path: list[str | int] = []
    for part in location:
        listed = isinstance(value, list | tuple) and isinstance(part, int) and part < len(value)
        if listed or (isinstance(value, Mapping) and part in value):
            value = value[part]
            path.append(part)
    return tuple(path)


def _at(value: Any, path: KeyPath) -> Any:
    for part in path:
        value = value[part]
    return value


def _known_keys(model: type[BaseModel] | None, location: tuple[Any, ...]) -> list[str]:
    """The keys of the model at ``location`` below ``model``."""
    current: type[BaseModel] | None = model
    for part in location:
        if current is None:
            return []
        field = next((f for n, f in current.model_fields.items() if part in (n, f.alias)), None)
        if field is not None:
            current = _model_in(field.annotation)
    return field_names(current) if current is not None else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in typing.get_args(annotation):
        found = _model_in(argument)
        if found is not None:
            return found
    return None
