"""Spec and schemas in, plan out. Pure: the same input gives the same plan, and nothing is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sluiceway.errors import PlanError, Where
from sluiceway.plan.conform import Conformed, conform
from sluiceway.plan.lineage import Lineage, column_lineage
from sluiceway.plan.nodes import (
    BEFORE,
    AuditGate,
    AuditSource,
    Extract,
    Node,
    Plan,
    Publish,
    PythonStep,
    Quarantine,
    Stage,
    Transform,
)
from sluiceway.rules.base import BATCH, TARGET, RuleContext
from sluiceway.rules.fuse import Check, any_bit, assign, mask_expressions, number_checks
from sluiceway.rules.params import condition
from sluiceway.schema import Schema
from sluiceway.spec.model import SchemaContract
from sluiceway.sql.safe import check_supported, tables_of
from sluiceway.sql.translate import DIALECT, translate
from sluiceway.sql.typing import describe
from sluiceway.transforms.base import StepContext
from sluiceway.transforms.deduplicate import Deduplicate
from sluiceway.transforms.mask import Mask
from sluiceway.transforms.python import Python
from sluiceway.transforms.sql import SqlStep

if TYPE_CHECKING:
    from datetime import datetime

    from sluiceway.spec.model import DeclaredRule, Pipeline

__all__ = ["build", "names_read"]


Unsupported = Callable[[Schema], Mapping[str, str]]
_SMALLER = {"HUGEINT": "BIGINT", "UHUGEINT": "UBIGINT"}


@dataclass
class _Builder:
    pipeline: Pipeline
    relations: dict[str, Schema]
    target: Schema | None
    started_at: str
    datasets: Mapping[str, Schema]
    dialect: str = "duckdb"
    steps: list[Transform | PythonStep] = field(default_factory=list)
    binds: dict[str, Any] = field(default_factory=dict)

    def compile_steps(self) -> str:
        """Adds a node and a relation a step; the name of the last relation."""
        current = next(iter(self.pipeline.sources))
        for number, declared in enumerate(self.pipeline.steps, 1):
            step, where = declared.step, declared.where
            name = step.name or f"_step_{number}"
            if name.casefold() in {r.casefold() for r in self.relations}:
                raise PlanError(f"two relations are named '{name}'", where=where, hint="rename the step")
            reads = self._relation(step.from_, where) if step.from_ else current
            if isinstance(step, Python):
                schema = step.output_schema(self.relations[reads], self.pipeline.project.folder)
                self.steps.append(PythonStep(name, reads, step, schema))
            else:
                ctx = StepContext(
                    current=reads,
                    schemas=self.relations,
                    where=where,
                    variables=self.pipeline.variables,
                    binds=self.binds,
                    started_at=self.started_at,
                )
                if isinstance(step, Deduplicate) and self._scans_again():
                    query = step.compile_antijoin(ctx)
                else:
                    query = step.compile(ctx)
                names = tuple(self._relation(n, where) for n in tables_of(query))
                inputs = {n: self.relations[n] for n in names}
                given = step.declared(where) if isinstance(step, SqlStep) else None
                if given is None:
                    check_supported(query, self.dialect, where)
                schema = describe(query, inputs, where) if given is None else given
                translate(query, self.dialect, schemas=inputs, where=where)  # refused now or never
                inline = step.is_row_wise() and step.kind != "join"
                self.steps.append(Transform(name, query, names, step.kind, inline))
            self.relations[name] = schema
            current = name
        return current

    def _scans_again(self) -> bool:
        """Deduplicating by scanning three times keeps memory flat, where scanning again is cheap."""
        if limited(self.pipeline):
            return True  # what is not cheap to read again is spooled first
        return all(spec.connector.rescan for spec in self.pipeline.sources.values())

    def _relation(self, name: str, where: Where) -> str:
        found = next((r for r in self.relations if r.casefold() == name.casefold()), None)
        if found is None:
            raise PlanError(
                f"there is no relation '{name}'", where=where, hint=f"there are: {', '.join(self.relations)}"
            )
        return found

    def check_filters(self, name: str) -> None:
        """A source's filters are safe and fit its columns, asked before anything is read."""
        spec, schema = self.pipeline.sources[name], self.relations[name]
        given = spec.config.filters or ()
        ctx = RuleContext(schema, spec.where, started_at=self.started_at, variables=self.pipeline.variables)
        for text in (given,) if isinstance(given, str) else given:
            tree = condition(text, ctx)
            check_supported(tree, self.dialect, spec.where)
            query = exp.select(exp.alias_(tree, "_kept")).from_(exp.table_(name, quoted=True))
            describe(query, {name: schema}, spec.where)

    def source_checks(self, name: str) -> tuple[Check, ...]:
        spec = self.pipeline.sources[name]
        return self.checks(spec.rules, self.relations[name], source=name)

    def checks(self, rules: Iterable[DeclaredRule], schema: Schema, *, source: str = "") -> tuple[Check, ...]:
        mode = self.pipeline.destination.mode
        checks = []
        for declared in rules:
            ctx = RuleContext(
                schema=schema,
                where=declared.where,
                phase="source" if source else "gate",
                started_at=self.started_at,
                relations=self.relations,
                has_target=not source and self.target is not None and mode != "replace",
                mode=mode,
                key=self.pipeline.destination.key,
                destination="" if source else str(self.pipeline.destination.table),
                timezone=self.pipeline.sources[source].config.timezone if source else "UTC",
                variables=self.pipeline.variables,
            )
            declared.rule.validate_for(ctx)
            checks.append(Check("", declared.rule, declared.where, ctx, ctx.phase, source))
        planned = assign(number_checks(checks))
        for check in planned:
            self._bind(check, schema)
        return planned

    def _bind(self, check: Check, schema: Schema) -> None:
        """Every column and type in a check's predicate and aggregates, asked of the binder now."""
        blame = check.blame()
        parts = [*([blame] if blame is not None else []), *check.measures.aggregates.values()]
        inputs = {**self.relations, BATCH: schema, TARGET: self.target or schema}
        for part in parts:
            known = {n: s for n, s in inputs.items() if n in check.relations} | {BATCH: schema}
            query = exp.select(exp.alias_(part, "_checked")).from_(exp.table_(BATCH, quoted=True))
            describe(query, known, check.where)
            translate(query, self.dialect, schemas=known, where=check.where)
        for asked in check.measures.queries:
            translate(asked, self.dialect, schemas=inputs, where=check.where)


