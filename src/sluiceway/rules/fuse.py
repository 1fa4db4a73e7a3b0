"""Rules -> few SELECTs, and the decoder of their answers.

A staging carries a bitmask: bit *i* of it is set where the row breaks check *i*, so every row rule's
count comes from one GROUP BY over small integers, and the reasons of a quarantined row are the names
of its bits. Data that is judged in place (``check``) has no mask: there each predicate is counted in
one scan. The aggregates of table rules share that scan; their own queries are run one by one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from sqlglot import exp

from sluiceway.errors import PlanError, Where
from sluiceway.exchange import MASK_COLUMN
from sluiceway.rules.base import (
    BATCH,
    TARGET,
    Judgement,
    Measures,
    RowRule,
    Rule,
    RuleContext,
    TableRule,
    violation,
)
from sluiceway.rules.params import condition
from sluiceway.sql.primitives import call
from sluiceway.sql.safe import tables_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = [
    "BITS",
    "Check",
    "any_bit",
    "assign",
    "bit_value",
    "failing_by_bit",
    "judged",
    "mask_column",
    "mask_columns",
    "mask_expressions",
    "masks_query",
    "number_checks",
    "require_fixes",
    "scan_query",
    "values_of",
]

BITS = 63


@dataclass(frozen=True)
class Check:
    """One rule to be evaluated in one place. ``bit`` is its place in the mask, if it blames rows."""

    id: str
    rule: Rule
    where: Where
    context: RuleContext
    phase: Literal["source", "gate"]
    source: str = ""
    bit: int | None = None
    measures: Measures = field(default_factory=Measures)

    @cached_property
    def relations(self) -> frozenset[str]:
        """Relations beside the judged row that the predicate or the measures read."""
        trees: list[exp.Expr] = [*self.measures.queries]
        predicate = self.blame()
        if predicate is not None:
            trees.append(predicate)
        return frozenset(name for tree in trees for name in tables_of(tree))

    @cached_property
    def in_pass(self) -> bool:
        """Can be decided while staging, row by row: it needs neither the batch nor the target."""
        return isinstance(self.rule, RowRule) and not self.relations & {BATCH, TARGET}

    @property
    def fixes(self) -> bool:
        """Failing rows are put right before the gate judges them."""
        return self.rule.effective_on_fail == "fix"

    @property
    def turns_away(self) -> bool:
        """Rows that fail go to quarantine: those of a fix too, where it did not help."""
        return self.rule.effective_on_fail in ("quarantine", "fix")

    def filter(self) -> exp.Expr | None:
        """The rule's ``where``, never NULL."""
        if self.rule.where is None:
            return None
        return violation(condition(self.rule.where, self.context))

    def blame(self) -> exp.Expr | None:
        """TRUE for the rows that this check turns down, never NULL; None where no row can be blamed."""
        failing = self._failing()
        return None if failing is None else self._filtered(violation(failing))

    def matching(self) -> exp.Expr | None:
        """``blame`` for WHERE, FILTER and CASE, which take NULL for no by themselves: deciding it once
        more costs a seventh of a scan."""
        failing = self._failing()
        return None if failing is None else self._filtered(failing)

    def _filtered(self, failing: exp.Expr) -> exp.Expr:
        only = self.filter()
        return failing if only is None else exp.and_(failing, only)

    def _failing(self) -> exp.Expr | None:
        if isinstance(self.rule, RowRule):
            failing: exp.Expr | None = self.rule.failing(self.context)
        elif isinstance(self.rule, TableRule):
            failing = self.rule.bad_rows(self.context)
        else:
            raise TypeError(f"{type(self.rule).__name__} is neither a row rule nor a table rule")
        return None if failing is None else exp.paren(failing)


