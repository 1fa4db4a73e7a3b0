"""Columns about persons: by name, by value, by what stands beside them; always with the evidence.

Personal data as the GDPR has it (article 4(1)): whatever says who or where a person is, location data and
online identifiers included. It is a finding to look at, not a proof.
"""

from __future__ import annotations

import re
import unicodedata

from sluiceway.quality.codes import FIRST_NAMES, SURNAMES
from sluiceway.quality.model import Pii, Semantic, TextType
from sluiceway.quality.numbers import NATIONAL
from sluiceway.quality.semantic import Facts, named

__all__ = ["PII_PATTERNS", "pii_of"]

_STREET = (
    r"street|str|st|avenue|ave|road|rd|lane|ln|drive|dr|boulevard|blvd|court|ct|way|place|pl|square|sq|terrace"
    r"|crescent|close|highway|hwy|parkway|pkwy|row|gardens|hill"
)
_UNIT = r"(?:,? ?(?:apt|suite|unit|flat|#|app|bus|apto)[.]? ?[\w-]+)?"
_TOWN = "(?:, .+)?"
_PART = r"[\p{L}'’.-]"
_WORD = f"{_PART}+"
_PARTICLE = "van|de|der|den|von|da|di|dos|la|le|el|bin|al|del|ter|ten|zu|'t"
_CAPITAL = r"\p{Lu}" + f"{_PART}*"
# no counted repeats of \p{L}: RE2 unrolls them, and a thousand states are slow
PII_PATTERNS: dict[str, str] = {
    "street": "(?i)(?:"
     rf"\d+[a-z]?(?:[-/]\d+)? (?:{_WORD} )+(?:{_STREET})[.]?(?: [nsew]{{1,2}})?{_UNIT}{_TOWN}"
     rf"|(?:{_WORD} )*{_PART}*(?:straat|laan|weg|plein|gracht|kade|dijk|stra(?:ß|ss)e|str[.]|gasse|allee"
     rf"|platz|gatan|vägen|gade|vej) \d+ ?[a-z]?(?:[-/ ]\d+)?{_TOWN}"
     rf"|\d+(?: ?(?:bis|ter))?,? (?:rue|avenue|av[.]|boulevard|bd|place|chemin|impasse|allée|quai)"
     rf"(?: {_WORD})+{_TOWN}"
     rf"|(?:calle|c/|avenida|av[.]|avda[.]?|paseo|plaza|via|viale|corso|piazza|rua|largo|ulica|ul[.])"
     rf"(?: {_WORD})+,? (?:n[ºo°.]? ?)?\d+{_TOWN})",
    "person": r"(?:(?:Mr|Mrs|Ms|Dr|Prof|Herr|Frau|Mme|M|Dhr|Mevr)[.]? )?"
    rf"{_CAPITAL}(?:,? (?:{_PARTICLE}))*(?:,? {_CAPITAL})+",
    "one_name": rf"{_CAPITAL}(?:[ -]{_CAPITAL})?",
    **{name: pattern for name, (pattern, _) in NATIONAL.items()},
}  # fmt: skip
"""RE2 patterns of values about persons, beside the semantic types."""

