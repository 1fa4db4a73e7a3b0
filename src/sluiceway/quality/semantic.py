"""Semantic types: what values mean. Each is a row of a table: an RE2 pattern, names that speak for it and
against it, and where a pattern is not enough a check of distinct values (checksums by python-stdnum).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sluiceway.quality.codes import (
    COUNTRY_CODES,
    COUNTRY_NAMES,
    LANGUAGE_CODES,
    LANGUAGE_NAMES,
    MAJOR_CURRENCIES,
    SPOKEN_LANGUAGES,
    US_STATES,
)
from sluiceway.quality.model import Semantic
from sluiceway.quality.numbers import CHECKS
from sluiceway.rules.codes import CURRENCIES

__all__ = ["PATTERNS", "SEMANTIC", "Facts", "SemanticType", "named", "normal_name", "semantic_of"]


@dataclass(frozen=True)
class Facts:
    """What is known of a column from a sample of its values, trimmed, without blanks and words for NULL.

    ``key`` is the name as ``normal_name`` gives it; ``values`` counts distinct values; ``shares`` is by
    name of pattern, 0..1; ``siblings`` are the keys of all columns;
    ``padded`` says that values had blanks around them; ``whole`` that the sample is
    the whole column.
    """

    name: str
    key: str
    family: str
    total: int
    values: Mapping[str, int]
    shares: Mapping[str, float]
    siblings: frozenset[str] = field(default_factory=frozenset)
    padded: bool = False
    whole: bool = False

    def share(self, pattern: str) -> float:
        return self.shares.get(pattern, 0.0)


@dataclass(frozen=True)
class SemanticType:
    """``pattern`` is in RE2 and matches a whole value. ``loose`` is a wider one, for columns whose name
    speaks for the type. ``least`` is the share that must match where the name says nothing; None: the name
    has to. ``distinct``: how many values there must be without a name. ``strength``: the confidence of a
    column that matches wholly. ``check`` sees distinct values that match and says which are right.
    ``members`` are the only values, in lower case; ``group`` judges a column as a whole.
    """

    name: str
    pattern: str
    hints: str
    against: str = ""
    loose: str = ""
    least: float | None = 0.9
    distinct: int = 1
    strength: float = 0.9
    check: Callable[[str], bool] | None = None
    group: Callable[[Facts], bool] | None = None
    numeric: bool = False


_CALLING = (
    r"(?:1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|2[1-69]\d|3[578]\d|42\d|5[09]\d|6[789]\d"
    r"|8[05678]\d|9[679]\d)"
)
"""Country calling codes, ITU-T E.164 (list of assigned codes, 2016)."""
_EXTENSION = r"(?: ?(?:x|ext[.]?|#) ?\d{1,6})?"
_NANP = rf"(?:\+?1[-. ])?(?:\([2-9]\d{{2}}\) ?|[2-9]\d{{2}}[-. ])[2-9]\d{{2}}[-. ]\d{{4}}{_EXTENSION}"
_SUBSCRIBER = r"(?:[ ./()-]{0,3}\d){5,13}"
_ABROAD = rf"(?:\+{_CALLING}{_SUBSCRIBER}|00{_CALLING}[ .-]{_SUBSCRIBER}){_EXTENSION}"
_HOME = r"\(?0[1-9]\d{0,3}\)?[ /-](?:\d[ -]?){4,9}\d|0[1-9](?:[ .-]\d{2}){4}"
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_LOCAL = r"[\p{L}\p{N}.!#$%&'*+/=?^_`{|}~-]+"
_DOMAIN = r"(?:[\p{L}\p{N}](?:[\p{L}\p{N}-]*[\p{L}\p{N}])?[.])+"
_GROUPED = (
    r"\d{4}[ -]\d{4}[ -]\d{4}[ -]\d{1,7}|3[47]\d{2}[ -]\d{6}[ -]\d{5}|\d{4}[ -]\d{4}[ -]\d{5}|\d{13,19}"
)
_LATITUDE = r"[+-]?(?:90(?:[.]0+)?|[0-8]?\d[.]\d{3,})"
_LONGITUDE = r"[+-]?(?:180(?:[.]0+)?|(?:1[0-7]\d|\d?\d)[.]\d{3,})"
_ARC = r"\d{1,3}°(?: ?\d{1,2}['′](?: ?[\d.]+[\"″])?)? ?"
_POST = (
    r"[1-9]\d{3} [A-Z]{2}|(?:[A-Z]{1,2}\d[A-Z\d]?|GIR) \d[ABD-HJLNP-UW-Z]{2}"
    r"|[ABCEGHJ-NPRSTVXY]\d[ABCEGHJ-NPRSTV-Z] \d[ABCEGHJ-NPRSTV-Z]\d"
)
_POST_NAMED = (
    r"(?i)(?:[A-Z]{1,2}[- ])?\d{3,7}|\d{5}-\d{3,4}|\d{2}-\d{3}|\d{3}[ -]\d{2,4}|\d{4}-\d{3}"
    r"|[1-9]\d{3} ?[A-Z]{2}|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}"
    r"|[A-Z]\d[A-Z][ -]?\d[A-Z]\d|[A-Z]\d{2} ?[A-Z\d]{4}"
)


def _among(words: tuple[str, ...]) -> str:
    """A pattern of nothing but these words."""
    return "(?:" + "|".join(re.escape(word).replace("'", "['’]") for word in words) + ")"


_COUNTRY = f"{_among(COUNTRY_CODES)}|(?i:{_among(COUNTRY_NAMES)})"
_LANGUAGE = (
    f"{_among(LANGUAGE_CODES)}(?:[-_](?:{_among(tuple(c for c in COUNTRY_CODES if len(c) == 2))}|419))?"
    f"|(?i:{_among(LANGUAGE_NAMES)})"
)
_ANY_LANGUAGE = (
    f"(?i:{_among(LANGUAGE_CODES)})(?:[-_][A-Za-z]{{4}})?(?:[-_][A-Za-z]{{2}})?|(?i:{_among(LANGUAGE_NAMES)})"
)


def _no_version(facts: Facts) -> bool:
    """Dotted fours of small numbers are versions: addresses use the whole range of an octet."""
    if "10." in facts.values or named(facts.key, "ip|ipv4|addr|address|host|server|client|gateway"):
        return True
    small = sum(
        count for value, count in facts.values.items()
        if max((int(part) for part in re.findall(r"\d+", value.split("/")[0])[:4]), default=0) < 40
    )  # fmt: skip
    return small < 0.8 * facts.total


def _phones(facts: Facts) -> bool:
    """With 7 to 15 digits each (E.164), and more than one number in the column."""
    digits = [len(re.sub(r"\D", "", re.split(r"x|ext|#", value)[0])) for value in facts.values]
    return bool(digits) and sum(7 <= n <= 15 for n in digits) >= 0.8 * len(digits)


def _countries(facts: Facts) -> bool:
    """Not the states of the USA, of which half look like countries, and not one word by chance."""
    if named(facts.key, "state|province|region|subdivision"):
        return False
    codes = [value for value in facts.values if len(value) == 2]
    if codes and sum(code in US_STATES for code in codes) >= 0.9 * len(codes) and "US" not in codes:
        return False
    long = sum(len(value) > 3 for value in facts.values)
    return len(facts.values) >= (3 if long else 4)


def _currencies(facts: Facts) -> bool:
    return bool(MAJOR_CURRENCIES & facts.values.keys())


def _languages(facts: Facts) -> bool:
    if any(len(value) > 3 for value in facts.values):
        return len(facts.values) >= 2
    return len(SPOKEN_LANGUAGES & facts.values.keys()) >= 2 and len(facts.values) >= 3


_NOT_A_NUMBER = "order|invoice|ref|reference|sku|product|item|serial|version|code|article|ticket|batch"

SEMANTIC: tuple[SemanticType, ...] = (
    SemanticType(
        "email",
        rf"(?:[^<>@]*<)?{_LOCAL}@{_DOMAIN}\p{{L}}[\p{{L}}\p{{N}}-]*\p{{L}}>?",
        "e_?mail|mail|email_?address|courriel|correo",
        strength=0.99,
    ),
    SemanticType(
        "url",
        r"(?i)(?:https?|ftps?|s3|gs|ws|wss)://[^\s]+|www[.][^\s.]+[.][^\s]+",
        "url|uri|link|href|website|web_?site|homepage|site|webseite|domain",
        loose=rf"(?i)(?:https?://)?{_DOMAIN}[a-z]{{2,24}}(?::\d+)?(?:/\S*)?",
        strength=0.99,
    ),
    SemanticType(
        "uuid",
        r"(?i)(?:urn:uuid:)?[{]?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}[}]?"
        r"|[0-9a-f]{12}[1-8][0-9a-f]{3}[89ab][0-9a-f]{15}",
        "uuid|guid",
        strength=0.99,
    ),
    SemanticType(
        "ipv4",
        rf"{_OCTET}(?:[.]{_OCTET}){{3}}(?:/\d{{1,2}}|:\d{{2,5}})?",
        "ip|ips|ipv4|ip_?address|ip_?addr|host",
        against="version|release|build|firmware|section|oid|chapter",
        group=_no_version,
        strength=0.95,
    ),
    SemanticType(
        "ipv6",
        r"(?i)[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?:\d{0,3}[.]\d+[.]\d+[.]\d+)?(?:%\w+)?(?:/\d{1,3})?",
        "ip|ips|ipv6|ip_?address|ip_?addr",
        check=CHECKS["ipv6"],
        strength=0.99,
    ),
    SemanticType(
        "iban",
        r"(?i)(?:IBAN:? )?[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]){11,30}",
        "iban|bank_?account",
        check=CHECKS["iban"],
        strength=0.99,
    ),
    SemanticType(
        "card_number",
        _GROUPED,
        "card|card_?number|credit_?card|cc|ccnum|cc_?number|pan|kreditkarte|creditcard",
        against=_NOT_A_NUMBER,
        check=CHECKS["card"],
        distinct=3,
        strength=0.95,
        numeric=True,
    ),
    SemanticType(
        "vat_number",
        r"(?i)(?:CHE-?\d{3}[.]?\d{3}[.]?\d{3}(?: ?(?:MWST|TVA|IVA))?"
        r"|[A-Z]{2}[ -]?[A-Z0-9+*](?:[ .-]?[A-Z0-9+*]){6,13}(?: ?MVA)?)",
        "vat|vat_?(?:id|no|number|nr)|btw|btw_?(?:nr|nummer|number)|ust|ust_?id|ustid|ust_?idnr|tva"
        "|partita_?iva|tax_?id",
        check=CHECKS["vat"],
        strength=0.97,
    ),
    SemanticType(
        "coordinates",
        rf"[(\[]?{_LATITUDE}\s*[,; ]\s*{_LONGITUDE}[)\]]?"
        r"|(?i:POINT) ?\([+-]?\d+(?:[.]\d+)? [+-]?\d+(?:[.]\d+)?\)"
        rf"|{_ARC}[NS][, ]+{_ARC}[EWO]",
        "coordinates?|coords?|lat_?l(?:on|ng|ong)|geo|geo_?point|location|position|gps|point",
        against="price|amount|vector",
        strength=0.93,
    ),
    SemanticType(
        "phone",
        f"{_ABROAD}|{_NANP}|{_HOME}",
        "phone|phones|telephone|tel|telefon|telefoon|telefono|mobile|mobil|mobiel|cell|cellphone|fax|msisdn|handy"
        "|phone_?(?:no|nr|number)|phonenumber|tel_?(?:no|nr)|telephone_?number|whatsapp|portable|gsm",
        against=_NOT_A_NUMBER + "|date|day|id|ssn|period|range",
        loose=r"[+(]?\d[\d ()./-]{5,18}\d" + _EXTENSION,
        distinct=3,
        group=_phones,
        numeric=True,
    ),
    SemanticType(
        "currency",
        _among(CURRENCIES),
        "currency|curr|ccy|currency_?code|iso_?currency|valuta|waehrung|wahrung|devise|moneda|munt",
        against="airport|iata|station",
        loose=f"(?i:{_among(CURRENCIES)})|[€$£¥]"
        "|(?i:US\\$|euros?|dollars?|pounds?|us dollars?|yen|pound sterling)",
        group=_currencies,
        least=0.95,
        strength=0.9,
    ),
    SemanticType(
        "country",
        _COUNTRY,
        "country|countries|country_?code|country_?name|nation|nationality|iso_?country|land|pays|pais|paese|iso2|iso3"
        "|alpha_?[23]|countrycode|landcode",
        against="state|province|language|lang|locale|first_?name|name|dish|food",
        loose=f"(?i:{_among(COUNTRY_CODES)}|{_among(COUNTRY_NAMES)})",
        group=_countries,
        least=0.95,
        strength=0.88,
    ),
    SemanticType(
        "language",
        _LANGUAGE,
        "language|lang|locale|languages|language_?code|lang_?code|sprache|taal|langue|idioma|lingua|iso_?639",
        against="country|nation|nationality|state|programming",
        loose=_ANY_LANGUAGE,
        group=_languages,
        least=0.95,
        strength=0.86,
    ),
    SemanticType(
        "postal_code",
        _POST,
        "postal|postal_?code|post_?code|zip|zip_?code|zipcode|postcode|plz|postleitzahl|code_?postal|cp|cap|cep",
        against=_NOT_A_NUMBER,
        loose=_POST_NAMED,
        distinct=3,
        strength=0.88,
        numeric=True,
    ),
)
"""In the order in which ties are settled."""

PATTERNS: dict[str, str] = {
    **{kind.name: kind.pattern for kind in SEMANTIC},
    **{f"{kind.name}~": kind.loose for kind in SEMANTIC if kind.loose},
}
"""Every pattern by name; ``~`` is the loose one."""


def normal_name(name: str) -> str:
    """A column's name as words in lower case: what hints are compared with.

    >>> normal_name("customerEmail_Address2")
    '_customer_email_address_2_'
    """
    import unicodedata

    plain = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|[A-Z]|\d+", plain)
    return f"_{'_'.join(words).lower()}_" if words else "_"


def named(key: str, hints: str) -> bool:
    """Does a normal name hold one of ``hints``, as whole words?

    >>> named("_customer_e_mail_", "e_?mail|mail"), named("_retail_", "e_?mail|mail")
    (True, False)
    """
    return bool(hints) and re.search(f"_(?:{hints})s?(?=_)", key) is not None


def semantic_of(facts: Facts) -> tuple[Semantic, str] | None:
    """The type that fits best, and the name of its pattern; None where nothing fits well enough."""
    if not facts.total:
        return None
    found = [judged for kind in SEMANTIC if (judged := _judge(kind, facts)) is not None]
    return max(found, key=lambda pair: pair[0].confidence) if found else None


def _judge(kind: SemanticType, facts: Facts) -> tuple[Semantic, str] | None:
    if facts.family not in ("text", "integer") or (facts.family == "integer" and not kind.numeric):
        return None
    hint = named(facts.key, kind.hints)
    against = named(facts.key, kind.against) and not hint
    strict, loose = facts.share(kind.name), facts.share(f"{kind.name}~") if hint else 0.0
    pattern, share = (f"{kind.name}~", loose) if loose > strict else (kind.name, strict)
    least = 0.75 if hint else kind.least
    if least is None or share < least or against or (not hint and len(facts.values) < kind.distinct):
        return None
    if not hint and kind.numeric and facts.family == "integer" and kind.name != "card_number":
        return None
    if kind.group is not None and (not hint or kind.name in ("phone", "ipv4")) and not kind.group(facts):
        return None
    why = f"{share:.1%} of the values look like it"
    if kind.check is not None:
        right = _right(kind, facts)
        share *= right
        if share < least or (right < 0.5):
            return None
        why = f"{share:.1%} of the values have its form and pass its check"
    confidence = min(0.99, kind.strength * share + (0.09 if hint else 0.0))
    if hint:
        why += f", and the column is called {facts.name}"
    return Semantic(kind.name, round(share, 4), round(confidence, 3), why), pattern


def _right(kind: SemanticType, facts: Facts) -> float:
    """The share of distinct values, of those that have the form, that pass the check. 300 at most."""
    assert kind.check is not None
    form = re.compile(kind.pattern.replace(r"\p{L}", r"[^\W\d_]").replace(r"\p{N}", r"\d"))
    candidates = [value for value in facts.values if form.fullmatch(value)][:300]
    return sum(map(kind.check, candidates)) / len(candidates) if candidates else 0.0
