"""``${VAR}`` in what users write, and which values are secrets.

Variables are put in after parsing, into texts only, and never into SQL: that takes bound ``:vars``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from sluiceway.errors import SpecError, Where
from sluiceway.secrets import register_secret

if TYPE_CHECKING:
    from sluiceway.spec.yaml import KeyPath

__all__ = ["has_variable", "is_sql", "register_secrets", "substitute"]

SQL_KEYS = frozenset(
    {
        "sql",
        "expression",
        "filter",
        "filters",
        "where",
        "query",
        "extract_query",
        "derive",
        "measure",
        "measures",
    }
)
"""Keys whose texts are SQL: they take ``:vars``, so that no value can become code."""

_NAMED_BY_USERS = frozenset(
    {
        "sources", "mask", "cast", "rename", "columns", "connections", "environments", "derive", "measures",
        "schema",
    }
)  # fmt: skip
"""Keys whose children are the user's own names: a column called ``filter`` is no filter, and one called
``token`` holds no secret."""

_VARIABLE = re.compile(r"\$\$\{|\$\{([^}]*)\}?")
_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)

_SECRET_KEY = re.compile(
    r"(?i)(^|_)(password|passwd|pwd|secret|token|api_?key|access_?key|secret_?key|private_?key|hmac|salt)(_|$)"
)
_SECRET_PARENTS = frozenset(
    {"connections", "alerts", "headers", "metadata", "engine", "warehouse", "mask", "lineage"}
)
_PUBLIC_KEYS = frozenset({"type", "port", "threads", "memory_limit", "path", "spill", "staging", "master"})
"""Masking '5432' or a folder would shred every message, and neither is a secret."""

_URLS = frozenset({("url",), ("uri",), ("dsn",)})
_URL_PASSWORD = re.compile(r"://[^:/@\s]*:([^/\s]+)@")


def has_variable(value: Any) -> bool:
    """Whether a text holds ``${…}``.

    >>> has_variable("${A}"), has_variable("$${A}"), has_variable(3)
    (True, False, False)
    """
    return isinstance(value, str) and any(m[0] != "$${" for m in _VARIABLE.finditer(value))


def is_sql(path: KeyPath) -> bool:
    """Whether the value at ``path`` is SQL, which variables never touch.

    >>> is_sql(("transform", 0, "filter")), is_sql(("transform", 0, "mask", "filter", "hmac"))
    (True, False)
    """
    return any(
        part in SQL_KEYS and (n == 0 or path[n - 1] not in _NAMED_BY_USERS) for n, part in enumerate(path)
    )


def substitute(
    value: Any,
    where: Callable[[KeyPath], Where],
    *,
    path: KeyPath = (),
    environ: Mapping[str, str] | None = None,
) -> Any:
    """A copy of a tree with its variables put in; what came from outside and is secret is registered.

    >>> substitute({"a": "${X:-1}-$${X}"}, lambda path: Where(), environ={})
    {'a': '1-${X}'}

    Raises:
        SpecError: a variable is not defined, or ``${`` is not well formed; with the place.
    """
    known = os.environ if environ is None else environ
    if isinstance(value, dict):
        return {key: substitute(item, where, path=(*path, key), environ=known) for key, item in value.items()}
    if isinstance(value, list):
        return [substitute(item, where, path=(*path, n), environ=known) for n, item in enumerate(value)]
    if isinstance(value, str) and "${" in value and not is_sql(path):
        return _VARIABLE.sub(lambda match: _one(match, path, where, known), value)
    return value


def _one(
    match: re.Match[str], path: KeyPath, where: Callable[[KeyPath], Where], known: Mapping[str, str]
) -> str:
    if match[0] == "$${":
        return "${"
    name = _NAME.fullmatch(match[1] or "")
    if name is None or not match[0].endswith("}"):
        raise SpecError(
            f"'{match[0]}' is not a variable",
            where=where(path),
            hint="write ${NAME} or ${NAME:-default}; $${ stands for a plain ${",
        )
    found = known.get(name[1])
    if name[2] is not None and not found:
        return name[2]
    if found is None:
        raise SpecError(
            f"the environment variable {name[1]} is not defined",
            where=where(path),
            hint=f"type: export {name[1]}=…   or write ${{{name[1]}:-default}}",
        )
    if _is_secret_place(path):
        register_secret(found)
    return found


def _is_secret_place(path: KeyPath) -> bool:
    if path[:1] == ("alerts",):  # `severity: ${LEAST}` must not mask the word error everywhere
        return bool({"to", "secret"}.intersection(map(str, path)))
    if any(part in _SECRET_PARENTS for part in path):
        return path[-1] not in _PUBLIC_KEYS
    return path[-1:] in _URLS or any(_is_secret_key(path[: n + 1]) for n in range(len(path)))


def _is_secret_key(path: KeyPath) -> bool:
    key = path[-1] if path else None
    named = len(path) > 1 and path[-2] in _NAMED_BY_USERS
    return isinstance(key, str) and not named and _SECRET_KEY.search(key) is not None


def register_secrets(value: Any, path: KeyPath = ()) -> None:
    """Register what is secret by its key (``password``, ``token``, …) or as the password of a URL."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            register_secrets(item, (*path, key))
    elif isinstance(value, list | tuple):
        for item in value:
            register_secrets(item, path)
    elif isinstance(value, str) and "${" not in value:
        if _is_secret_key(path):
            register_secret(value)
        for password in _URL_PASSWORD.findall(value):
            register_secret(password)
            register_secret(unquote(password))