def build(
    pipeline: Pipeline,
    schemas: Mapping[str, Schema],
    *,
    target: Schema | None,
    datasets: Mapping[str, Schema],
    started_at: datetime,
    count_reads: bool = False,
    dialect: str = "duckdb",
    unsupported: Unsupported = lambda _: {},
) -> Plan:
    """The plan of one run.

    Args:
        schemas: of every source. ``datasets``: of the warehouse's tables that SQL names.
        target: the destination as it is; None where it does not exist.
        count_reads: spool every source, so that the rows read are known.
        unsupported: columns that the destination can't keep exactly -> what to do about it.
        dialect: of the engine; what can't be said in it is refused here.

    Raises:
        PlanError: names, types or SQL don't fit.
    """
    builder = _Builder(
        pipeline=pipeline,
        relations={**schemas, **datasets},
        target=target,
        started_at=f"{started_at:%Y-%m-%d %H:%M:%S.%f}",
        datasets=datasets,
        dialect=dialect,
    )
    for name in pipeline.sources:
        builder.check_filters(name)
    last = builder.compile_steps()
    result = builder.relations[last]
    _require_keys(pipeline, result)
    conformed = _conform(pipeline, result, target, unsupported)
    output = Schema(tuple(conformed.schema))
    checks = builder.checks((*conformed.rules, *pipeline.rules), result)
    for check in checks:
        if not check.in_pass:  # judged over what was staged
            output.require(check.rule.columns_used, check.where, "what the destination takes")
    lineage = _lineage(builder, last)
    extract = [_extract(builder, name, checks, count_reads) for name in pipeline.sources]
    audits = [AuditSource(name, found) for name in pipeline.sources if (found := builder.source_checks(name))]
    nodes: list[Node] = [
        *extract,
        *audits,
        *builder.steps,
        _stage(conformed, checks, last),
        AuditGate(checks),
        Quarantine(checks),
        Publish(pipeline.destination.mode, conformed.add, conformed.widen),
    ]
    return Plan(
        pipeline=pipeline,
        nodes=tuple(nodes),
        relations=builder.relations,
        output=output,
        last=last,
        lineage=lineage,
        binds={**pipeline.variables, **builder.binds},
        hidden=_hidden(pipeline, lineage, schemas),
        discards=conformed.discards,
        before=conformed.before,
    )


def names_read(pipeline: Pipeline) -> tuple[str, ...]:
    """Relations that steps and rules read and that are neither sources nor steps."""
    own = {name.casefold() for name in pipeline.sources}
    own |= {s.step.name.casefold() for s in pipeline.steps if s.step.name}
    declared = [*pipeline.rules, *(r for s in pipeline.sources.values() for r in s.rules)]
    names = [name for s in pipeline.steps for name in s.step.reads()]
    names += [name for d in declared for name in _read_by(d)]
    return tuple(dict.fromkeys(n for n in names if n.casefold() not in own and not n.startswith("_")))


def _read_by(declared: DeclaredRule) -> tuple[str, ...]:
    try:
        return declared.rule.reads()
    except PlanError as error:  # its SQL is no SELECT; a rule does not know its own place
        raise PlanError(error.message, where=declared.where, hint=error.hint) from None


def _require_keys(pipeline: Pipeline, result: Schema) -> None:
    destination = pipeline.destination
    named = [*destination.key, *([destination.version] if destination.version else [])]
    if destination.scd2 is not None and destination.scd2.effective_at:
        named.append(destination.scd2.effective_at)
    result.require(named, destination.where, "the result")


