"""The report and the profile as files: nothing leaves its place, nothing is fetched, sizes are bounded."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest

from sluiceway.quality.anomalies import Finding
from sluiceway.quality.html.charts import bars, lines
from sluiceway.quality.html.profile import profile_page
from sluiceway.quality.html.report import report_page
from sluiceway.quality.html.style import POLICY
from sluiceway.quality.model import Bin, ColumnProfile, Profile, Top
from sluiceway.quality.monitor import QualityIssue
from sluiceway.quality.reportmodel import CheckLine, DatasetReport, QualityReport, RunLine, Todo
from sluiceway.quality.reporttext import as_junit, as_markdown
from sluiceway.quality.verdict import answer_of, todo_of
from sluiceway.quality.writereport import default_file, rendered, write_text
from sluiceway.secrets import register_secret

EVIL = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>"


def check(id_: str = "range:amount", **more):
    given = {
        "id": id_, "rule": "range", "words": "amount must lie within its limits", "columns": ("amount",),
        "dimension": "accuracy", "severity": "error", "on_fail": "warn", "phase": "gate", "failing": 3,
        "total": 10, "passed": False, "message": "", "samples": ({"amount": -1},), **more,
    }  # fmt: skip
    return CheckLine(**given)


def column(name: str, **more):
    given = {
        "count": 10, "nulls": 1, "distinct": 9, "distinct_exact": True, "minimum": 0, "maximum": 9,
        "histogram": tuple(Bin(i, i + 1, i) for i in range(10)), "top": (Top(EVIL, 3, 0.3),), **more,
    }  # fmt: skip
    return ColumnProfile(name, "BIGINT", **given)


def runs(n: int = 5):
    return tuple(
        RunLine(f"r{i}", "orders", "run", "succeeded", f"2026-11-{i + 1:02}T06:00:00Z", 0.9 + i / 100,
                {"accuracy": 0.9, "completeness": 1.0}, 10)
        for i in range(n)
    )  # fmt: skip


def dataset(name: str = "mart.orders", **more):
    given = {
        "score": 0.9, "change": "0.9000, lost 0.1", "dimensions": {"accuracy": 0.9}, "judged_by": "r1",
        "judged_at": "2026-11-01T06:00:00Z",
        "checks": (check(), check("not_null:id", failing=0, passed=True)),
        "runs": runs(), "profile": Profile(name, 10, (column("id"),)),
        "todo": (Todo("look", f"sluiceway runs show {name}"),), **more,
    }  # fmt: skip
    return DatasetReport(name, "dev", "attention", "The data can be used with care.", ("why",), **given)


def report(*datasets):
    return QualityReport("shop", "dev", "2026-11-27T06:00:00Z", datasets or (dataset(),))


class Outline(HTMLParser):
    """Elements in order, whether they are closed in turn, and what could load or run something."""

    def __init__(self, page: str):
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "br", "hr", "col"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def loads_nothing(page: str) -> Outline:
    outline = Outline(page)
    assert outline.open == []
    tags = [tag for tag, _ in outline.found]
    assert tags.count("script") == 1  # ours, at the end, without src
    assert not {"img", "iframe", "object", "embed", "link", "base", "form", "audio", "video"} & set(tags)
    for tag, attributes in outline.found:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert name not in ("src", "srcset", "style", "xlink:href", "action", "data"), (tag, name)
            assert name != "href" or str(value).startswith("#d"), (tag, value)
    assert "url(" not in page
    assert "@import" not in page
    return outline


def test_a_report_loads_nothing_and_is_whole_without_its_script():
    page = report_page(report(dataset(), dataset("mart.b")))
    outline = loads_nothing(page)
    assert not re.search(r"https?:|//\w", page)  # pygal leaves addresses in its own output
    words = " ".join(outline.texts)
    for said in ("The data can be used with care.", "Rules that fail", "Score over time", "History of runs"):
        assert said in words
    assert page.count("<svg") == 6
    assert "pygal" not in page.casefold()


def test_the_browser_is_told_to_load_nothing_and_to_run_our_script_alone():
    page = report_page(report())
    assert f'content="{POLICY}"' in page
    assert POLICY.startswith("default-src 'none';")
    [script] = re.findall(r"<script>(.*?)</script>", page, re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in POLICY
    assert "unsafe-inline" not in POLICY.split("script-src")[1]


def test_names_values_and_messages_are_text_wherever_they_stand():
    bad = check(EVIL, words=EVIL, columns=(EVIL,), message=EVIL, samples=({EVIL: EVIL, "b": {"c": EVIL}},))
    one = dataset(
        EVIL, checks=(bad, check(EVIL, failing=0, passed=True)), change=EVIL, owner=EVIL, description=EVIL,
        profile=Profile(EVIL, 10, (column(EVIL, minimum=EVIL, notes=(EVIL,)),), notes=(EVIL,)),
        findings=(Finding("outlier", EVIL, "iqr", 1, 10, EVIL, ({EVIL: EVIL},)),),
        issues=(QualityIssue("threshold", "error", EVIL, EVIL, 1.0, EVIL, EVIL),),
        quarantine=({"run_id": EVIL, "phase": "gate", "source": "", "reasons": [EVIL], "rows": 3},),
        upstream=({"dataset": EVIL, "name": EVIL, "depth": 1},), todo=(Todo(EVIL, EVIL),), notes=(EVIL,),
        runs=tuple(RunLine(EVIL, EVIL, EVIL, EVIL, f"2026-11-0{i}", 0.9, {EVIL: 1.0, "b": 1.0}, 1)
                   for i in range(1, 5)),
    )  # fmt: skip
    page = report_page(QualityReport(EVIL, EVIL, EVIL, (one, dataset())))
    loads_nothing(page)
    assert "<img" not in page
    assert page.count("<script") == 1
    loads_nothing(profile_page(Profile(EVIL, 10, (column(EVIL),))))
    short = as_markdown(QualityReport(EVIL, "dev", "", (one,)))
    prose = re.sub(r"`[^`\n]*`", "", short)  # what stands in code is no markup
    assert not re.search(r"(?<!\\)<", prose)
    ET.fromstring(as_junit(QualityReport(EVIL, "dev", "", (one,))))


def test_control_characters_and_secrets_do_not_reach_a_file():
    register_secret("s3cr3t-of-the-report")
    odd = "a\x00b\x1b[31m\ud800\u202ec s3cr3t-of-the-report"
    one = dataset(odd, checks=(check(odd, words=odd, message=odd, samples=({"a": odd},)),), notes=(odd,))
    for format_ in ("html", "json", "markdown", "junit"):
        text = rendered(report(one), format_)
        assert "s3cr3t-of-the-report" not in text, format_
    for format_ in ("html", "junit"):
        assert not re.search("[\x00\x1b\ud800]", rendered(report(one), format_))
    assert "\u202e" not in rendered(report(one), "html")


def test_two_thousand_columns_and_values_of_a_megabyte_stay_a_page_of_bounded_size():
    columns = tuple(column(f"c{i}", top=(Top("x" * 1_000_000, 1, 0.1),)) for i in range(2_000))
    wide = Profile("mart.wide", 10, columns)
    row = {f"c{i}": "y" * 1_000_000 for i in range(40)}
    checks = tuple(check(f"range:c{i}", samples=(row,) * 10) for i in range(2_000))
    page = report_page(report(dataset(profile=wide, checks=checks)))
    assert len(page) < 4_000_000
    assert "1,940 more columns are not shown here" in page
    assert "and 1900 more" in page
    own = profile_page(wide)
    assert len(own) < 4_000_000
    assert own.count("<svg") == 100
    assert ">c1999<" in own


def test_a_page_has_headings_in_order_tables_with_headers_and_charts_with_names():
    outline = loads_nothing(report_page(report()))
    levels = [int(tag[1]) for tag, _ in outline.found if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    assert ("html", {"lang": "en"}) in outline.found
    for tag, attributes in outline.found:
        if tag == "svg":
            assert attributes["role"] == "img"
            assert attributes["aria-label"]
        if tag == "th":
            assert attributes["scope"] in ("col", "row")
    tables = [tag for tag, _ in outline.found if tag in ("table", "caption")]
    assert tables.count("table") == tables.count("caption") > 3


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    whole = colour if len(colour) == 7 else "#" + "".join(c * 2 for c in colour[1:])
    parts = [int(whole[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_has_the_contrast_of_wcag_aa_in_light_and_in_dark():
    page = report_page(report())
    light, dark = re.findall(r":root\{\s*(--bg.*?)\}", page, re.S)
    for block in (light, dark):
        colours = dict(re.findall(r"--([\w]+):(#\w+)", block))
        for name in ("fg", "soft", "fit", "attention", "unfit", "unknown", "c0"):
            for ground in ("bg", "card"):
                a, b = sorted((luminance(colours[name]), luminance(colours[ground])), reverse=True)
                assert (a + 0.05) / (b + 0.05) >= 4.5, (name, ground)
    assert "@media print" in page


def test_a_chart_keeps_gaps_and_needs_two_points():
    assert lines("t", ["a"], [("s", [0.5])]) == ""
    assert lines("t", ["a", "b"], [("s", [None, None])]) == ""
    assert bars("t", [], []) == ""
    drawn = lines("t", ["a", "b", "c"], [("s", [0.5, None, 0.7])], share=True)
    assert drawn.count("<circle") == 2
    assert "a: 0.5" in drawn  # what shows beneath a mouse
    assert "xmlns" not in drawn


def test_hidden_values_draw_no_chart_and_stay_hidden():
    hidden = column("email", histogram=(Bin("***", "***", 3),), minimum="***", maximum="***", top=())
    page = profile_page(Profile("t", 10, (hidden,)))
    assert "<svg" not in page
    assert "***" in page


JUNIT = {
    # element: (attributes that must be there, those that may, children in order)
    "testsuites": ((), (), ("testsuite",)),
    "testsuite": (
        ("id", "package", "name", "timestamp", "hostname", "tests", "failures", "errors", "time"), (),
        ("properties", "testcase", "system-out", "system-err"),
    ),
    "properties": ((), (), ("property",)),
    "property": (("name", "value"), (), ()),
    "testcase": (("name", "classname", "time"), (), ("failure", "error")),
    "failure": (("type",), ("message",), ()),
    "error": (("type",), ("message",), ()),
    "system-out": ((), (), ()),
    "system-err": ((), (), ()),
}  # fmt: skip
"""Ant's JUnit.xsd, the strictest of those about, written down; jenkins-junit.xsd allows all of it."""


