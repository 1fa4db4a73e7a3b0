"""Rules and steps out of their YAML items: ``- not_null: id`` with options beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from sluiceway import plugins
from sluiceway.errors import SpecError, Where, did_you_mean
from sluiceway.rules.base import Rule
from sluiceway.spec.model import DeclaredRule, DeclaredStep
from sluiceway.spec.validate import COMMA_HINT, Place, brief, field_names, spec_error, under
from sluiceway.transforms.base import Step

if TYPE_CHECKING:
    from sluiceway.spec.yaml import KeyPath

__all__ = ["parse_rules", "parse_steps"]


def parse_rules(
    items: Any, where: Place, origin: Literal["pipeline", "contract", "implied"] = "pipeline"
) -> tuple[DeclaredRule, ...]:
    """The rules of a list such as ``[{"not_null": "id", "severity": "warning"}]``.

    ``where`` finds the place of a path inside ``items``.

    Raises:
        SpecError: an unknown rule or option, a wrong type; with the place.
        PlanError: SQL in it that can't be used.
    """
    found: list[DeclaredRule] = []
    for n, item in _items(items, where, "rules", "- not_null: COLUMN"):
        kind, value, options = _split(item, "rules", field_names(Rule), under(where, n))
        cls = plugins.load("rules", kind, where((n, kind)))
        rules = _parse(cls, kind, value, options, under(where, n))
        found += [DeclaredRule(rule, where((n, kind)), origin) for rule in rules]
    return tuple(found)


def parse_steps(items: Any, where: Place) -> tuple[DeclaredStep, ...]:
    """The steps of a list such as ``[{"filter": "amount > 0"}]``.

    Raises:
        SpecError: an unknown step or option, a wrong type, a name given twice; with the place.
        PlanError: SQL in it that can't be used.
    """
    found: list[DeclaredStep] = []
    names: dict[str, int] = {}
    for n, item in _items(items, where, "transform", "- filter: CONDITION"):
        kind, value, options = _split(item, "transforms", field_names(Step), under(where, n))
        cls = plugins.load("transforms", kind, where((n, kind)))
        step = _parse(cls, kind, value, options, under(where, n))
        if step.name:
            place = where((n, "name"))
            if step.name.startswith("_"):
                raise SpecError(
                    "names with a leading _ are reserved", where=place, hint="choose another name"
                )
            if step.name in names:
                raise SpecError(
                    f"two steps are called '{step.name}'", where=place, hint="choose another name"
                )
            names[step.name] = n
        found.append(DeclaredStep(step, where((n, kind))))
    return tuple(found)


def _items(items: Any, where: Place, what: str, example: str) -> list[tuple[int, dict[str, Any]]]:
    if items is None:
        return []
    if not isinstance(items, list | tuple):
        raise SpecError(
            f"{what}: expected a list, got {brief(items)}", where=where(()), hint=f"write {example}"
        )
    for n, item in enumerate(items):
        if not isinstance(item, Mapping) or not item:
            hint = f"write - {item}: …" if isinstance(item, str) else None
            raise SpecError(
                f"expected a mapping such as '{example[2:]}', got {brief(item)}", where=where((n,)), hint=hint
            )
    return [(n, dict(item)) for n, item in enumerate(items)]


def _split(
    item: dict[str, Any], group: str, options: list[str], where: Place
) -> tuple[str, Any, dict[str, Any]]:
    """The one key that names the rule or step, its value, and the keys beside it."""
    known = plugins.names(group)
    what = "rule" if group == "rules" else "step"
    kinds = [key for key in item if key in known]
    if len(kinds) > 1:
        raise SpecError(
            f"two {what}s in one item: {kinds[0]} and {kinds[1]}",
            where=where((kinds[1],)),
            hint=f"write each {what} as an item of its own, with a leading -",
        )
    if not kinds:
        others = [key for key in item if key not in options]
        if not others:
            raise SpecError(f"no {what} is named here", where=where(()), hint=f"one of: {', '.join(known)}")
        raise SpecError(
            f"there is no {what} '{others[0]}'",
            where=where((others[0],)),
            hint=did_you_mean(others[0], known),
        )
    kind = kinds[0]
    if item[kind] is None:
        raise SpecError(f"'{kind}' has no value", where=where((kind,)), hint=COMMA_HINT)
    return kind, item[kind], {key: value for key, value in item.items() if key != kind}


def _parse(cls: Any, kind: str, value: Any, options: dict[str, Any], where: Place) -> Any:
    """``cls.parse`` with pydantic's errors at their places: an option's beside the kind, others below."""
    both = [key for key in options if isinstance(value, Mapping) and key in value]
    if both:
        raise SpecError(
            f"'{both[0]}' is given twice, in '{kind}' and beside it",
            where=where((both[0],)),
            hint="remove one of the two",
        )

    def place(path: KeyPath) -> Where:
        below = path[:1] and path[0] in options
        return where(path if below else (kind, *path))

    try:
        return cls.parse(value, options)
    except ValidationError as error:
        raise _explained(error, value, options, place, cls) from None
    except (TypeError, ValueError) as error:
        if isinstance(error, TypeError) and not str(error).startswith(kind):
            raise  # a bug, not a user's mistake: a step's own TypeError begins with its name
        raise SpecError(str(error), where=where((kind,)), hint=_usage(cls, kind)) from None


def _explained(
    error: ValidationError,
    value: Any,
    options: dict[str, Any],
    place: Place,
    cls: Any,
) -> SpecError:
    if isinstance(value, Mapping):
        return spec_error(error, {**value, **options}, place, cls)
    # a bare value stands for fields that the user did not write: what is wrong with one is wrong with it
    fields = dict(options)
    for item in error.errors(include_url=False):
        name = item["loc"][0] if item["loc"] else None
        if item["type"] == "missing" and len(item["loc"]) == 1:
            return SpecError(f"the key '{name}' is missing", where=place(()), hint=_usage(cls, str(cls.kind)))
        if name is not None and item["type"] != "extra_forbidden":
            fields.setdefault(str(name), item["input"])
    return spec_error(error, fields, lambda p: place(p if p[:1] and p[0] in options else ()), cls)


def _usage(cls: Any, kind: str) -> str:
    required = [f.alias or name for name, f in cls.model_fields.items() if f.is_required()]
    if not required:
        return f"see {kind} in the documentation"
    return f"write {kind}: {{{', '.join(f'{name}: …' for name in required)}}}"
