"""Upper and lower case, letter by letter as DuckDB has it.

Other engines go by whole words: ß becomes SS, a final Σ becomes ς. And they know letters of a later
Unicode. Texts with such letters are put together letter by letter, the others go the short way; to know
them, a text that is all ASCII need not be searched.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from sqlglot import exp

from sluiceway.sql.regex import regex
from sluiceway.sql.typing import value_of

if TYPE_CHECKING:
    from sluiceway.sql.rewrite.context import Context

__all__ = ["cased"]

# (upper case begins, lower case begins, how many): letters of Unicode 16 and 17, which DuckDB leaves alone
_NEWER = ((0x1C89, 0x1C8A, 1), (0x10D50, 0x10D70, 22), (0x16EA0, 0x16EBB, 25))
_NEWER_ALONE = "\ua7cb\ua7cc\ua7cd\ua7ce\ua7cf\ua7d2\ua7d3\ua7d4\ua7d5\ua7da\ua7db\ua7dc\u019b\u0264"


@lru_cache(maxsize=2)
def _special(name: str) -> tuple[str, str, str]:
    """Letters that are no single letter in the other case elsewhere, what DuckDB makes of them, and a
    pattern that finds one."""
    letters = [chr(c) for c in range(0x250, 0x10000) if len(getattr(chr(c), name)()) > 1]
    letters += [chr(c) for c in range(0x80, 0x250) if len(getattr(chr(c), name)()) > 1]
    newer = [chr(c) for up, low, n in _NEWER for c in (*range(up, up + n), *range(low, low + n))]
    every = "".join(dict.fromkeys([*letters, *newer, *_NEWER_ALONE, *("İΣ" if name == "lower" else "")]))
    call = exp.Anonymous(this=name, expressions=[exp.Literal.string(every)])
    return every, value_of(call, "VARCHAR") or "", "[" + every + "]"


def cased(ctx: Context, value: Any, name: Literal["lower", "upper"]) -> Any:
    """``lower(value)`` or ``upper(value)``.

    Raises:
        PlanError: it is no text.
    """
    if ctx.family(value) not in ("text", "null"):
        raise ctx.refuse(value, f"{name}() of this type is not the same on", "cast it to VARCHAR")
    if ctx.dialect == "snowflake":  # docs/snowflake.md: letters that have no single other one
        return ctx.typed(ctx.fill(f"{name}(:x)", x=value), "VARCHAR")
    letters, others, pattern = _special(name)
    made = ctx.fill(
        f"CASE WHEN octet_length(:x) = length(:x) THEN {name}(:x) "
        f"WHEN :x RLIKE :p THEN array_join(transform(split(:x, ''), c -> CASE WHEN contains(:f, c) "
        f"THEN translate(c, :f, :t) ELSE {name}(c) END), '') ELSE {name}(:x) END",
        f'CASE WHEN octet_length(:x) = length(:x) THEN {name}(:x COLLATE "und-x-icu") '
        f"WHEN :x ~ :p THEN (SELECT string_agg(CASE WHEN strpos(:f, c) > 0 THEN translate(c, :f, :t) "
        f'ELSE {name}(c COLLATE "und-x-icu") END, \'\' ORDER BY i) '
        "FROM regexp_split_to_table(:x, '') WITH ORDINALITY AS C(c, i)) "
        f'ELSE {name}(:x COLLATE "und-x-icu") END',
        x=ctx.cast(value, "VARCHAR"), p=exp.Literal.string(regex(pattern, ctx.dialect).text),
        f=exp.Literal.string(letters), t=exp.Literal.string(others),
    )  # fmt: skip
    return ctx.typed(made, "VARCHAR")