def _conform(
    pipeline: Pipeline, result: Schema, target: Schema | None, unsupported: Unsupported
) -> Conformed:
    destination, contract = pipeline.destination, pipeline.contract
    policy, fixed, of = destination.schema_contract, target, str(destination.table)
    if contract is not None and contract.schema is not None:
        policy = SchemaContract(columns="freeze", data_type="freeze")
        fixed, of = contract.schema, f"contract {contract.id}"
    # sum() of integers is a HUGEINT in DuckDB; a table wants the integer that people expect
    narrowed = {n: _SMALLER[result[n].type] for n in unsupported(result) if result[n].type in _SMALLER}
    scd2 = destination.scd2
    filled = (scd2.valid_from, scd2.valid_to) if scd2 is not None else ()
    out = conform(result, fixed, policy, where=destination.where, of=of, narrowed=narrowed, filled=filled)
    refused = unsupported(Schema(tuple(out.schema)))
    if refused:
        name, hint = next(iter(refused.items()))
        type_ = Schema(tuple(out.schema))[name].type
        raise PlanError(
            f"{destination.connector.name} can't keep column '{name}' of type {type_}",
            where=destination.where,
            hint=hint,
        )
    return out


def _extract(builder: _Builder, name: str, gate: tuple[Check, ...], count: bool) -> Extract:
    """A source is spooled when reading it once more would cost or could differ."""
    spec = builder.pipeline.sources[name]
    readers = sum(name in (s.reads if isinstance(s, Transform) else (s.reads,)) for s in builder.steps)
    readers += any(name in check.relations for check in gate)
    why: str | None = None
    if spec.incremental is not None:
        why = "its cursor's maximum must be of the very rows that were read"
    elif spec.config.on_bad_row != "fail":
        why = "unreadable rows are counted and kept"
    elif spec.rules and not (spec.connector.rescan and _only_judges(spec.rules)):
        why = "its rules are judged before the transform"
    elif readers > 1 and not spec.connector.rescan:
        why = f"it is read by {readers} steps and rules"
    elif limited(builder.pipeline) and _deduplicates(builder.pipeline) and not spec.connector.rescan:
        why = "deduplicate reads it three times to keep memory flat"
    elif count:
        why = "its rows are counted"
    return Extract(name, None, why)


def limited(pipeline: Pipeline) -> bool:
    """Memory is bounded by the user."""
    return pipeline.memory_limit is not None or pipeline.environment.engine.memory_limit is not None


def _deduplicates(pipeline: Pipeline) -> bool:
    return any(isinstance(declared.step, Deduplicate) for declared in pipeline.steps)


def _only_judges(rules: Iterable[DeclaredRule]) -> bool:
    """No row is taken away by these rules."""
    return all(declared.rule.effective_on_fail in ("warn", "block") for declared in rules)


def _stage(conformed: Conformed, checks: tuple[Check, ...], last: str) -> Stage:
    select = exp.select(*conformed.select).from_(exp.table_(last, quoted=True))
    in_pass = [check for check in checks if check.in_pass]
    for name, mask in mask_expressions(in_pass, of=checks).items():
        select = select.select(exp.alias_(mask, name, quoted=True))
    for name in conformed.before:
        before = exp.cast(exp.column(name, quoted=True), "VARCHAR", dialect="duckdb")
        select = select.select(exp.alias_(before, BEFORE + name, quoted=True))
    turned_away = [c.bit for c in in_pass if c.rule.effective_on_fail == "quarantine" and c.bit is not None]
    bad = any_bit(turned_away)
    return Stage(select, bad.sql("duckdb") if bad is not None else None, last)


def _lineage(builder: _Builder, last: str) -> Lineage:
    sources = {*builder.pipeline.sources, *builder.datasets}
    inputs = {name: schema for name, schema in builder.relations.items() if name in sources}
    steps: list[tuple[str, exp.Query | None, tuple[str, ...], Schema]] = []
    for step in builder.steps:
        query = step.query if isinstance(step, Transform) and DIALECT not in step.query.meta else None
        reads = step.reads if isinstance(step, Transform) else (step.reads,)
        steps.append((step.relation, query, reads, builder.relations[step.relation]))
    return column_lineage(inputs, steps, last)


def _hidden(pipeline: Pipeline, lineage: Lineage, schemas: Mapping[str, Schema]) -> dict[str, frozenset[str]]:
    """Columns whose samples are masked: classified or masked ones, and whatever flows into them."""
    masked = {name.casefold() for s in pipeline.steps if isinstance(s.step, Mask) for name in s.step.masked()}
    classified = pipeline.contract.classified if pipeline.contract else frozenset()
    secret = masked | {name.casefold() for name in classified}
    hidden: dict[str, set[str]] = {"gate": set(secret)}
    for output, edges in lineage.columns.items():
        for edge in edges:
            if edge.type == "DIRECT" and (edge.masking or output.casefold() in secret):
                hidden.setdefault(edge.relation, set()).add(edge.column.casefold())
    for source, schema in schemas.items():
        # a column masked half-way and dropped later leaves no edge: go by its name too
        hidden.setdefault(source, set()).update(n.casefold() for n in schema.names if n.casefold() in secret)
    return {phase: frozenset(names) for phase, names in hidden.items()}
