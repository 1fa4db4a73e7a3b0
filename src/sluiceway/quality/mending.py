"""Fixes for data that stands: a file, a dataset of the warehouse, rows that Python holds.

Looking changes nothing. A file is never changed: what is put right is written to another one. A dataset
gets a publish of its own, through the gate, with before-images, so that it can be undone like any run's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from sluiceway.connectors.base import Connector, ConnectorContext, Read, Sink, SourceConfig
from sluiceway.engines.base import EngineSettings
from sluiceway.errors import PlanError, SluicewayError, SourceError, Where
from sluiceway.plan.fixing import WAS, Fixing, fixing_of
from sluiceway.quality.fix import Proposal, fixing_checks
from sluiceway.rules.base import RuleContext, column
from sluiceway.rules.fuse import Check, assign, number_checks
from sluiceway.run.bind import Relations
from sluiceway.run.quarantine_rows import Kept
from sluiceway.run.result import FixedValues
from sluiceway.run.runner import run
from sluiceway.run.standing import Standing, standing
from sluiceway.run.warehouse import environment_of
from sluiceway.schema import TableName
from sluiceway.spec.contract import load_contract
from sluiceway.spec.destination import implied_rules
from sluiceway.spec.model import DeclaredRule, DestinationSpec, Pipeline, SourceSpec
from sluiceway.spec.pipeline import PipelineConfig
from sluiceway.spec.project import pipeline_files
from sluiceway.spec.resolve import resolve, warehouse_config
from sluiceway.sql.primitives import call

if TYPE_CHECKING:
    import pyarrow as pa

    from sluiceway.engines.base import Engine
    from sluiceway.exchange import Location
    from sluiceway.schema import Schema
    from sluiceway.spec.model import Project

__all__ = ["Mending", "apply_dataset", "apply_file", "owner_of", "propose_data"]

_DATA, _MENDED, _BAD = "_data", "_mended", "_sluiceway_bad_"
_SHOWN = 10


@dataclass(frozen=True)
class Mending:
    """The rows of ``data``, and what fixes make of them. ``refused``: check -> why it has no fix."""

    data: Standing
    checks: tuple[Check, ...]
    fixing: Fixing | None
    refused: Mapping[str, str]
    hidden: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        data: Standing,
        rules: Collection[DeclaredRule],
        *,
        chosen: Collection[str] = (),
        hidden: frozenset[str] = frozenset(),
        rowwise: bool = False,
    ) -> Mending:
        """Plan the fixes of ``rules`` over data that was opened.

        Args:
            rowwise: only fixes that leave every row in its place; ``deduplicate`` does not.

        Raises:
            PlanError: there are no rules, a rule does not fit, or ``chosen`` names what is no check.
        """
        if not rules:
            raise PlanError(
                f"nothing says what is wrong with {data.name}",
                hint="give --contract FILE.odcs.yaml with rules",
            )
        refused: dict[str, str] = {}
        checks = fixing_checks(_checks(data.schema, rules), chosen, refused=refused)
        kept = []
        for check in checks:
            if rowwise and check.fixes and not check.in_pass:
                refused[check.id] = "deduplicate takes rows away, which only a run or a file can do"
                continue
            kept.append(check)
        fixing = fixing_of(kept, data.schema, _DATA)
        return cls(data, tuple(kept), fixing, refused, hidden)

    def proposal(self, **said: Any) -> Proposal:
        """How many rows fail, what would be put right, and the commonest changes."""
        if self.fixing is None:
            rows = int(self._query(exp.select(exp.Count(this=exp.Star())).from_(_DATA))[0][0])
            return Proposal(self.data.name, rows, (), dict(self.refused), **said)
        counts: list[exp.Expr] = [exp.Count(this=exp.Star())]
        for i, check in enumerate(self.fixing.checks):
            flag, bad = column(self.fixing.flags[check.id]), column(f"{_BAD}{i}")
            counts += [call("count_if", exp.or_(flag.copy(), bad.copy())), call("count_if", bad.copy())]
            counts.append(call("count_if", exp.and_(flag, exp.not_(exp.paren(self._any_bad())))))
        named = [exp.alias_(c, f"c{i}") for i, c in enumerate(counts)]
        rows, *found = self._query(exp.select(*named).from_(_MENDED))[0]
        fixes = []
        for i, check in enumerate(self.fixing.checks):
            failing, unfixable, fixed = (int(n) for n in found[3 * i : 3 * i + 3])
            how = ", ".join(fix.said() for fix in check.rule.fixes)
            values = self._values(check) if fixed and check.id not in self.fixing.losers else ()
            name = ", ".join(check.rule.columns_used)
            fixes.append(FixedValues(check.id, how, name, failing, fixed, unfixable, values))
        left = sum(fix.failing - fix.fixed for fix in fixes)
        return Proposal(self.data.name, int(rows), tuple(fixes), dict(self.refused), left=left, **said)

    def rows(self, *, good: bool, raw: bool = False) -> str:
        """A SELECT of the rows that every fixed rule lets through, or of the others, with their reasons.

        Args:
            raw: with the values as they came, and only the rows of which one changes.
        """
        schema = self.data.schema
        if self.fixing is None:
            return self._sql(exp.select(*map(column, schema.names)).from_(_DATA))
        bad = self._any_bad()
        listed = [
            exp.alias_(column(WAS + n), n, quoted=True)
            if (raw or not good) and n in self.fixing.columns
            else column(n)
            for n in schema.names
        ]
        query = exp.select(*listed).from_(_MENDED).where(exp.not_(exp.paren(bad)) if good else bad)
        if raw:
            query = query.where(exp.or_(*(column(self.fixing.flags[c.id]) for c in self.fixing.values())))
        if not good:
            pairs = [
                part
                for i, c in enumerate(self.fixing.checks)
                for part in (column(f"{_BAD}{i}"), exp.Literal.string(c.id))
            ]
            query = query.select(exp.alias_(call("reasons_json", *pairs), "_reasons", quoted=True))
        return self._sql(query)

    def _values(self, check: Check) -> tuple[dict[str, Any], ...]:
        assert self.fixing is not None
        judged = self.data.schema[check.rule.columns_used[0]]
        before, after = (Kept("", judged.type, name).text for name in (WAS + judged.name, judged.name))
        only = exp.and_(column(self.fixing.flags[check.id]), exp.not_(exp.paren(self._any_bad())))
        query = (
            exp.select(
                exp.alias_(before, "before"),
                exp.alias_(after, "after"),
                exp.alias_(exp.Count(this=exp.Star()), "n"),
            )
            .from_(_MENDED)
            .where(only)
            .group_by(before.copy(), after.copy())
        )
        sql = f"{self._sql(query)} ORDER BY 3 DESC, 1, 2 LIMIT {_SHOWN}"
        hidden = judged.name.casefold() in self.hidden
        return tuple(
            {
                "before": "***" if hidden and old is not None else old,
                "after": "***" if hidden and new is not None else new,
                "count": int(count),
                "key": {},
            }
            for old, new, count in self.data.engine.query(sql)
        )

    def _any_bad(self) -> exp.Expr:
        """The row fails a rule still."""
        assert self.fixing is not None
        return exp.or_(*(column(f"{_BAD}{i}") for i in range(len(self.fixing.checks))))

    def _sql(self, query: exp.Query) -> str:
        engine, schema = self.data.engine, self.data.schema
        relations = Relations(engine.capabilities.dialect, hints=engine.capabilities.cte_hints)
        relations.scan(_DATA, self.data.sql, schema=schema)
        if self.fixing is not None:
            relations.step(_MENDED, self._judged(self.fixing))
        return relations.compile(query)

    def _judged(self, fixing: Fixing) -> exp.Select:
        """The rows after the fixes, with what says whether they fail still."""
        bad = []
        for i, check in enumerate(fixing.checks):
            loser = fixing.losers.get(check.id)
            blame = column(loser) if loser is not None else check.blame()
            assert blame is not None
            bad.append(exp.alias_(blame, f"{_BAD}{i}", quoted=True))
        names = [*self.data.schema.names, *fixing.helpers]
        return exp.select(*map(column, names), *bad).from_(fixing.query.subquery("_fixing"))

    def _query(self, query: exp.Query) -> list[tuple[Any, ...]]:
        return self.data.engine.query(self._sql(query))


def _checks(schema: Schema, rules: Collection[DeclaredRule]) -> tuple[Check, ...]:
    started_at = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}"
    checks = []
    for declared in rules:
        ctx = RuleContext(schema=schema, where=declared.where, started_at=started_at)
        declared.rule.validate_for(ctx)
        # what the rule does when it fails is asked for below, of those that can be fixed here
        checks.append(
            Check("", declared.rule.model_copy(update={"on_fail": "warn"}), declared.where, ctx, "gate")
        )
    return assign(number_checks(checks))


def owner_of(project: Project, environment: str | None, table: str) -> Pipeline | None:
    """The pipeline that publishes a table; None where none of the project's does."""
    for path in pipeline_files(project).values():
        config = PipelineConfig.load(path)
        if config.destination is not None and config.destination.table == table:
            return resolve(config, project, environment)
    return None


