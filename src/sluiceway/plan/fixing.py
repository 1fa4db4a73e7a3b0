"""The fixes of a plan: one relation between the last step and the staging, in which failing values are put
right, row by row, in the same SELECT.

Every rule with ``on_fail: fix`` looks at the value, says by a column of its own (a *flag*) whether the
row fails, and there, and only there, the value becomes what the fix makes of it. Rules about other
columns share a level; a rule that reads a column which an earlier one changes stands on the next. What a
value was stays beside it, for the before-image and for quarantine, which keeps rows as they came. All
rules are judged on the values after the last level. ``deduplicate`` numbers the rows that no rule turns
away, behind everything else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlglot import exp

from sluiceway.errors import PlanError
from sluiceway.rules.base import column
from sluiceway.rules.fixes.deduplicate import Deduplicate
from sluiceway.rules.fixes.lookup import Lookup
from sluiceway.rules.keys import given
from sluiceway.sql.primitives import support

if TYPE_CHECKING:
    from sluiceway.rules.fixes.base import Fix
    from sluiceway.rules.fuse import Check
    from sluiceway.schema import Schema

__all__ = ["FIXED", "WAS", "Fixing", "fixed_value", "fixing_of", "require_primitives"]

FIXED = "_fixed"
"""The relation with the values put right."""
WAS = "_sluiceway_was_"
"""Prefix of the column that keeps a value as it came."""
_FLAG, _LOSER, _ELIGIBLE, _INNER = "_sluiceway_fix_", "_sluiceway_loser_", "_sluiceway_eligible_", "_fixing"


@dataclass(frozen=True)
class Fixing:
    """What a plan's fixes do.

    Attributes:
        query: gives ``FIXED`` out of ``reads``.
        flags: check -> the boolean column that says whether the row failed it as it came.
        losers: check -> the boolean column of rows that ``deduplicate`` takes away.
        columns: the columns whose values may change, with their types.
    """

    query: exp.Query
    reads: str
    flags: Mapping[str, str]
    losers: Mapping[str, str]
    columns: Mapping[str, str]
    checks: tuple[Check, ...] = ()

    @property
    def helpers(self) -> tuple[str, ...]:
        """The columns of ``query`` that are not the result's."""
        return (*(WAS + name for name in self.columns), *self.flags.values(), *self.losers.values())

    def values(self) -> tuple[Check, ...]:
        """The checks that change values; ``deduplicate`` only takes rows away."""
        return tuple(check for check in self.checks if check.id not in self.losers)


@dataclass
class _Building:
    schema: Schema
    source: exp.Expr
    carried: list[str] = field(default_factory=list)
    query: exp.Select | None = None

    def below(self) -> exp.Expr:
        return self.source.copy() if self.query is None else self.query.subquery(_INNER)

    def layer(
        self,
        added: Mapping[str, exp.Expr],
        changed: Mapping[str, exp.Expr] | None = None,
        joins: Sequence[exp.Join] = (),
    ) -> None:
        """One more SELECT around what there is."""
        known = {name.casefold(): value for name, value in (changed or {}).items()}
        listed = [*self.schema.names, *self.carried]
        columns = [
            exp.alias_(known[name.casefold()], name, quoted=True)
            if name.casefold() in known
            else column(name)
            for name in listed
        ]
        columns += [exp.alias_(value, name, quoted=True) for name, value in added.items()]
        query = exp.select(*columns).from_(self.below())
        for join in joins:
            query = query.join(join)
        self.query, self.carried = query, [*self.carried, *added]

    def drop(self, names: Sequence[str]) -> None:
        """Columns that the next layer no longer carries."""
        self.carried = [name for name in self.carried if name not in names]


def fixing_of(checks: Sequence[Check], schema: Schema, relation: str) -> Fixing | None:
    """The fixes of ``checks`` over ``relation``, which has ``schema``; None where no check fixes."""
    mine = [check for check in checks if check.fixes]
    if not mine:
        return None
    flags = {check.id: f"{_FLAG}{n}" for n, check in enumerate(mine)}
    rows = [check for check in mine if isinstance(check.rule.fixes[0], Deduplicate)]
    values = [check for check in mine if check not in rows]
    columns = {c.name: c.type for c in (schema[check.rule.columns_used[0]] for check in values)}
    building = _Building(schema, exp.table_(relation, quoted=True))
    building.layer({WAS + name: column(name) for name in columns})
    for level in _levels(values, schema):
        _fix_level(building, level, flags)
    losers = {check.id: f"{_LOSER}{n}" for n, check in enumerate(rows)}
    if rows:
        _deduplicate(building, rows, [c for c in checks if c.in_pass and c.turns_away], flags, losers)
    kept = [*schema.names, *(WAS + name for name in columns), *flags.values(), *losers.values()]
    query = exp.select(*(column(name) for name in kept)).from_(building.below())
    return Fixing(query, relation, flags, losers, columns, tuple(mine))


def fixed_value(check: Check, value: exp.Expr, looked_up: Mapping[int, str] | None = None) -> exp.Expr:
    """What the fixes of ``check``, one after the other, make of ``value``.

    Args:
        looked_up: the number of a fix -> the column that has what it looked up.
    """
    judged = check.context.schema[check.rule.columns_used[0]]
    for n, fix in enumerate(check.rule.fixes):
        if isinstance(fix, Lookup):
            made: exp.Expr = column((looked_up or {}).get(n, judged.name))
        else:
            made = fix.expression(value.copy(), check.rule, judged, check.context)
        value = made if fix.gives_null else exp.func("COALESCE", made, value.copy())
    return value if judged.family == "text" else exp.cast(value, judged.type, dialect="duckdb")


