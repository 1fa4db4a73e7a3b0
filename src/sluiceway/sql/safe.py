"""Users' SQL: one SELECT, or one expression, that reads named relations and touches nothing else.

What is let through is a list (``sql/support.py``), and what runs is written anew from the checked
tree, never the user's text. So a construct that nobody thought of is refused, not run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

import sqlglot
from sqlglot import TokenType, exp
from sqlglot.errors import ErrorLevel, ParseError, SqlglotError, TokenError

from sluiceway.errors import PlanError, Where
from sluiceway.sql import support
from sluiceway.sql.clock import clock_name, with_clock
from sluiceway.sql.names import bind_tables, tables_of, variables_of
from sluiceway.sql.native import GENERATORS, NATIVE
from sluiceway.sql.primitives import PRIMITIVES
from sluiceway.sql.rewrite.context import line_of
from sluiceway.sql.targets import TARGETS, rewrite_hint
from sluiceway.sql.types import NAMES

__all__ = [
    "bind_tables",
    "check_supported",
    "parse_expression",
    "parse_select",
    "tables_of",
    "variables_of",
    "with_clock",
]

_KEPT = "sw__"
_MAX_TEXT = 200_000
_PRIMITIVE = "SW_"
_STARTS = (TokenType.SELECT, TokenType.WITH, TokenType.FROM, TokenType.L_PAREN)
_NOT_CALLS = frozenset({"group", "materialized", "exclude", "lambda"})
_BEFORE_VARIABLE = (
    TokenType.L_BRACKET, TokenType.R_BRACKET, TokenType.STRING, TokenType.IDENTIFIER, TokenType.VAR,
    TokenType.NUMBER, TokenType.R_PAREN,
)  # fmt: skip
_SIMPLE_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|\$(\.[A-Za-z_][A-Za-z0-9_]*|\[[0-9]+\])*")
_FILE_LIKE = re.compile(r"[/\\*?]|\.(csv|tsv|txt|parquet|json|jsonl|ndjson|db|duckdb|xlsx|gz|zst)$", re.I)
_SYSTEM = frozenset({"information_schema", "pg_catalog", "system", "temp", "_sluiceway"})
_SYSTEM_TABLE = re.compile(r"(duckdb_|pragma_|sqlite_|pg_)", re.I)


def parse_select(text: str, where: Where, *, dialect: str = "duckdb") -> exp.Query:
    """The tree of one SELECT (UNION, EXCEPT, INTERSECT and WITH included) that is safe to run.

    ``:name`` and ``$name`` become placeholders. Clock functions stay: see ``with_clock``.

    >>> parse_select("FROM _ SELECT id, amount WHERE amount > :least", Where()).sql("duckdb")
    'SELECT id, amount FROM _ WHERE amount > $least'

    Raises:
        PlanError: what is not allowed or not SQL, with the place in the text and what to write.
    """
    kept = _prepare(text, where, dialect, statement=True)
    tree = _parse(kept, text, where, dialect, exp.Query)
    if not isinstance(tree, exp.Query):
        raise PlanError(
            f"only a SELECT is allowed here, not {_kind(tree)}",
            where=where,
            hint="write one SELECT; WITH, UNION, EXCEPT and INTERSECT may be part of it",
        )
    query: exp.Query = _finish(tree, where, dialect)
    return query


def parse_expression(text: str, where: Where, *, dialect: str = "duckdb") -> exp.Expr:
    """The tree of one expression. A subquery in it may read named relations.

    >>> parse_expression("amount - coalesce(discount, 0)", Where()).sql("duckdb")
    'amount - COALESCE(discount, 0)'

    Raises:
        PlanError: as ``parse_select``.
    """
    kept = _prepare(text, where, dialect, statement=False)
    tree = _parse(kept, text, where, dialect, exp.Condition)
    if isinstance(tree, exp.Query) and not isinstance(tree, exp.Subquery):
        raise PlanError(
            "an expression is expected here, not a query", where=where, hint="put a subquery in parentheses"
        )
    if isinstance(tree, exp.Star):
        raise PlanError("'*' is not an expression", where=where, hint="name a column")
    finished: exp.Expr = _finish(tree, where, dialect)
    return finished


def check_supported(tree: exp.Expr, dialect: str, where: Where) -> None:
    """Refuse every node and function that is not known to be right for ``dialect``.

    Our primitives pass if the dialect has an emitter. Clock functions are refused: ``with_clock``
    must have replaced them.

    Raises:
        PlanError: names what is not supported.
    """
    _check(tree, TARGETS.get(dialect), dialect, where, ours=True)
    for node in tree.walk():
        if clock_name(node):
            raise PlanError(
                f"{_fragment(node)} asks the engine's clock",
                where=where,
                hint="use the run's own time: with_clock(tree, started_at)",
            )


# --- text to tree -----------------------------------------------------------------------------------


def _prepare(text: str, where: Where, dialect: str, *, statement: bool) -> str:
    """``text`` with ``:vars`` as ``$vars``, and with calls marked that must stay as they are."""
    if len(text) > _MAX_TEXT:
        raise PlanError(f"the SQL is longer than {_MAX_TEXT} characters", where=where)
    try:
        tokens = sqlglot.Dialect.get_or_raise(dialect).tokenize(text)
    except TokenError as error:
        raise PlanError(
            f"this is not SQL: {_first_line(str(error))}",
            where=where,
            hint="look for a quote or a comment that is not closed",
        ) from None
    while statement and tokens and tokens[-1].token_type == TokenType.SEMICOLON:
        tokens = tokens[:-1]
    if not tokens:
        raise PlanError(
            "the SQL is empty", where=where, hint="quote expressions with a comma, a colon or a #"
        )
    if any(token.token_type == TokenType.SEMICOLON for token in tokens):
        raise PlanError("only one statement is allowed", where=where, hint="remove the ';'")
    if statement and tokens[0].token_type not in _STARTS:
        raise PlanError(
            f"only a SELECT is allowed here, not {tokens[0].text.upper()}", where=where,
            hint="write one SELECT; WITH, UNION, EXCEPT and INTERSECT may be part of it",
        )  # fmt: skip
    parts, done = [], 0
    for i, token in enumerate(tokens):
        before = tokens[i - 1] if i else None
        after = tokens[i + 1] if i + 1 < len(tokens) else None
        insert = _mark(token, before, after, where, dialect)
        if insert:
            start, end, new = insert
            parts += [text[done:start], new]
            done = end
    return "".join([*parts, text[done : tokens[-1].end + 1]])


def _mark(token: Any, before: Any, after: Any, where: Where, dialect: str) -> tuple[int, int, str] | None:
    """What to put instead of ``text[start:end]`` at this token, if anything."""
    kind = token.token_type
    if dialect == "duckdb" and kind == TokenType.COLON and after is not None and after.start == token.end + 1:
        plain = re.fullmatch(r"[A-Za-z_]\w*", after.text)
        if plain and (before is None or before.token_type not in _BEFORE_VARIABLE):
            return token.start, token.end + 1, "$"
    if dialect == "duckdb" and kind in (TokenType.ARROW, TokenType.DARROW) and after is not None:
        path = after.token_type == TokenType.STRING and not _SIMPLE_PATH.fullmatch(after.text)
        if path:
            function = "json_extract" if kind == TokenType.ARROW else "json_extract_string"
            raise PlanError(
                f"the JSON path '{after.text}' can't stand behind an arrow",
                where=where,
                hint=f"write {function}(COLUMN, '{after.text}')",
            )
    if after is not None and after.token_type == TokenType.L_PAREN and _keeps(token):
        start = token.start + (kind == TokenType.IDENTIFIER)  # behind the quote
        return start, start, _KEPT
    return None


def _keeps(token: Any) -> bool:
    """Whether a call by this name stays as it is written: see ``support.TYPED``."""
    name = token.text.lower()
    if token.token_type == TokenType.IDENTIFIER:
        return True
    if token.token_type == TokenType.VAR:
        return name not in support.TYPED and name not in _NOT_CALLS
    return name in support.KEYWORD_CALLS


def _parse(kept: str, text: str, where: Where, dialect: str, into: Any) -> Any:
    try:
        if into is exp.Query:
            trees = sqlglot.parse(kept, read=dialect)
            if len(trees) != 1 or trees[0] is None:
                raise PlanError("only one statement is allowed", where=where)
            return trees[0]
        return sqlglot.parse_one(kept, read=dialect, into=into)
    except ParseError as error:
        raise PlanError(_place(error, text), where=where, hint=_parse_hint(text)) from None
    except RecursionError:
        raise PlanError("the SQL is nested too deeply", where=where, hint="split it into steps") from None
    except SqlglotError as error:
        raise PlanError(f"this is not SQL: {_first_line(str(error))}", where=where) from None


def _place(error: ParseError, text: str) -> str:
    first = error.errors[0] if error.errors else {}
    line, found = first.get("line"), str(first.get("highlight") or "").replace(_KEPT, "")
    what = str(first.get("description") or error).split(". Line")[0].replace(_KEPT, "")
    what = re.sub(r"<class '[\w.]*\.(\w+)'>", r"\1", what)
    place = f" in line {line}" if line and "\n" in text.strip() else ""
    return f"this is not SQL{place}: {what}" + (f" at '{found}'" if found.strip() else "")


def _parse_hint(text: str) -> str:
    shown = " ".join(text.split())
    return f"look at: {shown[:120]}{' …' if len(shown) > 120 else ''}"


def _first_line(text: str) -> str:
    return text.strip().split("\n")[0].replace(_KEPT, "")


def _finish(tree: Any, where: Where, dialect: str) -> Any:
    """The tree without comments and marks, checked."""

    def rewrite(node: Any) -> Any:
        node.pop_comments()
        if isinstance(node, exp.Anonymous | exp.Identifier) and isinstance(node.this, str):
            node.set("this", node.this.removeprefix(_KEPT))
        if isinstance(node, exp.Lambda) and dialect == "duckdb":
            return _not_a_lambda(node)
        if isinstance(node, exp.RegexpLike) and dialect == "duckdb":
            # sqlglot reads DuckDB's `~`, a match of the whole text, as a search within it
            return exp.Anonymous(this="regexp_full_match", expressions=[node.this, node.expression])
        return node

    try:
        tree = tree.transform(rewrite, copy=False)
        # in its own dialect SQL is what it is; DuckDB's is what other engines are measured by
        _check(tree, NATIVE.get(dialect) or TARGETS.get(dialect), dialect, where, ours=False)
    except RecursionError:
        raise PlanError("the SQL is nested too deeply", where=where, hint="split it into steps") from None
    return tree


def _not_a_lambda(node: Any) -> Any:
    """``json_array_length(j -> 'k')``: sqlglot takes any arrow within a call for a lambda."""
    if isinstance(node.this, exp.Literal) and len(node.expressions) == 1:
        column = exp.column(node.expressions[0].copy())
        return exp.Anonymous(this="json_extract", expressions=[column, node.this])
    return node


# --- what is allowed --------------------------------------------------------------------------------


def _check(tree: exp.Expr, target: support.Target | None, dialect: str, where: Where, *, ours: bool) -> None:
    if target is None:
        raise PlanError(
            f"users' SQL is not supported on {dialect} yet",
            where=where,
            hint=f"targets: {', '.join(sorted(TARGETS))}",
        )
    for node in tree.walk():
        if clock_name(node):
            continue
        if isinstance(node, exp.Anonymous):
            _check_function(node, target, dialect, where, ours=ours)
        elif type(node).__name__ not in target.nodes:
            raise _refused(node, dialect, where)
        elif isinstance(node, exp.Table):
            _check_table(node, where, ours=ours)
        elif isinstance(node, exp.Placeholder):
            if not re.fullmatch(r"[A-Za-z_]\w*", node.name):
                raise PlanError(
                    f"the parameter {_fragment(node)} has no name",
                    where=where,
                    hint="write :name, and give it by --vars name=VALUE",
                )
        elif isinstance(node, exp.Join) and node.args.get("method") == "POSITIONAL":
            raise PlanError(
                "POSITIONAL JOIN depends on the order of rows, which a table has not",
                where=where,
                hint="join on a key",
            )
        elif isinstance(node, exp.Limit | exp.Offset):
            _check_limit(node, where)


def _check_function(
    node: exp.Anonymous, target: support.Target, dialect: str, where: Where, *, ours: bool
) -> None:
    name = node.name.lower()
    if ours and node.name.startswith(_PRIMITIVE):
        primitive = PRIMITIVES.get(node.name.removeprefix(_PRIMITIVE).lower())
        if primitive is not None and dialect in primitive.emitters:
            return
    if isinstance(node.parent, exp.Table | exp.Lateral):
        view = isinstance(node.parent, exp.Lateral) and node.parent.args.get("view") and name in GENERATORS
        if not view:
            raise _table_function(name, where)
    if name in target.functions:
        return
    if name in support.UNREPEATABLE:
        raise PlanError(
            f"{name}() gives other rows on every run",
            where=where,
            hint="build a stable value out of columns, such as md5(concat_ws('|', a, b))",
        )
    raise PlanError(
        f"the function {name}() is not allowed on {_engine(dialect)}{_line(node)}",
        where=where,
        hint=(rewrite_hint(name) if dialect != "duckdb" else None) or _near(name, target.functions, dialect),
    )


def _near(name: str, functions: Iterable[str], dialect: str) -> str:
    close = get_close_matches(name, sorted(functions), n=1, cutoff=0.75)
    page = "transforms" if dialect == "duckdb" else "dialects"
    return f"did you mean '{close[0]}'?" if close else f"docs/{page}.md lists the functions"


def _check_table(table: exp.Table, where: Where, *, ours: bool) -> None:
    if not isinstance(table.this, exp.Identifier):
        raise _table_function(_function_name(table.this), where)
    names = [part.name for part in table.parts]
    if ours and len(names) == 1:
        return
    shown = ".".join(names)
    if _FILE_LIKE.search(names[-1]):
        raise PlanError(
            f"'{shown}' looks like a file; SQL reads sources by name",
            where=where,
            hint="declare it under sources: NAME: {type: csv, path: …}, then FROM NAME",
        )
    system = names[0].casefold() in _SYSTEM or _SYSTEM_TABLE.match(names[-1])
    if len(names) > 2 or system:
        raise PlanError(
            f"the table {shown} can't be read here",
            where=where,
            hint="name a source, a step, or a dataset as namespace.name",
        )


def _function_name(node: Any) -> str:
    if isinstance(node, exp.Anonymous):
        return str(node.name).lower()
    return str(node.sql_name()).lower() if isinstance(node, exp.Func) else _kind(node)


def _table_function(name: str, where: Where) -> PlanError:
    hint = (
        "use unnest(range(1, n)) in SELECT"
        if name in ("range", "generate_series", "generateseries")
        else "declare what it reads under sources, then FROM its name"
    )
    return PlanError(f"the table function {name}() is not allowed", where=where, hint=hint)


def _check_limit(node: exp.Expr, where: Where) -> None:
    query = node.parent
    if isinstance(query, exp.Query) and not query.args.get("order"):
        what = "OFFSET" if isinstance(node, exp.Offset) else "LIMIT"
        raise PlanError(
            f"{what} without ORDER BY gives other rows on every run",
            where=where,
            hint="add ORDER BY, with a key at its end",
        )


_REPEAT = "every run must give the same rows from the same data"
_WHY = {
    "Rand": ("gives other rows on every run", _REPEAT),
    "Uuid": ("gives other rows on every run", "build a stable value, such as md5(concat_ws('|', a, b))"),
    "TableSample": ("gives other rows on every run", "filter on hash(key) % 100 < 10"),
    "Pivot": ("is not allowed in SQL", "use the pivot or the unpivot step"),
    "PositionalColumn": ("depends on the order of columns", "name the column"),
    "Into": ("writes a table", "the destination does that"),
}


def _refused(node: Any, dialect: str, where: Where) -> PlanError:
    name = type(node).__name__
    if isinstance(node.parent, exp.Table) and isinstance(node, exp.Func):
        return _table_function(_function_name(node), where)
    if name in _WHY:
        why, hint = _WHY[name]
        return PlanError(f"{_fragment(node)} {why}", where=where, hint=hint)
    instead = rewrite_hint(name) if dialect != "duckdb" else None
    return PlanError(
        f"{_kind(node)} is not allowed on {_engine(dialect)}: {_fragment(node)}{_line(node)}",
        where=where,
        hint=instead or "write it with plain SELECT, or as a step of its own",
    )


def _engine(dialect: str) -> str:
    return dialect if dialect == "duckdb" else NAMES.get(dialect, dialect)


def _line(node: Any) -> str:
    line = line_of(node)
    return f", in line {line} of the SQL" if line and line > 1 else ""


def _kind(node: Any) -> str:
    if isinstance(node, exp.Func):
        return f"the function {node.sql_name().lower()}()"
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(node).__name__).upper()


def _fragment(node: Any) -> str:
    try:
        text = str(node.sql("duckdb", unsupported_level=ErrorLevel.IGNORE))
    except (SqlglotError, ValueError, AttributeError):  # a half-built node has no text
        return type(node).__name__
    return text if len(text) <= 80 else text[:77] + "…"