def _rules(
    target: Any, contract: Path | None, project: Project | None, environment: str | None
) -> tuple[tuple[DeclaredRule, ...], frozenset[str], Pipeline | None]:
    """What judges ``target``, its classified columns, and who publishes it."""
    owner = None
    if project is not None and isinstance(target, str):
        owner = owner_of(project, environment, target)
    if contract is not None:
        spec = load_contract(contract, project=project)
        return tuple(spec.rules), frozenset(n.casefold() for n in spec.classified), owner
    if owner is None:
        raise PlanError(f"nothing says what is wrong with {target}", hint="give --contract FILE.odcs.yaml")
    own = tuple(d for d in owner.rules if d.origin != "implied" and not d.rule.reads())
    hidden = owner.contract.classified if owner.contract is not None else frozenset()
    return own, frozenset(n.casefold() for n in hidden), owner


def propose_data(
    target: Any,
    contract: Path | None = None,
    *,
    project: Project | None = None,
    environment: str | None = None,
    folder: Path | None = None,
    chosen: Collection[str] = (),
) -> Proposal:
    """What fixes would do to data as it stands. Nothing is changed.

    Args:
        target: whatever ``standing`` opens. contract: whose rules judge it; for a dataset the rules of the
            pipeline that publishes it if absent.

    Raises:
        PlanError: there is no such thing, or nothing judges it.
    """
    rules, hidden, _ = _rules(target, contract, project, environment)
    with standing(target, project=project, environment=environment, folder=folder) as data:
        return Mending.of(data, rules, chosen=chosen, hidden=hidden).proposal()


