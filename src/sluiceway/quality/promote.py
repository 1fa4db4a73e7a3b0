"""``rules promote``: a rule's ``status`` changed where it is declared, and nothing else in the file.

The file keeps its comments, order and quotes; what is written reads back as the very value that was meant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.errors import SpecError
from sluiceway.quality.suggest_write import Change
from sluiceway.spec.declared import parse_rules
from sluiceway.spec.yaml import key_text
from sluiceway.spec.yaml_edit import dump, read_editable

if TYPE_CHECKING:
    from sluiceway.quality.declared import Ruled
    from sluiceway.rules.base import Lifecycle
    from sluiceway.spec.yaml import KeyPath

__all__ = ["Promotion", "promoted"]


@dataclass(frozen=True)
class Promotion:
    """The files as they would be, and the ids whose status changes."""

    changes: tuple[Change, ...] = ()
    changed: tuple[str, ...] = field(default_factory=tuple)


def promoted(rules: Sequence[Ruled], to: Lifecycle, folder: Path) -> Promotion:
    """Give rules a status, in the files that declare them.

    Args:
        folder: the project's; a file is named relative to it or to the working folder.

    Raises:
        SpecError: a rule is implied, or said by a word that has no status, or stands in one item with others.
    """
    left = [r for r in rules if r.declared.rule.status != to]
    by_file: dict[Path, list[Ruled]] = {}
    for one in left:
        by_file.setdefault(_file(one, folder), []).append(one)
    changes = [_change(path, some, to) for path, some in by_file.items()]
    return Promotion(tuple(changes), tuple(r.id for r in left))


def _file(one: Ruled, folder: Path) -> Path:
    where = one.declared.where
    if one.declared.origin == "implied" or where.file is None:
        raise SpecError(
            f"rule '{one.id}' is declared nowhere: the destination's mode asks for it", where=where
        )
    path = Path(where.file)
    return path if path.is_file() else folder / path


def _change(path: Path, some: Sequence[Ruled], to: Lifecycle) -> Change:
    raw, document = read_editable(path)
    places = {key_text(at): at for at in document.lines}
    for one in some:
        at = places.get(one.declared.where.key or "")
        if at is None:
            raise SpecError(f"rule '{one.id}' is not found in its file", where=one.declared.where)
        if one.declared.origin == "contract":
            _in_contract(raw, at, one, to)
        else:
            _in_pipeline(raw, at, one, to)
    before = path.read_bytes().decode("utf-8-sig")
    return Change(path, before, dump(raw, like=before, file=str(path)))


def _at(raw: Any, path: KeyPath) -> Any:
    for part in path:
        raw = raw[part]
    return raw


def _in_pipeline(raw: Any, path: KeyPath, one: Ruled, to: Lifecycle) -> None:
    """``rules[2].range``: the status stands beside the rule's key."""
    item = _at(raw, path[:-1])
    plain = {str(key): value for key, value in item.items()}
    if len(parse_rules([plain], lambda _: one.declared.where)) > 1:
        raise SpecError(
            f"rule '{one.id}' shares its entry with others",
            where=one.declared.where,
            hint="write an entry for each column, then promote it",
        )
    _set(item, to)


def _set(item: Any, to: Lifecycle) -> None:
    """Changed where it stands, not taken out: comments that follow hang on it."""
    inside = [value for value in item.values() if isinstance(value, dict) and "status" in value]
    (inside[0] if inside and "status" not in item else item)["status"] = to


def _in_contract(raw: Any, path: KeyPath, one: Ruled, to: Lifecycle) -> None:
    """A check of ``engine: sluiceway`` has the status in its rule, another one among ``customProperties``."""
    check = _at(raw, path) if len(path) > 1 and path[-2] == "quality" else None
    if not isinstance(check, dict):
        word = path[-1]
        raise SpecError(
            f"rule '{one.id}' is said by '{word}', which has no status: it always counts",
            where=one.declared.where,
            hint=f"take '{word}' out, and write a check under quality:",
        )
    rule = check.get("implementation")
    if str(check.get("type")) == "custom":
        if not isinstance(rule, dict):
            raise SpecError(
                f"rule '{one.id}' is text inside the contract", where=one.declared.where,
                hint="write implementation: as a mapping",
            )  # fmt: skip
        _set(rule, to)
        return
    own = check.get("customProperties")
    if own is None:
        own = check["customProperties"] = []
    for item in own:
        if isinstance(item, dict) and item.get("property") == "status":
            item["value"] = to
            return
    own.append({"property": "status", "value": to})
