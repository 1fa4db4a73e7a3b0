"""What the tests of Snowflake share: a warehouse in a database of the test's own, on the emulator."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from scripts.emulators import Emulator

PASSWORD = "any-will-do"
TO_SNOWFLAKE = """\
project: test
environments:
  dev:
    warehouse: {type: snowflake, connection: wh}
connections:
  wh: {type: snowflake, account: fakesnow, user: fake, password: "${SF_PASSWORD}", database: "${SF_DATABASE}",
       host: 127.0.0.1, port: "${SF_PORT}", protocol: http, network_timeout: 20}
"""


def new_database() -> str:
    return f"T{uuid.uuid4().hex[:12].upper()}"


def keys(emulator: Emulator, database: str | None = None) -> dict[str, Any]:
    """``connection:`` of a database that nobody used before."""
    return {
        "account": "fakesnow", "user": "fake", "password": PASSWORD, "database": database or new_database(),
        "host": emulator.host, "port": emulator.port, "protocol": "http", "network_timeout": 20,
    }  # fmt: skip


def warehouse(emulator: Emulator, folder: Path, lock_lease: int = 3) -> Any:
    from tests.conformance.harness import Warehouse

    config = {"type": "snowflake", **keys(emulator), "lock_lease": lock_lease}
    return Warehouse("snowflake", config, folder, nested=False)
