"""Sets of characters in regular expressions, as RE2 has them: ASCII, whatever the locale."""

from __future__ import annotations

__all__ = ["CLASSES", "PERL", "Ranges", "complement", "fold"]

Ranges = tuple[tuple[int, int], ...]
_LAST = 0x10FFFF


def _of(*parts: str) -> Ranges:
    return tuple((ord(p[0]), ord(p[-1])) for p in parts)


def complement(ranges: Ranges) -> Ranges:
    """All other code points.

    >>> complement(((0, 9), (11, 0x10FFFF)))
    ((10, 10),)
    """
    out, at = [], 0
    for low, high in sorted(ranges):
        if low > at:
            out.append((at, low - 1))
        at = max(at, high + 1)
    if at <= _LAST:
        out.append((at, _LAST))
    return tuple(out)


def fold(ranges: Ranges) -> Ranges:
    """``ranges`` of ASCII with the other case of every letter. K is the Kelvin sign too, and s the long s.

    >>> "".join(chr(low) for low, _ in fold(((ord("k"), ord("k")),)))
    'Kk\\u212a'
    """
    codes = {code for low, high in ranges for code in range(low, high + 1)}
    letters = {c for c in codes if chr(c).isalpha()}
    codes |= {ord(chr(c).swapcase()) for c in letters}
    codes |= {0x212A} if codes & {ord("k"), ord("K")} else set()
    codes |= {0x17F} if codes & {ord("s"), ord("S")} else set()
    out: list[tuple[int, int]] = []
    for code in sorted(codes):
        if out and out[-1][1] == code - 1:
            out[-1] = (out[-1][0], code)
        else:
            out.append((code, code))
    return tuple(out)


_DIGIT = _of("09")
_WORD = _of("09", "AZ", "__", "az")
_SPACE: Ranges = ((9, 10), (12, 13), (32, 32))
PERL: dict[str, Ranges] = {
    "d": _DIGIT, "w": _WORD, "s": _SPACE,
    "D": complement(_DIGIT), "W": complement(_WORD), "S": complement(_SPACE),
}  # fmt: skip
CLASSES: dict[str, Ranges] = {
    "alnum": _of("09", "AZ", "az"), "alpha": _of("AZ", "az"), "ascii": ((0, 127),),
    "blank": ((9, 9), (32, 32)), "cntrl": ((0, 31), (127, 127)), "digit": _DIGIT, "graph": ((33, 126),),
    "lower": _of("az"), "print": ((32, 126),), "punct": _of("!/", ":@", "[`", "{~"),
    "space": ((9, 13), (32, 32)), "upper": _of("AZ"), "word": _WORD, "xdigit": _of("09", "AF", "af"),
}  # fmt: skip