def valid(element):
    must, may, children = JUNIT[element.tag]
    assert set(must) <= set(element.attrib) <= {*must, *may}, element.tag
    places = [children.index(child.tag) for child in element]
    assert places == sorted(places), element.tag
    for child in element:
        valid(child)


def test_junit_has_a_case_a_check_and_keeps_to_the_schema():
    warned = check("length:name", severity="warning")
    judged = dataset(checks=(check(), warned, check("not_null:id", failing=0, passed=True)))
    root = ET.fromstring(as_junit(report(judged, dataset("mart.new", checks=(), judged_at=None))))
    valid(root)
    first, second = root
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", first.attrib["timestamp"])
    assert (first.attrib["tests"], first.attrib["failures"], first.attrib["errors"]) == ("3", "1", "0")
    assert len(first.findall("testcase")) == 3
    [failure] = first.iter("failure")
    assert "3 of 10 rows (30.0%) fail" in failure.attrib["message"]
    assert "warning" in first.find("system-out").text
    assert (second.attrib["tests"], second.attrib["errors"]) == ("1", "1")


def test_markdown_is_short_and_json_has_all_of_it():
    whole = report(dataset(checks=tuple(check(f"range:c{i}") for i in range(200))))
    text = as_markdown(whole)
    assert len(text.splitlines()) < 40
    assert "- and 180 more" in text
    document = json.loads(rendered(whole, "json"))
    assert len(document["datasets"][0]["checks"]) == 200
    assert document["level"] == "attention"


