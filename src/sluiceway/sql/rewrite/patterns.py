"""Regular expressions in users' SQL: the pattern must be known, to be said in the engine's words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sluiceway.errors import PlanError
from sluiceway.sql.regex import regex

if TYPE_CHECKING:
    from sluiceway.sql.rewrite.context import Context

__all__ = ["PATTERNS"]


def _pattern(ctx: Context, node: Any, args: list[Any], *, at: int, **options: Any) -> Any:
    pattern = args[1]
    if not isinstance(pattern, exp.Literal) or not pattern.is_string:
        raise ctx.refuse(
            node, "a pattern that is computed can't be made the same on", "write the pattern out"
        )
    flags = args[at] if len(args) > at else None
    if flags is not None and not isinstance(flags, exp.Literal):
        raise ctx.refuse(node, "options that are computed can't be made the same on", "write them out")
    try:
        return regex(
            pattern.name, ctx.dialect, flags=(flags.name if flags else "").replace("g", ""), **options
        )
    except PlanError as error:
        raise PlanError(error.message, where=ctx.where, hint=error.hint) from None


def _matches(whole: bool) -> Any:
    def rewrite(ctx: Context, node: Any, args: list[Any]) -> Any:
        found = _pattern(ctx, node, args, at=2, whole=whole)
        return ctx.fill(
            ":t RLIKE :p", ":t ~ :p", t=ctx.cast(args[0], "VARCHAR"), p=exp.Literal.string(found.text)
        )

    return rewrite


def _extract(ctx: Context, node: Any, args: list[Any]) -> Any:
    """The match, or one of its groups; '' where there is none."""
    found = _pattern(ctx, node, args, at=3, found=True)
    group = args[2] if len(args) > 2 else exp.Literal.number(0)
    if not isinstance(group, exp.Literal) or group.is_string or int(group.name) > found.groups:
        raise ctx.refuse(node, "such a group can't be extracted alike on", "give its number")
    number = int(group.name)
    text = ctx.cast(args[0], "VARCHAR")
    # PostgreSQL gives the groups alone; the whole match is made one
    own = f"({found.text})" if ctx.dialect == "postgres" else found.text
    return ctx.fill(
        f"CASE WHEN :t IS NOT NULL THEN coalesce(regexp_extract(:t, :p, {number}), '') END",
        f"CASE WHEN :t IS NOT NULL THEN coalesce((regexp_match(:t, :p))[{number + 1}], '') END",
        t=text, p=exp.Literal.string(own),
    )  # fmt: skip


def _replace(ctx: Context, node: Any, args: list[Any]) -> Any:
    """The first match; every one with the option g."""
    found = _pattern(ctx, node, args, at=3, found=True)
    everywhere = len(args) > 3 and "g" in args[3].name
    by = args[2]
    if not isinstance(by, exp.Literal):
        raise ctx.refuse(node, "a replacement that is computed can't be made the same on", "write it out")
    if regex(args[1].name, ctx.dialect, found=True).text in ("", "(?:)"):
        raise ctx.refuse(node, "an empty pattern is not replaced alike on", "say what is replaced")
    text = ctx.cast(args[0], "VARCHAR")
    if ctx.dialect == "postgres":
        new = re.sub(r"\\0", r"\\&", by.name)
        flags = exp.Literal.string("g" if everywhere else "")
        return exp.Anonymous(
            this="regexp_replace",
            expressions=[text, exp.Literal.string(found.text), exp.Literal.string(new), flags],
        )
    new = re.sub(r"\\([0-9])", r"$\1", by.name.replace("$", "\\$"))
    pattern = exp.Literal.string(found.text)
    if everywhere:
        return ctx.fill("regexp_replace(:t, :p, :n)", t=text, p=pattern, n=exp.Literal.string(new))
    # Spark replaces all: up to the first match, the match, the rest
    first = exp.Literal.string(f"(?s)\\A(.*?){'(?:' + found.text + ')'}")
    if found.groups:
        new = re.sub(r"\$([1-9])", lambda m: f"${int(m[1]) + 1}", new)
    if "$0" in new:
        raise ctx.refuse(
            node, "\\0 in the replacement of one match can't be made the same on", "use a group: (…) and \\1"
        )
    return ctx.fill("regexp_replace(:t, :p, :n)", t=text, p=first, n=exp.Literal.string("$1" + new))


PATTERNS: dict[str, Any] = {
    "regexp_matches": _matches(False),
    "regexp_full_match": _matches(True),
    "regexp_extract": _extract,
    "regexp_replace": _replace,
}