def apply_file(
    target: Any,
    output: Path,
    contract: Path,
    *,
    project: Project | None = None,
    folder: Path | None = None,
    chosen: Collection[str] = (),
) -> Proposal:
    """Write the rows of ``target``, put right, to a new file. Rows that fail still are written beside it,
    as they came, to ``OUTPUT.quarantine.jsonl`` with the ids of the checks.

    Raises:
        PlanError: the output is there already, or its ending is none that can be written.
    """
    from sluiceway.quality.writing import write_rows

    rules, hidden, _ = _rules(target, contract, project, None)
    with standing(target, project=project, folder=folder) as data:
        mending = Mending.of(data, rules, chosen=chosen, hidden=hidden)
        proposal = mending.proposal(applied=True, output=str(output))
        turned_away = mending.rows(good=False) if proposal.left and mending.fixing is not None else None
        write_rows(data.engine, mending.rows(good=True), output, turned_away)
    return proposal


def apply_dataset(
    target: str,
    contract: Path | None,
    *,
    project: Project,
    environment: str | None = None,
    chosen: Collection[str] = (),
    key: tuple[str, ...] = (),
) -> Proposal:
    """Publish the rows of a dataset that can be put right, merged by its key, as a run of its own.

    Rows that fail still stay as they are. The fixed rules are judged again by the gate, and the before-images
    lie beside the data: ``undo_fixes`` takes the run back.

    Args:
        key: what tells rows apart, where no pipeline of the project says so.

    Raises:
        PlanError: there is no key, the warehouse can't merge, or a pipeline keeps the history of the table.
    """
    rules, hidden, owner = _rules(target, contract, project, environment)
    key = key or (owner.destination.key if owner is not None else ())
    # by the embedded engine, whatever the runs are made by: it is where a table's rows can be read again
    env = replace(environment_of(project, environment), engine=EngineSettings())
    connector, config = warehouse_config(project, env)
    _may_merge(target, key, owner, connector, config, project)
    with standing(target, project=project, environment=environment) as data:
        mending = Mending.of(data, rules, chosen=chosen, hidden=hidden, rowwise=True)
        proposal = mending.proposal()
        data.schema.require(key, Where(), target)
    if mending.fixing is None or not proposal.fixable:
        return proposal
    fixing = {c.id: c for c in mending.checks if c.fixes}
    destination = DestinationSpec(
        TableName.parse(target), "merge", connector, config, Where(), key=tuple(key)
    )
    source = Connector("dataset", "rows as they stand", _StandingConfig, _opener(mending, target))
    spec = SourceSpec("dataset", source, _StandingConfig(type="dataset"), Where())
    made = Pipeline(
        owner.name if owner is not None else f"fix {target}", project, env, {"dataset": spec}, (),
        (*(DeclaredRule(c.rule, c.where) for c in fixing.values()), *implied_rules(destination)),
        destination,
        contract=owner.contract if owner is not None else None,
    )  # fmt: skip
    result = run(made, kind="fix")
    return replace(proposal, run=result, applied=result.success)


