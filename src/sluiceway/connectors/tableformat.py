"""What Delta and Iceberg have in common for us: tables that Spark alone reads and writes, each change of
which is one commit that can carry a text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from sluiceway.connectors.dialects import SPARK
from sluiceway.errors import PlanError, Where
from sluiceway.schema import Schema, TableName
from sluiceway.sql.emit.types import fields_of, item_of, parsed, spelled
from sluiceway.sql.types import from_engine, to_engine

if TYPE_CHECKING:
    from sluiceway.engines.base import Engine

__all__ = ["MARK", "TableFormat", "marked", "on_spark", "table_sql"]

MARK = "sluiceway"
"""The key of our text in a commit."""


def on_spark(engine: Engine | None, kind: str, where: Where | None) -> Any:
    """The engine, which must be Spark.

    Raises:
        PlanError: it is another, or none.
    """
    if engine is None or engine.name != "spark":
        what = "there is no engine here" if engine is None else f"this environment's engine is {engine.name}"
        raise PlanError(
            f"a {kind} table is read and written by Spark, and {what}",
            where=where,
            hint=f"write engine: {{type: spark, conf: …}}: sluiceway connectors {kind} shows the settings",
        )
    return engine


class TableFormat:
    """A format's own words. ``marker``: the setting of a session that puts a text into its commits."""

    name: ClassVar[str]
    marker: ClassVar[str]
    needs: ClassVar[str]
    """A class that a session can load once the format's jar is there."""
    settings: ClassVar[Mapping[str, str]] = {}
    """Settings that the user must have given when Spark was started."""
    jar: ClassVar[str]
    wider: ClassVar[Mapping[str, str]] = {}
    """Types that the format keeps as a wider one -> that type."""

    def prepare(self, engine: Any, where: Where | None, *, writes: bool = False) -> None:
        """Look whether the session has the format.

        Args:
            writes: tables will be changed.

        Raises:
            PlanError: it has not, with what to write.
        """
        session = engine.connection
        near = hasattr(session, "_jvm")
        if writes and not near:
            raise PlanError(
                f"a {self.name} table is not written over Spark Connect: a statement outlives its client",
                where=where,
                hint="use engine.master",
            )
        missing = [k for k, v in self.settings.items() if v not in str(session.conf.get(k, ""))]
        if near and not self._loads(session):
            missing.insert(0, "spark.jars.packages")
        if missing:
            wanted = {"spark.jars.packages": self.jar, **self.settings}
            lines = ", ".join(f"{k}: {wanted[k]}" for k in missing)
            raise PlanError(
                f"this Spark has no {self.name}: engine.conf lacks {', '.join(missing)}",
                where=where,
                hint=f"write engine: {{type: spark, conf: {{{lines}}}}}; the jar must be for your pyspark",
            )

    def _loads(self, session: Any) -> bool:
        try:
            loader = session._jvm.java.lang.Thread.currentThread().getContextClassLoader()  # noqa: SLF001
            loader.loadClass(self.needs)
        except Exception as error:  # py4j has no one class for what the JVM throws; all else goes on
            if not type(error).__module__.startswith("py4j"):
                raise
            return False
        return True

    def parts(self, engine: Any, root: str, table: TableName | None) -> tuple[str, ...]:
        """The name in Spark of a table below a folder, or of the folder itself."""
        raise NotImplementedError

    def exists(self, folder: Path) -> bool:
        raise NotImplementedError

    def head(self, folder: Path) -> str | None:
        """The newest snapshot, by the table's own log."""
        raise NotImplementedError

    def committed(self, folder: Path, run_id: str, since: str | None) -> str | None:
        """The snapshot that a run made, by the table's own log; None where it made none."""
        raise NotImplementedError

    def current(self, engine: Any, relation: str) -> str | None:
        """The newest snapshot, asked of Spark."""
        raise NotImplementedError

    def restore(self, engine: Any, relation: str, snapshot: str | None) -> str:
        """The one statement that makes the rows those of a snapshot, by a commit of its own."""
        raise NotImplementedError

    def before(self, table: str, schema: Mapping[str, str], *, widens: bool) -> Sequence[str]:
        """Statements without which the table can't take columns of these types."""
        return ()

    def properties(self, types: Mapping[str, str]) -> str:
        """What follows the columns of a new table."""
        return ""

    def unsupported(self, schema: Schema) -> dict[str, str]:
        """Columns that would come back as another type -> what to do about it."""
        out = {}
        for column in schema:
            other = self._other(column.type)
            if other is not None:
                out[column.name] = other
        return out

    def _other(self, type_: str) -> str | None:
        """What to do about a type that comes back as another; None where it is kept."""
        upper = type_.upper()
        if upper.endswith("[]"):
            return self._part(self._other(item_of(type_)))
        if upper.startswith("STRUCT("):
            return self._part(next(filter(None, (self._other(t) for _, t in fields_of(type_))), None))
        if upper.startswith("MAP("):
            parts = (self._other(spelled(part)) for part in parsed(type_).expressions)
            return self._part(next(filter(None, parts), None))
        if upper.endswith("]"):
            return "cast it to a list in a step before: its length would be lost"
        try:
            kept = from_engine(to_engine(type_, "spark"), "spark")
        except PlanError as error:
            return error.hint or "cast it to VARCHAR in a step before"
        kept = self.wider.get(kept, kept)
        same = kept.replace(" ", "") == upper.replace(" ", "")
        return None if same else f"cast it to {kept} in a step before"

    def _part(self, told: str | None) -> str | None:
        return f"inside it: {told}" if told is not None else None


def marked(text: str | None, run_id: str) -> bool:
    """Whether a commit's text is that of a run's publish."""
    if not text or run_id not in text:
        return False
    try:
        found = json.loads(text)
    except ValueError:
        return False
    return isinstance(found, dict) and found.get(MARK, {}).get("run_id") == run_id


def table_sql(parts: Sequence[str]) -> str:
    return SPARK.relation(*parts)
