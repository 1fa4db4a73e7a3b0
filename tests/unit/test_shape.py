"""The shape of the package: imports one way, names pinned, everything documented, files in the wheel."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import sluiceway
from sluiceway import plugins

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "sluiceway"
MODULES = sorted(
    path for path in SOURCE.rglob("*.py") if "migrations" not in path.parts and path.name != "__init__.py"
)
EXPORTS = [
    "CancelledError",
    "ConfigError",
    "DataPipeline",
    "DataPipelineMonitor",
    "DataQualityAnalytics",
    "DataQualityError",
    "DataQualityManager",
    "DataQualityWorkflow",
    "DataValidationError",
    "DestinationError",
    "DevelopmentException",
    "ETLConfig",
    "ETLException",
    "ETLProcessor",
    "ETLResult",
    "EngineError",
    "ExtractResult",
    "GateError",
    "HealthResult",
    "LoadResult",
    "LockTimeoutError",
    "MissingExtraError",
    "MonitoringResult",
    "PipelineAlert",
    "PipelineConfig",
    "PipelineOrchestrator",
    "PipelineResult",
    "PlanError",
    "QualityAlert",
    "QualityConfig",
    "QualityResult",
    "QualityWorkflowResult",
    "RunError",
    "RunResult",
    "ScheduleResult",
    "SluicewayError",
    "SourceError",
    "SpecError",
    "StoreError",
    "TransformResult",
    "TrendAnalysis",
    "ValidationResult",
    "__version__",
    "load_project",
]


def _name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)


def _all_of(path: Path) -> list[str] | None:
    """``__all__`` as it is written, read without importing."""
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            value = ast.literal_eval(node.value)
            assert isinstance(value, list)
            return value
    return None


def test_imports_flow_one_way():
    """The contracts of pyproject.toml: layers, and connectors that don't know one another."""
    tool = Path(sys.executable).with_name("lint-imports")
    if not tool.exists():
        pytest.skip("import-linter is not installed: pip install 'sluiceway[dev]'")
    done = subprocess.run(
        [tool, "--no-cache", "--no-logo"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_every_module_says_what_is_public(path):
    """In ruff's order (RUF022, part of `make lint`): constants, classes, functions."""
    public = _all_of(path)
    assert public is not None, f"{path.name} has no __all__"
    assert len(public) == len(set(public))
    module = importlib.import_module(_name(path))
    assert [name for name in public if not hasattr(module, name)] == []


def test_the_public_names_of_the_package_are_these():
    assert sluiceway.__all__ == EXPORTS
    for name in EXPORTS:
        assert getattr(sluiceway, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Pipelines'"):
        sluiceway.Pipelines  # noqa: B018


def test_importing_the_package_imports_none_of_its_parts():
    code = "import sys, sluiceway; print([m for m in sys.modules if m.startswith('sluiceway.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_files_stay_readable(path):
    assert len(path.read_text("utf-8").splitlines()) <= 500


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_every_module_says_what_it_is(path):
    assert ast.get_docstring(ast.parse(path.read_text("utf-8")))


def _entry_points() -> list[tuple[str, str]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    groups = project["entry-points"]
    return [(group.removeprefix("sluiceway."), name) for group, points in groups.items() for name in points]


@pytest.mark.parametrize(("group", "name"), _entry_points())
def test_every_extension_loads(group, name):
    assert plugins.load(group, name) is not None


def _documented() -> list[tuple[str, type]]:
    models = []
    for group in ("rules", "transforms"):
        models += [(f"{group} {name}", plugins.load(group, name)) for name in plugins.names(group)]
    for name in plugins.names("connectors"):
        connector = plugins.load("connectors", name)
        configs = (("source", connector.source_config), ("sink", connector.sink_config))
        models += [(f"{name} {role}", config) for role, config in configs if config is not None]
    return models


def test_every_setting_is_documented():
    missing = [
        f"{what}.{field}"
        for what, model in _documented()
        for field, info in model.model_fields.items()
        if not info.description
    ]
    assert missing == []


def test_every_rule_and_step_says_what_it_does():
    missing = [what for what, model in _documented() if not (model.__doc__ or "").strip()]
    assert missing == []


def test_the_wheel_holds_the_templates_and_nothing_of_the_tests(tmp_path):
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling is not installed: pip install 'sluiceway[dev]'")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    names = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    for needed in (
        "sluiceway/demo/project/sluiceway.yml",
        "sluiceway/demo/project/pipelines/flights.yml",
        "sluiceway/demo/starter/data/orders.csv",
        "sluiceway/demo/starter/gitignore",
        "sluiceway/py.typed",
    ):
        assert needed in names
    assert [name for name in names if name.startswith(("tests/", "bench/", "docs/"))] == []
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_constraints_are_exact_and_name_no_host():
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert pins
    assert [line for line in pins if "==" not in line or "://" in line or line.startswith("-")] == []


def test_ci_runs_what_people_run():
    assert "make test" in (ROOT / ".ci" / "run").read_text("utf-8")
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in ("demo", "test", "test-all", "lint", "bench", "chaos"):
        assert f"\n{target}:" in makefile
