"""Everything that the command line prints goes through here, so all of it is redacted.

With ``--json`` stdout holds one JSON document and nothing else; what people read goes to stderr.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from sluiceway.errors import SluicewayError
from sluiceway.secrets import redact, redact_tree

if TYPE_CHECKING:
    from rich.console import Console as RichConsole

__all__ = ["Console"]

_WIDTH = 110


class Console:
    """Where output goes. ``json``: the command was asked for one JSON document on stdout."""

    def __init__(self, *, json: bool = False, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self.json = json
        self._out = out
        self._err = err
        self._rich: dict[int, RichConsole] = {}

    @property
    def out(self) -> TextIO:
        """Where people's output goes."""
        return self.err if self.json else (self._out or sys.stdout)

    @property
    def err(self) -> TextIO:
        return self._err or sys.stderr

    def document(self, value: dict[str, Any]) -> None:
        """The command's JSON document, if one was asked for."""
        if self.json:
            import json as json_module

            text = json_module.dumps(redact_tree(value), indent=2, ensure_ascii=False, default=str)
            print(text, file=self._out or sys.stdout, flush=True)

    def event(self, value: Mapping[str, Any]) -> None:
        """One thing that happened, on a line of JSON: for commands that go on and on."""
        if self.json:
            import json as json_module

            text = json_module.dumps(redact_tree(dict(value)), ensure_ascii=False, default=str)
            print(text, file=self._out or sys.stdout, flush=True)

    def say(self, text: str = "", style: str | None = None) -> None:
        """A line for people. ``style`` is rich's, and only where the stream is a terminal."""
        self._line(self.out, text, style)

    def note(self, text: str, style: str | None = None) -> None:
        """A line that belongs to stderr in any case: warnings, progress."""
        self._line(self.err, text, style)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[Any]], right: Sequence[str] = ()) -> None:
        """A plain table with a header; columns named in ``right`` are numbers."""
        if not rows or (self.json and _logs_are_json()):
            return
        if self.out.isatty():
            self._rich_table(columns, rows, right)
            return
        cells = [[redact(_cell(value)) for value in row] for row in rows]
        widths = [max(len(c), *(len(row[i]) for row in cells)) for i, c in enumerate(columns)]
        for row in [list(columns), *cells]:
            parts = [
                row[i].rjust(widths[i]) if name in right else row[i].ljust(widths[i])
                for i, name in enumerate(columns)
            ]
            print("  " + "  ".join(parts).rstrip(), file=self.out)

    def fail(self, error: SluicewayError) -> None:
        """An error that has a cause the user can do something about: no trace."""
        self.document({"error": error.as_dict()})
        where = f"{error.where}: " if error.where and str(error.where) else ""
        self.note(f"error: {where}{error.message}", "bold red")
        if error.hint:
            for line in error.hint.splitlines():
                self.note(f"  {line}")

    def bug(self, error: BaseException) -> None:
        """Anything else is a bug of ours: the trace, and what to put into the report."""
        import platform
        import traceback

        from sluiceway import __version__

        title = f"{type(error).__name__}: {error}"
        self.document(
            {"error": {"type": type(error).__name__, "message": str(error), "where": None,
                       "hint": "this is a bug, please report it", "details": {}}}
        )  # fmt: skip
        self.note("".join(traceback.format_exception(error)).rstrip())
        self.note(f"this is a bug in sluiceway, please report it with the lines above: {title}", "bold red")
        self.note(f"  sluiceway {__version__}, Python {platform.python_version()}, {platform.platform()}")

    def _line(self, stream: TextIO, text: str, style: str | None) -> None:
        text = redact(text)
        if (stream is self._err or stream is sys.stderr) and _logs_are_json():
            _log_line(text, style)
            return
        if style and stream.isatty():
            self.rich(stream).print(text, style=style, markup=False, highlight=False)
        else:
            print(text, file=stream, flush=True)

    def rich(self, stream: TextIO) -> RichConsole:
        """rich's console of a stream, made when a terminal is there to show it."""
        from rich.console import Console as RichConsole

        key = id(stream)
        if key not in self._rich:
            self._rich[key] = RichConsole(file=stream, soft_wrap=True)
        return self._rich[key]

    def _rich_table(
        self, columns: Sequence[str], rows: Sequence[Sequence[Any]], right: Sequence[str]
    ) -> None:
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for name in columns:
            table.add_column(name, justify="right" if name in right else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(redact(_cell(value))) for value in row))
        self.rich(self.out).print(table, soft_wrap=False)


def _logs_are_json() -> bool:
    return os.environ.get("SLUICEWAY_LOG_FORMAT") == "json"


def _log_line(text: str, style: str | None) -> None:
    """What people would have read on stderr: there only logs are then."""
    import logging

    from sluiceway import logs

    if text.strip():
        level = logging.ERROR if style and "red" in style else logging.INFO
        logs.say("sluiceway.cli", level, text)


def _cell(value: Any) -> str:
    """A cell's text: no None, thousands apart, line breaks taken out.

    >>> _cell(None), _cell(336776), _cell(0.5), _cell("a")
    ('', '336,776', '0.5', 'a')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    return " ".join(str(value).split())
