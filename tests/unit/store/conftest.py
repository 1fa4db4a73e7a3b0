"""A store on each of the databases that hold one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sluiceway.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path}/m.db" if sqlite else request.getfixturevalue("postgres_url")
    with Store.open(url) as opened:
        yield opened
