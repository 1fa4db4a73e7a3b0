"""Suggestions into a contract: a diff to review, then the file. Every new rule is in shadow."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.errors import PlanError
from sluiceway.run.standing import kind_of_file
from sluiceway.schema import TableName
from sluiceway.spec.contract import read_contract_document
from sluiceway.spec.odcs_new import new_contract
from sluiceway.spec.odcs_write import entries_in, with_rules
from sluiceway.spec.yaml import shown
from sluiceway.spec.yaml_edit import dump, read_editable

if TYPE_CHECKING:
    from sluiceway.quality.suggest_model import Suggestions

__all__ = ["Change", "contract_with", "diff_of", "rules_of"]


@dataclass(frozen=True)
class Change:
    """A file as it is (None: there is none) and as it would be."""

    path: Path
    before: str | None
    after: str

    @property
    def diff(self) -> str:
        return diff_of(self.before or "", self.after, shown(self.path))


def diff_of(before: str, after: str, name: str) -> str:
    """A unified diff, as ``git diff`` prints it; empty where nothing changes."""
    lines = difflib.unified_diff(
        before.splitlines(),
        after.splitlines(),
        f"a/{name}" if before else "/dev/null",
        f"b/{name}",
        lineterm="",
    )
    return "\n".join(lines)


def rules_of(path: Path, target: str) -> list[dict[str, Any]]:
    """The rules that a contract has for ``target`` already, as items of ``rules:``; none without the file.

    Raises:
        SpecError: it is no contract, or one of its rules can't be understood.
    """
    if not path.is_file():
        return []
    return entries_in(read_contract_document(path), _table(target))


def contract_with(path: Path, target: str, found: Suggestions) -> Change:
    """``path`` with the suggestions in it, each ``status: shadow``; a new contract where there is none.

    Raises:
        SpecError: the contract can't be read, or can't be written without a change of meaning.
    """
    entries: Sequence[Mapping[str, Any]] = [{**rule, "status": "shadow"} for rule in found.rules]
    if path.is_file():
        read_contract_document(path)
        raw, _ = read_editable(path)
        before = path.read_bytes().decode("utf-8-sig")
        return Change(path, before, dump(with_rules(raw, entries, table=_table(target)), like=before))
    table = _table(target) or TableName("main", _named(target))
    name = str(table) if _table(target) is not None else table.name
    made = new_contract(name, found.schema, table=table)
    return Change(path, None, dump(with_rules(made, entries, table=table)))


def _table(target: str) -> TableName | None:
    """The dataset that ``target`` names; None for a file, which is called as it likes."""
    if kind_of_file(target) is not None:
        return None
    try:
        return TableName.parse(target.rpartition(":")[2])
    except PlanError:
        return None


def _named(target: str) -> str:
    """
    >>> _named("data/orders-2024.csv.gz")
    'orders_2024'
    """
    stem = Path(target).name.split(".")[0]
    return re.sub(r"\W+", "_", stem).strip("_") or "data"
