"""Outputs: whatever a log holds, terminals, CSV, HTML and JSON stay harmless; the report is one file that loads and runs nothing."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import polars as pl
import pytest
from rich.console import Console

from nonself.core import events as frames
from nonself.core.finding import Finding, Reason
from nonself.core.incident import Incident, Stage
from nonself.serve import html, jsonl, terminal, timesketch
from nonself.serve.story import Activity, Story

T0 = datetime(2026, 3, 2, 9, tzinfo=UTC)
NASTY = (
    '<script>alert(1)</script>"\'><img src=x onerror=alert(1)>', "=cmd|'/c calc'!A1", "+1+1", "@SUM(1)", "\x1b[2J\x1b]8;;http://x\x07click",
    "a\u202egpj.exe", "line\nbreak\r\ttab", "[click](javascript:alert(1))", "</style><style>*{display:none}", "{{ 7*7 }}{% raw %}",
    "\x00\x9b31m", "a\u2028b\u200bc", "--><!--", "[bold red]markup[/]",
)  # fmt: skip


def story(text: str) -> Story:
    finding = Finding(
        id="f1", detector="d", title=f"Ran {text}", entity=f"host:{text}", entities=(f"host:{text}", f"user:{text}"),
        start=T0, end=T0 + timedelta(minutes=3), score=20.0, p=2**-14, n=40_000, bits=14.0,
        reasons=(Reason(feature=text, seen=text, normal=text, bits=16.0), Reason(feature="b", seen="", normal="", bits=-2.0)),
        events=("u1",), n_events=1, attack=("T1059.001",), tactics=("execution",), level="high", author=text, reference=text,
    )  # fmt: skip
    incident = Incident(
        id="inc-1", title=f"Ran {text}", bits=14.0, start=T0, end=T0 + timedelta(minutes=3), entities=finding.entities,
        stages=(Stage(tactic="execution", start=T0, techniques=("T1059.001",), n_findings=1),), findings=("f1",), edges=(), n_events=1,
    )  # fmt: skip
    event = {
        "uid": "u1",
        "time": T0,
        "source": "s",
        "origin": text,
        "record": 3,
        "class_uid": 1007,
        "cmdline": text,
        "user": text,
        "host": text,
    }
    evidence = frames.conform(pl.DataFrame([event]))
    plot = Activity(f"host:{text}", tuple(T0 + timedelta(hours=h) for h in (-5, -4, 0)), (3, 9, 40))
    return Story(incident, (finding,), evidence, (plot,))


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


def _parsed(page: str) -> _Tags:
    tags = _Tags()
    tags.feed(page)
    return tags


@pytest.mark.parametrize("text", NASTY)
def test_report_is_the_same_page_whatever_the_logs_hold(text: str) -> None:
    page = html.report([story(text)], kept=2)
    assert _parsed(page).tags == _parsed(html.report([story("plain")], kept=2)).tags, "a value from a log made or broke a tag"
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b\u2028]", page)


def test_report_loads_and_runs_nothing() -> None:
    page = html.report([story("plain")], kept=0)
    tags = _parsed(page)
    assert any("default-src 'none'" in (value or "") for name, value in tags.attributes if name == "content")
    assert not {"script", "link", "iframe", "object", "img", "base", "form"} & set(tags.tags)
    for name, value in tags.attributes:
        assert not name.startswith("on")
        assert name != "style", "inline style is against the policy"
        if name in ("src", "href", "action"):
            assert value is not None
            assert value.startswith("#"), f"leads off the page: {value}"


def test_report_style_matches_its_hash() -> None:
    page = html.report([story("plain")], kept=0)
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.S)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert any(f"'sha256-{digest}'" in (value or "") for _, value in _parsed(page).attributes)


def test_report_of_nothing_says_so() -> None:
    assert "No incidents" in html.report([], kept=0)


@pytest.mark.parametrize("text", NASTY)
def test_csv_cells_start_no_formula_and_keep_their_columns(text: str) -> None:
    out = io.StringIO()
    assert timesketch.write([story(text)], out) == 1
    head, row = csv.reader(io.StringIO(out.getvalue()))
    assert {"message", "datetime", "timestamp_desc"} <= set(head)
    assert len(row) == len(head)
    for cell in row:
        assert not cell.lstrip(" \"'").startswith(("=", "+", "@", "\t", "\r")) or cell.startswith("'")
        assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e]", cell)
    assert datetime.fromisoformat(row[head.index("datetime")]) == T0


@pytest.mark.parametrize("text", NASTY)
def test_terminal_shows_no_control_of_theirs(text: str) -> None:
    out = io.StringIO()
    console = Console(file=out, width=140, highlight=False, no_color=True)
    terminal.explain(console, story(text))
    terminal.queue(console, [story(text).incident], [story(text).incident], limit=5)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u200b\u2028]", out.getvalue())


def test_terminal_explains_with_reasons_that_add_up_and_credit() -> None:
    out = io.StringIO()
    terminal.explain(Console(file=out, width=160, highlight=False, no_color=True), story("plain"))
    told = out.getvalue()
    for expected in ("+16.0", "-2.0", "14.0", "about 1 in 16,384 of 40,000", "rule by plain (high)", "T1059.001", "plain:3"):
        assert expected in told, expected


@pytest.mark.parametrize("text", NASTY)
def test_json_lines_are_one_object_a_line(text: str) -> None:
    got = [json.loads(line) for line in jsonl.lines([story(text)])]
    assert [row["type"] for row in got] == ["incident", "finding", "event"]
    assert got[2]["cmdline"] == text, "JSON carries the value as it was"
