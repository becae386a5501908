"""Reading rule files written by strangers, and the cache."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from nonself.core.errors import UsageError
from nonself.core.events import conform
from nonself.detect.sigma import Ruleset
from nonself.detect.sigma.required import required
from nonself.detect.sigma.values import fold

RULE = """\
title: {title}
id: {id}
status: test
level: high
author: someone
tags: [attack.execution, attack.t1059.001]
falsepositives: [admins]
logsource: {{product: windows, category: process_creation}}
detection:
  sel:
    CommandLine|contains: {value}
  condition: {condition}
"""


def rule(value: str = "evil", *, title: str = "a rule", id_: str = "1", condition: str = "sel") -> str:
    return RULE.format(title=title, id=id_, value=value, condition=condition)


def load(folder: Path, **files: str | bytes) -> Ruleset:
    for name, content in files.items():
        (folder / f"{name}.yml").write_bytes(content if isinstance(content, bytes) else content.encode())
    return Ruleset.load([folder], builtin=False)


def hits(rules: Ruleset, text: str = "evil") -> list[str]:
    event = {"source": "windows-evtx", "channel": "Microsoft-Windows-Sysmon/Operational", "op": "1", "ext": f'{{"CommandLine":"{text}"}}'}
    return rules.match(conform(pl.DataFrame([event])))["rule"].to_list()


def test_a_rule_is_described(tmp_path: Path) -> None:
    rules = load(tmp_path, a=rule())
    (only,) = rules.rules
    assert (only.id, only.title, only.level, only.status, only.author) == ("1", "a rule", "high", "test", "someone")
    assert (only.techniques, only.tactics, only.false_positives) == (("T1059.001",), ("execution",), ("admins",))
    assert (only.path, str(only.logsource)) == (str(tmp_path / "a.yml"), "product windows, category process_creation")
    assert not rules.rejected and hits(rules) == ["1"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("a: &a [x,x]\nb: [*a,*a]", "aliases"),
        ("[" * 100_000, "nested"),
        ("- " * 50_000 + "x", "nested"),
        (b"\xff\xfe\x00", "utf-8"),
        ("title: a\n  b: c: d", "not valid YAML"),
        ("x" * (1 << 20) + "\n", "at most"),
        ("just text", "mapping"),
        ("title: x\n", "no logsource"),
        ("date: 2020-02-31\n", "not valid YAML"),
        ("? [a]\n: b\n", "not valid YAML"),
        (rule().replace("    CommandLine", "    CommandLine|contains: x\n    CommandLine"), "twice"),
        (rule("'(?<=x)y'").replace("|contains", "|re"), "RE2"),
        (rule("'(a'").replace("|contains", "|re"), "invalid"),
        (rule("'a{99999999999999999999}'").replace("|contains", "|re"), "."),
        (rule("'%x%'").replace("|contains", "|expand"), "placeholder"),
        (rule("x").replace("|contains", "|nosuch"), "Unknown modifier"),
        (rule("'-a -b -c -d -e -f -g -h -i -j -k -l'").replace("|contains", "|windash"), "variants"),
        (rule("'a*b'").replace("|contains", "|base64"), "wildcards"),
        (rule("{a: b}"), "."),
        (rule(condition="sel and nosuch"), "nosuch"),
        (rule(condition="1 of nosuch_*"), "nosuch_"),
        (rule(condition="sel | count() > 3"), "pipe"),
        (rule(condition="(" * 1_000 + "sel" + ")" * 1_000), "brackets"),
        (rule(condition="[1]"), "text"),
        (rule(condition="sel sel"), "."),
        (rule().replace("status: test", "status: deprecated"), "deprecated"),
        (rule().replace("product: windows", "product: nosuch"), "no log source of this kind is read yet"),
        ("title: c\nid: c\ncorrelation: {type: event_count}", "correlation"),
        ("title: f\nlogsource: {product: windows}\nfilter: {rules: any}", "filter"),
        ("action: global\ntitle: g", "collections"),
    ],
)  # fmt: skip
def test_what_is_not_evaluated_is_listed_with_its_reason(tmp_path: Path, content: str | bytes, reason: str) -> None:
    rules = load(tmp_path, bad=content, good=rule())
    (rejected,) = rules.rejected
    assert re.search(reason.replace("(", r"\("), rejected.reason) and rejected.path.endswith("bad.yml")
    assert hits(rules) == ["1"], "the file beside it"


def test_documents_of_one_file_stand_alone(tmp_path: Path) -> None:
    broken = rule(id_="2").replace("level: high", "level: high\nlevel: low")
    rules = load(tmp_path, a="---\n".join([rule(), broken, rule(id_="3"), rule(id_="1", title="again")]))
    assert [r.id for r in rules.rules] == ["1", "3"] and hits(rules) == ["1", "3"]
    assert [(r.line, "twice" in r.reason, "is taken" in r.reason) for r in rules.rejected] == [(14, True, False), (41, False, True)]


def test_the_first_rule_of_an_id_counts(tmp_path: Path) -> None:
    rules = load(tmp_path, a=rule(), b=rule("other"))
    assert hits(rules) == ["1"] and hits(rules, "other") == []
    assert rules.rejected[0].path.endswith("b.yml") and "a.yml" in rules.rejected[0].reason


def test_rules_without_id_are_named_by_content(tmp_path: Path) -> None:
    first = load(tmp_path, a=rule().replace("id: 1\n", ""), b=rule("other").replace("id: 1\n", ""))
    assert len({r.id for r in first.rules}) == 2 and all(r.id.startswith("anonymous-") for r in first.rules)


def test_paths(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nosuch"):
        Ruleset.load([tmp_path / "nosuch"])
    os.mkfifo(tmp_path / "pipe.yml")
    (tmp_path / "gone.yml").symlink_to(tmp_path / "nowhere")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "loop").symlink_to(tmp_path)
    (tmp_path / "sub" / "r.yaml").write_text(rule())
    (tmp_path / "note.txt").write_text("no rule")
    rules = Ruleset.load([tmp_path], builtin=False)
    assert [r.id for r in rules.rules] == ["1"] and [Path(r.path).name for r in rules.rejected] == ["gone.yml", "pipe.yml"]
    assert [r.id for r in Ruleset.load([tmp_path / "sub" / "r.yaml"], builtin=False).rules] == ["1"]


def test_builtin_rules_all_load(tmp_path: Path) -> None:
    rules = Ruleset.load([], cache=tmp_path)
    assert not rules.rejected and all(not Path(r.path).is_absolute() for r in rules.rules)


def test_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, cache = tmp_path / "rules", tmp_path / "cache" / "deep"
    folder.mkdir()
    (folder / "a.yml").write_text(rule() + "---\n" + rule("x").replace("|contains", "|nosuch"))
    cold = Ruleset.load([folder], builtin=False, cache=cache)
    (stored,) = cache.iterdir()
    with monkeypatch.context() as patch:
        patch.setattr("nonself.detect.sigma.reading.compile_files", None)  # a warm start must not compile
        warm = Ruleset.load([folder], builtin=False, cache=cache)
    assert (warm.rules, warm.rejected) == (cold.rules, cold.rejected) and hits(warm) == ["1"]
    whole = stored.read_bytes()
    for broken in (b"", whole[:-1], whole[:40] + b"\xff" + whole[41:], b"\0" * 100):
        stored.write_bytes(broken)
        assert hits(Ruleset.load([folder], builtin=False, cache=cache)) == ["1"]
        assert stored.read_bytes() == whole, "rebuilt, to the byte"
    (folder / "a.yml").write_text(rule("other"))
    assert hits(Ruleset.load([folder], builtin=False, cache=cache)) == []
    assert len(list(cache.iterdir())) == 2
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert hits(Ruleset.load([folder], builtin=False, cache=blocked), "other") == ["1"], "a cache that can't be written stops nothing"


def test_nothing_touches_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a rule set was loaded over the network")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    rules = load(tmp_path, a=rule(), b=rule("'http://x'", id_="2").replace("|contains", "|base64offset|contains"))
    assert hits(rules) == ["1"]
    assert not [name for name in sys.modules if name.startswith("sigma.data")], "these fetch ATT&CK at first use"


def test_a_start_from_the_cache_does_not_load_the_parser(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(rule())
    Ruleset.load([tmp_path], builtin=False, cache=tmp_path / "cache")
    code = (
        "import sys; from pathlib import Path; from nonself.detect.sigma import Ruleset\n"
        "p = Path(sys.argv[1]); r = Ruleset.load([p], builtin=False, cache=p / 'cache')\n"
        "print(len(r.rules), 'sigma.rule' in sys.modules, 'yaml' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "False", "False"]


_pieces = st.sampled_from(
    [
        "abc",
        "d",
        "K",
        "s",
        ".",
        "*",
        "+",
        "?",
        "|",
        "(",
        ")",
        "(?:",
        "[",
        "]",
        "[^",
        "\\.",
        "\\d",
        "\\x41",
        "{2}",
        "{0,1}",
        "^",
        "é",
        "\\\\",
    ]
)


@settings(max_examples=600, deadline=None, derandomize=True)
@given(st.lists(_pieces, max_size=8).map("".join), st.text(alphabet="abcdABCDkKs\u212a\u017f.\\A1éÉ", max_size=14), st.booleans())
def test_a_required_literal_is_in_every_match(pattern: str, text: str, ignore_case: bool) -> None:
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(("(?i)" if ignore_case else "") + pattern, options)
    except re2.error:
        return
    for subject in (text, text + "abcabcd", "abc" + text):
        if compiled.search(subject):
            assert required(pattern, ignore_case=ignore_case) in fold(subject)
