"""``alerts:`` in sluiceway.yml: what is refused, with its place, and which variables are needed when."""

from __future__ import annotations

import jsonschema
import pytest

from sluiceway.errors import SpecError
from sluiceway.secrets import redact
from sluiceway.spec.alerts import share
from sluiceway.spec.jsonschema import project_schema
from sluiceway.spec.project import load_project
from sluiceway.spec.yaml import read_yaml_text

FULL = """
to: [slack://x, 'mailto://a@b.org']
name: ops
severity: error
pipelines: ["sales_*", orders]
datasets: mart.*
owners: [sales-data]
environments: prod
on: [failed, blocked, quarantined, degraded, anomaly, slow, listener, cancelled]
kinds: quality_*
quarantined: 1%
slow: 1h30m
throttle: 15m
group_by: [pipeline, owner]
resolve: true
timeout: 3s
secret: "${KEY}"
"""


def block(text):
    lines = text.strip().splitlines()
    return "  - " + "\n    ".join(lines) + "\n"


def write(folder, routes):
    (folder / "sluiceway.yml").write_text(f"project: shop\nalerts:\n{routes}", "utf-8")


def test_every_key_is_read_and_is_in_the_schema_for_editors(tmp_path):
    write(tmp_path, block(FULL))
    [route] = load_project(tmp_path).alerts
    assert list(route) == [line.partition(":")[0] for line in FULL.strip().splitlines()]
    text = (tmp_path / "sluiceway.yml").read_text("utf-8")
    schema = project_schema()
    jsonschema.validate(read_yaml_text(text).value, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(read_yaml_text(text.replace("throttle", "trottle")).value, schema)


@pytest.mark.parametrize(
    ("line", "place", "message", "hint"),
    [
        ("trottle: 1", "sluiceway.yml:4: alerts[0].trottle", "unknown key 'trottle'", "mean 'throttle'"),
        ("severity: fatal", "sluiceway.yml:4: alerts[0].severity", "expected info, warning, error or", ""),
        ("throttle: soon", "sluiceway.yml:4: alerts[0].throttle", "expected a duration such as", ""),
        ("timeout: -1", "sluiceway.yml:4: alerts[0].timeout", "negative", ""),
        ("quarantined: 2", "sluiceway.yml:4: alerts[0].quarantined", "between 0% and 100%", ""),
        ("quarantined: many", "sluiceway.yml:4: alerts[0].quarantined", "a share such as '1%'", ""),
        ("on: [fialed]", "sluiceway.yml:4: alerts[0].on[0]", "expected", "did you mean 'failed'?"),
        ("group_by: colour", "sluiceway.yml:4: alerts[0].group_by", "expected", ""),
        ("on: slow", "sluiceway.yml:3: alerts[0]", "`on: slow` needs a limit: write slow: 30m", ""),
        ("resolve: sometimes", "sluiceway.yml:4: alerts[0].resolve", "true or false", ""),
        ("pipelines: {a: b}", "sluiceway.yml:4: alerts[0].pipelines", "expected a text or a list", ""),
    ],
)  # fmt: skip
def test_mistakes_have_their_place(tmp_path, line, place, message, hint):
    write(tmp_path, f"  - to: 'console:'\n    {line}\n")
    with pytest.raises(SpecError) as caught:
        load_project(tmp_path)
    assert str(caught.value.where).endswith(place)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


def test_a_route_leads_somewhere(tmp_path):
    write(tmp_path, "  - severity: error\n")
    with pytest.raises(SpecError, match="the key 'to' is missing"):
        load_project(tmp_path)


def test_two_channels_have_two_names(tmp_path):
    write(tmp_path, "  - {to: 'console:', name: ops}\n  - {to: 'file:a', name: ops}\n")
    with pytest.raises(SpecError, match="two channels are called 'ops'") as caught:
        load_project(tmp_path)
    assert str(caught.value.where).endswith("sluiceway.yml:4: alerts[1].name")


def test_a_share_is_a_share():
    assert [share(v) for v in ("1%", "0.5 %", 0.25, 0, "100%", 1)] == [0.01, 0.005, 0.25, 0.0, 1.0, 1.0]
    for wrong in ("-1%", "101%", 1.5, True, None, "", "%", [1]):
        with pytest.raises(ValueError, match="expected a share"):
            share(wrong)


def test_variables_are_needed_when_something_is_sent(tmp_path, monkeypatch):
    monkeypatch.delenv("SW_NO", raising=False)
    monkeypatch.setenv("SW_LEAST", "error")
    monkeypatch.setenv("SW_TO", "console-secret-99")
    write(tmp_path, "  - {to: ['${SW_TO}', '${SW_NO}'], severity: '${SW_LEAST}', secret: '${SW_NO}'}\n")
    [route] = load_project(tmp_path).alerts
    assert route["severity"] == "error"
    assert route.url(0) == "console-secret-99"
    with pytest.raises(SpecError, match="SW_NO is not defined") as caught:
        route.url(1)
    assert str(caught.value.where).endswith("sluiceway.yml:3: alerts[0].to[1]")
    assert redact("console-secret-99 is an error") == "*** is an error"
    assert "console" not in repr(route)
