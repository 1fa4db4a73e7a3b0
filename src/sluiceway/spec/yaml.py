"""YAML 1.2 (core schema) into plain Python values that know their lines.

Only what a configuration file needs: mappings with text keys, lists and scalars. ``yes``, ``on`` and
dates stay text. Whatever could hurt (duplicate keys, tags, aliases that multiply, endless nesting) is
an error that names its line.
"""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sluiceway.errors import SpecError, Where

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["Document", "KeyPath", "key_text", "read_yaml", "read_yaml_text", "shown"]

KeyPath = tuple[str | int, ...]

MAX_BYTES = 1_000_000
MAX_DEPTH = 64
MAX_VALUES = 100_000
"""Values in a file after its aliases are expanded: nine levels of nine aliases end here."""

_INT = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITY = re.compile(r"([-+]?)\.(inf|Inf|INF)")
_NAN = re.compile(r"\.(nan|NaN|NAN)")
_CONSTANTS: Mapping[str, bool | None] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_CORE = "tag:yaml.org,2002:"


def key_text(path: KeyPath) -> str:
    """A key path as people write it.

    >>> key_text(("rules", 2, "range", "min"))
    'rules[2].range.min'
    """
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


@dataclass(frozen=True)
class Document:
    """A parsed file. ``lines`` maps a key path to its line (from 1); ``file`` is as errors name it.

    ``bare`` holds the paths whose value was left out inside ``{ }``: what becomes of an unquoted
    expression with a comma.
    """

    value: Any
    file: str | None = None
    lines: Mapping[KeyPath, int] = field(default_factory=dict)
    bare: frozenset[KeyPath] = frozenset()

    def where(self, path: KeyPath = ()) -> Where:
        """The place of a key; for a key that is not there, the nearest one above it."""
        line = next((self.lines[path[:n]] for n in range(len(path), -1, -1) if path[:n] in self.lines), None)
        return Where(self.file, line, key_text(path) or None)


def shown(path: Path) -> str:
    """A path as errors print it: relative to the working folder where it lies below it."""
    try:
        relative = os.path.relpath(path)
    except ValueError:  # another drive
        return str(path)
    return str(path) if relative.startswith("..") else relative


