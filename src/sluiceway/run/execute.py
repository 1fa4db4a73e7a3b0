"""Walk a plan on an engine: extract, audit the sources, stage, audit, split, hand over.

What is in here moves rows and judges them; locks, retries, events and the store are ``runner``'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlglot import exp

from sluiceway.connectors.base import Read
from sluiceway.exchange import Cursor, Staged
from sluiceway.plan.nodes import AuditGate, AuditSource, Extract, PythonStep, Transform
from sluiceway.plan.nodes import Stage as StageNode
from sluiceway.rules.base import RuleContext
from sluiceway.rules.fuse import Check, any_bit, mask_expressions
from sluiceway.rules.params import condition
from sluiceway.run.audit import with_bounds
from sluiceway.run.fixing import before_images, discarded_values
from sluiceway.run.inplace import judge_in_place, unstaged
from sluiceway.run.judging import Judged, Judging
from sluiceway.run.quarantine_rows import kept_of, union, unreadable_rows
from sluiceway.run.reach import slug
from sluiceway.run.reading import reading, unchanged
from sluiceway.run.spools import bind_spooled, bind_step
from sluiceway.run.state import mark_of, since
from sluiceway.run.target import bind_target
from sluiceway.schema import Column, Schema, TableName
from sluiceway.sql.names import quoted
from sluiceway.sql.safe import parse_expression

if TYPE_CHECKING:
    from sluiceway.engines.base import Engine, Stage

__all__ = ["Execution", "Judged"]


@dataclass
class Execution(Judging):
    """One attempt at one plan.

    ``replayed``: the sources made of quarantined rows; then the others are read for the rules alone, and
    what they turn away lies in quarantine already.
    """

    full_refresh: bool = False
    replayed: frozenset[str] = frozenset()
    cursors: list[Cursor] = field(default_factory=list)
    read: int | None = 0
    rejected: int = 0
    rejects: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.reads: dict[str, Read] = {}
        self.natives: dict[str, str | None] = {}

    # sources ----------------------------------------------------------------------------------------

    def open_scans(self) -> None:
        """Ask every source for its native scan, then close the sandbox: nothing is attached later."""
        opened = self.opened
        for name, source in opened.sources.items():
            self.reads[name] = self._read_of(name)
            self.natives[name] = self.reach.scan(name, source, self.reads[name])
        folders = [*opened.sink.folders(), *(f for s in opened.sources.values() for f in s.folders())]
        self.engine.seal(folders)
        for name in opened.datasets:
            self.relations.scan(name, self.reach.table(opened.sink, TableName.parse(name)))

    def bind_sources(self) -> None:
        """Bind every source's relation without judging it; streams are staged."""
        for name, native in self.natives.items():
            sql = native
            if sql is None:
                _, sql = self.reach.fetch(name, self.opened.sources[name], self.reads[name])
            self.relations.scan(name, self._filtered(name, sql))

    def _listed(self, schema: Schema) -> str:
        return ", ".join(self.quoted(c.name) for c in schema)

    def _read_of(self, name: str) -> Read:
        spec = self.plan.pipeline.sources[name]
        given = spec.config.filters or ()
        filters = (given,) if isinstance(given, str) else tuple(given)
        for text in filters:
            parse_expression(text, spec.where)
        mark, missing = None, False
        if spec.incremental is not None:
            missing = spec.incremental.on_cursor_value_missing != "exclude"
            if not self.full_refresh:
                mark = since(self.engine.local, spec, self.opened.state)
        return Read(
            columns=None,
            filters=filters,
            since=mark,
            strict=spec.incremental is None or spec.incremental.lag is None,
            include_null_cursor=missing,
            confirmed=True,
            rejects=None if spec.config.on_bad_row == "fail" else f"_rejects_{name}",
        )

    def extract(self, node: Extract, audit: AuditSource | None) -> None:
        """Bind the source's relation: scanned in place, or spooled (with masks, if it has rules)."""
        with reading(self.opened, node.source):
            self._extract(node, audit)

    def _extract(self, node: Extract, audit: AuditSource | None) -> None:
        checks = audit.checks if audit else ()
        native = self.natives[node.source]
        spool = node.spool
        if native is None:
            with self.timer(node.name) as timed:
                source = self.opened.sources[node.source]
                raw, native = self.reach.fetch(node.source, source, self.reads[node.source])
                timed.rows = raw.rows
            whole = not checks and not (node.numbered and self.reads[node.source].filters)
            if whole:  # what was fetched is the spool
                self._count(raw.rows + self._unreadable(node.source))
                self._finish_source(node.source, raw, self.engine.local)
            if whole and node.numbered:
                bind_spooled(self, node.source, raw, numbered=True)
                return
            spool = None if whole else node.spool
        sql = self._filtered(node.source, native)
        self.relations.scan(node.source, sql)
        if spool is None:
            if checks and audit is not None:
                self._audit_in_place(node.source, audit)
            elif self.natives[node.source] is not None:
                self.read = None
            return
        self._spool(node, checks, sql)

    def _filtered(self, name: str, native: str) -> str:
        """Filters once more in the engine: a source may push them down only in part."""
        given = self.reads[name].filters
        if not given:
            return native
        where = self.plan.pipeline.sources[name].where
        context = RuleContext(
            self.plan.relations[name],
            where,
            started_at=f"{self.opened.started_at:%Y-%m-%d %H:%M:%S.%f}",
            variables=self.plan.pipeline.variables,
        )
        conditions = [self.relations.text(condition(text, context), name) for text in given]
        return f"SELECT * FROM ({native}) AS _read WHERE {' AND '.join(conditions)}"

    def _spool(self, node: Extract, checks: Sequence[Check], sql: str) -> None:
        schema = self.plan.relations[node.source]
        with self.timer(node.name) as timed:
            select = exp.select(*_columns(schema)).from_(exp.table_(node.source, quoted=True))
            in_pass = [check for check in checks if check.in_pass]
            for name, mask in mask_expressions(in_pass, of=checks).items():
                select = select.select(exp.alias_(mask, name, quoted=True))
            stage = self.engine.stage(
                f"source_{slug(node.source)}",
                self.relations.compile(select),
                parameters=self.plan.binds,
                bad=_bad(in_pass),
            )
            timed.rows = stage.rows
        rejected = self._unreadable(node.source)
        self._count(stage.rows + rejected)
        self._finish_source(node.source, self.engine.handoff(stage), self.reach.publisher)
        if not checks:
            bind_spooled(self, node.source, stage, numbered=node.numbered)
            return
        with self.timer(f"audit {node.source}") as timed:
            judged = self.judge(stage, checks, kept_of(schema), phase="source", source=node.source)
            timed.rows = judged.rows
        self._bind_columns(node.source, judged.parted.good, schema)
        self._reject(node.source, judged.rows - judged.good_rows, judged.turned_away)

    def _audit_in_place(self, name: str, audit: AuditSource) -> None:
        with self.timer(audit.name) as timed:
            self.judge_in_place_of(name)
            sampling = self.sampling(name, kept_of(self.plan.relations[name]))
            rows, results = self.audit.in_place(audit.checks, sampling=sampling)
            self.samples.update(self.audit.sampled)
            timed.rows = rows
        self._count(rows)
        self.results += results.values()

    def _bind_columns(self, name: str, good: str, schema: Schema) -> None:
        self.relations.scan(name, f"SELECT {self._listed(schema)} FROM {good} AS _good_rows")

    def _count(self, rows: int) -> None:
        self.read = None if self.read is None else self.read + rows

    def _unreadable(self, name: str) -> int:
        """Lines that could not be read: counted, and kept where the source says quarantine."""
        policy = self.plan.pipeline.sources[name].config.on_bad_row
        if policy == "fail":
            return 0
        local = self.engine.local
        rejected = self.opened.sources[name].rejected(local, self.reads[name])
        if rejected is None:
            return 0
        count = int(local.query(f"SELECT count(*) FROM ({rejected}) AS _rejected")[0][0])
        selects = []
        if count and policy == "quarantine":
            facts = self.facts("source", name, tag="unreadable-")
            selects = [self.reach.published(unreadable_rows(rejected, facts, "duckdb"))]
        self._reject(name, count, selects)
        return count

    def _reject(self, source: str, count: int, selects: Sequence[str]) -> None:
        """Rows that a source turned away, and the quarantine SELECTs of those that are kept."""
        if self.replayed and source not in self.replayed:
            return
        self.rejected += count
        self.rejects += selects

    def _finish_source(self, name: str, stage: Stage, engine: Engine) -> None:
        """The new mark, and proof that what was read did not change meanwhile. ``engine``: whose SQL the
        stage is in."""
        spec = self.plan.pipeline.sources[name]
        if spec.incremental is not None:
            old = next((c for c in self.opened.state if c.source == name), None)
            old = None if self.full_refresh or old is None or old.column != spec.incremental.cursor else old
            self.cursors.append(mark_of(engine, spec, self.plan.relations[name], stage, old))
        unchanged(self.opened, name)

    # steps and staging ------------------------------------------------------------------------------

    def transform(self, node: Transform | PythonStep) -> None:
        with reading(self.opened):
            self._transform(node)

    def _transform(self, node: Transform | PythonStep) -> None:
        if isinstance(node, Transform):
            bind_step(self, node)
            return
        with self.timer(node.name) as timed:
            select = exp.select("*").from_(exp.table_(node.reads, quoted=True))
            stage = self.engine.stage(
                f"before_{slug(node.relation)}", self.relations.compile(select), parameters=self.plan.binds
            )
            out = self.engine.map(
                f"step_{slug(node.relation)}",
                f"SELECT * FROM {stage.relation} AS _given",
                node.step.function_for(node.schema, self.plan.pipeline.project.folder),
                node.schema,
                node.step.batch_size,
            )
            self.engine.drop(stage)
            timed.rows = out.rows
        self.relations.scan(node.relation, f"SELECT * FROM {out.relation} AS _out")

    def stage(self, node: StageNode) -> Stage:
        with self.timer(node.name) as timed, reading(self.opened):
            stage = unstaged(self, node) if node.in_place else self._staged(node)
            timed.rows = stage.rows
        unchanged(self.opened)
        return stage

    def _staged(self, node: StageNode) -> Stage:
        return self.engine.stage(
            "result",
            self.relations.compile(node.query),
            parameters=self.plan.binds,
            bad=node.bad,
            keep=not self.opened.sink.capabilities.rewrites,
            schema=self.plan.output,
        )

    def keep(self) -> None:
        """The rows of a blocked run, for a look: staged now, if they were not."""
        node = self.plan.select(StageNode)[0]
        if node.in_place:
            with reading(self.opened):
                self._staged(node)

    # judging ----------------------------------------------------------------------------------------

    def audit_gate(self, node: AuditGate, stage: Stage) -> Judged:
        with self.timer(node.name) as timed, reading(self.opened):
            bind_target(self)
            if self.plan.in_place:
                judged = self._judge_in_place(stage, node.checks)
            else:
                judged = self.judge(stage, node.checks, self.kept(), phase="gate", source="")
            timed.rows = judged.rows
        return judged

    def _judge_in_place(self, stage: Stage, checks: Sequence[Check]) -> Judged:
        told = with_bounds(checks, stage.bounds)
        sampling, facts = self.sampling("gate", self.kept()), self.facts("gate", "")
        judged = judge_in_place(self, self.plan.select(StageNode)[0], stage, told, sampling, facts)
        self._aggregates(told, judged, "")
        unchanged(self.opened)
        judged.results = {check.id: judged.results[check.id] for check in told}
        self.results += judged.results.values()
        return judged

    def staged(self, judged: Judged, checks: Sequence[Check]) -> Staged:
        """What is handed to the destination."""
        near = self.engine.handoff(judged.parted)
        publisher = self.reach.publisher
        # what the engine calls another type than the plan is cast, and then no file can be taken as it is
        differs = {c.name for c in self.plan.output if near.schema[c.name].type != c.type}
        if publisher.capabilities.publishes:
            differs = set()  # it was told the types when it staged, and spells them its own way
        dialect = publisher.capabilities.dialect
        columns = ", ".join(_as_planned(c, c.name in differs, dialect) for c in self.plan.output)
        known = {c.name for c in self.plan.output}
        extra = tuple(c.name for c in judged.stage.schema if c.name not in known)
        return Staged(
            id=f"{self.run_id}:{judged.stage.name}",
            engine=publisher,
            schema=self.plan.output,
            good=f"SELECT {columns} FROM {near.good} AS _good_rows",
            rows=judged.rows,
            published=judged.good_rows,
            files=None if differs else near.files or None,
            extra_columns=extra,
            quarantined=union(
                [
                    *self.rejects,
                    *judged.turned_away,
                    *discarded_values(self, judged, checks),
                    *before_images(self, judged),
                ]
            ),
            quarantined_rows=judged.rows - judged.good_rows,
            confirm=(lambda: unchanged(self.opened)) if self.plan.in_place else None,
            delivery=self.reach.delivery(judged.parted),
        )


def _bad(checks: Sequence[Check]) -> exp.Expr | None:
    bits = [c.bit for c in checks if c.turns_away and c.bit is not None]
    return any_bit(bits)


def _as_planned(column: Column, cast: bool, dialect: str) -> str:
    name = quoted(column.name, dialect)
    return f"CAST({name} AS {column.type}) AS {name}" if cast else name


def _columns(schema: Schema) -> list[exp.Expr]:
    return [exp.column(c.name, quoted=True) for c in schema]
