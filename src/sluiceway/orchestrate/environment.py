"""The environment variables that a run gets: what every process needs, and what its own files name.

A worker's environment holds the secrets of all pipelines. A run of one has no use for the others'.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sluiceway.errors import SluicewayError
from sluiceway.spec.yaml import read_yaml

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["environment_for", "everybodys"]

_NAMED = re.compile(r"(?<!\$)\$\{([A-Za-z_][A-Za-z0-9_]*)")
_ALWAYS = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "VIRTUAL_ENV",
    "JAVA_HOME", "SPARK_HOME", "HADOOP_CONF_DIR", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "LD_LIBRARY_PATH", "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
)  # fmt: skip
_PREFIXES = ("LC_", "PYTHON", "SLUICEWAY_", "XDG_", "OTEL_")


def everybodys(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """What any process gets: no secret of a pipeline is in it.

    >>> everybodys({"PATH": "p", "LC_ALL": "C", "DB_PASSWORD": "x"})
    {'PATH': 'p', 'LC_ALL': 'C'}
    """
    all_ = os.environ if base is None else base
    return {k: v for k, v in all_.items() if k in _ALWAYS or k.startswith(_PREFIXES)}


def environment_for(
    project_file: Path | None,
    pipeline_file: Path,
    environment: str,
    *,
    beside: Sequence[str] = (),
    base: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """What the run of this pipeline gets of ``base``, which is the process's own if absent.

    Args:
        beside: further names that are handed on: ``orchestrate.env``.

    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "p.yml"
    ...     _ = file.write_text("sources: {a: {type: csv, path: '${DIR}/a.csv'}}")
    ...     sorted(environment_for(None, file, "dev", base={"DIR": "x", "OTHERS_TOKEN": "y", "PATH": "z"}))
    ['DIR', 'PATH']
    """
    all_ = os.environ if base is None else base
    named = set(beside) | _in_text(pipeline_file)
    if project_file is not None:
        named |= _in_project(project_file, pipeline_file, environment)
    return {**everybodys(all_), **{k: v for k, v in all_.items() if k in named}}


def _in_text(file: Path) -> set[str]:
    try:
        return set(_NAMED.findall(file.read_text(encoding="utf-8", errors="replace")))
    except OSError:
        return set()  # whoever runs it says what is wrong with the file


def _in_project(project_file: Path, pipeline_file: Path, environment: str) -> set[str]:
    """Of the connections only those whose names stand in the pipeline's file or in its environment."""
    try:
        value = read_yaml(project_file).value
    except SluicewayError:
        return set()  # as above
    if not isinstance(value, dict):
        return set()
    environments = value.get("environments") or {}
    own = environments.get(environment, {}) if isinstance(environments, dict) else {}
    rest = {k: v for k, v in value.items() if k not in ("connections", "environments")}
    spoken = pipeline_file.read_text(encoding="utf-8", errors="replace") if pipeline_file.is_file() else ""
    used = set(re.findall(r"[\w.\-]+", spoken)) | set(_words(own))
    connections = value.get("connections") or {}
    chosen = [c for name, c in connections.items() if name in used] if isinstance(connections, dict) else []
    return {name for text in _texts([own, rest, chosen]) for name in _NAMED.findall(text)}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


def _words(value: Any) -> Iterator[str]:
    for text in _texts(value):
        yield from re.findall(r"[\w.\-]+", text)
