"""Tables: for people while it runs, and as Markdown at the end."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.measure import Measured

__all__ = ["Figure", "Goal", "Table", "machine", "summary"]

Goal = tuple[str, float]
"""What is limited, ``wall ratio``, ``wall s`` or ``peak MB``, and its limit."""


@dataclass(frozen=True)
class Figure:
    """A goal over what a contender told by itself: ``what`` is at most, or at least, so much."""

    what: str
    reached: float
    limit: float
    least: bool = False

    @property
    def met(self) -> bool:
        return self.reached >= self.limit if self.least else self.reached <= self.limit


_HEAD = ("", "runs", "wall s", "CPU s", "peak MB", "wall ratio", "CPU ratio", "")


@dataclass
class Table:
    """One workload. Ratios are to the least of the hand-written ones, column by column."""

    title: str
    found: list[Measured]
    goals: tuple[Goal, ...] = ()
    notes: list[str] = field(default_factory=list)
    figures: tuple[Figure, ...] = ()
    load: float = field(default_factory=lambda: os.getloadavg()[0])

    def least(self, what: str) -> float:
        values = [getattr(m, what) for m in self.found if m.role == "hand" and m.runs]
        return min(values, default=math.nan)

    @property
    def wrong(self) -> list[str]:
        return [f"{self.title}: {m.name}: {m.wrong}" for m in self.found if m.wrong]

    @property
    def broken(self) -> list[str]:
        return [f"{self.title}: {m.name}: {m.failed}" for m in self.found if m.failed and m.role != "peer"]

    def rows(self) -> list[tuple[str, ...]]:
        wall, cpu = self.least("wall"), self.least("cpu")
        out = []
        for m in self.found:
            name = {"ours": f"**{m.name}**", "hand": f"by hand: {m.name}", "peer": m.name}[m.role]
            note = f"WRONG: {m.wrong}" if m.wrong else (f"FAILED: {m.failed}" if m.failed else m.note)
            figures = (m.wall, m.cpu, m.wall / wall, m.cpu / cpu)
            w, c, wr, cr = ("-" if math.isnan(v) else f"{v:.2f}" for v in figures)
            out.append((name, str(m.runs), w, c, f"{m.peak:.0f}" if m.runs else "-", wr, cr, note))
        return out

    def judged(self) -> list[tuple[str, ...]]:
        """A line a goal: workload, what is asked, what was reached, met or not."""
        ours = next((m for m in self.found if m.role == "ours"), None)
        out = []
        for what, limit in self.goals:
            if ours is None or not ours.runs or ours.wrong:
                reached = math.nan
            elif what == "wall ratio":
                reached = ours.wall / self.least("wall")
            else:
                reached = ours.wall if what == "wall s" else ours.peak
            beside = ""
            if ours is not None and what == "wall ratio":
                beside = f"{ours.cpu / self.least('cpu'):.2f}"
            elif ours is not None and what == "wall s":
                beside = f"{ours.cpu:.2f} s"
            met = "met" if reached <= limit else ("not met" if reached > limit else "NO FIGURE")
            digits = ".0f" if what == "peak MB" else ".2f"
            out.append((self.title, f"{what} ≤ {limit:g}", f"{reached:{digits}}", beside, met))
        for figure in self.figures:
            asked = f"{figure.what} {'≥' if figure.least else '≤'} {figure.limit:g}"
            digits = ".2f" if figure.limit < 10 else ",.0f"
            out.append(
                (self.title, asked, f"{figure.reached:{digits}}", "", "met" if figure.met else "not met")
            )
        return out

    def show(self) -> None:
        asked = ", ".join(f"{what} ≤ {limit:g}" for what, limit in self.goals)
        print(f"\n{self.title}" + (f"   (goal: {asked})" if asked else "") + f"   load {self.load:.1f}")
        _print(_HEAD, [(r[0].replace("**", ""), *r[1:]) for r in self.rows()])
        for note in self.notes:
            print(f"  {note}")
        for text in self.wrong:
            print(f"  !! {text}")
        print(end="", flush=True)

    def markdown(self) -> str:
        asked = ", ".join(f"{what} ≤ {limit:g}" for what, limit in self.goals)
        goal = f"Goal: {asked}. " if asked else ""
        lines = [f"### {self.title}", "", f"{goal}Load of the machine when it ended: {self.load:.1f}.", ""]
        lines += _markdown(_HEAD, self.rows())
        lines += ["", *self.notes] if self.notes else []
        return "\n".join(lines) + "\n"

    def as_dict(self) -> dict[str, Any]:
        return {"title": self.title, "goals": self.goals, "load": self.load, "notes": self.notes,
                "found": [m.as_dict() for m in self.found]}  # fmt: skip


_SUMMARY = ("workload", "goal", "reached", "CPU", "")


def summary(tables: list[Table]) -> str:
    """Printed, and returned as Markdown."""
    rows = [row for table in tables for row in table.judged()]
    print("\nSummary: Sluiceway against its goals; CPU is the ratio of CPU seconds, or the seconds")
    _print(_SUMMARY, rows)
    return "\n".join(_markdown(_SUMMARY, rows)) + "\n"


def machine() -> str:
    """What it was measured on, without names."""
    import platform

    with open("/proc/meminfo", encoding="ascii") as file:  # noqa: PTH123
        memory = int(file.readline().split()[1]) / 1024**2
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GB, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, load {os.getloadavg()[0]:.1f} at the start"
    )


def _print(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    for row in (head, *rows):
        cells = [
            cell.ljust(w) if i in (0, len(row) - 1) or (len(head) == 5 and i == 1) else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        print(f"  {'  '.join(cells).rstrip()}")


def _markdown(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return lines + ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