_OF_SEMANTIC = {
    "email": ("email", 0.97), "phone": ("phone", 0.9), "iban": ("iban", 0.97), "card_number": ("card", 0.97),
    "ipv4": ("ip", 0.85), "ipv6": ("ip", 0.85), "coordinates": ("coordinates", 0.7),
    "latitude": ("coordinates", 0.7), "longitude": ("coordinates", 0.7),
}  # fmt: skip
_WHO = (
    "customer|client|user|person|patient|employee|contact|member|holder|owner|passenger|guest|student|subscriber"
    "|buyer|recipient|sender|author|applicant|driver|emergency_contact|beneficiary|cardholder|account_holder|kunde"
    "|klant|patienten|mitarbeiter"
)
_PERSON_NAME = (
    "first_?name|last_?name|full_?name|sur_?name|given_?names?|family_?name|middle_?name|maiden_?name|forename"
    "|fname|lname|voornaam|achternaam|vorname|nachname|prenom|nom_de_famille|nombre|apellidos?|cognome"
    "|nome|naam|imie|nazwisko|display_?name|nick_?name|billing_?name|shipping_?name|person_?name|legal_?name"
    rf"|(?:{_WHO})_?name|name_?of_?(?:{_WHO})"
)
_NOT_PERSON = (
    "product|file|company|country|city|brand|item|category|table|column|host|server|domain|event|project|store|shop"
    "|department|team|group|role|job|school|course|bank|field|display_order|model|class|type|status|page|campaign"
    "|street|state|region|plan|device|app|path|code|id|count|hash"
)
_BIRTH = (
    "birth_?date|birth_?day|date_?of_?birth|dob|geburtsdatum|geburtstag|geboortedatum|date_?naissance|naissance"
    "|fecha_?nacimiento|data_?nascita|born|born_?on|birth_?dt"
)
_NATIONAL = (
    "ssn|social_?security(?:_?(?:no|number|nr))?|national_?id|national_?identifier|bsn|burgerservicenummer|nino"
    "|national_?insurance(?:_?(?:no|number))?|codice_?fiscale|dni|nie|cpf|pesel|personnummer|hetu|nir|sin|aadhaar"
    "|passport(?:_?(?:no|nr|number))?|id_?card(?:_?(?:no|number))?|steuer_?id|identity_?(?:no|number)|cpr|rijksregister(?:nummer)?"
    "|driver_?s?_?licen[cs]e(?:_?(?:no|number))?"
)
_ADDRESS = (
    "address|addr|street|street_?address|address_?line|home_?address|adresse|adres|straat"
    "|strasse|straße|direccion|indirizzo|billing_?address|shipping_?address|rue|calle"
)
_NOT_ADDRESS = "e_?mail|ip|mac|web|url|wallet|memory|type|id|count|verified|hash|code|city"
_PHONE = (
    "phone|phones|telephone|telefon|telefoon|telefono|mobile_?(?:phone|number|no)?|msisdn|tel|cell_?phone|fax"
    "|phone_?number"
)
_BY_NAME = (
    ("email", "e_?mail|mail_?address|email_?address",
     "sent|verified|count|id|opt|status|type|template|campaign|subject|at"),
    ("phone", _PHONE,
     "verified|type|model|brand|count|id|os|app|version|status|price"),
    ("iban", "iban", "id|valid|verified"),
    ("card", "card_?number|credit_?card(?:_?(?:no|number))?|cc_?number|ccnum|pan", "type|brand|id|status"),
    ("ip", "ip|ip_?address|ip_?addr|ipv4|ipv6|client_?ip|remote_?ip", "count|version|type|id"),
)  # fmt: skip


def pii_of(facts: Facts, semantic: Semantic | None, text_type: TextType | None) -> Pii | None:
    """What kind of personal data a column holds, if any. The best-founded kind wins."""
    found = [p for p in (
        _by_semantic(facts, semantic), _birth(facts, text_type), _national(facts), _address(facts),
        _name(facts, semantic), _by_name(facts),
    ) if p is not None]  # fmt: skip
    return max(found, key=lambda pii: pii.confidence) if found else None


def _by_semantic(facts: Facts, semantic: Semantic | None) -> Pii | None:
    if semantic is None or semantic.type not in _OF_SEMANTIC:
        return None
    kind, strength = _OF_SEMANTIC[semantic.type]
    return Pii(kind, round(min(strength, semantic.confidence), 3), semantic.evidence)


def _called(facts: Facts) -> str:
    return f"the column is called {facts.name}"


def _birth(facts: Facts, text_type: TextType | None) -> Pii | None:
    if not named(facts.key, _BIRTH):
        return None
    dates = facts.family in ("date", "timestamp", "timestamptz")
    dates = dates or (text_type is not None and text_type.type in ("date", "timestamp"))
    if dates:
        return Pii("birth_date", 0.95, f"{_called(facts)} and holds dates")
    if not facts.total and facts.family == "text":
        return Pii("birth_date", 0.5, f"{_called(facts)}; it has no values to look at")
    return None


def _national(facts: Facts) -> Pii | None:
    hint = named(facts.key, _NATIONAL) and not named(facts.key, "type|verified|expiry|expires|country|issued")
    best: tuple[float, str] | None = None
    for name, (pattern, check) in NATIONAL.items():
        share = facts.share(name)
        if share < (0.7 if hint else 0.9) or (not hint and (name == "nl_bsn" or len(facts.values) < 3)):
            continue
        if name == "gb_nino" and not hint and facts.share("iban") > 0.5:
            continue
        form = re.compile(pattern)
        values = [value for value in facts.values if form.fullmatch(value)][:300]
        right = sum(map(check, values)) / max(len(values), 1)
        if right >= (0.7 if hint else 0.9) and (best is None or right * share > best[0]):
            best = (right * share, name)
    if best is not None:
        why = f"{best[0]:.1%} of the values have the form and the check of {best[1]}"
        more = f", and {_called(facts)}" if hint else ""
        return Pii("national_id", round(min(0.98, 0.88 * best[0] + 0.1 * hint), 3), why + more)
    if hint and facts.family in ("text", "integer"):
        if not facts.total:
            return Pii("national_id", 0.5, f"{_called(facts)}; it has no values to look at")
        if _digits(facts) >= 0.8:
            return Pii("national_id", 0.75, f"{_called(facts)} and holds numbers")
    return None


