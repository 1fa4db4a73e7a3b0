"""What the pages say is there: links lead somewhere, named tests exist, the example is a pipeline."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sluiceway.errors import SpecError
from sluiceway.spec.pipeline import PipelineConfig

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page):
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text("utf-8"), flags=re.S)
    links = re.findall(r"\]\(([^)#\s]+)", prose)
    dead = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert dead == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_named_tests_exist(page):
    defined = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^\s*(?:async )?def (test_\w+)", file.read_text("utf-8"), re.M)
    }
    named = set(re.findall(r"`(test_\w+)`", page.read_text("utf-8")))
    assert named - defined == set()


def test_the_readme_s_pipeline_is_one(tmp_path):
    text = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S)[0]
    file = tmp_path / "orders.yml"
    file.write_text(text, "utf-8")
    config = PipelineConfig.load(file)
    assert (config.pipeline, config.destination.mode, len(config.rules)) == ("orders", "merge", 3)
    assert len(text.splitlines()) <= 24
    file.write_text(text.replace("rules:", "ruels:"), "utf-8")
    with pytest.raises(SpecError, match="ruels"):
        PipelineConfig.load(file)


def test_every_page_is_in_the_index():
    index = (ROOT / "docs" / "index.md").read_text("utf-8")
    pages = [page.name for page in (ROOT / "docs").glob("*.md") if page.name != "index.md"]
    assert [name for name in pages if name not in index] == []


def test_every_decision_is_in_its_list():
    folder = ROOT / "docs" / "adr"
    listed = (folder / "README.md").read_text("utf-8")
    pages = sorted(folder.glob("0*.md"))
    assert [page.name for page in pages if page.name not in listed] == []
    assert [page.name[:4] for page in pages] == [f"{n:04}" for n in range(1, len(pages) + 1)]
