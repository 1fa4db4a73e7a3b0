"""``date``: a date as people write it, in ISO form."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator
from sqlglot import exp

from sluiceway.rules.fixes.base import Fix, duck, stripped
from sluiceway.sql.primitives import call

if TYPE_CHECKING:
    from sluiceway.rules.base import Rule, RuleContext
    from sluiceway.schema import Column

__all__ = ["Date"]

_CERTAIN = (
    "YYYY-MM-DD",
    "YYYY/MM/DD",
    "YYYY.MM.DD",
    "YYYYMMDD",
    "DD Mon YYYY",
    "DD-Mon-YYYY",
    "Mon DD, YYYY",
)
_TOKENS = re.compile(r"YYYY|MM|Mon|DD|.")
_MONTHS = (
    "jan(uary)?", "feb(ruary)?", "mar(ch)?", "apr(il)?", "may", "june?", "july?", "aug(ust)?",
    "sept?(ember)?", "oct(ober)?", "nov(ember)?", "dec(ember)?",
)  # fmt: skip
_TIME = "(?:[ T][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.][0-9]{1,9})?)?(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"


class Date(Fix):
    """``2024/2/3``, ``20240203``, ``3 Feb 2024`` or ``February 3, 2024`` as ``2024-02-03``; a time behind it
    stays, for ``timestamp``. What 3/2/2024 means only you know: name it in ``formats``, of ``YYYY``, ``MM``,
    ``DD`` (one digit or two) and ``Mon`` (an English month). A day that the calendar does not have is left to
    fail.

    >>> Date.model_validate({"formats": ["DD/MM/YYYY"]}).formats
    ('DD/MM/YYYY',)
    """

    kind: ClassVar[str] = "date"
    example: ClassVar[str] = (
        "{type: {column: born, type: date}, on_fail: fix, fix: {date: {formats: [DD/MM/YYYY]}}}"
    )

    formats: tuple[str, ...] = Field((), description="forms beside those that mean one thing: DD/MM/YYYY")

    @classmethod
    def shorthand(cls, value: Any) -> dict[str, Any]:
        return {"formats": value if isinstance(value, list) else [value]}

    @field_validator("formats")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        shapes: dict[str, str] = {}
        for text in (*_CERTAIN, *value):
            parts = sorted("MM" if p == "Mon" else p for p in _TOKENS.findall(text) if len(p) > 1)
            if parts != ["DD", "MM", "YYYY"]:
                raise ValueError(f"'{text}' is no form of a date: write YYYY, MM or Mon, and DD, once each")
            shape = re.sub(r"\(|\)", "", _pattern(text)[0])
            if shapes.setdefault(shape, text) != text:
                raise ValueError(f"{shapes[shape]} and {text} can't be told apart")
        return value

    def expression(self, value: exp.Expr, rule: Rule, judged: Column, ctx: RuleContext) -> exp.Expr:
        bare = stripped(value)
        named = duck("lower(:x)", x=bare)
        for number, month in enumerate(_MONTHS, 1):
            named = _replaced(named, f"{month}[.]?", f"{number:02}")
        with_time = getattr(rule, "type", "date") == "timestamp"
        case = exp.Case(default=exp.null())
        for text in dict.fromkeys((*_CERTAIN, *self.formats)):
            of = named if "Mon" in text else bare
            pattern, order = _pattern(text)
            # what is matched says which values have this form; what is replaced needs no alternatives then
            shape = pattern + _TIME if with_time else pattern
            found, order = (f"{pattern}([ T].*)?", order + "\\4") if with_time else (pattern, order)
            iso = _replaced(of.copy(), f"^{found}$", order)
            for short, padded in (
                ("-([0-9])-", "-0\\1-"), ("-([0-9])$", "-0\\1"), ("-([0-9])([ T])", "-0\\1\\2"),
            ):  # fmt: skip
                iso = _replaced(iso, short, padded)
            iso = duck("upper(:x)", x=iso) if with_time else iso
            case = case.when(call("matches", of.copy(), shape), iso)
        return case


def _pattern(text: str) -> tuple[str, str]:
    """The RE2 pattern of a form, and the replacement that makes it ISO.

    >>> _pattern("DD/MM/YYYY")
    ('([0-9]{1,2})[/]([0-9]{1,2})[/]([0-9]{4})', '\\\\3-\\\\2-\\\\1')
    """
    out = ""
    places: dict[str, int] = {}
    parts = _TOKENS.findall(text)
    packed = all(len(part) > 1 for part in parts)
    for part in parts:
        if len(part) == 1:
            out += " *" if part == " " else f"[{part}] *" if part == "," else f"[{part}]"
            continue
        places["MM" if part == "Mon" else part] = len(places) + 1
        out += "([0-9]{4})" if part == "YYYY" else "([0-9]{2})" if packed else "([0-9]{1,2})"
    out = out.replace("] * *", "] *")
    return out, "-".join(f"\\{places[name]}" for name in ("YYYY", "MM", "DD"))


def _replaced(text: exp.Expr, pattern: str, by: str) -> exp.Expr:
    p, b = exp.Literal.string(pattern), exp.Literal.string(by)
    return duck("regexp_replace(:x, :p, :b)", x=text, p=p, b=b)
