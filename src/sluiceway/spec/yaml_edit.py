"""YAML that is read to be changed and written back: comments, order, quotes and anchors stay.

The values are those of ``spec.yaml`` (YAML 1.2's core schema: dates, ``on`` and ``yes`` are texts), and
what is written is read again and compared before it reaches a file.
"""

from __future__ import annotations

import io
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from sluiceway.errors import SpecError, Where
from sluiceway.spec.yaml import Document, read_yaml, read_yaml_text, shown

__all__ = ["dump", "read_editable", "set_key", "write_text"]

_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_OLDER = re.compile(
    r"[yYnN]|[Yy]es|YES|[Nn]o|NO|[Oo]n|ON|[Oo]ff|OFF|\d{4}-\d\d?-\d\d?(?:[Tt ].*)?"
    r"|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?|[-+]?[0-9][0-9_]*_[0-9_]*"
)
"""What tools that read YAML 1.1 take for a boolean, a date or a number: quoted, unless it was not."""
_WIDTH = 4096
"""Lines are as long as they were: a folded text would come back with other blanks."""


def _yaml(indent: tuple[int, int, int] = (2, 4, 2)) -> Any:
    """A round-trip parser and writer by the core schema."""
    from ruamel.yaml import YAML
    from ruamel.yaml.constructor import RoundTripConstructor
    from ruamel.yaml.representer import RoundTripRepresenter
    from ruamel.yaml.resolver import VersionedResolver
    from ruamel.yaml.scalarstring import PlainScalarString

    class Core(VersionedResolver):
        """Without timestamps: those are texts."""

        def add_version_implicit_resolver(self, version: Any, tag: Any, regexp: Any, first: Any) -> None:
            if tag != _TIMESTAMP:
                super().add_version_implicit_resolver(version, tag, regexp, first)

    class Representer(RoundTripRepresenter):
        """``null`` is written out: left out inside [ ] it would be no value."""

    class Constructor(RoundTripConstructor):
        """Remembers which texts stood there without quotes."""

        def construct_scalar(self, node: Any) -> Any:
            value = super().construct_scalar(node)
            bare = type(value) is str and node.style is None and _OLDER.fullmatch(value)
            return PlainScalarString(value, anchor=node.anchor) if bare else value

    def null(self: Any, _: Any) -> Any:
        return self.represent_scalar("tag:yaml.org,2002:null", "null")

    def text(self: Any, value: str) -> Any:
        style = "'" if _OLDER.fullmatch(value) else "|" if "\n" in value.rstrip("\n") else None
        return self.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Representer.add_representer(type(None), null)
    Representer.add_representer(str, text)
    yaml = YAML(typ="rt", pure=True)
    yaml.Resolver = Core
    yaml.Constructor = Constructor
    yaml.Representer = Representer
    yaml.preserve_quotes = True
    yaml.width = _WIDTH
    yaml.allow_duplicate_keys = False
    yaml.indent(*indent)
    return yaml


def read_editable(path: Path) -> tuple[Any, Document]:
    """A file's value with everything that must survive a change, and the document as it is read else.

    Raises:
        SpecError: it can't be read or is not such YAML; with the line.
    """
    document = read_yaml(path)
    text = path.read_bytes().decode("utf-8-sig")
    return _yaml().load(text), document


def dump(value: Any, *, like: str | None = None, file: str | None = None) -> str:
    r"""A value as YAML text.

    Args:
        like: the text that it came from, whose indentation is kept.
        file: for errors.

    Raises:
        SpecError: it can't be written so that it is read as the same value.

    >>> dump({"a": ["2020-01-01", None, "yes", "b"]})
    "a:\n  - '2020-01-01'\n  - null\n  - 'yes'\n  - b\n"
    """
    out = io.StringIO()
    _yaml(_indent(like)).dump(value, out)
    text = out.getvalue()
    if read_yaml_text(text, file).value != _bare(value):
        raise SpecError("it can't be written back without a change of meaning", where=Where(file))
    return text


def _indent(like: str | None) -> tuple[int, int, int]:
    """(mapping, sequence, offset of the dash), as the text has them; ours where it has no list."""
    found = re.search(
        r"^( *)[^\s#-][^\n]*:[ ]*(?:#[^\n]*)?\n(?:[ ]*(?:#[^\n]*)?\n)*( *)-( +)", like or "", re.M
    )
    if found is None:
        return 2, 4, 2
    offset = len(found[2]) - len(found[1])
    return 2, offset + 1 + len(found[3]), offset


def _bare(value: Any) -> Any:
    """Without ruamel's own classes."""
    if isinstance(value, dict):
        return {str(key): _bare(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_bare(item) for item in value]
    return value


def write_text(path: Path, text: str | bytes) -> None:
    """Put a text in a file's place in one step: a reader sees the old one or the new one.

    Raises:
        SpecError: the file can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(text.encode() if isinstance(text, str) else text)
            Path(name).chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise SpecError(f"can't be written: {error.strerror}", where=Where(shown(path))) from None


def set_key(path: Path, key: str, value: str, *, before: tuple[str, ...] = ()) -> bool:
    """Set one top-level key of a file to a text, and touch no other line.

    Args:
        before: where the key is new it goes in front of the first of these that is there; else last.

    Returns:
        Whether the file had to be changed.

    Raises:
        SpecError: the file can't be read, or its form doesn't allow the change.
    """
    document = read_yaml(path)
    if not isinstance(document.value, dict):
        raise SpecError("the file is not a mapping", where=document.where())
    if document.value.get(key) == value:
        return False
    text = path.read_bytes().decode("utf-8-sig")
    lines = text.splitlines(keepends=True)
    scalar = dump({key: value}).rstrip("\n")
    end = "\r\n" if "\r\n" in text else "\n"
    if key in document.value:
        at = document.lines[(key,)] - 1
        comment = re.search(r"\s+#.*$", lines[at].rstrip("\r\n"))
        lines[at] = f"{scalar}{comment[0] if comment else ''}{end}"
    else:
        there = [document.lines[(name,)] - 1 for name in before if name in document.value]
        at = min(there) if there else len(lines)
        while there and at and lines[at - 1].lstrip().startswith("#"):
            at -= 1  # a comment belongs to what it stands above
        if at == len(lines) and lines and not lines[-1].endswith("\n"):
            lines[-1] += end
        lines.insert(at, f"{scalar}{end}")
    changed = "".join(lines)
    wanted = {**document.value, key: value}
    try:
        same = read_yaml_text(changed).value == wanted
    except SpecError:
        same = False
    if not same:
        raise SpecError(
            f"'{key}' can't be set without touching more of the file",
            where=document.where((key,)),
            hint=f"write it yourself: {scalar}",
        )
    write_text(path, changed)
    return True
