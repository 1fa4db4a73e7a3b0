"""Contracts on the command line, as a shell has them: exit codes, documents, files."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sluiceway.spec.contract import read_contract
from sluiceway.spec.yaml import read_yaml

PAGE = Path(__file__).parents[3] / "docs" / "contracts.md"
OTHER = """\
# theirs
version: 1.0.0
apiVersion: v3.1.0
kind: DataContract
id: other
status: active
schema:
  - name: orders
    properties:
      - {name: order_id, logicalType: integer, required: true}   # the key
"""


def test_export_of_a_pipeline_puts_its_rules_into_the_contract_it_has(project: Path, sluiceway: Any) -> None:
    before = (project / "contracts" / "orders.odcs.yaml").read_text("utf-8")
    ran = sluiceway("export", "odcs", "orders", "-o", "out.odcs.yaml")
    assert (ran.code, ran.out) == (0, "out.odcs.yaml: 8 columns, 7 rules\n")
    text = (project / "out.odcs.yaml").read_text("utf-8")
    assert [line for line in before.splitlines() if line not in text.splitlines()] == []
    kinds = [r.rule.kind for r in read_contract(project / "out.odcs.yaml").rules]
    assert sorted(kinds) == [
        "accepted_values",
        "not_null",
        "not_null",
        "pattern",
        "range",
        "row_count",
        "unique",
    ]
    assert (project / "contracts" / "orders.odcs.yaml").read_text("utf-8") == before
    again = sluiceway("export", "odcs", "orders", "-o", "out.odcs.yaml")
    assert (again.code, "there already" in again.err, "--force" in again.err) == (2, True, True)


def test_export_without_a_contract_and_what_it_promises(project: Path, sluiceway: Any) -> None:
    file = project / "pipelines" / "orders.yml"
    text = re.sub(
        r"contract: .*\n", "schedule: 0 6 * * *\ntimezone: Europe/Amsterdam\n", file.read_text("utf-8")
    )
    file.write_text(
        text.replace("  - row_count: {min: 1}\n", "  - freshness: {column: updated_at, max_age: 26h}\n")
    )
    ran = sluiceway("export", "odcs", "orders", "--json")
    made = ran.json["contract"]
    assert (made["id"], made["team"], made["apiVersion"]) == ("mart.orders", {"name": "me"}, "v3.1.0")
    assert made["schema"][0]["properties"][0] == {
        "name": "order_id", "primaryKey": True, "primaryKeyPosition": 1, "logicalType": "integer",
        "logicalTypeOptions": {"format": "i64"}, "physicalType": "BIGINT",
    }  # fmt: skip
    assert made["slaProperties"] == [
        {"property": "frequency", "value": 1, "unit": "d", "scheduler": "cron", "schedule": "0 6 * * *",
         "description": "in Europe/Amsterdam"},
        {"property": "latency", "value": 26, "unit": "h", "element": "orders.updated_at"},
    ]  # fmt: skip
    plain = sluiceway("export", "odcs", "orders")
    assert plain.out.startswith("version: 1.0.0\n")
    assert plain.err == ""


def test_export_of_a_dataset(project: Path, sluiceway: Any) -> None:
    missing = sluiceway("export", "odcs", "mart.orders")
    assert (missing.code, "no table mart.orders" in missing.err) == (2, True)
    assert sluiceway("run", "orders").code == 0
    made = sluiceway("export", "odcs", "mart.orders", "--json")
    assert (made.code, made.json["rules"]) == (0, 7)
    assert sluiceway("export", "odcs", "ordrs").code == 2
    assert sluiceway("contract", "diff", "contracts/orders.odcs.yaml", "mart.orders").out == "no difference\n"
    file = project / "contracts" / "orders.odcs.yaml"
    file.write_text(file.read_text("utf-8") + "      - {name: gone, logicalType: string}\n", "utf-8")
    ran = sluiceway("contract", "diff", file, "mart.orders", "--exit-code", "--json")
    assert (ran.code, [c["kind"] for c in ran.json["changes"]]) == (1, ["column_removed"])
    assert sluiceway("contract", "diff", "mart.orders", "mart.orders").code == 2


def test_no_variable_s_value_is_handed_out(
    project: Path, sluiceway: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", "hunter2-hunter2")
    file = project / "pipelines" / "orders.yml"
    text = file.read_text("utf-8").replace("values: [paid,", 'values: ["${SHOP_PASSWORD}", paid,')
    file.write_text(text, "utf-8")
    ran = sluiceway("export", "odcs", "orders", "-o", "out.odcs.yaml")
    assert (ran.code, "${SHOP_PASSWORD}" in ran.err) == (2, True)
    assert "hunter2" not in ran.out + ran.err
    assert not (project / "out.odcs.yaml").exists()


def test_import_copies_the_file_and_sets_one_key(project: Path, sluiceway: Any, tmp_path: Path) -> None:
    theirs = tmp_path / "other.yaml"
    theirs.write_bytes(OTHER.replace("\n", "\r\n").encode())
    pipeline = project / "pipelines" / "orders.yml"
    before = pipeline.read_text("utf-8")
    ran = sluiceway("import", "odcs", theirs, "--pipeline", "orders", "--json")
    assert (ran.code, ran.json["file"], ran.json["linked"]) == (0, "contracts/other.odcs.yaml", True)
    assert (project / "contracts" / "other.odcs.yaml").read_bytes() == theirs.read_bytes()
    after = pipeline.read_text("utf-8")
    assert after == before.replace("contracts/orders.odcs.yaml", "contracts/other.odcs.yaml")
    again = sluiceway("import", "odcs", theirs, "--pipeline", "orders", "--json").json
    assert (again["written"], again["linked"]) == (False, False)
    theirs.write_text(OTHER.replace("1.0.0", "2.0.0"), "utf-8")
    refused = sluiceway("import", "odcs", theirs)
    assert (refused.code, "--force" in refused.err) == (2, True)
    assert b"2.0.0" not in (project / "contracts" / "other.odcs.yaml").read_bytes()
    assert sluiceway("import", "odcs", theirs, "--force").code == 0
    assert sluiceway("import", "odcs", theirs, "--name", "../x").code == 2


@pytest.mark.parametrize(
    "text", ["a: 1\n", OTHER.replace("true}", "maybe}"), OTHER.replace("name: orders", "nme: x")]
)
def test_what_is_no_contract_is_not_imported(
    project: Path, sluiceway: Any, tmp_path: Path, text: str
) -> None:
    theirs = tmp_path / "bad.yaml"
    theirs.write_text(text)
    before = (project / "pipelines" / "orders.yml").read_text("utf-8")
    ran = sluiceway("import", "odcs", theirs, "--pipeline", "orders")
    assert (ran.code, "bad.yaml" in ran.err) == (2, True)
    assert [file.name for file in (project / "contracts").iterdir()] == ["orders.odcs.yaml"]
    assert (project / "pipelines" / "orders.yml").read_text("utf-8") == before


def test_lint(project: Path, sluiceway: Any, tmp_path: Path) -> None:
    right = sluiceway("contract", "lint", "contracts/orders.odcs.yaml", "--json")
    assert (right.code, right.json["errors"], right.json["warnings"]) == (0, 0, 0)
    bad = tmp_path / "bad.yaml"
    bad.write_text(OTHER.replace("required: true", "requird: true"))
    ran = sluiceway("contract", "lint", "contracts/orders.odcs.yaml", bad)
    assert ran.code == 1
    assert "bad.yaml:10: schema[0].properties[0].requird: error: unknown key 'requird'" in ran.out
    assert "did you mean 'required'?" in ran.out
    warned = tmp_path / "warned.yaml"
    warned.write_text(OTHER.replace("order_id", "email"))
    assert sluiceway("contract", "lint", warned).code == 0
    assert sluiceway("contract", "lint", warned, "--strict").code == 1
    assert sluiceway("contract", "lint", "none.yaml").code == 1


def test_diff(project: Path, sluiceway: Any) -> None:
    Path("old.yaml").write_text(OTHER)
    Path("new.yaml").write_text(OTHER.replace("required: true", "required: false"))
    ran = sluiceway("contract", "diff", "old.yaml", "new.yaml")
    assert ran.code == 0
    assert ran.out.splitlines() == [
        "breaking: orders.order_id: it may be without a value now (required_removed)",
        "1 breaking",
        "version 1.0.0 to 1.0.0: a major change asks for 2.0.0",
    ]
    assert sluiceway("contract", "diff", "old.yaml", "new.yaml", "--exit-code").code == 1
    found = sluiceway("contract", "diff", "old.yaml", "new.yaml", "--json").json
    assert (found["bump"], found["suggested_version"], found["version_suffices"]) == ("major", "2.0.0", False)
    assert sluiceway("contract", "diff", "old.yaml", "old.yaml", "--exit-code").code == 0
    assert sluiceway("contract", "diff", "old.yaml", "none.yaml").code == 2


def test_show(project: Path, sluiceway: Any) -> None:
    ran = sluiceway("contract", "show", "contracts/orders.odcs.yaml")
    assert (ran.code, ran.out.splitlines()[0]) == (0, "orders 1.0.0, active")
    assert re.search(r"email +VARCHAR +classified", ran.out)
    shown = sluiceway("contract", "show", "orders", "--json").json
    assert len(shown["rules"]) == 7
    assert shown["columns"][0] == {
        "name": "order_id",
        "type": "BIGINT",
        "required": True,
        "classified": False,
    }


def test_a_subcommand_that_is_not_there(sluiceway: Any) -> None:
    ran = sluiceway("contract", "lnt", "x")
    assert (ran.code, "did you mean 'lint'?" in ran.err) == (2, True)
    assert sluiceway("import", "--help").code == 0


def test_the_page_s_example_runs(project: Path, sluiceway: Any) -> None:
    """Each command of docs/contracts.md, in its order, in the project that `init` writes."""
    text = PAGE.read_text("utf-8")
    for name, body in re.findall(r"```yaml\n# (\S+)\n(.*?)```", text, re.S):
        Path(name).write_text(body, "utf-8")
    found = re.findall(r"```console\n(.*?)```", text, re.S)
    assert len(found) >= 4
    for block in found:
        lines = block.splitlines()
        expected: list[str] = []
        ran = None
        for line in [*lines, "$ "]:
            if not line.startswith("$ "):
                expected.append(line)
                continue
            if ran is not None:
                assert ran.out.splitlines() == expected
            if line == "$ ":
                continue
            _, *args = shlex.split(line[2:])
            expected, ran = [], sluiceway(*args)
            assert ran.code in (0, 1), ran.err
    assert read_yaml(Path("contracts/orders-2.odcs.yaml")).value["version"] == "2.0.0"
    (code,) = re.findall(r"```python\n(.*?)```", text, re.S)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "- metric: nullValues" in done.stdout
    assert "# so its values are masked" in done.stdout