def _may_merge(
    target: str,
    key: tuple[str, ...],
    owner: Pipeline | None,
    connector: Connector,
    config: Any,
    project: Project,
) -> None:
    if not key:
        raise PlanError(f"nothing tells the rows of {target} apart", hint="give --key COLUMN")
    if owner is not None and owner.destination.mode == "scd2":
        raise PlanError(
            f"{target} keeps its history, which a fix would rewrite",
            hint=f"sluiceway fix {owner.name} --apply",
        )
    assert connector.sink is not None
    sink: Sink = connector.sink(config, ConnectorContext(project=project.folder))
    if "merge" not in sink.capabilities.modes or sink.capabilities.engine is not None:
        raise PlanError(
            f"a {connector.name} warehouse can't put single rows of {target} right",
            hint="declare on_fail: fix at the pipeline's rules, and run it again",
        )


class _StandingConfig(SourceConfig):
    """Internal: a table of the run's own destination."""


def _opener(mending: Mending, target: str) -> Any:
    def open_source(config: SourceConfig, ctx: ConnectorContext) -> Any:
        if ctx.sink is None:
            raise PlanError("a dataset's rows are read from the destination of the run")
        return _DatasetSource(config, ctx.sink, mending, target)

    return open_source


class _DatasetSource:
    """The rows of a table that fixes put right, as they stand."""

    def __init__(self, config: SourceConfig, sink: Sink, mending: Mending, target: str) -> None:
        self.config = config
        self._sink, self._mending, self._table = sink, mending, TableName.parse(target)

    def schema(self) -> Schema:
        return self._mending.data.schema

    def locate(self, read: Read) -> Location | None:
        return None

    def native_scan(self, engine: Engine, read: Read) -> str | None:
        if engine is not engine.local:
            return None
        here = replace(self._mending.data, sql=self._sink.scan(self._table), engine=engine)
        return replace(self._mending, data=here).rows(good=True, raw=True)

    def read(self, read: Read) -> pa.RecordBatchReader:
        raise PlanError("a dataset's rows are read by the engine of the warehouse")

    def rejected(self, engine: Engine, read: Read) -> str | None:
        return None

    def failure(self, error: BaseException) -> SourceError | None:
        return SourceError(error.message) if isinstance(error, SluicewayError) else None

    def fingerprint(self) -> str | None:
        return None

    def folders(self) -> tuple[Path, ...]:
        return ()

    def dataset(self) -> tuple[str, str]:
        return self._sink.dataset(self._table)

    def close(self) -> None: ...