def newest(**more):
    return {"run_id": "r", "kind": "run", "status": "succeeded", "pipeline": "orders",
            "started_at": "2026-11-01T06:00:00Z", **more}  # fmt: skip


@pytest.mark.parametrize(
    ("run", "checks", "waiting", "level"),
    [
        (None, (), 0, "unknown"),
        (newest(), (), 0, "unknown"),
        (newest(), (check(failing=0, passed=True),), 0, "fit"),
        (newest(), (check(severity="info"),), 0, "fit"),
        (newest(), (check(),), 0, "attention"),
        (newest(), (check(severity="critical"),), 0, "unfit"),
        (newest(), (check(severity="critical", on_fail="quarantine"),), 0, "attention"),
        (newest(), (check(failing=0, passed=True),), 4, "attention"),
        (newest(status="blocked"), (check(severity="critical"),), 0, "attention"),
        (newest(status="failed"), (check(failing=0, passed=True),), 0, "attention"),
        (newest(status="blocked", kind="check", pipeline="check mart.orders"), (check(),), 0, "unfit"),
        (newest(status="blocked", kind="check"), (check(),), 0, "attention"),
    ],
)
def test_the_answer(run, checks, waiting, level):
    found, answer, reasons = answer_of(run, checks, (), waiting)
    assert found == level
    assert bool(reasons) == (level in ("attention", "unfit"))
    assert answer.endswith(".")


