"""Spec and schemas in, plan out. Pure: the same input gives the same plan, and nothing is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sluiceway.errors import PlanError, Where
from sluiceway.plan.conform import Conformed, conform
from sluiceway.plan.fixing import FIXED, Fixing, fixed_value, fixing_of, require_primitives
from sluiceway.plan.lineage import Lineage, column_lineage
from sluiceway.plan.nodes import (
    NUMBERED,
    AuditGate,
    AuditSource,
    Extract,
    Node,
    Plan,
    Publish,
    PythonStep,
    Quarantine,
    Transform,
)
from sluiceway.plan.spooling import Spooling
from sluiceway.plan.staging import staging, values_as_they_came
from sluiceway.rules.base import BATCH, TARGET, RuleContext, column
from sluiceway.rules.fuse import (
    Check,
    assign,
    number_checks,
)
from sluiceway.rules.params import condition
from sluiceway.schema import Column, Schema
from sluiceway.spec.model import SchemaContract
from sluiceway.sql.safe import check_supported, tables_of
from sluiceway.sql.translate import DIALECT, translate
from sluiceway.sql.typing import describe
from sluiceway.transforms.base import StepContext
from sluiceway.transforms.deduplicate import ROW, Deduplicate
from sluiceway.transforms.mask import Mask
from sluiceway.transforms.python import Python
from sluiceway.transforms.sql import SqlStep

if TYPE_CHECKING:
    from datetime import datetime

    from sluiceway.engines.base import Spools
    from sluiceway.spec.model import DeclaredRule, Pipeline

__all__ = ["build", "names_read", "plain"]


Unsupported = Callable[[Schema], Mapping[str, str]]
_SMALLER = {"HUGEINT": "BIGINT", "UHUGEINT": "UBIGINT"}
_TIMES = ("timestamp", "timestamptz", "date", "text")


@dataclass
class _Builder:
    pipeline: Pipeline
    relations: dict[str, Schema]
    target: Schema | None
    started_at: str
    datasets: Mapping[str, Schema]
    spooling: Spooling
    dialect: str = "duckdb"
    steps: list[Transform | PythonStep] = field(default_factory=list)
    meant: dict[str, exp.Query] = field(default_factory=dict)
    """Steps that may be run by other SQL than that which says what they do: lineage reads the latter."""
    numbered: dict[str, Schema] = field(default_factory=dict)
    """Spooled relations as they are read with the numbers of their rows."""
    past: Mapping[str, Sequence[Sequence[Any]]] = field(default_factory=dict)
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
                self._add(PythonStep(name, reads, step, schema))
            else:
                ctx = StepContext(
                    current=reads,
                    schemas=self.relations,
                    where=where,
                    variables=self.pipeline.variables,
                    binds=self.binds,
                    started_at=self.started_at,
                )
                query = step.compile(ctx)
                if isinstance(step, Deduplicate):
                    self.meant[name], query = query, self._deduplicate(step, ctx, query)
                inputs = {n: self._schema(n, where) for n in tables_of(query)}
                given = step.declared(where) if isinstance(step, SqlStep) else None
                if given is None:  # else the step brings SQL of the engine's own
                    check_supported(query, self.dialect, where)
                    given = describe(query, inputs, where)
                schema = given
                translate(query, self.dialect, schemas=inputs, where=where)  # refused now, with its place
                names = tuple(self._relation(n.removeprefix(NUMBERED), where) for n in inputs)
                inline = step.is_row_wise() and step.kind != "join"
                self._add(Transform(name, query, names, step.kind, inline))
            self.relations[name] = schema
            current = name
        self.steps = [self._spooled(step) if isinstance(step, Transform) else step for step in self.steps]
        return current

    def _deduplicate(self, step: Deduplicate, ctx: StepContext, window: exp.Query) -> exp.Query:
        match self.spooling.scans(ctx.current, ctx.schema):
            case "again":
                return step.compile_antijoin(ctx)
            case "numbered":
                rows = NUMBERED + ctx.current
                self.numbered[rows] = Schema((*ctx.schema, Column(ROW, "BIGINT")))
                return step.compile_losers(ctx, rows)
            case _:
                return window

    def _spooled(self, step: Transform) -> Transform:
        numbered = NUMBERED + step.relation in self.numbered
        return replace(step, spool=self.spooling.step(step.relation), numbered=numbered)

    def _add(self, step: Transform | PythonStep) -> None:
        self.steps.append(step)
        self.spooling.steps[step.relation] = step

    def _schema(self, name: str, where: Where) -> Schema:
        return self.numbered.get(name) or self.relations[self._relation(name, where)]

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
        if spec.window is not None and (column := schema[spec.window]).family not in _TIMES:
            raise PlanError(
                f"source '{name}': an interval of time can't be read by the cursor '{column.name}': it is a "
                f"{column.type}, and no time",
                where=spec.where,
                hint="for a backfill take a column of times as the cursor",
            )
        given = spec.config.filters or ()
        ctx = RuleContext(schema, spec.where, started_at=self.started_at, variables=self.pipeline.variables)
        for text in (given,) if isinstance(given, str) else given:
            tree = condition(text, ctx)
            check_supported(tree, self.dialect, spec.where)
            query = exp.select(exp.alias_(tree, "_kept")).from_(exp.table_(name, quoted=True))
            describe(query, {name: schema}, spec.where)
            translate(query, self.dialect, schemas={name: schema}, where=spec.where)

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
                past=self.past,
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
        for own in check.measures.queries:
            translate(own, self.dialect, schemas=inputs, where=check.where)

    def fixing(self, checks: tuple[Check, ...], result: Schema, last: str) -> Fixing | None:
        """The node of what ``on_fail: fix`` changes; each fix is asked of the binder and of the engine's
        dialect by itself, so that what can't be done there is told with its place."""
        fixing = fixing_of(checks, result, last)
        if fixing is None:
            return None
        inputs = {**self.relations, BATCH: result}
        for check in fixing.values():
            value = fixed_value(check, column(check.rule.columns_used[0]))
            query = exp.select(exp.alias_(value, "_mended")).from_(exp.table_(BATCH, quoted=True))
            describe(query, inputs, check.where)
            require_primitives(check, value, self.dialect)
            translate(query, self.dialect, schemas=inputs, where=check.where)
        where = fixing.checks[0].where
        known = {name: self._schema(name, where) for name in tables_of(fixing.query)}
        schema = describe(fixing.query, known, where)
        translate(fixing.query, self.dialect, schemas=known, where=where)
        self.relations[FIXED] = schema
        return fixing


