"""A process killed at any statement of a publish, and a server that is lost: on Snowflake's emulator."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.conformance.harness import TABLE, Warehouse
from tests.integration.snowflakes import warehouse

from sluiceway.exchange import Cursor

if TYPE_CHECKING:
    from scripts.emulators import Emulator

pytestmark = [pytest.mark.snowflake, pytest.mark.chaos, pytest.mark.slow]

WORKER = """
import json, os, signal, sys
sys.path.insert(0, sys.argv[1])
from tests.conformance.harness import Warehouse
from sluiceway.connectors import sfsession
from sluiceway.exchange import Cursor

given, run_id, number, point, mode = json.loads(sys.argv[2]), *sys.argv[3:7]
left = int(point)
run, begun = sfsession.SfSession.run, sfsession.SfSession.__init__

def told(self, *args):
    begun(self, *args)
    print(self.con.rest.token, flush=True)

sfsession.SfSession.__init__ = told

def counted(self, sql, values=()):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return run(self, sql, values)

with Warehouse.from_json(given).session() as s:
    staged = s.stage(f"SELECT {number} AS id, '{run_id}' AS name", bad=["b"], run_id=run_id)
    sfsession.SfSession.run = counted
    s.publish_staged(staged, run_id, mode, key=("id",), cursors=(Cursor("orders", "at", "VARCHAR", run_id),))
    sfsession.SfSession.run = run
"""


def _ended(emulator: Emulator, tokens: str) -> None:
    """The sessions of a dead process end, as Snowflake ends them in its time; the emulator would not."""
    for token in tokens.split():
        request = urllib.request.Request(
            f"http://{emulator.host}:{emulator.port}/session?delete=true", data=b"{}", method="POST",
            headers={"Authorization": f'Snowflake Token="{token}"'},
        )  # fmt: skip
        with contextlib.suppress(urllib.error.HTTPError):  # the process had closed it
            urllib.request.urlopen(request, timeout=10).close()


def _killed(given: Warehouse, run_id: str, point: int, mode: str) -> subprocess.CompletedProcess[str]:
    root, shown = str(Path(__file__).parents[2]), json.dumps(given.as_json())
    return subprocess.run(
        [sys.executable, "-c", WORKER, root, shown, run_id, str(point), str(point), mode],
        check=False, capture_output=True, text=True, cwd=root, env=os.environ, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize("mode", ["append", "merge"])
def test_a_kill_at_any_statement_then_the_run_again_is_a_run_without_a_kill(
    snowflake: Emulator, tmp_path: Path, mode: str
) -> None:
    """Each round publishes a run of its own, killed at its n-th statement, then the run again."""
    given = warehouse(snowflake, tmp_path, lock_lease=1)
    with given.session() as s:
        s.publish("SELECT 0 AS id, 'start' AS name", "r")
    expected = Counter([(0, "start")])
    for point in range(1, 80):
        run_id, row = f"k{point}", (point, f"k{point}")
        worker = _killed(given, run_id, point, mode)
        _ended(snowflake, worker.stdout)
        with given.session() as s:
            receipt = s.sink.receipts(run_id=run_id)
            seen = s.rows()
            assert seen in (expected, expected + Counter([row])), worker.stderr
            assert bool(receipt) == (seen[row] == 1), worker.stderr
            assert (run_id in {c.value for c in s.sink.state("p")}) == bool(receipt)
            assert any(q[0].startswith(f"{run_id}:") for q in s.quarantined()) == bool(receipt)
            s.publish(
                f"SELECT {point} AS id, '{run_id}' AS name", run_id, mode, key=("id",), bad=["b"],
                cursors=(Cursor("orders", "at", "VARCHAR", run_id),),
            )  # fmt: skip
            expected[row] += 1
            assert s.rows() == expected
            assert sum(q[0].startswith(f"{run_id}:") for q in s.quarantined()) == 1
        if worker.returncode != -signal.SIGKILL:
            assert worker.returncode == 0, worker.stderr
            assert point > 15, "a publish has more statements than that"
            return
    pytest.fail("a publish has more than 80 statements")


def test_the_table_is_the_same_where_nothing_was_killed(snowflake: Emulator, tmp_path: Path) -> None:
    """What a publish leaves beside the data: its system tables and the rows of its lock, no working table."""
    given = warehouse(snowflake, tmp_path, lock_lease=1)
    with given.session() as s:
        s.publish("SELECT 1 AS id, 'a' AS name", "r1", "merge", key=("id",), bad=["b"])
        session = s.sink._session()  # type: ignore[attr-defined]
        there = session.rows("SELECT table_schema, table_name FROM information_schema.tables")
        assert sorted(t for _, t in there if not t.startswith("LEASE_")) == [
            "ORDERS", "QUARANTINE", "RECEIPTS", "STATE",
        ]  # fmt: skip
        assert s.sink.columns(TABLE) is not None
