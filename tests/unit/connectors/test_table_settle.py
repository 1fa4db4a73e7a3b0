"""An interrupted publish into a Delta or Iceberg table is settled by the table's own log, without Spark."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from sluiceway.connectors.base import ConnectorContext
from sluiceway.connectors.delta import CONNECTOR as DELTA
from sluiceway.connectors.durable import write_json
from sluiceway.connectors.filerecords import receipt_json
from sluiceway.connectors.iceberg import CONNECTOR as ICEBERG
from sluiceway.connectors.tablejournal import TableIntent
from sluiceway.errors import LockTimeoutError, PlanError
from sluiceway.exchange import Receipt
from sluiceway.schema import Schema, TableName

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sluiceway.connectors.tablesink import TableSink

RUN = "run-1"
AT = datetime(2026, 3, 1, 12)  # noqa: DTZ001 naive and in UTC, as everywhere


def _sink(kind: str, folder: Path) -> TableSink:
    connector = {"delta": DELTA, "iceberg": ICEBERG}[kind]
    config = connector.sink_config.model_validate({"type": kind, "path": "lake"})  # type: ignore[union-attr]
    return connector.sink(config, ConnectorContext(project=folder, lock_timeout=0.2))  # type: ignore[misc,return-value]


def _commit(kind: str, folder: Path, number: int, run: str) -> None:
    """A commit as the format writes it, of which only what we read is here."""
    text = json.dumps({"sluiceway": {"run_id": run}})
    if kind == "delta":
        path = folder / "_delta_log" / f"{number:020}.json"
        lines = [{"commitInfo": {"operation": "WRITE", "userMetadata": text}}, {"add": {"path": "x"}}]
        body = "\n".join(json.dumps(line, separators=(",", ":")) for line in lines)
    else:
        path = folder / "metadata" / f"v{number + 1}.metadata.json"
        before = folder / "metadata" / f"v{number}.metadata.json"
        kept = json.loads(before.read_text())["snapshots"] if before.exists() else []
        made = {"snapshot-id": 100 + number, "summary": {"operation": "append", "sluiceway": text}}
        body = json.dumps({"current-snapshot-id": 100 + number, "snapshots": [*kept, made]})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(body)


def _interrupted(kind: str, folder: Path, **more: Any) -> TableSink:
    """A warehouse whose only table has one commit of another run, and an intent of ours."""
    sink = _sink(kind, folder)
    sink.places.make()
    table = folder / "lake/mart/t"
    _commit(kind, table, 0, "run-0")
    staged = sink.places.staging("mart.t") / RUN / "state.json"
    staged.parent.mkdir(parents=True)
    write_json(staged, [{"source": "a", "column": "id", "type": "INTEGER", "value": "7"}])
    receipt = Receipt(RUN, "p", "mart.t", "append", 3, 1, None, AT)
    pairs = (
        (str(staged.relative_to(folder / "lake")), str(sink.places.state("p").relative_to(folder / "lake"))),
    )
    TableIntent("mart.t", RUN, sink.kind.head(table), pairs, receipt_json(receipt), **more).write(sink.places)
    return sink


def _left(sink: TableSink) -> list[Path]:
    return [p for name in ("intents", "staging") for p in (sink.places.system / name).iterdir()]


def _settled(sink: TableSink) -> tuple[list[Any], list[Any]]:
    sink.open(None)
    try:
        assert _left(sink) == []
        return [(r.run_id, r.published, r.snapshot) for r in sink.receipts()], [
            c.value for c in sink.state("p")
        ]
    finally:
        sink.close()


@pytest.mark.parametrize("kind", ["delta", "iceberg"])
class TestInterrupted:
    def test_after_its_commit_it_is_carried_out(self, kind: str, tmp_path: Path) -> None:
        sink = _interrupted(kind, tmp_path)
        _commit(kind, tmp_path / "lake/mart/t", 1, RUN)
        _commit(kind, tmp_path / "lake/mart/t", 2, "somebody's")
        snapshot = {"delta": "1", "iceberg": "101"}[kind]
        for _ in range(2):  # opened again, nothing more happens
            assert _settled(sink) == ([(RUN, 3, snapshot)], ["7"])

    def test_before_its_commit_it_never_was(self, kind: str, tmp_path: Path) -> None:
        sink = _interrupted(kind, tmp_path)
        _commit(kind, tmp_path / "lake/mart/t", 1, "somebody's")
        assert _settled(sink) == ([], [])

    def test_among_the_renames(self, kind: str, tmp_path: Path) -> None:
        sink = _interrupted(kind, tmp_path)
        _commit(kind, tmp_path / "lake/mart/t", 1, RUN)
        staged = sink.places.staging("mart.t") / RUN / "state.json"
        staged.rename(sink.places.state("p"))
        assert _settled(sink)[1] == ["7"]

    def test_without_a_row_to_commit_the_intent_decides(self, kind: str, tmp_path: Path) -> None:
        sink = _interrupted(kind, tmp_path, decided=True)
        assert [run for run, _, _ in _settled(sink)[0]] == [RUN]

    def test_not_while_its_jvm_may_still_commit(self, kind: str, tmp_path: Path) -> None:
        """The process is gone, its JVM is not: what it will do is not known yet."""
        sink = _interrupted(kind, tmp_path)
        with _held(sink._held("mart.t")):
            with pytest.raises(LockTimeoutError, match="still works on"):
                sink.open(None)
            assert sink.receipts() == ()
            assert len(_left(sink)) == 2, "nothing is thrown away"
            _commit(kind, tmp_path / "lake/mart/t", 1, RUN)
        assert _settled(sink)[1] == ["7"]

    def test_tables_need_spark(self, kind: str, tmp_path: Path) -> None:
        sink = _interrupted(kind, tmp_path)
        sink.open(None)
        with pytest.raises(PlanError, match=f"a {kind} table is read and written by Spark"):
            sink.columns(TableName("mart", "t"))
        assert sink.columns(TableName("mart", "never")) is None


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """Another process holds a POSIX lock, as a JVM does."""
    code = (
        "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX); "
        "print(1, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
        try:
            yield
        finally:
            process.kill()


def test_what_would_come_back_as_another_type_is_refused(tmp_path: Path) -> None:
    schema = Schema.of(
        {
            "a": "INTEGER",
            "h": "HUGEINT",
            "u": "UUID",
            "t": "TINYINT",
            "l": "STRUCT(x DOUBLE, y TIMESTAMP)[]",
            "m": "MAP(VARCHAR, UUID)",
            "s p": "DATE",
        }
    )
    assert _sink("delta", tmp_path).unsupported(schema) == {
        "h": "cast it to DECIMAL(38,0) in a step before",
        "u": "cast it to VARCHAR in a step before",
        "m": "inside it: cast it to VARCHAR in a step before",
        "s p": "rename it: Delta takes no space and none of ,;{}()= in a name",
    }
    assert _sink("iceberg", tmp_path).unsupported(schema) == {
        "h": "cast it to DECIMAL(38,0) in a step before",
        "u": "cast it to VARCHAR in a step before",
        "m": "inside it: cast it to VARCHAR in a step before",
        "t": "cast it to INTEGER in a step before",
    }