def _digits(facts: Facts) -> float:
    """The share of distinct values with six digits or more."""
    many = sum(sum(c.isdigit() for c in value) >= 6 for value in facts.values)
    return many / max(len(facts.values), 1)


def _address(facts: Facts) -> Pii | None:
    if facts.family != "text":
        return None
    share = facts.share("street")
    hint = named(facts.key, _ADDRESS) and not named(facts.key, _NOT_ADDRESS)
    if share >= 0.6 and (hint or len(facts.values) >= 3):
        more = f", and {_called(facts)}" if hint else ""
        return Pii(
            "address",
            round(min(0.97, 0.9 * share + 0.09 * hint), 3),
            f"{share:.1%} look like street addresses{more}",
        )
    if not hint:
        return None
    if not facts.total:
        return Pii("address", 0.5, f"{_called(facts)}; it has no values to look at")
    words = sum(
        n
        for v, n in facts.values.items()
        if re.search(r"[^\W\d_]{2}", v) and "://" not in v and "@" not in v and len(v) > 4
    )
    mixed = sum(n for v, n in facts.values.items() if re.search(r"\d", v) or " " in v)
    if words >= 0.8 * facts.total and mixed >= 0.3 * facts.total:
        return Pii("address", 0.7, f"{_called(facts)} and holds words and numbers")
    return None


def _plain(word: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", word.casefold()) if not unicodedata.combining(c))


def _known_names(facts: Facts) -> tuple[float, float]:
    """The shares of distinct values with a known first name or surname in them, and of whole names."""
    known = whole = 0
    for value in facts.values:
        words = [_plain(word) for word in re.split(r"[\s,.]+", value) if word]
        first = any(part in FIRST_NAMES for word in words for part in word.split("-"))
        last = any(word in SURNAMES for word in words)
        known += first or last
        whole += (first or last) and 2 <= len(words) <= 5
    return known / len(facts.values), whole / len(facts.values)


def _name(facts: Facts, semantic: Semantic | None) -> Pii | None:
    if facts.family != "text" or (semantic is not None and semantic.confidence >= 0.8):
        return None
    strong = named(facts.key, _PERSON_NAME) and not named(facts.key, _NOT_PERSON)
    strong = strong or facts.key in {f"_{who}_" for who in _WHO.split("|")} | {
        "_surname_",
        "_firstname_",
        "_lastname_",
    }
    if not facts.total:
        return Pii("name", 0.5, f"{_called(facts)}; it has no values to look at") if strong else None
    known, whole = _known_names(facts)
    shape = max(facts.share("person"), facts.share("one_name"))
    if strong and (shape >= 0.5 or known >= 0.3):
        return Pii(
            "name",
            round(min(0.97, 0.8 + 0.15 * max(known, shape * 0.5)), 3),
            f"{_called(facts)}, and {known:.0%} of the values hold a common name",
        )
    if strong and _letters(facts) >= 0.8 and len(facts.values) >= 3:
        return Pii("name", 0.7, f"{_called(facts)} and holds words")
    weak = facts.key in ("_name_", "_names_") or (
        named(facts.key, "name|names") and not named(facts.key, _NOT_PERSON)
    )
    if facts.share("person") >= 0.8 and whole >= (0.35 if weak else 0.5) and len(facts.values) >= 3:
        return Pii(
            "name",
            round(min(0.9, 0.65 + 0.25 * whole), 3),
            f"{whole:.0%} of the values are words that begin or end with a common name",
        )
    if known >= (0.5 if weak else 0.7) and facts.share("one_name") >= 0.8 and len(facts.values) >= 8:
        return Pii("name", round(0.6 + 0.25 * known, 3), f"{known:.0%} of the values are common names")
    return None


def _letters(facts: Facts) -> float:
    words = sum(bool(re.fullmatch(r"[^\W\d_][^\d_@/]*", value)) for value in facts.values)
    return words / max(len(facts.values), 1)


def _by_name(facts: Facts) -> Pii | None:
    """A name that says it, though there is no value to look at, or values are not as usual."""
    if facts.family not in ("text", "integer"):
        return None
    for kind, hints, against in _BY_NAME:
        if named(facts.key, hints) and not named(facts.key, against):
            if not facts.total and facts.family == "text":
                return Pii(kind, 0.5, f"{_called(facts)}; it has no values to look at")
            if kind in ("phone", "card") and facts.total and _digits(facts) >= 0.8:
                return Pii(kind, 0.7, f"{_called(facts)} and holds numbers")
            if (
                kind == "email"
                and sum("@" in value for value in facts.values) >= 0.5 * max(len(facts.values), 1)
                and facts.total
            ):
                return Pii(kind, 0.7, f"{_called(facts)} and holds @")
    return None
