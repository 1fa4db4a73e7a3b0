"""What a row of the function tables is.

A function is told apart by name and by the families of its arguments, one letter each::

    T text   I integer   C decimal   F float   B boolean   D date   S timestamp   Z timestamptz
    L list   U uuid   Y blob   A anything   N number (I, C, F)   X exact number (I, C)   M moment (D, S, Z)

``'literal'`` behind a letter (``T!``) says that the argument must be a literal, ``I+`` a literal integer
above 0. A template has a hole for each argument, ``:a``, ``:b``, …; ``@T`` is the type of DuckDB's result.
A dialect without a template does not have the function.
"""

from __future__ import annotations

from dataclasses import dataclass

from sluiceway.schema import family

__all__ = ["LETTERS", "Function", "letter", "table", "takes"]

LETTERS = {
    "text": "T", "integer": "I", "decimal": "C", "float": "F", "boolean": "B", "date": "D", "timestamp": "S",
    "timestamptz": "Z", "nested": "L", "uuid": "U", "blob": "Y", "time": "H", "interval": "V", "json": "J",
}  # fmt: skip
GROUPS = {"N": "ICF", "X": "IC", "M": "DSZ", "A": "TICFBDSZLUYHJ", "O": "SZ"}


def letter(type_: str) -> str:
    """The family of a type in one letter; ``?`` where there is none.

    >>> letter("DECIMAL(9,2)"), letter("INTEGER[]"), letter('"NULL"')
    ('C', 'L', '0')
    """
    if type_ == '"NULL"':
        return "0"
    return LETTERS.get(family(type_), "?")


@dataclass(frozen=True)
class Function:
    """One way to call a function. ``args`` as above; the others are templates, by engine."""

    name: str
    args: str
    spark: str | None = None
    postgres: str | None = None
    snowflake: str | None = None

    @property
    def letters(self) -> list[str]:
        """One entry an argument, with its mark.

        >>> Function("f", "TT!I+").letters
        ['T', 'T!', 'I+']
        """
        out: list[str] = []
        for char in self.args:
            if char in "!+":
                out[-1] += char
            else:
                out.append(char)
        return out

    def template(self, dialect: str) -> str | None:
        ways = {"spark": self.spark, "postgres": self.postgres, "snowflake": self.snowflake}
        return ways.get(dialect)


def takes(wanted: str, given: str) -> bool:
    """Whether a letter of a signature takes an argument's letter; NULL fits all."""
    return given == "0" or given in GROUPS.get(wanted[0], wanted[0])


def table(*rows: tuple[str, str, str | None, str | None]) -> tuple[Function, ...]:
    """Rows of (names, args, spark, postgres); names apart by a blank mean the same, and ``=`` as a template
    says that PostgreSQL writes what Spark does."""
    return tuple(
        Function(name, args, spark, spark if postgres == "=" else postgres)
        for names, args, spark, postgres in rows
        for name in names.split()
    )
