"""HTML by small functions that escape whatever they are given, unless they made it themselves."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from typing import Any

from sluiceway.secrets import redact

__all__ = ["Html", "el", "join", "table", "text"]

_VOID = frozenset({"br", "col", "hr", "link", "meta"})
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_LONGEST = 300
"""Characters of one text; the rest of a value of 1 MB helps nobody who reads a page."""


class Html(str):
    """Markup that is safe to be put into a page as it is. Two of them are put together by ``join``; ``+``
    gives plain text, which is escaped."""

    __slots__ = ()


def text(value: Any, most: int = _LONGEST) -> Html:
    """A value as text: escaped, secrets taken out, control characters and changes of direction shown as
    U+FFFD, cut after ``most`` characters.

    >>> text("<script>alert('1')</script>")
    '&lt;script&gt;alert(&#x27;1&#x27;)&lt;/script&gt;'
    >>> text(None), text("abcdef", 4)
    ('', 'abc…')
    """
    if isinstance(value, Html):
        return value
    if value is None:
        return Html("")
    plain = redact(str(value)[: most * 4])  # a secret is found before the text is cut to size
    if len(plain) > most:
        plain = plain[: most - 1] + "…"
    return Html(html.escape(_BIDI.sub("\ufffd", _CONTROL.sub("\ufffd", plain))))


def el(tag: str, *children: Any, **attributes: Any) -> Html:
    """An element. Attributes: ``class_`` is ``class``, ``_`` in a name is ``-``, None and False are left out.

    >>> el("a", "R&D <b>", href="#x", class_="k")
    '<a href="#x" class="k">R&amp;D &lt;b&gt;</a>'
    >>> el("details", el("summary", "more"), open=True)
    '<details open><summary>more</summary></details>'
    """
    given = "".join(
        f" {_name(key)}" if value is True else f' {_name(key)}="{text(value, 2_000)}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if tag in _VOID:
        return Html(f"<{tag}{given}>")
    return Html(f"<{tag}{given}>{''.join(text(child) for child in children)}</{tag}>")


def join(parts: Iterable[Any]) -> Html:
    """One after the other; what is None is left out."""
    return Html("".join(text(part) for part in parts if part is not None))


def table(
    caption: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], right: Sequence[str] = ()
) -> Html:
    """A table that a small screen scrolls sideways; the first cell of a row is its heading. Empty: nothing.

    Args:
        right: columns that hold numbers.
    """
    if not rows:
        return Html("")
    numbers = [name in right for name in columns]
    head = el(
        "tr", *(el("th", n, scope="col", class_=_side(r)) for n, r in zip(columns, numbers, strict=True))
    )
    lines = []
    for row in rows:
        first, *others = row
        cells = [el("td", v, class_=_side(r)) for v, r in zip(others, numbers[1:], strict=True)]
        lines.append(el("tr", el("th", first, scope="row", class_=_side(numbers[0])), *cells))
    whole = el("table", el("caption", caption), el("thead", head), el("tbody", *lines))
    return el("div", whole, class_="scroll", tabindex="0", role="group", aria_label=caption)


def _side(right: bool) -> str | None:
    return "n" if right else None


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")
