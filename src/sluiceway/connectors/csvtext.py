"""Python's view of a CSV file: its first line, clean samples, and the lines of records.

The rows themselves are read by DuckDB. Here is what it can't say: names before there are columns, and
on which line a record stands.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import IO

__all__ = ["CsvText", "is_clean", "is_rounded", "most_frequent", "sampled", "unique_names"]

_DELIMITERS = ",;\t|"


@dataclass(frozen=True)
class CsvText:
    """How the text is written. ``longest`` bounds one value, in characters."""

    delimiter: str
    quote: str
    escape: str
    skip: int
    comment: str | None
    longest: int

    def lines(self, text: Iterator[str]) -> Iterator[str]:
        """Without the lines before the header and without comments."""
        kept = islice(text, self.skip, None)
        comment = self.comment
        return (line for line in kept if not line.startswith(comment)) if comment else kept

    def records(self, lines: Iterator[str]) -> Iterator[list[str]]:
        csv.field_size_limit(max(csv.field_size_limit(), self.longest))
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            quotechar=self.quote or None,
            quoting=csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE,
            doublequote=self.escape == self.quote,
            escapechar=self.escape if self.escape and self.escape != self.quote else None,
        )

    def placed(self, text: IO[str], header: bool) -> Iterator[tuple[int, str, list[str]]]:
        """(first line from 1, its text, values) of each record below the header."""
        taken: list[str] = []
        number = 0

        def lines() -> Iterator[str]:
            nonlocal number
            for number, line in enumerate(text, 1):
                if number <= self.skip or (self.comment and line.startswith(self.comment)):
                    continue
                taken.append(line)
                yield line

        for record in self.records(lines()):
            raw, first = "".join(taken), number - len(taken) + 1
            taken.clear()
            if not record:
                continue
            if header:
                header = False
                continue
            yield first, raw.strip("\r\n"), record


def is_clean(text: str) -> bool:
    """Without bytes that were no text: they came in as lone surrogates."""
    return text.isascii() or not any("\udc80" <= c <= "\udcff" for c in text)


def is_rounded(text: str) -> bool:
    """An integer that a DOUBLE would change.

    >>> is_rounded("9007199254740993"), is_rounded("9007199254740992"), is_rounded("1.5")
    (True, False, False)
    """
    return len(text) > 15 and re.fullmatch(r"\s*[+-]?\d{1,400}\s*", text) is not None and not _fits(int(text))


def _fits(number: int) -> bool:
    try:
        return int(float(number)) == number
    except OverflowError:
        return False


def sampled(value: str, nulls: tuple[str, ...]) -> str | None:
    """A line break makes a value text, whatever else is in it; without it the sample is easy to sniff."""
    return None if value in nulls else re.sub(r"[\r\n]", " ", value)


def most_frequent(line: str, quote: str) -> str:
    """The delimiter of a first line.

    >>> most_frequent('a;"x,y,z";b', '"'), most_frequent("a", '"')
    (';', ',')
    """
    outside = "".join(line.split(quote)[::2]) if quote else line
    return max(_DELIMITERS, key=lambda d: (outside.count(d), -_DELIMITERS.index(d)))


def unique_names(head: list[str]) -> tuple[str, ...]:
    """As DuckDB names them: an empty name is ``columnN``, a repeated one gets ``_1``.

    >>> unique_names(["a", "A", "", "a"])
    ('a', 'A_1', 'column2', 'a_2')
    """
    seen: dict[str, int] = {}
    names: list[str] = []
    for index, given in enumerate(head):
        base = given or f"column{index}"
        name = base
        while name.casefold() in seen:
            seen[base.casefold()] += 1
            name = f"{base}_{seen[base.casefold()]}"
        seen[name.casefold()] = 0
        names.append(name)
    return tuple(names)