def read_yaml(path: Path, file: str | None = None) -> Document:
    """Read one file.

    Args:
        file: the name for errors; by default the path, relative to the working folder.

    Raises:
        SpecError: it can't be read, is too big, is not UTF-8 or not such YAML; with the line.
    """
    file = file or shown(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SpecError(f"the file is larger than {MAX_BYTES:,} bytes", where=Where(file))
        data = path.read_bytes()
    except FileNotFoundError:
        raise SpecError("there is no such file", where=Where(file), hint=_nearby(path)) from None
    except OSError as error:
        raise SpecError(f"can't be read: {error.strerror}", where=Where(file)) from None
    return read_yaml_text(_decode(data, file), file)


def read_yaml_text(text: str, file: str | None = None) -> Document:
    """Parse ``text``.

    >>> d = read_yaml_text("a: {on: yes}\\nb: [0x10, 1e3]", "x.yml")
    >>> d.value, str(d.where(("b", 1)))
    ({'a': {'on': 'yes'}, 'b': [16, 1000.0]}, 'x.yml:2: b[1]')

    Raises:
        SpecError: with file and line.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError
    from ruamel.yaml.reader import ReaderError

    if len(text) > MAX_BYTES:
        raise SpecError(f"the text is larger than {MAX_BYTES:,} characters", where=Where(file))
    try:
        return _Composer(YAML(typ="safe", pure=True).parse(text), file).document()
    except MarkedYAMLError as error:
        raise _syntax_error(error, file) from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        code = error.character if isinstance(error.character, int) else ord(str(error.character)[:1])
        raise SpecError(
            f"the character U+{code:04X} is not allowed in YAML", where=Where(file, line)
        ) from None
    except YAMLError as error:
        raise SpecError(f"this is not YAML: {error}", where=Where(file)) from None


def _decode(data: bytes, file: str) -> str:
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SpecError(
            f"byte {error.start} is not UTF-8", where=Where(file, line), hint="save the file as UTF-8"
        ) from None


def _nearby(path: Path) -> str | None:
    from difflib import get_close_matches

    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return f"there is no folder {shown(path.parent)}"
    close = get_close_matches(path.name, names, n=1)
    return f"did you mean '{close[0]}'?" if close else None


def _syntax_error(error: Any, file: str | None) -> SpecError:
    mark = error.problem_mark or error.context_mark
    problem = str(error.problem or error.context or error).replace("<", "").replace(">", "")
    hint = None
    if "'\\t'" in problem:
        problem, hint = "a tab where YAML wants spaces", "indent with spaces"
    elif "mapping values are not allowed" in problem:
        hint = "quote a text that holds ': '"
    elif "cannot start any token" in problem:
        hint = "quote a text that begins with a sign"
    elif "undefined alias" in problem:
        hint = "put the anchor (&name) before its alias (*name)"
    return SpecError(
        f"this is not YAML: {problem}", where=Where(file, mark.line + 1 if mark else None), hint=hint
    )


@dataclass
class _Open:
    """A collection that is being read."""

    path: KeyPath
    line: int
    value: dict[str, Any] | list[Any]
    flow: bool
    anchor: str | None
    before: int
    key: str | None = None
    merges: list[dict[str, Any]] = field(default_factory=list)


class _Composer:
    """Events into values, without recursion: depth and size are counted as they come."""

    def __init__(self, events: Iterator[Any], file: str | None) -> None:
        self.events = events
        self.file = file
        self.stack: list[_Open] = []
        self.lines: dict[KeyPath, int] = {}
        self.bare: set[KeyPath] = set()
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.count = 0
        self.root: Any = None
        self.documents = 0

    def document(self) -> Document:
        for event in self.events:
            line = event.start_mark.line + 1
            kind = type(event).__name__
            if kind == "DocumentStartEvent":
                self.documents += 1
                if self.documents > 1:
                    raise self.error("a second document begins here", line, "keep one document a file")
            elif kind in ("MappingStartEvent", "SequenceStartEvent"):
                self.open({} if kind == "MappingStartEvent" else [], event, line)
            elif kind in ("MappingEndEvent", "SequenceEndEvent"):
                self.close()
            elif kind == "ScalarEvent":
                self.scalar(event, line)
            elif kind == "AliasEvent":
                self.alias(event.anchor, line)
        return Document(self.root, self.file, self.lines, frozenset(self.bare))

    def error(self, message: str, line: int, hint: str | None = None, path: KeyPath = ()) -> SpecError:
        return SpecError(message, where=Where(self.file, line, key_text(path) or None), hint=hint)

    def spend(self, values: int, line: int) -> None:
        self.count += values
        if self.count > MAX_VALUES:
            raise self.error(
                f"more than {MAX_VALUES:,} values, aliases expanded", line, "use fewer anchors and aliases"
            )

    def path(self) -> KeyPath:
        if not self.stack:
            return ()
        top = self.stack[-1]
        if isinstance(top.value, list):
            return (*top.path, len(top.value))
        return top.path if top.key is None else (*top.path, top.key)

    def open(self, value: dict[str, Any] | list[Any], event: Any, line: int) -> None:
        if len(self.stack) >= MAX_DEPTH:
            raise self.error(f"nested deeper than {MAX_DEPTH} levels", line)
        if self.stack and isinstance(self.stack[-1].value, dict) and self.stack[-1].key is None:
            raise self.error("a key must be a text", line, "quote a key that holds [ ] or { }")
        self.tag(event, ("map", "seq"), line)
        self.spend(1, line)
        path = self.path()
        self.lines.setdefault(path, line)
        self.stack.append(_Open(path, line, value, bool(event.flow_style), event.anchor, self.count))

    def close(self) -> None:
        done = self.stack.pop()
        if isinstance(done.value, dict):
            for merged in done.merges:
                for key, item in merged.items():
                    done.value.setdefault(key, item)
        if done.anchor:
            self.anchors[done.anchor] = (done.value, self.count - done.before + 1)
        self.put(done.value, done.line)

    def alias(self, name: str, line: int) -> None:
        if any(item.anchor == name for item in self.stack):
            raise self.error(f"the anchor '{name}' contains itself", line, "remove the alias")
        if name not in self.anchors:
            raise self.error(f"there is no anchor '{name}' above", line, f"write &{name} before *{name}")
        value, size = self.anchors[name]
        self.spend(size, line)
        self.lines.setdefault(self.path(), line)
        self.put(value, line)

    def scalar(self, event: Any, line: int) -> None:
        value = self.resolve(event, line)
        self.spend(1, line)
        if event.anchor:
            self.anchors[event.anchor] = (value, 1)
        top = self.stack[-1] if self.stack else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            self.key(top, event, line)
            return
        path = self.path()
        self.lines.setdefault(path, line)
        empty = event.style is None and event.start_mark.index == event.end_mark.index
        if top is not None and top.flow and isinstance(top.value, dict) and value is None and empty:
            self.bare.add(path)
        self.put(value, line)

    def key(self, top: _Open, event: Any, line: int) -> None:
        name = str(event.value)  # a key is what is written: 1, true and null are texts here
        if isinstance(top.value, dict) and name in top.value:
            path = (*top.path, name)
            raise self.error(
                f"the key '{name}' is given twice, first in line {self.lines.get(path, top.line)}",
                line,
                "remove one of the two",
                path,
            )
        top.key = name
        self.lines[(*top.path, name)] = line

    def put(self, value: Any, line: int) -> None:
        if not self.stack:
            self.root = value
            return
        top = self.stack[-1]
        if isinstance(top.value, list):
            top.value.append(value)
            return
        if top.key is None:
            raise self.error("a key must be a text", line, "write the key out instead of an alias")
        if top.key == "<<":
            self.merge(top, value, line)
        else:
            top.value[top.key] = value
        top.key = None

    def merge(self, top: _Open, value: Any, line: int) -> None:
        maps = value if isinstance(value, list) else [value]
        if not all(isinstance(item, dict) for item in maps):
            raise self.error("'<<' merges mappings only", line, "give it an alias of a mapping")
        top.merges.extend(maps)

    def tag(self, event: Any, allowed: tuple[str, ...], line: int) -> str | None:
        if event.tag is None:
            return None
        tag = str(event.tag)
        if not tag.startswith(_CORE) or tag.removeprefix(_CORE) not in allowed:
            raise self.error(f"the tag {tag.replace(_CORE, '!!')} is not allowed", line, "remove the tag")
        return tag.removeprefix(_CORE)

    def resolve(self, event: Any, line: int) -> Any:
        text = str(event.value)
        tag = self.tag(event, ("str", "int", "float", "bool", "null"), line)
        if tag == "str" or (tag is None and (event.style is not None or event.value is None)):
            return text
        value = _plain(text)
        expected = {"int": int, "float": float, "bool": bool, "null": type(None)}
        if tag == "float" and type(value) is int:
            return float(value)
        if tag is not None and type(value) is not expected[tag]:
            raise self.error(f"'{text}' is not a {tag}", line, "remove the tag")
        return value


def _plain(text: str) -> Any:
    """A plain scalar by the core schema of YAML 1.2."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INT.fullmatch(text):
        # Python refuses to parse digits without end; such a text is no number anyone meant
        return int(text) if len(text) <= 100 else text
    if _OCTAL.fullmatch(text):
        return int(text[2:], 8)
    if _HEX.fullmatch(text):
        return int(text[2:], 16)
    if _FLOAT.fullmatch(text):
        return float(text)
    infinity = _INFINITY.fullmatch(text)
    if infinity:
        return -math.inf if infinity[1] == "-" else math.inf
    return math.nan if _NAN.fullmatch(text) else text