def build(
    pipeline: Pipeline,
    schemas: Mapping[str, Schema],
    *,
    target: Schema | None,
    datasets: Mapping[str, Schema],
    started_at: datetime,
    count_reads: bool = False,
    dialect: str = "duckdb",
    spools: Spools | None = None,
    unsupported: Unsupported = lambda _: {},
    in_place: bool = False,
    past: Mapping[str, Sequence[Sequence[Any]]] | None = None,
) -> Plan:
    """The plan of one run.

    Args:
        schemas: of every source. ``datasets``: of the warehouse's tables that SQL names.
        target: the destination as it is; None where it does not exist.
        count_reads: spool every source, so that the rows read are known.
        unsupported: columns that the destination can't keep exactly -> what to do about it.
        dialect: of the engine; what can't be said in it is refused here.
        spools: what the engine's stagings keep; None where scanning one again is not cheap.
        in_place: the destination writes every row anew, so that a plain scan need not be staged for it.
        past: what rules remember of earlier runs.

    Raises:
        PlanError: names, types or SQL don't fit.
    """
    builder = _Builder(
        pipeline=pipeline,
        relations={**schemas, **datasets},
        target=target,
        started_at=f"{started_at:%Y-%m-%d %H:%M:%S.%f}",
        datasets=datasets,
        spooling=Spooling(pipeline, spools, count_reads),
        dialect=dialect,
        past=past or {},
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
    fixing = builder.fixing(checks, result, last)
    extract = [_extract(builder, name, checks, fixing) for name in pipeline.sources]
    audits = [AuditSource(name, found) for name in pipeline.sources if (found := builder.source_checks(name))]
    nodes: list[Node] = [
        *extract,
        *audits,
        *builder.steps,
        *([Transform(FIXED, fixing.query, tables_of(fixing.query), "fix", inline=True)] if fixing else []),
        staging(
            conformed,
            checks,
            last,
            in_place=in_place and _is_plain(pipeline, extract, checks, conformed),
            fixing=fixing,
        ),
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
        before=conformed.before | values_as_they_came(fixing, output),
        fixing=fixing,
    )


def plain(pipeline: Pipeline) -> bool:
    """The result is the first source as it is, and reading it again is cheap."""
    first = next(iter(pipeline.sources.values()))
    lenient = any(spec.config.on_bad_row != "fail" for spec in pipeline.sources.values())
    marked = any(spec.incremental is not None for spec in pipeline.sources.values())
    mended = any(declared.rule.effective_on_fail == "fix" for declared in pipeline.rules)
    return not pipeline.steps and first.connector.rescan and not lenient and not marked and not mended


def _is_plain(
    pipeline: Pipeline, extract: Sequence[Extract], checks: Iterable[Check], conformed: Conformed
) -> bool:
    """The rows can be judged, and then handed over, without staging them: a plain scan of a whole source,
    of which no rule takes rows away that were looked at beside one another."""
    apart = all(check.in_pass for check in checks if check.turns_away)
    whole = not next(iter(pipeline.sources.values())).config.filters and extract[0].spool is None
    return plain(pipeline) and whole and apart and not conformed.before


def names_read(pipeline: Pipeline) -> tuple[str, ...]:
    """Relations that steps and rules read and that are neither sources nor steps."""
    own = {name.casefold() for name in pipeline.sources}
    own |= {s.step.name.casefold() for s in pipeline.steps if s.step.name}
    declared = [*pipeline.rules, *(r for s in pipeline.sources.values() for r in s.rules)]
    names = [name for s in pipeline.steps for name in s.step.reads()]
    names += [name for d in declared for name in _read_by(d)]
    return tuple(dict.fromkeys(n for n in names if n.casefold() not in own and not n.startswith("_")))


def _read_by(declared: DeclaredRule) -> tuple[str, ...]:
    looked_up: tuple[str, ...] = ()
    if declared.rule.effective_on_fail == "fix":
        looked_up = tuple(name for fix in declared.rule.fixes for name in fix.reads())
    try:
        return (*declared.rule.reads(), *looked_up)
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


def _extract(builder: _Builder, name: str, gate: tuple[Check, ...], fixing: Fixing | None) -> Extract:
    readers = sum(name in (s.reads if isinstance(s, Transform) else (s.reads,)) for s in builder.steps)
    readers += any(name in check.relations for check in gate)
    readers += fixing is not None and name in tables_of(fixing.query) and name != fixing.reads
    return Extract(name, None, builder.spooling.source(name, readers), NUMBERED + name in builder.numbered)


def _lineage(builder: _Builder, last: str) -> Lineage:
    sources = {*builder.pipeline.sources, *builder.datasets}
    inputs = {name: schema for name, schema in builder.relations.items() if name in sources}
    steps: list[tuple[str, exp.Query | None, tuple[str, ...], Schema]] = []
    for step in builder.steps:
        if isinstance(step, PythonStep):
            steps.append((step.relation, None, (step.reads,), builder.relations[step.relation]))
            continue
        query = builder.meant.get(step.relation, step.query)
        told = None if DIALECT in step.query.meta else query
        steps.append((step.relation, told, tables_of(query), builder.relations[step.relation]))
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
