"""Numbers that carry a check: IBAN, cards, VAT, national ids. One value at a time, for few candidates."""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["CHECKS", "NATIONAL"]


def _iban(value: str) -> bool:
    """ISO 13616: its length by country and the remainder of 97."""
    from stdnum import iban

    return bool(iban.is_valid(re.sub(r"(?i)^IBAN:? ", "", value)))


_ISSUER = re.compile(
    r"4(\d{12}|\d{15}|\d{18})|3[47]\d{13}|5[1-5]\d{14}|2(22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}"
    r"|6(011|4[4-9]\d|5\d\d)\d{12}|3(0[0-5]|[68]\d)\d{11}|35(2[89]|[3-8]\d)\d{12}|62\d{14,17}"
    r"|(50|5[6-9]|6\d)\d{10,17}"
)
"""Ranges of issuer identification numbers (ISO/IEC 7812): Visa, Amex, Mastercard, Discover, Diners, JCB,
UnionPay, Maestro."""


def _card(value: str) -> bool:
    """An issuer's range and the check digit of Luhn (ISO/IEC 7812-1, annex B)."""
    from stdnum import luhn

    digits = re.sub(r"[ -]", "", value)
    return _ISSUER.fullmatch(digits) is not None and bool(luhn.is_valid(digits))


def _vat(value: str) -> bool:
    """The check digits of the member state (VIES), the United Kingdom, Switzerland, Norway."""
    from stdnum.eu import vat

    compact = re.sub(r"[ .-]", "", value).upper()
    if compact.startswith("CHE"):
        from stdnum.ch import vat as swiss

        return bool(swiss.is_valid(compact)) or bool(swiss.is_valid(compact + "MWST"))
    if compact.startswith("GB"):
        from stdnum.gb import vat as british

        return bool(british.is_valid(compact))
    if compact.startswith("NO"):
        from stdnum.no import mva

        return bool(mva.is_valid(compact))
    return bool(vat.is_valid(compact))


def _ipv6(value: str) -> bool:
    """As RFC 4291 writes one."""
    import ipaddress

    try:
        return ipaddress.ip_interface(value.split("%", maxsplit=1)[0]).version == 6
    except ValueError:
        return False


CHECKS: dict[str, Callable[[str], bool]] = {"iban": _iban, "card": _card, "vat": _vat, "ipv6": _ipv6}


def _stdnum(country: str, module: str) -> Callable[[str], bool]:
    def check(value: str) -> bool:
        import importlib

        return bool(importlib.import_module(f"stdnum.{country}.{module}").is_valid(value))

    return check


NATIONAL: dict[str, tuple[str, Callable[[str], bool]]] = {
    "us_ssn": (r"\d{3}-\d{2}-\d{4}", _stdnum("us", "ssn")),
    "gb_nino": (r"(?i)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]", lambda _: True),
    "it_codice_fiscale": (
        r"(?i)[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]",
        _stdnum("it", "codicefiscale"),
    ),
    "es_dni": (r"(?i)\d{8}-?[A-HJ-NP-TV-Z]", _stdnum("es", "dni")),
    "es_nie": (r"(?i)[XYZ]-?\d{7}-?[A-HJ-NP-TV-Z]", _stdnum("es", "nie")),
    "br_cpf": (r"\d{3}[.]\d{3}[.]\d{3}-\d{2}", _stdnum("br", "cpf")),
    "fr_nir": (r"[12] ?\d{2} ?\d{2} ?\d[\dAB] ?\d{3} ?\d{3} ?\d{2}", _stdnum("fr", "nir")),
    "pl_pesel": (r"\d{11}", _stdnum("pl", "pesel")),
    "se_personnummer": (r"(?:\d{2})?\d{6}[-+]\d{4}", _stdnum("se", "personnummer")),
    "fi_hetu": (r"(?i)\d{6}[-+A-FU-Y]\d{3}[0-9A-Y]", _stdnum("fi", "hetu")),
    "nl_bsn": (r"\d{9}", _stdnum("nl", "bsn")),
}
"""National identification numbers: an RE2 pattern, and the check of python-stdnum."""
