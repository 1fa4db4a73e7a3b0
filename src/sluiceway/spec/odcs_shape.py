"""The elements of the Open Data Contract Standard 3.1: which keys each has, and what they hold.

A test compares this table with the standard's own JSON schema. Where the standard lets a key hold anything
(a server's own keys, ``customProperties``), so does this.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sluiceway.errors import SpecError, did_you_mean
from sluiceway.spec.validate import Place, brief, under

__all__ = ["ELEMENTS", "REQUIRED", "shape_problems", "sound"]

_COMMON = "id:id name:text physicalType:text description:text businessName:text tags:texts"
_COMMON += " authoritativeDefinitions:[definition] customProperties:[custom]"
_TEXTS = {
    "contract": "version:text kind:text apiVersion:text id:text name:text tenant:text tags:texts status:text"
    " servers:[server] dataProduct:text description:description domain:text schema:[object]"
    " support:[support] price:price team:team roles:[role] slaDefaultElement:text slaProperties:[sla]"
    " authoritativeDefinitions:[definition] customProperties:[custom] contractCreatedTs:text",
    "description": "usage:text purpose:text limitations:text authoritativeDefinitions:[definition]"
    " customProperties:[custom]",
    "server": "id:id server:text type:text description:text environment:text roles:[role]"
    " customProperties:[custom]",
    "object": f"{_COMMON} logicalType:text physicalName:text dataGranularityDescription:text"
    " properties:[property] relationships:[relationship] quality:[quality]",
    "property": f"{_COMMON} primaryKey:bool primaryKeyPosition:int logicalType:logical"
    " logicalTypeOptions:map physicalName:text required:bool unique:bool partitioned:bool"
    " partitionKeyPosition:int classification:text encryptedName:text transformSourceObjects:texts"
    " transformLogic:text transformDescription:text examples:list criticalDataElement:bool"
    " relationships:[relationship] quality:[quality] properties:[property] items:property",
    "quality": "id:id authoritativeDefinitions:[definition] businessImpact:text customProperties:[custom]"
    " description:text dimension:text method:text name:text schedule:text scheduler:text severity:text"
    " tags:texts type:text unit:text metric:text rule:text arguments:map query:text engine:text"
    " implementation:any mustBe:any mustNotBe:any mustBeGreaterThan:number mustBeGreaterOrEqualTo:number"
    " mustBeLessThan:number mustBeLessOrEqualTo:number mustBeBetween:list mustNotBeBetween:list",
    "relationship": "type:text from:any to:any customProperties:[custom]",
    "support": "id:id channel:text url:text description:text tool:text scope:text invitationUrl:text"
    " customProperties:[custom]",
    "price": "id:id priceAmount:number priceCurrency:text priceUnit:text",
    "team": "id:id name:text description:text members:[member] tags:texts customProperties:[custom]"
    " authoritativeDefinitions:[definition]",
    "member": "id:id username:text name:text description:text role:text dateIn:text dateOut:text"
    " replacedByUsername:text tags:texts customProperties:[custom] authoritativeDefinitions:[definition]",
    "role": "id:id role:text description:text access:text firstLevelApprovers:text"
    " secondLevelApprovers:text customProperties:[custom]",
    "sla": "id:id property:text value:any valueExt:any unit:text element:text driver:text description:text"
    " scheduler:text schedule:text",
    "definition": "id:id url:text type:text description:text",
    "custom": "id:id property:text value:any description:text",
}
ELEMENTS: Mapping[str, Mapping[str, str]] = {
    name: dict(pair.split(":", 1) for pair in text.split()) for name, text in _TEXTS.items()
}
"""Element -> key -> what it holds: a sort of value, another element, or ``[element]``, a list of them."""
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "contract": ("version", "apiVersion", "kind", "id", "status"), "object": ("name",),
    "server": ("server", "type"), "support": ("channel",), "member": ("username",),
    "role": ("role",), "sla": ("property", "value"), "definition": ("url", "type"),
    "custom": ("property", "value"),
}  # fmt: skip
_OPEN = {"server"}
"""Elements with keys of their own for each type, which the standard lists by the dozen."""
LOGICAL = ("string", "date", "timestamp", "time", "number", "integer", "object", "array", "boolean")
_STABLE = re.compile(r"[A-Za-z0-9_-]+")


def sound(value: Any, where: Place) -> None:
    """Refuse a document whose lists and mappings are none, which nothing can walk through.

    Raises:
        SpecError: the first such place.
    """
    for _, error in shape_problems(value, where):
        shaped = error.message.startswith(("expected a list", "expected a mapping"))
        if shaped or error.message == "the key 'name' is missing":
            raise error


def shape_problems(value: Any, where: Place, element: str = "contract") -> Iterator[tuple[str, SpecError]]:
    """What is not of the standard, each as an error with its place: (``error`` or ``warning``, error)."""
    if not isinstance(value, dict):
        yield "error", SpecError(f"expected a mapping, got {brief(value)}", where=where(()))
        return
    known = ELEMENTS[element]
    for key in REQUIRED.get(element, ()):
        if key not in value:
            yield "error", SpecError(f"the key '{key}' is missing", where=where(()), hint=f"write {key}: …")
    for key, item in value.items():
        if key in known:
            if item is not None:
                yield from _value(item, known[key], under(where, key))
        elif element not in _OPEN:
            yield _unknown(key, element, known, where)


def _unknown(key: str, element: str, known: Mapping[str, str], where: Place) -> tuple[str, SpecError]:
    hint = did_you_mean(key, known)
    meant = hint.startswith("did you mean")
    message = f"unknown key '{key}'" if meant else f"'{key}' is no key of the standard; it is kept as it is"
    other = "put what is yours under customProperties"
    return "error" if meant else "warning", SpecError(
        message, where=where((key,)), hint=hint if meant else other
    )


def _value(value: Any, sort: str, where: Place) -> Iterator[tuple[str, SpecError]]:
    if sort.startswith("["):
        if not isinstance(value, list):
            yield "error", SpecError(f"expected a list, got {brief(value)}", where=where(()))
            return
        for n, item in enumerate(value):
            yield from shape_problems(item, under(where, n), sort[1:-1])
    elif sort == "team" and isinstance(value, list):
        message = "a list of members is deprecated since 3.1"
        yield "warning", SpecError(message, where=where(()), hint="write team: {members: […]}")
        for n, item in enumerate(value):
            yield from shape_problems(item, under(where, n), "member")
    elif sort in ELEMENTS:
        if sort == "description" and isinstance(value, str):
            hint = "write description: {purpose: …}"
            yield "error", SpecError("expected a mapping, got a text", where=where(()), hint=hint)
        else:
            yield from shape_problems(value, where, sort)
    else:
        problem = _scalar(value, sort)
        if problem is not None:
            yield "error", SpecError(problem[0], where=where(()), hint=problem[1])


def _scalar(value: Any, sort: str) -> tuple[str, str | None] | None:
    """(what is wrong, what to write) with a value of this sort; None if nothing is."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    right = {
        "any": True,
        "text": isinstance(value, str),
        "id": isinstance(value, str),
        "logical": isinstance(value, str),
        "bool": isinstance(value, bool),
        "int": isinstance(value, int) and not isinstance(value, bool),
        "number": number,
        "map": isinstance(value, dict),
        "list": isinstance(value, list),
        "texts": isinstance(value, list) and all(isinstance(item, str) for item in value),
    }[sort]
    words = {
        "text": "a text", "id": "a text", "logical": "a text", "bool": "true or false",
        "int": "a whole number", "number": "a number", "map": "a mapping", "list": "a list",
        "texts": "a list of texts",
    }  # fmt: skip
    if not right:
        quote = "put it in quotes" if sort in ("text", "id") and number else None
        return f"expected {words[sort]}, got {brief(value)}", quote
    if sort == "id" and not _STABLE.fullmatch(value):
        return f"the id {value!r} may hold letters, digits, '-' and '_' alone", "give it a name: as well"
    if sort == "logical" and value not in LOGICAL:
        return f"there is no logicalType '{value}'", did_you_mean(value, LOGICAL)
    return None
