"""``sluiceway doctor``: is everything there that a run needs, and what to type where it is not."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

import click

from sluiceway.cli.options import Options, common
from sluiceway.errors import SluicewayError

if TYPE_CHECKING:
    from pathlib import Path

    from sluiceway.spec.model import EnvironmentSpec, Project

__all__ = ["command"]

_EXTENSIONS = ("icu", "ducklake", "sqlite_scanner")
_OPTIONAL = {"postgres": "postgres_scanner", "mysql": "mysql_scanner"}
_LEAST_FREE = 1_000_000_000  # bytes


@dataclass(frozen=True)
class Finding:
    """One line of the report. ``hint`` says what to type where it is not ok."""

    check: str
    result: Literal["ok", "warn", "fail"]
    said: str
    hint: str = ""


@click.command()
@common
def command(options: Options) -> int:
    """Check versions, extensions, project, warehouse, metadata store, locks and disk."""
    findings = [*_installed(), *_of_project(options)]
    styles = {"ok": "green", "warn": "yellow", "fail": "bold red"}
    for finding in findings:
        options.console.say(f"  {finding.result:<4}  {finding.check}: {finding.said}", styles[finding.result])
        if finding.hint:
            for line in finding.hint.splitlines():
                options.console.say(f"          {line}")
    failed = any(finding.result == "fail" for finding in findings)
    options.console.say("something is wrong; see the lines that say fail" if failed else "all is well")
    options.console.document({"ok": not failed, "checks": [asdict(finding) for finding in findings]})
    return 1 if failed else 0


def _installed() -> Iterator[Finding]:
    from importlib.metadata import PackageNotFoundError, version
    from importlib.util import find_spec

    python = ".".join(map(str, sys.version_info[:3]))
    fits = (3, 11) <= sys.version_info[:2] < (3, 14)
    hint = "" if fits else "use Python 3.11, 3.12 or 3.13"
    yield Finding("Python", "ok" if fits else "warn", python, hint)
    for package in ("sluiceway", "duckdb", "pyarrow", "sqlglot", "sqlalchemy", "pydantic"):
        try:
            yield Finding(package, "ok", version(package))
        except PackageNotFoundError:
            yield Finding(package, "fail", "not installed", "pip install sluiceway")
    for name in _EXTENSIONS:
        yield _guarded(f"DuckDB extension {name}", partial(_load, name))
    for extra, name in _OPTIONAL.items():
        what = f"DuckDB extension {name}"
        if find_spec(f"duckdb_extension_{name}") is None:
            hint = f"only if you need it: pip install 'sluiceway[{extra}]'"
            yield Finding(what, "ok", f"not installed (extra {extra})", hint)
        else:
            yield _guarded(what, partial(_load, name))


def _load(name: str) -> str:
    from sluiceway.duck import load_extension, open_duckdb

    with open_duckdb() as connection:
        load_extension(connection, name)
    return "loads"


def _guarded(check: str, probe: Callable[[], str]) -> Finding:
    """A probe's finding; an error with a cause is a finding too, whatever else is a bug and escapes."""
    try:
        return Finding(check, "ok", probe())
    except SluicewayError as error:
        where = f"{error.where}: " if error.where and str(error.where) else ""
        return Finding(check, "fail", f"{where}{error.message}", error.hint or "")


def _of_project(options: Options) -> Iterator[Finding]:
    try:
        project = options.project()
        environment = options.environment_of(project)
    except SluicewayError as error:
        yield Finding("project", "fail", str(error).splitlines()[0], error.hint or "")
        return
    yield Finding("project", "ok", f"{project.name}, environment {environment.name}")
    yield from _pipelines(options, project)
    yield _guarded(f"warehouse ({environment.warehouse.get('type')})", lambda: _warehouse(options, project))
    yield from _drivers(environment)
    yield _guarded("metadata store", lambda: _store(project))
    yield _locks(project.folder)
    yield _disk(project.folder)


def _drivers(environment: EnvironmentSpec) -> Iterator[Finding]:
    """Without a JDBC driver Spark does the same work, but rows of databases pass through this machine."""
    if environment.engine.type != "spark":
        return
    from sluiceway.engines.spark_options import DRIVERS, driver_given, is_local

    options = environment.engine.options
    conf = options.get("conf") or {}
    used = {str(place.get("type")) for place in environment.connections.values()}
    if options.get("remote") or not is_local(str(options.get("master") or "local")):
        used.add(str(environment.warehouse.get("type")))  # a local Spark needs no driver to publish
    for kind in sorted(used & set(DRIVERS)):
        jar, package = DRIVERS[kind]
        if driver_given(jar, conf.get):
            yield Finding(f"JDBC driver for {kind}", "ok", f"engine.conf gives {jar}")
        else:
            said = "not given: its rows pass through this machine, not from executor to server"
            hint = f"engine: {{conf: {{spark.jars.packages: {package}}}}}"
            yield Finding(f"JDBC driver for {kind}", "warn", said, hint)


def _pipelines(options: Options, project: Project) -> Iterator[Finding]:
    from sluiceway.spec.project import pipeline_files

    try:
        files = pipeline_files(project)
    except SluicewayError as error:
        yield Finding("pipelines", "fail", str(error).splitlines()[0], error.hint or "")
        return
    if not files:
        yield Finding("pipelines", "warn", "none yet", "write pipelines/NAME.yml")
    for name, file in files.items():
        yield _guarded(f"pipeline {name}", partial(_reads_well, options, project, file))


def _reads_well(options: Options, project: Project, file: Path) -> str:
    options.pipeline(str(file), project)
    return "reads well"


def _warehouse(options: Options, project: Project) -> str:
    from sluiceway.run.warehouse import warehouse

    with warehouse(project, options.environment) as sink:
        receipts = sink.receipts()
    return f"reachable, {len(receipts)} publishes so far"


def _store(project: Project) -> str:
    from sluiceway.store.store import Store

    with Store.open(project.metadata) as store:
        store.runs(limit=1)
    return "reachable, its tables are those of this version"


def _locks(folder: Path) -> Finding:
    """Locks that a process holds now: fine while a run is going on."""
    import fcntl

    held = []
    for path in sorted((folder / ".sluiceway").rglob("*.lock")):
        with path.open("r") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                held.append(path.read_text(errors="replace").strip() or path.name)
    if held:
        return Finding("locks", "warn", f"held by {'; '.join(held)}", "a run is going on; wait for it")
    return Finding("locks", "ok", "none is held")


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    said = f"{free / 1e9:.1f} GB free"
    if free < _LEAST_FREE:
        return Finding("disk", "warn", said, f"staging and spill need room: free some space at {folder}")
    return Finding("disk", "ok", said)
