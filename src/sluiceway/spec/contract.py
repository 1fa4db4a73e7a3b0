from __future__ import annotations

from pathlib import Path

from sluiceway.schema import TableName
from sluiceway.spec.model import ContractSpec


def read_contract(path: Path, table: TableName | None = None) -> ContractSpec:
    raise NotImplementedError
