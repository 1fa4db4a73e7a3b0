"""JSON put together from texts, where a dialect's own functions would put in blanks or other escapes."""

from __future__ import annotations

from sqlglot import exp

from sluiceway.sql.emit.template import fill, json_string, text_of

__all__ = ["PLAIN", "joined", "json_array", "json_object", "json_reasons", "json_text"]

PLAIN = "sluiceway_plain"
"""Key in ``meta`` of a text that has no letter that JSON escapes, such as a number's or a date's."""


def joined(dialect: str, parts: list[exp.Expr]) -> exp.Expr:
    """One text after the other."""
    return exp.Anonymous(this="concat", expressions=parts)


def json_text(dialect: str, char: str, value: exp.Expr) -> exp.Expr:
    """A text as a JSON string, ``null`` for NULL; ``char`` is the template of a character by its number."""
    escaped = value
    letters = () if value.meta.get(PLAIN) else ("\\", '"', *(chr(code) for code in range(1, 32)))
    for letter in letters:
        new = exp.Literal.string(json_string(letter)[1:-1])
        old = (
            exp.Literal.string(letter)
            if letter >= " "
            else fill(dialect, char.replace("#", str(ord(letter))))
        )
        escaped = fill(dialect, "replace(:x, :old, :new)", x=escaped, old=old, new=new)
    return fill(dialect, "coalesce(concat('\"', :x, '\"'), 'null')", x=escaped)


def json_object(dialect: str, char: str, *pairs: exp.Expr) -> exp.Expr:
    """``row_json``."""
    parts: list[exp.Expr] = []
    for i, (name, value) in enumerate(zip(pairs[::2], pairs[1::2], strict=True)):
        key = json_string(text_of(name))
        parts += [exp.Literal.string(f"{',' if i else '{'}{key}:"), json_text(dialect, char, value)]
    return joined(dialect, [*(parts or [exp.Literal.string("{")]), exp.Literal.string("}")])


def json_array(dialect: str, char: str, *texts: exp.Expr) -> exp.Expr:
    """``list_json``."""
    parts: list[exp.Expr] = [exp.Literal.string("[")]
    for i, text in enumerate(texts):
        parts += [*([exp.Literal.string(",")] if i else []), json_text(dialect, char, text)]
    return joined(dialect, [*parts, exp.Literal.string("]")])


def json_reasons(dialect: str, *args: exp.Expr) -> exp.Expr:
    """``reasons_json``: a comma before each, and the first one cut off."""
    cases: list[exp.Expr] = []
    for condition, id_ in zip(args[::2], args[1::2], strict=True):
        shown = exp.Literal.string("," + json_string(text_of(id_)))
        cases.append(exp.Case(default=exp.Literal.string("")).when(condition, shown))
    return fill(dialect, "concat('[', substr(:all, 2), ']')", all=joined(dialect, cases))