def number_checks(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Ids made unique: the second ``range:amount`` is ``range:amount#2``.

    Raises:
        PlanError: two rules were *given* the same name.
    """
    seen: dict[str, int] = {}
    named: set[str] = set()
    out = []
    for check in checks:
        id_ = check.rule.name or check.rule.default_id()
        if check.source:
            id_ = f"{check.source}.{id_}"
        if check.rule.name:
            if id_ in named:
                raise PlanError(f"two rules are named '{check.rule.name}'", where=check.where)
            named.add(id_)
        seen[id_] = seen.get(id_, 0) + 1
        out.append(replace(check, id=id_ if seen[id_] == 1 else f"{id_}#{seen[id_]}"))
    return tuple(out)


def assign(checks: Sequence[Check]) -> tuple[Check, ...]:
    """Bits for the checks that blame rows; a table rule's measures, once.

    Raises:
        PlanError: ``on_fail: quarantine`` or ``fix`` on a rule that can't say which rows are wrong,
            or a fix that can't put them right.
    """
    out: list[Check] = []
    bit = 0
    for given in checks:
        check = given
        if isinstance(check.rule, TableRule):
            check = replace(check, measures=check.rule.measures(check.context))
        if check.blame() is None:
            if check.turns_away:
                raise PlanError(
                    f"{check.rule.kind} judges the table as a whole: it has no rows to "
                    f"{check.rule.effective_on_fail}",
                    where=check.where,
                    hint="use on_fail: block or warn",
                )
        else:
            check, bit = replace(check, bit=bit), bit + 1
        if check.fixes:
            require_fixes(check)
        out.append(check)
    return tuple(out)


def require_fixes(check: Check) -> None:
    """Raise PlanError where a rule's fixes can't put its rows right."""
    rule, columns = check.rule, check.rule.columns_used
    if check.phase == "source":
        raise PlanError(
            f"{rule.kind}: the rules of a source judge what came; fixes belong to the pipeline's own rules",
            where=check.where,
            hint="move the rule to rules: of the pipeline, or clean the column in a step",
        )
    if not rule.fixes:
        raise PlanError(
            f"{rule.kind} has no fix of its own",
            where=check.where,
            hint="name one, such as fix: trim or fix: {default: …}, or use on_fail: quarantine",
        )
    whole = isinstance(rule, TableRule)
    if whole != (rule.fixes[0].kind == "deduplicate") or not (whole or len(columns) == 1):
        raise PlanError(
            f"{rule.kind} can't be put right by {rule.fixes[0].kind}: "
            + ("it judges rows beside one another" if whole else "it takes a rule about one column"),
            where=check.where,
            hint="use on_fail: quarantine, block or warn",
        )
    if not whole and not check.in_pass:
        raise PlanError(
            f"{rule.kind} looks at other rows of the batch or the table, which a fix would change",
            where=check.where,
            hint="use on_fail: quarantine, block or warn",
        )
    for fix in rule.fixes:
        fix.validate_for(rule, check.context.schema[columns[0]], check.context)


def mask_column(bit: int) -> str:
    """The bitmask column that holds ``bit``.

    >>> mask_column(0), mask_column(63)
    ('_sluiceway_mask', '_sluiceway_mask_1')
    """
    index = bit // BITS
    return MASK_COLUMN if index == 0 else f"{MASK_COLUMN}_{index}"


def mask_columns(checks: Sequence[Check]) -> tuple[str, ...]:
    """All mask columns that these checks need, in order."""
    bits = [check.bit for check in checks if check.bit is not None]
    return tuple(dict.fromkeys(mask_column(bit) for bit in range(max(bits, default=-1) + 1)))


def bit_value(bit: int) -> int:
    return 1 << (bit % BITS)


def mask_expressions(checks: Sequence[Check], *, of: Sequence[Check]) -> dict[str, exp.Expr]:
    """Mask column -> the sum of the bits of ``checks``; every column that ``of`` needs is there."""
    terms: dict[str, list[exp.Expr]] = {name: [] for name in mask_columns(of)}
    for check in checks:
        blame = check.matching()
        if check.bit is None or blame is None:
            continue
        case = exp.Case(default=_bigint(0)).when(blame, _bigint(bit_value(check.bit)))
        terms[mask_column(check.bit)].append(case)
    return {name: _total(parts) for name, parts in terms.items()}


def _bigint(value: int) -> exp.Expr:
    return exp.cast(exp.Literal.number(value), "BIGINT")


def _total(parts: list[exp.Expr]) -> exp.Expr:
    total = parts[0] if parts else _bigint(0)
    for part in parts[1:]:
        total = exp.Add(this=total, expression=part)
    return total


def any_bit(bits: Iterable[int]) -> exp.Expr | None:
    """The condition "this row broke at least one of these checks", over the mask columns."""
    words: dict[str, int] = {}
    for bit in bits:
        words[mask_column(bit)] = words.get(mask_column(bit), 0) | bit_value(bit)
    conditions = [
        exp.NEQ(
            this=exp.paren(exp.BitwiseAnd(this=exp.column(name, quoted=True), expression=_bigint(word))),
            expression=exp.Literal.number(0),
        )
        for name, word in words.items()
    ]
    return exp.or_(*conditions) if conditions else None


def masks_query(checks: Sequence[Check], relation: str) -> exp.Select | None:
    """Mask columns and ``n``, one row a combination that occurs: reads nothing but the masks."""
    columns = [exp.column(name, quoted=True) for name in mask_columns(checks)]
    if not columns:
        return None
    count = exp.alias_(exp.Count(this=exp.Star()), "n")
    return exp.select(*columns, count).from_(exp.table_(relation, quoted=True)).group_by(*columns)


def failing_by_bit(rows: Iterable[tuple[Any, ...]], checks: Sequence[Check]) -> dict[str, int]:
    """Check id -> failing rows, out of the answer of ``masks_query``."""
    failing = {check.id: 0 for check in checks if check.bit is not None}
    for *masks, n in rows:
        for check in checks:
            if check.bit is not None and masks[check.bit // BITS] & bit_value(check.bit):
                failing[check.id] += n
    return failing


def scan_query(
    checks: Sequence[Check],
    relation: str,
    *,
    predicates: bool = False,
    totals: bool = False,
    aggregates: bool = False,
    publishable: exp.Expr | None = None,
    apart: frozenset[str] = frozenset(),
) -> exp.Select | None:
    """One SELECT of one row: what these checks want of one scan. None where they want nothing.

    ``n`` rows; ``f<i>`` failing rows of check *i* (its place in ``checks``) when ``predicates``;
    ``t<i>`` rows that match its ``where`` when ``totals``; ``a<i>_<name>`` its aggregates when
    ``aggregates``, over the rows for which ``publishable`` holds. The predicates of ``apart`` are
    counted elsewhere.
    """
    select = exp.select(exp.alias_(exp.Count(this=exp.Star()), "n"))
    for i, check in enumerate(checks):
        only = check.filter()
        counts = predicates and check.in_pass and check.id not in apart
        blame = check.matching() if counts else None
        if blame is not None:
            select = select.select(exp.alias_(call("count_if", blame), f"f{i}"), copy=False)
        if totals and only is not None:
            select = select.select(exp.alias_(call("count_if", only), f"t{i}"), copy=False)
        if aggregates:
            keep = [condition for condition in (only, publishable) if condition is not None]
            for name, aggregate in check.measures.aggregates.items():
                value = _restricted(aggregate, exp.and_(*keep) if keep else None)
                select = select.select(exp.alias_(value, f"a{i}_{name}", quoted=True), copy=False)
    if len(select.expressions) == 1 and not predicates:
        return None
    return select.from_(exp.table_(relation, quoted=True))


def _restricted(aggregate: exp.Expr, only: exp.Expr | None) -> exp.Expr:
    """Every aggregate call in the expression, over the rows that match ``only``."""
    if only is None:
        return aggregate.copy()

    def rewrite(node: Any) -> Any:
        if isinstance(node, exp.AggFunc) and not isinstance(node.parent, exp.Filter):
            return exp.Filter(this=node.copy(), expression=exp.Where(this=only.copy()))
        return node

    restricted: exp.Expr = aggregate.copy().transform(rewrite)
    return restricted


def values_of(i: int, row: Mapping[str, Any]) -> dict[str, Any]:
    """The aggregates of check *i* out of the row of ``aggregates_query``."""
    prefix = f"a{i}_"
    return {name.removeprefix(prefix): value for name, value in row.items() if name.startswith(prefix)}


def judged(check: Check, values: Mapping[str, Any]) -> Judgement:
    """What a table rule says of its values."""
    rule = check.rule
    if not isinstance(rule, TableRule):
        raise TypeError(f"{check.id} is not a table rule")
    return rule.judge(values, check.context)
