"""Queries over ``edge`` put together at random, by a seed: clauses of every kind, beside and in others."""

from __future__ import annotations

import random

__all__ = ["varied"]

NUMBERS = (
    "k", "k % 7", "abs(k - 60)", "k * 3 - 1", "i", "coalesce(j, 0)", "nullif(k % 5, 0)", "greatest(k, j)",
    "least(j, 3)", "n", "m + 1", "m", "x", "round(x, 1)", "floor(x)", "ceil(x)", "x * 2", "-k",
    "length(s)", "k // 4", "CASE WHEN b THEN k ELSE -k END", "year(dt)", "month(dt)", "ti", "si",
)  # fmt: skip
SUMS = ("k", "k % 7", "coalesce(j, 0)", "n", "m", "k * 3 - 1", "CASE WHEN b THEN k ELSE -k END", "length(t)")
TEXTS = (
    "t", "upper(t)", "lower(s)", "coalesce(s, 'none')", "substr(t, 1, 1)", "s || '-' || t", "trim(s)",
    "replace(t, 'a', 'oo')", "CASE WHEN s IS NULL THEN 'null' WHEN s = '' THEN 'empty' ELSE s END",
    "left(s, 2)", "concat(t, k)",
)  # fmt: skip
TESTS = (
    "k > 20", "i > 0", "s IS NULL", "t LIKE 'a%'", "dt < DATE '2000-01-01'", "k BETWEEN 5 AND 90", "b",
    "NOT c", "b AND c", "b OR c IS NULL", "i IN (0, 1, -7)", "s IN ('a', 'é', NULL)", "t <> 'a'", "x >= 1.5",
    "n IS DISTINCT FROM 1.5", "k % 3 = 1", "length(s) > 2", "coalesce(b, FALSE)", "j NOT IN (1, 2)",
    "i IS NOT NULL AND i < 100", "EXISTS (SELECT 1 FROM edge e WHERE e.j = edge.i AND e.k > 9)",
    "k IN (SELECT j FROM edge)", "k < (SELECT avg(k) FROM edge)",
)  # fmt: skip
GROUPS = ("b", "c", "k % 4", "t", "upper(t)", "s", "i", "year(dt)", "length(s)", "b IS NULL")
AGGREGATES = (
    "count(*)", "count({})", "count(DISTINCT {})", "sum({})", "min({})", "max({})", "avg({})",
    "sum({}) FILTER (WHERE {p})", "count(*) FILTER (WHERE {p})", "bool_or({p})", "bool_and({p})",
)  # fmt: skip
WINDOWS = (
    "row_number() OVER (PARTITION BY {g} ORDER BY k)", "rank() OVER (PARTITION BY {g} ORDER BY i)",
    "dense_rank() OVER (ORDER BY t)", "lag({e}) OVER (PARTITION BY {g} ORDER BY k)",
    "lead({e}, 2) OVER (ORDER BY k)", "sum({v}) OVER (PARTITION BY {g} ORDER BY k)",
    "count(*) OVER (PARTITION BY {g})", "max({e}) OVER (PARTITION BY {g})",
    "sum({v}) OVER (ORDER BY k ROWS BETWEEN 3 PRECEDING AND 1 FOLLOWING)",
    "first_value({e}) OVER (PARTITION BY {g} ORDER BY k DESC)", "ntile(5) OVER (ORDER BY k)",
)  # fmt: skip
KEYS = ("k", "i", "j", "t", "s", "b")


class _Dice(random.Random):
    def expression(self) -> str:
        return self.choice(self.choice((NUMBERS, TEXTS)))

    def test(self) -> str:
        one, two = self.choice(TESTS), self.choice(TESTS)
        return self.choice((one, f"({one}) AND ({two})", f"({one}) OR ({two})", f"NOT ({one})"))

    def aggregate(self) -> str:
        made = self.choice(AGGREGATES)
        value = self.choice(SUMS if made.startswith(("sum", "avg")) else NUMBERS + TEXTS)
        return made.format(value, p=self.choice(TESTS[:16]))

    def window(self) -> str:
        return self.choice(WINDOWS).format(
            g=self.choice(GROUPS), e=self.expression(), v=self.choice(SUMS)
        )  # fmt: skip

    def columns(self, least: int = 1) -> str:
        found = [self.expression() for _ in range(self.randint(least, 3))]
        return ", ".join(f"{text} AS c{n}" for n, text in enumerate(found))


def _filtered(dice: _Dice) -> str:
    return f"SELECT k, {dice.columns()} FROM edge WHERE {dice.test()}"


