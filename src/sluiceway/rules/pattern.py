"""``pattern``: text matches a regular expression or a named format."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator
from sqlglot import exp

from sluiceway.rules.base import BATCH, Dimension, RuleContext, column
from sluiceway.rules.codes import COUNTRIES, CURRENCIES
from sluiceway.rules.params import ColumnRule
from sluiceway.sql.primitives import call
from sluiceway.sql.typing import describe

if TYPE_CHECKING:
    from sluiceway.rules.fixes.base import Fix

__all__ = ["Format", "Pattern"]

Format = Literal[
    "email", "url", "uuid", "ipv4", "ipv6", "date", "iso_country", "iso_currency", "iban", "phone"
]

_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = rf"{_OCTET}([.]{_OCTET}){{3}}"
_HEX = "[0-9A-Fa-f]{1,4}"
_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
_ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"


def _ipv6() -> str:
    """All eight groups, or fewer with one ``::``, or the same with an IPv4 address at the end."""
    shapes = [f"({_HEX}:){{7}}{_HEX}", f"({_HEX}:){{6}}{_IPV4}", f"::({_HEX}:){{0,5}}{_IPV4}"]
    for left in range(8):
        head = f"({_HEX}:){{0,{left - 1}}}{_HEX}" if left > 1 else _HEX if left == 1 else ""
        right = 7 - left
        tail = f"({_HEX}(:{_HEX}){{0,{right - 1}}})?" if right else ""
        shapes.append(f"{head}::{tail}")
        if 0 < left < 6:
            shapes.append(f"{head}::({_HEX}:){{0,{5 - left}}}{_IPV4}")
    return "|".join(shapes)


_REGEX: dict[str, str] = {
    "email": rf"{_ATOM}([.]{_ATOM})*@({_LABEL}[.])+[A-Za-z]([A-Za-z0-9-]*[A-Za-z0-9])",
    "url": r"([Hh][Tt][Tt][Pp][Ss]?|[Ff][Tt][Pp])://([^\s/?#@]+@)?"
    r"([^\s/?#@:\[\]]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?([/?#]\S*)?",
    "uuid": "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}",
    "ipv4": _IPV4,
    "ipv6": _ipv6(),
    "date": "[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "iban": "[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}",
    "phone": r"[+][1-9]([ .-]?[(]?[0-9][)]?){6,14}",
}


def _matches(text: exp.Expr, name: str) -> exp.Expr:
    return call("matches", text, _REGEX[name])


def _date(text: exp.Expr) -> exp.Expr:
    cast = call("try_cast", text.copy(), "DATE")
    return exp.and_(_matches(text, "date"), exp.not_(cast.is_(exp.null())))


def _iban(text: exp.Expr) -> exp.Expr:
    head = call("substring", text.copy(), 1, 4)
    rest = call("substring", text.copy(), 5, 30)
    remainder = call("mod97", call("concat", rest, head))
    # CASE: only what looks like one is ever computed
    one = exp.EQ(this=remainder, expression=exp.Literal.number(1))
    return exp.Case(default=exp.false()).when(_matches(text, "iban"), one)


def _one_of(codes: tuple[str, ...]) -> Callable[[exp.Expr], exp.Expr]:
    return lambda text: call("among", text, json.dumps(codes), "VARCHAR")


_SPECIAL: dict[str, Callable[[exp.Expr], exp.Expr]] = {
    "date": _date,
    "iban": _iban,
    "iso_country": _one_of(COUNTRIES),
    "iso_currency": _one_of(CURRENCIES),
}
_WORDS: dict[str, str] = {
    "email": "an e-mail address",
    "url": "a URL (http, https or ftp)",
    "uuid": "a UUID",
    "ipv4": "an IPv4 address",
    "ipv6": "an IPv6 address",
    "date": "a date of the calendar, as YYYY-MM-DD",
    "iso_country": "an ISO 3166-1 country code of two capital letters",
    "iso_currency": "an active ISO 4217 currency code",
    "iban": "an IBAN without blanks, with a right checksum",
    "phone": "a phone number in international form, such as +31 20 123 4567",
}
_FIXES: dict[str, list[str]] = {
    "email": ["trim"],
    "url": ["trim"],
    "ipv4": ["trim"],
    "ipv6": ["trim"],
    "iban": ["trim", "upper"],
    "date": ["date"],
    "phone": ["phone"],
    "iso_country": ["country"],
    "iso_currency": ["currency"],
}
"""What puts a format right without a guess."""


class Pattern(ColumnRule):
    """Every text matches a regular expression (RE2) **as a whole**, or a named format. NULL passes,
    empty text does not match a format. To find a part, write ``.*part.*``; ``(?i)`` ignores case.

    Formats: ``email``: ASCII, with a dot in the domain. ``url``: absolute, http, https or ftp.
    ``date``: exists in the calendar. ``iso_country``: two letters. ``iban``: in capitals without
    blanks; its checksum is computed, its length by country is not looked up. ``phone``: ``+``, 7 to 15
    digits, single blanks, dots, hyphens and parentheses between them.

    >>> (rule,) = Pattern.parse({"column": "sku", "regex": "[A-Z]{3}-[0-9]+"}, {})
    >>> from sluiceway.errors import Where
    >>> from sluiceway.schema import Schema
    >>> from sluiceway.sql.primitives import lower
    >>> ctx = RuleContext(Schema.of({"sku": "VARCHAR"}), Where())
    >>> lower(rule.failing(ctx), "duckdb").sql("duckdb")
    'NOT REGEXP_FULL_MATCH("sku", \\'[A-Z]{3}-[0-9]+\\')'
    """

    kind: ClassVar[str] = "pattern"
    default_dimension: ClassVar[Dimension] = "accuracy"
    families: ClassVar[frozenset[str] | None] = frozenset({"text"})
    instead: ClassVar[str] = "pattern judges text; for numbers and dates use range, for types use type"
    examples: ClassVar[tuple[str, ...]] = (
        "pattern: {column: email, format: email}",
        "pattern: {column: sku, regex: '[A-Z]{3}-[0-9]+'}",
    )

    regex: str | None = Field(None, description="an RE2 expression that the whole value must match")
    format: Format | None = Field(None, description="a named format")

    @model_validator(mode="after")
    def _one(self) -> Pattern:
        if (self.regex is None) == (self.format is None):
            raise ValueError("pattern needs either regex or format")
        return self

    def validate_for(self, ctx: RuleContext) -> None:
        super().validate_for(ctx)
        if self.regex is not None:  # the engine's own compiler says what is wrong with it
            judged = exp.select(exp.alias_(self.failing(ctx), "bad"))
            describe(judged.from_(exp.table_(BATCH, quoted=True)), {BATCH: ctx.schema}, ctx.where)

    def failing(self, ctx: RuleContext) -> exp.Expr:
        judged = column(self.column)
        if self.regex is not None:
            return exp.not_(call("matches", judged, self.regex))
        name = str(self.format)
        right = _SPECIAL[name](judged) if name in _SPECIAL else _matches(judged, name)
        if isinstance(right, exp.And | exp.Case):
            # AND and CASE turn an unknown into FALSE: say again that NULL passes
            return exp.and_(exp.not_(column(self.column).is_(exp.null())), exp.not_(exp.paren(right)))
        return exp.not_(right)

    def own_fixes(self) -> tuple[Fix, ...]:
        from sluiceway.rules.fixes.registry import parse_fixes

        known = _FIXES.get(str(self.format))
        return () if known is None else parse_fixes(known)

    def explanation(self) -> str:
        if self.regex is not None:
            return f"{self.column} must match {self.regex}"
        return f"{self.column} must be {_WORDS[str(self.format)]}"
