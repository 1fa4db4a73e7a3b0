"""``currency``: a sign or a name of a currency as its ISO 4217 code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator

from sluiceway.rules.codes import CURRENCIES
from sluiceway.rules.fixes.base import Fix, duck, squeezed
from sluiceway.rules.fixes.names import CURRENCY_NAMES
from sluiceway.sql.primitives import call

if TYPE_CHECKING:
    from sqlglot import exp

    from sluiceway.rules.base import Rule, RuleContext
    from sluiceway.schema import Column

__all__ = ["Currency"]


class Currency(Fix):
    """``eur``, ``€`` or ``Euro`` as ``EUR``. Signs that several currencies share (``$``, ``¥``, ``kr``) mean
    nothing until ``names`` says what: ``{"$": USD}``.

    >>> Currency.model_validate({"names": {"$": "usd"}}).names
    {'$': 'USD'}
    """

    kind: ClassVar[str] = "currency"
    example: ClassVar[str] = (
        "{pattern: {column: currency, format: iso_currency}, on_fail: fix, fix: {currency: {'$': USD}}}"
    )

    names: dict[str, str] = Field(
        default_factory=dict, description="more signs and names, each with its code"
    )

    @classmethod
    def shorthand(cls, value: Any) -> dict[str, Any]:
        return {"names": value}

    @field_validator("names")
    @classmethod
    def _codes(cls, value: dict[str, str]) -> dict[str, str]:
        for code in value.values():
            if code.upper() not in CURRENCIES:
                raise ValueError(f"'{code}' is no active currency code of ISO 4217")
        return {name: code.upper() for name, code in value.items()}

    def expression(self, value: exp.Expr, rule: Rule, judged: Column, ctx: RuleContext) -> exp.Expr:
        known = {code.lower(): code for code in CURRENCIES} | dict(CURRENCY_NAMES)
        known |= {
            " ".join(name.lower().replace(".", "").replace("-", " ").replace("_", " ").split()): code
            for name, code in self.names.items()
        }
        bare = duck("replace(:x, '.', '')", x=squeezed(value))
        return call("mapped", bare, json.dumps(known, ensure_ascii=False))
