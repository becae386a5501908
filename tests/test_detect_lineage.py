"""The specialist `lineage`: what is news of a parent, a program and its words, and what is not."""

import datetime
import random

import polars as pl
import pytest

from nonself.baseline import keys
from nonself.core.events import conform
from nonself.detect import detectors, lineage
from nonself.ledger.deltas import stored_bytes

LINEAGE = next(detector for detector in detectors() if detector.name == "odd-lineage")
START = datetime.datetime(2024, 3, 4, 9, tzinfo=datetime.UTC)
HOSTS = [f"ws{i}" for i in range(6)]


def starts(*runs, day=0):
    """Process starts, one an hour: (host, parent, program, arguments)."""
    rows = [
        {"uid": f"{day}-{i}-{run}", "time": START + datetime.timedelta(days=day, hours=i), "class_uid": 1007, "activity_id": 1,
         "host": host, "parent_image": parent, "image": program, "cmdline": f"{program} {arguments}"}
        for i, run in enumerate(runs) for host, parent, program, arguments in [run]
    ]  # fmt: skip
    return conform(pl.DataFrame(rows))


def usual():
    """Ten days on which each host opens ever other documents and lists a store."""
    for day in range(10):
        runs = [(host, "explorer.exe", "word.exe", f"/n report-{'abcdefghij'[day]}{'uvwxyz'[i]}.docx") for i, host in enumerate(HOSTS)]
        runs += [(host, "explorer.exe", "certutil.exe", "-store my") for host in HOSTS]
        yield starts(*runs, day=day)


SELF = LINEAGE.merge([LINEAGE.learn(events) for events in usual()])


def odd(*run, self_=SELF):
    """Score and reasons of one more start."""
    scores = LINEAGE.score(starts(run, day=10), self_)
    named = zip(("program", "parent", "whole", "words"), LINEAGE.explain(scores)[0], strict=True)
    return scores["score"][0], dict(named)


def test_what_is_done_every_day_is_no_news():
    assert odd("ws1", "explorer.exe", "certutil.exe", "-store my")[0] < 0.5


def test_another_file_is_no_news_where_files_always_differ_and_another_switch_is():
    document, _ = odd("ws1", "explorer.exe", "word.exe", "/n letter.docx")
    switch, reasons = odd("ws1", "explorer.exe", "word.exe", "/automation letter.docx")
    assert switch > document + 3 and reasons["words"].seen.startswith("/automation")
    assert reasons["words"].normal.startswith("windows in which word.exe was given such words: /automation in 0 of 60")


def test_another_parent_is_news():
    score, reasons = odd("ws1", "word.exe", "certutil.exe", "-store my")
    assert reasons["parent"].seen == "word.exe started certutil.exe" and reasons["parent"].bits == max(r.bits for r in reasons.values())
    assert score > 1.5 and reasons["words"].bits < 0.5


@pytest.mark.parametrize(("others", "least", "most"), [(0, 4, 99), (5, -1, 2)])
def test_peers_that_do_it_too_forgive(others, least, most):
    new = [LINEAGE.learn(starts((host, "explorer.exe", "backup.exe", ""), day=9)) for host in HOSTS[1 : 1 + others]]
    assert least < odd("ws0", "explorer.exe", "backup.exe", "", self_=LINEAGE.merge([SELF, *new]))[0] < most


def test_a_lone_machine_is_held_against_its_own_history():
    alone = LINEAGE.merge([LINEAGE.learn(events.filter(pl.col("host") == "ws1")) for events in usual()])
    assert odd("ws1", "word.exe", "cmd.exe", "/c whoami", self_=alone)[0] > 4


def test_an_unknown_parent_and_no_command_line_are_values_too():
    events = starts(("ws1", "explorer.exe", "certutil.exe", "-store my"), day=10)
    bare = events.with_columns(pl.lit(None, pl.String).alias("parent_image"), pl.lit(None, pl.String).alias("cmdline"))
    (reasons,) = LINEAGE.explain(LINEAGE.score(bare, SELF))
    assert reasons[1].seen == "? started certutil.exe" and reasons[3].seen == "none" and reasons[3].bits == 0


def test_what_never_repeats_is_kept_by_its_shape():
    """A day of command lines that all differ: a few rows of each host, and a bounded sample of words for all hosts together."""
    draw = random.Random(4)
    words = ["".join(draw.choices("ghijklmnopqrstuvwxyz", k=18)) for _ in range(600)]
    runs = [(HOSTS[i % 6], "explorer.exe", "cmd.exe", f"/c {word}") for i, word in enumerate(words)]
    events = starts(*runs).with_columns(pl.lit(START).alias("time"))
    delta = LINEAGE.merge([LINEAGE.learn(events.head(300)), LINEAGE.learn(events.tail(300))])
    assert delta.equals(LINEAGE.learn(events))
    of_hosts = delta.filter(keys.of_actors())
    assert of_hosts.height == len(HOSTS), "one shape each"
    assert delta.filter(~keys.of_actors()).group_by("y").len()["len"].sort().to_list() == [1, lineage.LINES], "the switch, and the words"
    assert stored_bytes(delta) / len(HOSTS) < 1_024
    scores = LINEAGE.score(events, delta, included=True)
    assert scores.height == len(words) and scores["score"].max() < 2, "a word that may have been dropped is unknown, not new"


def test_what_a_full_day_may_have_dropped_is_unknown_not_new():
    """A machine alone that starts one program in ever other ways, and forty others in one way each."""
    letters = [f"{a}{b}" for a in "ghijklmnopqrstuvwxyz" for b in "ghijklmnopqrstuvwxyz"]
    others = [("ws1", "explorer.exe", f"tool-{a}.exe", "") for a in letters[:40]]
    runs = [("ws1", "explorer.exe", "cmd.exe", f"-{word}") for word in letters] + others
    days = [starts(*runs, day=day).with_columns(pl.lit(START + datetime.timedelta(days=day)).alias("time")) for day in range(6)]
    self_ = LINEAGE.merge([LINEAGE.learn(events) for events in days])
    assert self_.filter(keys.of_actors()).height == 6 * lineage.LINES
    again = LINEAGE.score(starts(*others, day=10), self_)
    reasons = [reason for row in LINEAGE.explain(again) for reason in row[:2]]
    assert any("unknown how often" in reason.normal for reason in reasons) and max(reason.bits for reason in reasons) < 1


def test_words_that_tell_no_more_than_their_kind_are_one_shape():
    same = [r"/c copy \\\\fs1\\a\\ x1.docx", r"/c copy \\\\fs2\\b\\ q7.docx"]
    other = [r"/c copy \\\\fs1\\a\\ x1.exe", r"/d copy \\\\fs1\\a\\ x1.docx", r"/c move \\\\fs1\\a\\ x1.docx"]
    seen = [LINEAGE.learn(starts(("ws1", "explorer.exe", "cmd.exe", line))).filter(keys.of_actors())["x"][0] for line in same + other]
    assert seen[0] == seen[1] and len(set(seen)) == 4
    assert len({x[:8] for x in seen}) == 1 and all(len(x) == 12 for x in seen), "parent and program are the same"
