"""``country``: a name or a code of three letters as ISO 3166-1 alpha-2."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator

from sluiceway.rules.codes import COUNTRIES
from sluiceway.rules.fixes.base import Fix, duck, squeezed
from sluiceway.rules.fixes.names import COUNTRY_NAMES
from sluiceway.sql.primitives import call

if TYPE_CHECKING:
    from sqlglot import exp

    from sluiceway.rules.base import Rule, RuleContext
    from sluiceway.schema import Column

__all__ = ["Country"]


class Country(Fix):
    """``nl``, ``NLD``, ``Netherlands`` or ``the netherlands`` as ``NL``: by the codes and English short names
    of ISO 3166-1, and names that are usual for them. Other words by ``names``.

    >>> Country.model_validate({"names": {"Holland": "nl"}}).names
    {'Holland': 'NL'}
    """

    kind: ClassVar[str] = "country"
    example: ClassVar[str] = (
        "{pattern: {column: country, format: iso_country}, on_fail: fix, fix: {country: {Holland: NL}}}"
    )

    names: dict[str, str] = Field(default_factory=dict, description="more names, each with its code")

    @classmethod
    def shorthand(cls, value: Any) -> dict[str, Any]:
        return {"names": value}

    @field_validator("names")
    @classmethod
    def _codes(cls, value: dict[str, str]) -> dict[str, str]:
        for code in value.values():
            if code.upper() not in COUNTRIES:
                raise ValueError(f"'{code}' is no country code of ISO 3166-1")
        return {name: code.upper() for name, code in value.items()}

    def expression(self, value: exp.Expr, rule: Rule, judged: Column, ctx: RuleContext) -> exp.Expr:
        known = {code.lower(): code for code in COUNTRIES} | dict(COUNTRY_NAMES)
        known |= {_key(name): code for name, code in self.names.items()}
        bare = duck("regexp_replace(replace(:x, '.', ''), '^the ', '')", x=squeezed(value))
        return call("mapped", bare, json.dumps(known, ensure_ascii=False))


def _key(name: str) -> str:
    words = " ".join(name.lower().replace(".", "").replace("-", " ").replace("_", " ").split())
    return words.removeprefix("the ")
