"""``sluiceway alerts``: its commands, their documents and exit codes."""

from __future__ import annotations

import json

import pytest

from sluiceway.alerts.dispatch import raise_alert
from sluiceway.cli.app import invoke


@pytest.fixture
def alerts(tmp_path, capsys):
    def call(*args):
        capsys.readouterr()
        code = invoke(["alerts", *args, "--project", str(tmp_path), "--json"])
        out, err = capsys.readouterr()
        return code, json.loads(out), err

    return call


def test_list_silence_unsilence_and_history(make, alert, alerts, said):
    project = make("{to: 'file:said.jsonl', name: ops, throttle: 0}")
    assert alerts("list")[1] == {"alerts": [], "silences": []}
    raise_alert(project, "dev", alert())
    code, document, err = alerts("list")
    assert (code, [a["key"] for a in document["alerts"]]) == (0, ["run_failed:orders"])
    assert "orders: the run failed" in err
    code, silence, err = alerts("silence", "run_failed:*", "--for", "2h", "--reason", "moving")
    assert (code, silence["environment"], silence["pattern"]) == (0, "dev", "run_failed:*")
    assert f"sluiceway alerts unsilence {silence['id']}" in err
    raise_alert(project, "dev", alert())
    assert [s["reason"] for s in alerts("list")[1]["silences"]] == ["moving"]
    assert alerts("unsilence", str(silence["id"]))[1] == {"ended": 1}
    assert alerts("unsilence", "run_failed:*")[0] == 2
    raise_alert(project, "dev", alert())
    code, document, _ = alerts("history")
    assert [d["status"] for d in document["deliveries"]] == ["sent", "silenced", "sent"]
    assert {d["channel"] for d in document["deliveries"]} == {"ops"}
    assert len(said()) == 2
    assert alerts("history", "--failed")[1] == {"deliveries": []}


def test_test_says_which_channel_does_not_work(make, alerts, said):
    make("{to: 'file:said.jsonl', name: good}", "{to: 'nosuch://x', name: bad}")
    code, document, _ = alerts("test")
    assert code == 1
    assert [(d["channel"], d["kind"], d["status"]) for d in document["deliveries"]] == [
        ("good", "test", "sent"),
        ("bad", "test", "failed"),
    ]
    assert said()[0]["title"] == "[test] shop: a test"
    assert alerts("test", "good")[0] == 0
    code, document, _ = alerts("test", "goood")
    assert (code, document["error"]["hint"]) == (2, "did you mean 'good'?")
    assert alerts("history")[1] == {"deliveries": []}


def test_mistakes(make, alerts, tmp_path):
    make("{to: 'console:'}")
    for period in ("soon", "99999999999999w"):
        code, document, _ = alerts("silence", "*", "--for", period)
        assert (code, document["error"]["hint"]) == (2, "write a duration such as 30m, 2h or 3d")
    (tmp_path / "sluiceway.yml").write_text("project: shop\n", "utf-8")
    code, document, _ = alerts("test")
    assert (code, document["error"]["message"]) == (2, "no alerts are set up")
    assert alerts("send")[1] == {"deliveries": []}
