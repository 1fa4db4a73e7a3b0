from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from step_bench import Bench


@pytest.fixture
def bench() -> Bench:
    """``t``: orders with NULLs and ties; ``o``: a table to join; ``odd``: names that need quoting."""
    b = Bench()
    b.table(
        "t",
        {"id": "INTEGER", "kind": "VARCHAR", "amount": "DOUBLE", "at": "TIMESTAMP"},
        [
            (1, "a", 1.5, "2026-01-01"),
            (1, "b", 2.5, "2026-01-02"),
            (2, "a", None, "2026-01-01"),
            (None, "a", 4.0, None),
            (None, None, 5.0, "2026-01-03"),
        ],
    )
    b.table("o", {"id": "INTEGER", "label": "VARCHAR"}, [(1, "one"), (3, "three"), (None, "none")])
    b.table(
        "odd",
        {
            "order": "INTEGER",
            "my col": "VARCHAR",
            'quo"te': "VARCHAR",
            "Ünïcode": "VARCHAR",
            "x'); DROP": "INTEGER",
        },
        [(1, "m", "q", "u", 9)],
    )
    return b