def _grouped(dice: _Dice) -> str:
    aggregates = ", ".join(f"{dice.aggregate()} AS a{n}" for n in range(dice.randint(1, 3)))
    having = dice.choice(("", " HAVING count(*) > 3", " HAVING min(k) < 40"))
    return f"SELECT {dice.choice(GROUPS)} AS g, {aggregates} FROM edge WHERE {dice.test()} GROUP BY g{having}"


def _joined(dice: _Dice) -> str:
    kind = dice.choice(("JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"))
    key = dice.choice(("i", "j", "t", "s"))
    other = dice.choice(("i", "j")) if key in "ij" else dice.choice(("t", "s"))
    few = f"(SELECT k AS k2, {other} AS key, {dice.columns(1)} FROM edge WHERE k < 40)"
    rest = f"(SELECT k, {key} FROM edge WHERE k >= 10)"
    return f"SELECT a.k, q.k2, q.c0 FROM {rest} a {kind} {few} q ON a.{key} = q.key"


def _windowed(dice: _Dice) -> str:
    found = ", ".join(f"{dice.window()} AS w{n}" for n in range(dice.randint(1, 2)))
    return f"SELECT k, {found} FROM edge WHERE {dice.choice(TESTS[:16])}"


def _ordered(dice: _Dice) -> str:
    order = f"{dice.choice(('s', 't', 'i', 'n', 'dt', 'b'))} {dice.choice(('ASC', 'DESC'))}"
    nulls = dice.choice(("", " NULLS FIRST", " NULLS LAST"))
    page = f"LIMIT {dice.randint(3, 60)}" + dice.choice(("", f" OFFSET {dice.randint(1, 30)}"))
    return f"SELECT k, {dice.columns()} FROM edge ORDER BY {order}{nulls}, k {page}"


def _combined(dice: _Dice) -> str:
    word = dice.choice(("UNION", "UNION ALL", "INTERSECT", "EXCEPT", "EXCEPT ALL", "INTERSECT ALL"))
    kind = dice.choice((NUMBERS[:4], TEXTS))
    one, two = dice.choice(kind), dice.choice(kind)
    return (
        f"SELECT {one} AS v FROM edge WHERE {dice.test()} {word} SELECT {two} FROM edge WHERE {dice.test()}"
    )


def _named(dice: _Dice) -> str:
    first = (
        f"first AS (SELECT k, {dice.columns(2)}, {dice.choice(GROUPS)} AS g FROM edge WHERE {dice.test()})"
    )
    second = "second AS (SELECT g, count(*) AS n, max(c0) AS top, min(k) AS k FROM first GROUP BY g)"
    last = dice.choice((
        "SELECT g, n, top FROM second WHERE n > 1",
        "SELECT first.k, second.n, first.c1 FROM first JOIN second ON first.k = second.k",
        "SELECT count(*) AS c, sum(n) AS s FROM second",
    ))  # fmt: skip
    return f"WITH {first}, {second} {last}"


def _correlated(dice: _Dice) -> str:
    inner = f"SELECT {dice.choice(('count(*)', 'max(e.k)', 'min(e.s)', 'sum(e.n)'))} FROM edge e"
    return (
        f"SELECT k, ({inner} WHERE e.{dice.choice(('j', 'i', 'k'))} = edge.{dice.choice(('i', 'k'))}) AS v, "
        f"{dice.expression()} AS c0 FROM edge WHERE {dice.choice(TESTS)}"
    )


def _distinct(dice: _Dice) -> str:
    return f"SELECT DISTINCT {dice.columns()} FROM edge WHERE {dice.test()}"


def _qualified(dice: _Dice) -> str:
    rank = (
        f"row_number() OVER (PARTITION BY {dice.choice(GROUPS)} ORDER BY {dice.choice(('i', 'n', 't'))}, k)"
    )
    return f"SELECT k, {dice.columns()} FROM edge WHERE {dice.test()} QUALIFY {rank} <= {dice.randint(1, 3)}"


def _nested(dice: _Dice) -> str:
    inner = f"SELECT {dice.choice(GROUPS)} AS g, {dice.aggregate()} AS v, count(*) AS n FROM edge GROUP BY g"
    return f"SELECT n, count(v) AS c, max(v) AS top FROM ({inner}) q GROUP BY n HAVING count(*) > 0"


SHAPES = (
    _filtered, _grouped, _joined, _windowed, _ordered, _combined, _named, _correlated, _distinct, _qualified,
    _nested,
)  # fmt: skip


def varied(count: int, seed: int = 1) -> tuple[str, ...]:
    """So many different queries, each shape in its turn.

    >>> len(set(varied(50))), varied(3) == varied(50)[:3]
    (50, True)
    """
    dice, found = _Dice(seed), dict[str, None]()
    while len(found) < count:
        found[SHAPES[len(found) % len(SHAPES)](dice)] = None
    return tuple(found)