def test_a_missed_threshold_is_unfit_and_comes_first():
    issue = QualityIssue("threshold", "error", "quality_score", None, 0.8, "at least 0.9", "score is 0.8")
    level, answer, reasons = answer_of(newest(), (check(),), (issue,), 0)
    assert (level, reasons[0]) == ("unfit", "score is 0.8")
    assert answer == "The data should not be used as it is: score is 0.8."


def test_what_to_do_is_a_command_each_and_none_twice():
    waiting = ({"run_id": "r7", "reasons": ["a"], "rows": 2, "phase": "gate", "source": ""},) * 2
    found = todo_of("mart.orders", newest(status="blocked"), (check(),), waiting, None, "orders")
    commands = [todo.command for todo in found]
    assert commands[0] == "sluiceway runs show r"
    assert "sluiceway quarantine show --run r7" in commands
    assert len(commands) == len(set(commands))


def test_a_file_is_whole_or_as_it_was(tmp_path):
    file = tmp_path / "new" / "r.html"
    write_text("one", file)
    write_text("two", file)
    assert file.read_text("utf-8") == "two"
    assert [f.name for f in file.parent.iterdir()] == ["r.html"]
    with pytest.raises(OSError, match=r"r\.html"):
        write_text("x", file / "below.html")
    assert file.read_text("utf-8") == "two"


def test_a_page_s_default_place_stays_under_the_project(tmp_path):
    from sluiceway.spec.project import default_project

    root = tmp_path / ".sluiceway" / "reports"
    for name in ("../../etc/passwd", "mart.orders", "..", "a/b", "c" * 500):
        file = default_file(default_project(tmp_path), name)
        assert file.parent == root
        assert len(file.name) < 100


def chromium() -> str:
    """Debian's, installed where that is possible."""
    from scripts.servers import ServerUnavailableError, apt_install

    if shutil.which("chromium") is None:
        try:
            apt_install(["chromium"])
        except ServerUnavailableError as error:
            pytest.skip(str(error))
    return shutil.which("chromium") or pytest.skip("no Chromium")


@pytest.mark.slow
def test_it_opens_in_chromium_without_a_request_and_without_an_error(tmp_path):
    """Headless, by what the browser itself writes down: its log of the network, its console, its page."""
    browser = chromium()
    file, log, shot = tmp_path / "r.html", tmp_path / "net.json", tmp_path / "shot.png"
    write_text(report_page(report(dataset(EVIL), dataset())), file)
    flags = [
        "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
        f"--user-data-dir={tmp_path}/profile",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--window-size=1200,2400", "--virtual-time-budget=3000", "--enable-logging=stderr",
        f"--log-net-log={log}", "--net-log-capture-mode=Everything", f"--screenshot={shot}",
    ]  # fmt: skip
    done = subprocess.run(
        [browser, *flags, file.as_uri()], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    asked = {
        url for url in re.findall(r'"url":"([^"]+)"', log.read_text("utf-8"))
        if not url.startswith(("file:", "data:", "chrome:", "devtools:", "chrome-extension:", "about:"))
    }  # fmt: skip
    # what the browser looks for by itself, whatever page is opened
    own = {url for url in asked if re.search(r"google(apis)?\.com|gstatic\.com", url)}
    assert asked - own == set()
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    assert shot.stat().st_size > 20_000  # a page that has something on it
    flags[-1] = "--dump-dom"
    dumped = subprocess.run(
        [browser, *flags, file.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    assert dumped.stdout.count("<svg") >= 3
    assert dumped.stdout.count("<script") == file.read_text("utf-8").count("<script")
