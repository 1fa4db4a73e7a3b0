"""Writing a project folder out of the templates that lie in the package."""

from __future__ import annotations

import json
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from sluiceway.errors import ConfigError

__all__ = ["write_project"]

_PLAIN = {"gitignore": ".gitignore", "test_orders.txt": "test_orders.py"}
"""Names that would act on our own repository if they stood in it as they are."""


def write_project(template: str, folder: Path, *, name: str, force: bool = False) -> list[Path]:
    """Copy ``template`` (``starter`` or ``project``) into ``folder``, with the files' JSON Schemas.

    Returns the files written, in order.

    Raises:
        ConfigError: a project stands there already, and ``force`` was not given.
    """
    if (folder / "sluiceway.yml").exists() and not force:
        raise ConfigError(
            f"{folder} is a project already", hint="give another folder, or --force to write over its files"
        )
    try:
        written = _copy(files("sluiceway") / "demo" / template, folder, name)
        return written + _schemas(folder / "schemas")
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"can't write {folder}: {reason}", hint="give another folder") from None


def _copy(source: Traversable, target: Path, name: str) -> list[Path]:
    target.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for item in sorted(source.iterdir(), key=lambda entry: entry.name):
        if item.name.startswith((".", "__")):
            continue
        path = target / _PLAIN.get(item.name, item.name)
        if item.is_dir():
            written += _copy(item, path, name)
        else:
            path.write_text(item.read_text("utf-8").replace("{{name}}", name), "utf-8")
            written.append(path)
    return written


def _schemas(folder: Path) -> list[Path]:
    """What the first line of each file points an editor to."""
    from sluiceway.spec.jsonschema import pipeline_schema, project_schema

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, schema in (("pipeline", pipeline_schema()), ("project", project_schema())):
        path = folder / f"{name}.json"
        path.write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n", "utf-8")
        written.append(path)
    return written
