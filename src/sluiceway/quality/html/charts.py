"""Charts as SVG inside the page, drawn by pygal without its script, its style and its references.

What is left is shapes and texts. Colours come from the page's own style, so that they follow light and dark.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from sluiceway.quality.html.build import Html, el, text

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

__all__ = ["bars", "lines"]

_SIZE = {"width": 720, "height": 220}
_KEPT = frozenset({"circle", "defs", "g", "path", "rect", "svg", "text", "title"})
_ATTRIBUTES = frozenset(
    {"class", "cx", "cy", "d", "height", "r", "rx", "ry", "transform", "viewBox", "width", "x", "y"}
)


def lines(
    title: str,
    labels: Sequence[str],
    series: Sequence[tuple[str, Sequence[float | None]]],
    *,
    share: bool = False,
) -> Html:
    """Histories over the same runs. Gaps are left as gaps.

    Args:
        labels: a run each, oldest first.
        share: values are 0..1; the axis ends at 1 and begins where there is something to see.
    """
    known = [v for _, values in series for v in values if v is not None]
    if len(labels) < 2 or not known:
        return Html("")
    options: dict[str, Any] = {"range": (_floor(min(known)), 1.0)} if share else {}
    chart = _pygal().Line(
        **_options(), x_labels=[_plain(label) for label in labels], show_minor_x_labels=False,
        x_labels_major_count=min(6, len(labels)), dots_size=2.5, allow_interruptions=True, **options,
    )  # fmt: skip
    for name, values in series:
        chart.add(_plain(name), list(values))
    return _figure(chart, title, [name for name, _ in series])


def bars(title: str, labels: Sequence[str], values: Sequence[float], height: int = 140) -> Html:
    """A histogram: a bar a bin."""
    if not values:
        return Html("")
    chart = _pygal().Bar(
        **{**_options(), "height": height}, x_labels=[_plain(label) for label in labels],
        show_minor_x_labels=False, x_labels_major_count=min(4, len(labels)), show_y_guides=False,
    )  # fmt: skip
    chart.add("", list(values))
    return _figure(chart, title, ())


def _pygal() -> Any:
    """The library, without the import hook that it leaves behind: it is of a kind that Python 3.12 dropped
    and that makes 3.11 warn at every later import that finds nothing."""
    import pygal

    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "pygal"]
    return pygal


def _options() -> dict[str, Any]:
    return {
        **_SIZE, "js": [], "css": [], "no_prefix": True, "disable_xml_declaration": True, "margin": 8,
        "show_legend": False, "truncate_label": 24, "max_scale": 6, "title": None, "print_values": False,
        "no_data_text": "",
    }  # fmt: skip


def _floor(least: float) -> float:
    """The highest of a few round starts that leaves room below.

    >>> _floor(0.995), _floor(0.93), _floor(0.4)
    (0.95, 0.9, 0.0)
    """
    return next((low for low in (0.95, 0.9, 0.75, 0.5) if least > low + (1 - low) / 10), 0.0)


def _plain(label: str) -> str:
    """XML can't hold every character that a name can; the SVG library escapes the rest."""
    import html

    return html.unescape(text(label, 60))


def _figure(chart: Any, title: str, legend: Sequence[str]) -> Html:
    root = _clean(chart.render_tree())
    drawn = ET.tostring(root, encoding="unicode")
    named = drawn.replace("<svg ", f'<svg role="img" aria-label="{text(title)}" ', 1)
    keys = (
        [el("span", name, class_=f"key k{i % 6}") for i, name in enumerate(legend)] if len(legend) > 1 else []
    )
    return el("figure", Html(named), el("figcaption", title, *keys))


def _clean(root: Element) -> Element:
    """A copy of shapes, texts and titles alone. A dot's texts become the title that shows beneath a mouse."""
    copy = ET.Element(
        "svg", {"viewBox": root.get("viewBox", ""), "class": "chart", "preserveAspectRatio": "xMidYMid meet"}
    )
    for child in root:
        if child.tag == "g":
            _copied(child, copy)
    return copy


def _copied(source: Element, into: Element) -> None:
    if source.tag not in _KEPT or source.tag in ("svg", "defs"):
        return
    classes = source.get("class", "")
    if "tooltip" in classes.split() or "tooltip-overlay" in classes or "text-overlay" in classes:
        return
    made = ET.SubElement(into, str(source.tag), {k: v for k, v in source.attrib.items() if k in _ATTRIBUTES})
    made.text = source.text
    told = {d.get("class", "").strip(): d.text or "" for d in source if d.tag == "desc"}
    if "value" in told:
        words = ": ".join(filter(None, (told.get("x_label"), told["value"])))
        ET.SubElement(made, "title").text = words
    for child in source:
        _copied(child, made)
