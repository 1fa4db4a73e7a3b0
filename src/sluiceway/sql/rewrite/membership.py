"""``NOT key IN (keys)`` for Spark, where neither side holds a NULL: ``NOT EXISTS``.

Spark proves nothing about NULLs there. Among a SELECT's columns it then compares each key with every
other, in a nested loop; EXISTS it answers with a hash join, wherever it stands.
"""

from __future__ import annotations

from typing import Any

from sqlglot import exp

__all__ = ["exists_for_not_in"]


def exists_for_not_in(tree: Any) -> Any:
    """``tree``, a statement or an expression in Spark's dialect, changed in place.

    >>> import sqlglot
    >>> sql = "SELECT * FROM t WHERE NOT a IS NULL AND NOT a IN (SELECT b FROM p WHERE NOT b IS NULL)"
    >>> print(exists_for_not_in(sqlglot.parse_one(sql, read="spark")).sql("spark", pretty=True))
    SELECT
      *
    FROM t
    WHERE
      NOT a IS NULL
      AND NOT EXISTS(
        SELECT
          1
        FROM (
          SELECT
            b AS `_sluiceway_key_0`
          FROM p
          WHERE
            NOT b IS NULL
        ) AS `_sluiceway_keys`
        WHERE
          `_sluiceway_keys`.`_sluiceway_key_0` = a
      )
    >>> sql = "SELECT * FROM t WHERE NOT a IN (SELECT b FROM p)"
    >>> exists_for_not_in(sqlglot.parse_one(sql, read="spark")).sql("spark") == sql
    True
    """
    for node in list(tree.find_all(exp.Not)):
        member = node.this.unnest()
        if isinstance(member, exp.In) and member.args.get("query") is not None:
            there = _exists(node, member)
            if there is not None:
                node.set("this", there)
    return tree


def _exists(node: exp.Not, member: exp.In) -> exp.Exists | None:
    query = member.args["query"].unnest()
    value = member.this.unnest()
    keys = value.expressions if isinstance(value, exp.Tuple) else [value]
    plain = isinstance(query, exp.Select) and not any(
        query.args.get(part) for part in ("group", "having", "limit", "distinct", "qualify")
    )
    if not plain or len(query.selects) != len(keys):
        return None
    where = query.args.get("where")
    given = _filled(where.this) if where is not None else set()
    if not _all_in(keys, _filled(_conjunction(node))) or not _all_in(query.selects, given):
        return None
    inner = query.copy()
    names = [f"_sluiceway_key_{i}" for i in range(len(keys))]
    inner.set(
        "expressions",
        [exp.alias_(s.unalias(), n, quoted=True) for s, n in zip(inner.selects, names, strict=True)],
    )
    same = [
        exp.EQ(this=exp.column(name, table="_sluiceway_keys", quoted=True), expression=key.copy())
        for name, key in zip(names, keys, strict=True)
    ]
    found = exp.select(exp.Literal.number(1)).from_(
        inner.subquery(exp.to_identifier("_sluiceway_keys", quoted=True))
    )
    return exp.Exists(this=found.where(*same))


def _conjunction(node: exp.Expr) -> exp.Expr:
    """The widest AND that ``node`` is a part of."""
    while isinstance(node.parent, exp.And | exp.Paren):
        node = node.parent
    return node


def _filled(condition: exp.Expr) -> set[str]:
    """Columns that an AND says are not NULL."""
    condition = condition.unnest()
    if isinstance(condition, exp.And):
        return _filled(condition.left) | _filled(condition.right)
    if isinstance(condition, exp.Not):
        test = condition.this.unnest()
        if isinstance(test, exp.Is) and isinstance(test.expression, exp.Null):
            return {test.this.sql("spark")}
    return set()


def _all_in(parts: list[Any], filled: set[str]) -> bool:
    """Each is one of these columns, or a cast of one, which gives a value or an error."""
    for part in parts:
        bare = part.unalias().unnest()
        while isinstance(bare, exp.Cast) and not isinstance(bare, exp.TryCast):
            bare = bare.this.unnest()
        if not isinstance(bare, exp.Column) or bare.sql("spark") not in filled:
            return False
    return True
