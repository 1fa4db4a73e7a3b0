"""A whole document round what is on it."""

from __future__ import annotations

from typing import Any

from sluiceway import __version__
from sluiceway.quality.html.build import Html, el
from sluiceway.quality.html.style import POLICY, SCRIPT, STYLE

__all__ = ["document"]


def document(title: str, *content: Any, made_at: str = "") -> str:
    """One file that needs nothing else. Lone surrogates and the like never reach it: see ``build.text``.

    >>> document("a <b>", "x").splitlines()[0]
    '<!DOCTYPE html>'
    """
    head = el(
        "head",
        el("meta", charset="utf-8"),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="referrer", content="no-referrer"),
        el("title", title),
        Html(f"<style>{STYLE}</style>"),
    )
    foot = el(
        "footer", el("p", f"Made {made_at} by Sluiceway {__version__}.".replace("  ", " "), class_="soft")
    )
    body = el("body", el("main", *content), foot, Html(f"<script>{SCRIPT}</script>"))
    return f"<!DOCTYPE html>\n{el('html', head, body, lang='en')}\n"
