"""Regular expressions of RE2, DuckDB's, in the words of Java's and PostgreSQL's engines.

The three agree on little more than letters: what ``\\s``, ``\\w``, ``.``, ``$`` and ``(?i)`` mean differs.
So a pattern is read as RE2 reads it and written anew in terms that mean the same there; what has no such
terms is refused with its name. Without captures a match does not depend on how an engine chooses between
alternatives; where the text of a match matters, PostgreSQL (leftmost longest) is given less.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sluiceway.errors import PlanError
from sluiceway.sql.regexsets import CLASSES, PERL, Ranges, complement, fold

__all__ = ["Regex", "regex"]

_LAST = 0x10FFFF
_CONTROLS = {"a": 7, "f": 12, "t": 9, "n": 10, "r": 13, "v": 11}
_WORD = "[0-9A-Za-z_]"
_BOUNDARY = f"(?:(?<={_WORD})(?!{_WORD})|(?<!{_WORD})(?={_WORD}))"
_INSIDE = f"(?:(?<={_WORD})(?={_WORD})|(?<!{_WORD})(?!{_WORD}))"
_NAMES = {"spark": "Spark", "postgres": "PostgreSQL"}
_MOST = {"spark": 1000, "postgres": 255}


@dataclass(frozen=True)
class Regex:
    """``text`` is the pattern for the dialect, ``groups`` how many captures it has."""

    text: str
    groups: int


def regex(pattern: str, dialect: str, *, flags: str = "", whole: bool = False, found: bool = False) -> Regex:
    """``pattern``, which RE2 understands, for ``dialect`` (spark or postgres).

    Args:
        flags: DuckDB's options: i (ignore case), c (don't), s (``.`` matches a new line too).
        whole: the whole text must match.
        found: the text that matched is wanted, not only whether there is one.

    >>> regex("[a-c]+", "spark").text, regex(r"\\d$", "postgres", whole=True).text
    ('[a-c]+', '\\\\A(?:[0-9]\\\\Z)\\\\Z')

    Raises:
        PlanError: a construct that can't be made to mean the same.
    """
    reader = _Reader(pattern, dialect, found)
    for flag in flags:
        if flag not in "ics":
            raise reader.refuse(f"the option '{flag}'", "use i, c or s")
    text = reader.alternatives(_Flags("i" in flags, "s" in flags))
    if reader.at < len(pattern):
        raise reader.refuse("an unmatched ')'", "escape it: \\)")
    if whole:
        text = f"\\A(?:{text}){reader.end()}"
    return Regex(text, reader.groups)


@dataclass(frozen=True)
class _Flags:
    ignore_case: bool = False
    dot_all: bool = False


@dataclass
class _Reader:
    pattern: str
    dialect: str
    found: bool
    at: int = 0
    groups: int = 0
    _flags: _Flags = field(default_factory=_Flags)

    def refuse(self, what: str, hint: str) -> PlanError:
        return PlanError(
            f"the regular expression '{self.pattern}' has {what}, which can't be made the same on "
            f"{_NAMES[self.dialect]} as on DuckDB",
            hint=hint,
        )

    def looking(self, text: str) -> bool:
        return self.pattern.startswith(text, self.at)

    def take(self, count: int = 1) -> str:
        taken = self.pattern[self.at : self.at + count]
        if len(taken) < count:
            raise self.refuse("an end that comes too early", "look for a backslash or a bracket at its end")
        self.at += count
        return taken

    def end(self) -> str:
        return "\\z" if self.dialect == "spark" else "\\Z"

    # --- structure ----------------------------------------------------------------------------------

    def alternatives(self, flags: _Flags) -> str:
        """Up to ``)`` or the end; flags set inside hold until there."""
        outer, self._flags = self._flags, flags
        parts = [self.sequence()]
        while self.looking("|"):
            self.take()
            parts.append(self.sequence())
        self._flags = outer
        if len(parts) > 1 and self.found and self.dialect == "postgres":
            raise self.refuse("alternatives (|)", "extract in two steps, or by coalesce of two patterns")
        return "|".join(parts)

    def sequence(self) -> str:
        parts: list[str] = []
        while self.at < len(self.pattern) and not self.looking("|") and not self.looking(")"):
            atom, wide = self.atom()
            parts.append(self.repeated(atom, wide))
        return "".join(parts)

    def repeated(self, atom: str, wide: bool) -> str:
        """``atom`` with what counts it; ``wide``: it matches characters, so it can be counted."""
        count = self._count()
        if not count:
            return atom
        if not wide:
            raise self.refuse(f"'{count}' after something without width", "count a character or a group")
        if self.looking("?"):
            self.take()
            if self.dialect == "spark":
                count += "?"
            elif self.found:
                raise self.refuse("a lazy quantifier", "exclude what ends the match: [^,]* for .*?,")
        if self._count():
            raise self.refuse("two quantifiers in a row", "put the first in a group: (?:…)")
        return atom + count

    def _count(self) -> str:
        if self.at < len(self.pattern) and self.pattern[self.at] in "*+?":
            return self.take()
        if not self.looking("{"):
            return ""
        close = self.pattern.find("}", self.at)
        low, comma, high = self.pattern[self.at + 1 : max(close, self.at + 1)].partition(",")
        if not low.isdecimal() or not (high == "" or high.isdecimal()):
            return ""  # a brace that counts nothing is a brace
        if max(int(low), int(high or 0)) > _MOST[self.dialect]:
            raise self.refuse(f"a count above {_MOST[self.dialect]}", "use a smaller count")
        self.at = close + 1
        return "{" + low + comma + high + "}"

    # --- one thing ----------------------------------------------------------------------------------

    def atom(self) -> tuple[str, bool]:
        letter = self.take()
        match letter:
            case "(":
                return self.group()
            case "[":
                return self.written(*self.bracket()), True
            case ".":
                return self.written(((0, _LAST),) if self._flags.dot_all else complement(((10, 10),))), True
            case "^":
                return "\\A", False
            case "$":
                return self.end(), False
            case "\\":
                return self.escape()
            case "*" | "+" | "?":
                raise self.refuse(f"'{letter}' with nothing before it", f"escape it: \\{letter}")
            case _:
                return self.letter(ord(letter)), True

    def group(self) -> tuple[str, bool]:
        head, inner = "(?:", self._flags
        if self.looking("?P<") or self.looking("?<"):
            if self.looking("?<=") or self.looking("?<!"):
                raise self.refuse("a look-behind", "RE2 has none")
            self.at = self.pattern.find(">", self.at) + 1
            head = "("
        elif self.looking("?"):
            self.take()
            closed, inner = self.set_flags()
            if closed:
                self._flags = inner
                return "", False
        else:
            head = "("
        if head == "(":
            self.groups += 1
        body = self.alternatives(inner)
        if not self.looking(")"):
            raise self.refuse("a '(' that is not closed", "escape it: \\(")
        self.take()
        return f"{head}{body})", True

    def set_flags(self) -> tuple[bool, _Flags]:
        """``i)`` or ``i:`` behind ``(?``: whether it ends there, and the flags."""
        on, values = True, {"i": self._flags.ignore_case, "s": self._flags.dot_all}
        while (letter := self.take()) not in ":)":
            if letter == "-":
                on = False
            elif letter in values:
                values[letter] = on
            elif not (letter in "mU" and not on):
                raise self.refuse(f"(?{letter}…)", "use (?i) and (?s), or write it out")
        return letter == ")", _Flags(values["i"], values["s"])

    def escape(self) -> tuple[str, bool]:
        letter = self.take()
        match letter:
            case "A":
                return "\\A", False
            case "z":
                return self.end(), False
            case "b":
                return _BOUNDARY, False
            case "B":
                return _INSIDE, False
            case "Q":
                close = self.pattern.find("\\E", self.at)
                stop = len(self.pattern) if close < 0 else close
                text, self.at = self.pattern[self.at : stop], min(stop + 2, len(self.pattern))
                return "(?:" + "".join(self.letter(ord(c)) for c in text) + ")", True
        if letter in PERL:
            return self.written(self.perl(letter)), True
        return self.letter(self.code(letter)), True

    def perl(self, letter: str) -> Ranges:
        if letter == "W" and self._flags.ignore_case:
            raise self.refuse("\\W under (?i)", "write out the characters: [^0-9A-Za-z_]")
        return PERL[letter]

    def code(self, letter: str) -> int:
        """The character that ``\\letter…`` stands for."""
        if letter in _CONTROLS:
            return _CONTROLS[letter]
        if letter == "x":
            if self.looking("{"):
                close = self.pattern.find("}", self.at)
                digits, self.at = self.pattern[self.at + 1 : close], close + 1
            else:
                digits = self.take(2)
            return int(digits, 16)
        if letter.isalnum():
            raise self.refuse(f"\\{letter}", "write out the characters, such as [A-Za-z]")
        return ord(letter)

    # --- sets of characters -------------------------------------------------------------------------

    def bracket(self) -> tuple[Ranges, bool]:
        """What stands between ``[`` and ``]``, and whether it is turned round."""
        negated = self.looking("^")
        self.at += negated
        ranges: list[tuple[int, int]] = []
        first = True
        while first or not self.looking("]"):
            first = False
            ranges += self.bracketed()
        self.take()
        return tuple(ranges), negated

    def bracketed(self) -> Ranges:
        if self.looking("[:"):
            close = self.pattern.find(":]", self.at)
            name = self.pattern[self.at + 2 : close]
            if close < 0 or name.removeprefix("^") not in CLASSES:
                raise self.refuse(f"[:{name}:]", "write out the characters, such as A-Za-z")
            self.at = close + 2
            return complement(CLASSES[name[1:]]) if name.startswith("^") else CLASSES[name]
        low = self.take()
        if low == "\\":
            letter = self.take()
            if letter in PERL:
                return self.perl(letter)
            start = self.code(letter)
        else:
            start = ord(low)
        if not self.looking("-") or self.looking("-]"):
            return self.folded(((start, start),))
        self.take()
        high = self.take()
        stop = self.code(self.take()) if high == "\\" else ord(high)
        if stop < start:
            raise self.refuse("a range that runs backwards", "swap its ends")
        return self.folded(((start, stop),))

    def folded(self, ranges: Ranges) -> Ranges:
        if not self._flags.ignore_case:
            return ranges
        if any(high > 127 for _, high in ranges):
            raise self.refuse("(?i) with a letter beyond ASCII", "write both letters: [éÉ]")
        return fold(ranges)

    def letter(self, code: int) -> str:
        return self.written(self.folded(((code, code),)))

    def written(self, ranges: Ranges, negated: bool = False) -> str:
        if not negated and len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
            return self.char(ranges[0][0])
        if not negated and ranges == ((0, _LAST),):
            return "(?s:.)" if self.dialect == "spark" else "."
        least = 0 if self.dialect == "spark" else 1  # PostgreSQL's text has no NUL
        shown = []
        for low, high in ranges:
            start = max(low, least)
            if start <= high:
                one = self.char(start)
                shown.append(one if start == high else f"{one}-{self.char(high)}")
        return f"[{'^' if negated else ''}{''.join(shown)}]"

    def char(self, code: int) -> str:
        """One character, that no engine could take for anything else."""
        if code < 128 and chr(code).isalnum():
            return chr(code)
        if self.dialect == "spark":
            return f"\\x{{{code:X}}}"
        return f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"