def require_primitives(check: Check, value: exp.Expr, dialect: str) -> None:
    """Raise PlanError where ``dialect`` has no way to say what the fixes of ``check`` make of a value."""
    known = support()
    for node in value.find_all(exp.Anonymous):
        name = str(node.name).lower().removeprefix("sw_")
        if name == str(node.name).lower() or dialect in known.get(name, ()):
            continue
        kinds = ", ".join(fix.kind for fix in check.rule.fixes)
        near = (
            "write fix: {near_miss: {distance: 0}}, " if name == "edit_distance" else "choose another fix, "
        )
        raise PlanError(
            f"the fix {kinds} can't be done by {dialect}: it has no {name}",
            where=check.where,
            hint=f"{near}or on_fail: quarantine; docs/fixes.md says what each engine has",
        )


def _fix_level(building: _Building, level: Sequence[Check], flags: Mapping[str, str]) -> None:
    joins: list[exp.Join] = []
    added: dict[str, exp.Expr] = {}
    looked_up: dict[str, dict[int, str]] = {}
    for check in level:
        blame = check.blame()
        if blame is None:
            raise TypeError(f"{check.id} blames no row")
        added[flags[check.id]] = blame
        for n, fix in enumerate(check.rule.fixes):
            if isinstance(fix, Lookup):
                found = f"_sluiceway_found_{flags[check.id]}_{n}"
                looked_up.setdefault(check.id, {})[n] = found
                added[found] = column(found + "v")
                joins.append(_join(fix, check, found))
    building.layer(added, joins=joins)
    changed = {}
    for check in level:
        name = check.context.schema[check.rule.columns_used[0]].name
        made = fixed_value(check, column(name), looked_up.get(check.id))
        changed[name] = exp.Case(default=column(name)).when(column(flags[check.id]), made)
    helpers = [name for found in looked_up.values() for name in found.values()]
    building.layer({}, changed)
    building.drop(helpers)


def _join(fix: Lookup, check: Check, found: str) -> exp.Join:
    table = fix.table(check.context, found + "k", found + "v").subquery(found + "t")
    on = exp.EQ(this=column(fix.keys[0]), expression=column(found + "k"))
    return exp.Join(this=table, side="LEFT", on=on)


def _deduplicate(
    building: _Building,
    rows: Sequence[Check],
    turning: Sequence[Check],
    flags: Mapping[str, str],
    losers: Mapping[str, str],
) -> None:
    bad = [blame for check in turning if (blame := check.blame()) is not None]
    for n, check in enumerate(rows):
        (fix,) = check.rule.fixes
        assert isinstance(fix, Deduplicate)
        name = f"{_ELIGIBLE}{n}"
        parts = [given(check.rule.columns_used, None), *(exp.not_(exp.paren(b.copy())) for b in bad)]
        only = check.filter()
        if only is not None:
            parts.append(only)
        parts += [exp.not_(column(losers[done.id])) for done in rows[:n]]
        building.layer({name: exp.and_(*parts)})
        number, count = fix.windows(check.rule, name, check.context)
        building.layer({f"{name}_n": number, f"{name}_c": count})
        one = exp.Literal.number(1)
        building.layer(
            {
                flags[check.id]: exp.and_(column(name), exp.GT(this=column(f"{name}_c"), expression=one)),
                losers[check.id]: exp.and_(
                    column(name), exp.GT(this=column(f"{name}_n"), expression=one.copy())
                ),
            }
        )
        building.drop([name, f"{name}_n", f"{name}_c"])


def _levels(checks: Sequence[Check], schema: Schema) -> list[list[Check]]:
    """In the order declared, as few levels as keep it: a check reads what earlier ones changed, and not what
    later ones will."""
    placed: list[tuple[int, set[str], str]] = []
    for check in checks:
        reads, writes = _reads(check), schema[check.rule.columns_used[0]].name.casefold()
        level = max((n + 1 for n, _, wrote in placed if wrote in reads), default=0)
        level = max((level, *(n for n, read, _ in placed if writes in read)))
        placed.append((level, reads, writes))
    out: list[list[Check]] = [[] for _ in range(max((n for n, _, _ in placed), default=-1) + 1)]
    for (level, _, _), check in zip(placed, checks, strict=True):
        out[level].append(check)
    return [level for level in out if level]


def _reads(check: Check) -> set[str]:
    """Names of the columns that a check's condition and fixes look at, in lower case."""
    trees = [check.blame(), *(_made(fix, check) for fix in check.rule.fixes)]
    found = {c.name.casefold() for tree in trees if tree is not None for c in tree.find_all(exp.Column)}
    found |= {fix.keys[0].casefold() for fix in check.rule.fixes if isinstance(fix, Lookup)}
    return found | {name.casefold() for name in check.rule.columns_used}


def _made(fix: Fix, check: Check) -> exp.Expr | None:
    if isinstance(fix, Lookup):
        return None
    name = check.rule.columns_used[0]
    return fix.expression(column(name), check.rule, check.context.schema[name], check.context)
