"""Strings that look random: where, to whom, and what makes them usual."""

import polars as pl

from nonself.baseline import ngrams
from nonself.core.events import concat, conform
from nonself.detect import detectors
from nonself.detect.information import STRINGS_PER_DAY

COMMANDS, SERVICES = (next(d for d in detectors() if d.name == name) for name in ("surprising-command-line", "random-service-or-task"))
BLOB = "ATB1Bk+chcl/9Il9EEldDIXbD4znAAAAi8srz4P5BA+PsAAAAIXbfzuAODB0BMaGOxQzLkXw7Jr2"
USUAL = [
    f"cmd /c copy {a} {b}" for a in ("report.txt", "notes.doc", "plan.xls", "photo.png") for b in ("backup", "archive", "desktop", "share")
]


def runs(program, lines, *, hours=(9,), host="ws1"):
    rows = [
        {"time": 1_709_510_400_000_000 + hour * 3_600_000_000 + i, "image": rf"C:\Windows\{program}", "cmdline": line, "host": host}
        for hour in hours
        for i, line in enumerate(lines)
    ]
    frame = pl.DataFrame(rows).with_columns(pl.lit(1007).alias("class_uid"), pl.lit(1).alias("activity_id"))
    uid = pl.concat_str([pl.col(c).cast(pl.String) for c in ("host", "image", "time", "cmdline")], separator="|")
    return conform(frame.with_columns(uid.alias("uid"), pl.col("time").cast(pl.Datetime("us", "UTC"))))


def scored(*parts, detector=COMMANDS):
    seen = concat(list(parts))
    scores = detector.score(seen, detector.merge([detector.learn(seen)]), included=True)
    return scores.sort("score", descending=True)


def test_encoded_data_among_plain_commands_is_found_and_shown():
    scores = scored(runs("cmd.exe", [*USUAL, f"cmd /c echo {BLOB}"]))
    assert scores["score"][0] > 7 and scores["score"][1] < 3
    among, own, same = COMMANDS.explain(scores.head(1))[0]
    assert "bits)" in among.seen and "usually" in among.normal and "16 different ones" in own.normal and same.bits == 0


def test_a_program_that_always_is_given_such_things_is_usual():
    rest = runs("cmd.exe", USUAL)
    blobs = ["".join(BLOB[(i * 7 + j * 11) % len(BLOB)] for j in range(60)) for i in range(40)]
    alone = scored(rest, runs("agent.exe", [f"agent --key {blobs[0]}"]))
    often = scored(rest, runs("agent.exe", [f"agent --key {blob}" for blob in blobs]))
    assert alone["score"][0] > 7 and often["score"].max() < 4


def test_what_others_run_too_and_what_comes_back_for_long_is_a_name_here():
    line = [f"agent --key {BLOB}"]
    new = scored(runs("cmd.exe", USUAL), runs("agent.exe", line))["score"][0]
    others = scored(runs("cmd.exe", USUAL), *[runs(f"agent{c}.exe", line) for c in "abc"])["score"][0]
    back = scored(runs("cmd.exe", USUAL), runs("agent.exe", line, hours=range(1, 24)))["score"][0]
    assert new > 7 and others < 2 and back < 2


def test_a_service_of_the_whole_organisation_has_two_reasons():
    example = SERVICES.example()
    scores = SERVICES.score(example.odd, SERVICES.merge([SERVICES.learn(example.normal)])).sort("score", descending=True)
    among, same = SERVICES.explain(scores.head(1))[0]
    assert "kXzQwVbtRjPqZfHn" in among.seen and among.bits + same.bits == scores["score"][0] > 10


def test_of_a_flood_of_strings_a_sample_is_kept_and_all_are_weighed():
    flood = runs("cmd.exe", [f"cmd /c copy report-{a}{b}.txt backup" for a in "abcdefghij" for b in "klmnopqrst"])
    some = runs("cmd.exe", [f"cmd /c echo {BLOB}"])
    seen = concat([flood, some])
    delta = COMMANDS.learn(seen)
    assert delta.height == STRINGS_PER_DAY and COMMANDS.merge([COMMANDS.learn(some), COMMANDS.learn(flood)]).equals(delta)
    scores = COMMANDS.score(seen, delta, included=True)
    assert scores.height == 101 and scores["score"].sort(descending=True).head(2)[1] < 3 < 7 < scores["score"].max()
    assert SERVICES.bytes_per_entity > 10 * COMMANDS.bytes_per_entity, "of the one organisation more is kept than of a program"


def test_how_strings_are_put_into_blocks_changes_nothing(monkeypatch):
    seen = concat([runs("cmd.exe", [*USUAL, f"cmd /c echo {BLOB}"]), runs("agent.exe", [f"agent --key {BLOB}"])])
    whole = COMMANDS.score(seen, COMMANDS.learn(seen.head(12)), included=True)
    monkeypatch.setattr(ngrams, "BLOCK", 100)
    assert COMMANDS.score(seen, COMMANDS.learn(seen.head(12)), included=True).equals(whole)
