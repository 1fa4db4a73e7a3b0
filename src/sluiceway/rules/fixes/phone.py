"""``phone``: a number as people write it, in the form of E.164."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator
from sqlglot import exp

from sluiceway.rules.fixes.base import Fix, duck, stripped
from sluiceway.sql.primitives import call

if TYPE_CHECKING:
    from sluiceway.rules.base import Rule, RuleContext
    from sluiceway.schema import Column

__all__ = ["PLANS", "Phone"]

PLANS: dict[str, tuple[str, str, int, int]] = {
    "AE": ("971", "0", 8, 9), "AR": ("54", "0", 10, 10), "AT": ("43", "0", 4, 13), "AU": ("61", "0", 9, 9),
    "BD": ("880", "0", 8, 10), "BE": ("32", "0", 8, 9), "BG": ("359", "0", 7, 9), "BR": ("55", "0", 10, 11),
    "CA": ("1", "1", 10, 10), "CH": ("41", "0", 9, 9), "CL": ("56", "", 9, 9), "CN": ("86", "0", 10, 11),
    "CO": ("57", "", 10, 10), "CY": ("357", "", 8, 8), "CZ": ("420", "", 9, 9), "DE": ("49", "0", 6, 12),
    "DK": ("45", "", 8, 8), "EE": ("372", "", 7, 8), "EG": ("20", "0", 8, 10), "ES": ("34", "", 9, 9),
    "FI": ("358", "0", 5, 12), "FR": ("33", "0", 9, 9), "GB": ("44", "0", 9, 10), "GR": ("30", "", 10, 10),
    "HK": ("852", "", 8, 8), "HR": ("385", "0", 8, 9), "HU": ("36", "06", 8, 9), "ID": ("62", "0", 8, 12),
    "IE": ("353", "0", 7, 9), "IL": ("972", "0", 8, 9), "IN": ("91", "0", 10, 10), "IS": ("354", "", 7, 7),
    "IT": ("39", "", 6, 11), "JP": ("81", "0", 9, 10), "KE": ("254", "0", 9, 9), "KR": ("82", "0", 8, 10),
    "LT": ("370", "0", 8, 8), "LU": ("352", "", 4, 11), "LV": ("371", "", 8, 8), "MA": ("212", "0", 9, 9),
    "MT": ("356", "", 8, 8), "MX": ("52", "", 10, 10), "MY": ("60", "0", 8, 10), "NG": ("234", "0", 8, 10),
    "NL": ("31", "0", 9, 9), "NO": ("47", "", 8, 8), "NZ": ("64", "0", 8, 10), "PE": ("51", "0", 8, 9),
    "PH": ("63", "0", 8, 10), "PK": ("92", "0", 9, 10), "PL": ("48", "", 9, 9), "PT": ("351", "", 9, 9),
    "RO": ("40", "0", 9, 9), "RS": ("381", "0", 8, 9), "RU": ("7", "8", 10, 10), "SA": ("966", "0", 8, 9),
    "SE": ("46", "0", 7, 9), "SG": ("65", "", 8, 8), "SI": ("386", "0", 8, 8), "SK": ("421", "0", 9, 9),
    "TH": ("66", "0", 8, 9), "TR": ("90", "0", 10, 10), "TW": ("886", "0", 8, 9), "UA": ("380", "0", 9, 9),
    "US": ("1", "1", 10, 10), "VN": ("84", "0", 9, 10), "ZA": ("27", "0", 9, 9),
}  # fmt: skip
"""Country -> (code, prefix of a national call, least and most digits behind these). After the list of ITU-T
E.164 assigned country codes and the national numbering plans that its members tell (ITU-T E.129)."""

_SHAPE = "[+]?[0-9() ./-]{5,30}"
_E164 = "[+][1-9][0-9]{6,14}"


class Phone(Fix):
    """Digits behind a plus: ``+31 (0)20-123 4567`` and ``0031201234567`` as ``+31201234567``. A national
    number, ``020 123 4567``, needs ``country``; so does ``011…`` of North America. What is no phone number by
    its length, or has an extension, is left to fail.

    >>> Phone.shorthand("nl"), Phone(country="nl").country
    ({'country': 'nl'}, 'NL')
    """

    kind: ClassVar[str] = "phone"
    example: ClassVar[str] = (
        "{pattern: {column: phone, format: phone}, on_fail: fix, fix: {phone: {country: NL}}}"
    )

    country: str | None = Field(None, description="whose national numbers these are, such as NL")

    @classmethod
    def shorthand(cls, value: Any) -> dict[str, Any]:
        return {"country": value}

    @field_validator("country")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None and value.upper() not in PLANS:
            raise ValueError(f"no numbering plan of '{value}' is known; there are {', '.join(sorted(PLANS))}")
        return None if value is None else value.upper()

    def expression(self, value: exp.Expr, rule: Rule, judged: Column, ctx: RuleContext) -> exp.Expr:
        bare = duck("replace(:x, '\u00a0', ' ')", x=stripped(value))
        whole = _replaced(bare.copy(), r"^([+][0-9 ]*)[(]0[)]", "\\1")
        digits = duck("regexp_replace(:x, :p, '', 'g')", x=whole, p=exp.Literal.string("[^0-9+]"))
        case = exp.Case(default=exp.null())
        case = case.when(exp.not_(call("matches", bare, _SHAPE)), exp.null())
        case = case.when(call("matches", digits.copy(), _E164), digits.copy())
        case = case.when(call("matches", digits.copy(), "00[1-9][0-9]{6,14}"), _behind(digits, "00", "+"))
        if self.country is not None:
            code, trunk, least, most = PLANS[self.country]
            if code == "1":
                case = case.when(
                    call("matches", digits.copy(), "011[1-9][0-9]{6,14}"), _behind(digits, "011", "+")
                )
            first = "[2-9]" if code == "1" else "[0-9]" if not trunk else "[1-9]"
            national = f"{first}[0-9]{{{least - 1},{most - 1}}}"
            if trunk:
                case = case.when(
                    call("matches", digits.copy(), trunk + national), _behind(digits, trunk, "+" + code)
                )
            if trunk in ("", "1", "8"):
                case = case.when(call("matches", digits.copy(), national), _behind(digits, "", "+" + code))
        return case


def _behind(digits: exp.Expr, prefix: str, new: str) -> exp.Expr:
    """``new`` and what stands behind ``prefix``."""
    rest = call("substring", digits.copy(), len(prefix) + 1, 20)
    return call("concat", new, rest)


def _replaced(text: exp.Expr, pattern: str, by: str) -> exp.Expr:
    p, b = exp.Literal.string(pattern), exp.Literal.string(by)
    return duck("regexp_replace(:x, :p, :b)", x=text, p=p, b=b)
