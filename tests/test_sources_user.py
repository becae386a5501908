"""Mappings a user writes: JSON, CSV and Parquet read by them, errors that teach, drafts made of samples."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nonself import sources
from nonself.cli import main
from nonself.core.errors import ConfigError, UsageError
from nonself.core.schema import SCHEMA
from nonself.sources import lines, own_maps
from nonself.sources.contract import Chunk, Limits
from nonself.sources.draft import Draft, draft

JSON = """
name = "door"
title = "Door controller"
[recognise]
has = ["badge.id", "at"]
[time]
from = ["at"]
[columns]
user = "badge.owner"
op = "did"
status_id = { from = "result", map = { open = 1, refused = 2 }, default = 0 }
[sigma]
product = "door"
service = "badges"
[[class]]
class = 3002
activity = 1
"""
CSV = """
name = "vpn"
title = "VPN concentrator"
nothing = ["-"]
[read]
as = "csv"
delimiter = ";"
[recognise]
has = ["When", "User name"]
is = { Kind = ["vpn*"] }
[time]
from = ["When"]
[columns]
user = "User name"
src_ip = { from = "Client", as = "ip" }
bytes_out = "Sent"
answers = '"a[b].c"'
status_id = { from = "Result", map = { ok = 1, denied = 2 } }
[[class]]
when = { ".Result" = ["ok", "denied"] }
class = 3002
activity = 1
"""
HEADER = b"When;User name;Client;Sent;Result;Kind;a[b].c\n"
ROWS = HEADER + b"2026-03-02 10:00:00;ann;10.0.0.1;12;ok;vpn1;x\n" + b'2026-03-02 10:00:01;"bob; the 2nd";10.0.0.2:443;-;denied;VPN2;\n'
DOOR = b'{"badge":{"id":7,"owner":"ann"},"at":"2026-03-02T10:00:00Z","did":"entry","result":"open"}\n'


def saved(tmp_path: Path, **texts: str) -> Path:
    for name, text in texts.items():
        (tmp_path / f"{name}.toml").write_text(text, "utf-8")
    return tmp_path


def read(path: Path, data: bytes, limits: Limits | None = None) -> tuple[str, list[Chunk]]:
    source, chunks = sources.read(lines.in_memory(data, "x"), limits or Limits(), sources.own([path]))
    return source.name if source else "", list(chunks)


def frame(chunks: list[Chunk]) -> pl.DataFrame:
    return pl.concat([chunk.events for chunk in chunks])


def reasons(chunks: list[Chunk]) -> list[str]:
    return [letter.reason for chunk in chunks for letter in chunk.dead]


def test_json_is_read_by_the_users_own_mapping(tmp_path: Path) -> None:
    name, chunks = read(saved(tmp_path, door=JSON), DOOR + b'{"x":1}\nnonsense\n')
    events = frame(chunks)
    assert name == "door" and events["source"].to_list() == ["door"]
    row = events.row(0, named=True)
    assert (row["user"], row["op"], row["status_id"], row["class_uid"], row["channel"]) == ("ann", "entry", 1, 3002, "door//badges")
    assert row["raw"] == DOOR.decode().strip() and row["ext"] is None
    assert sorted(reasons(chunks)) == ["json-syntax", "not-door"]


def test_the_users_mapping_is_asked_before_ours_and_only_where_given(tmp_path: Path) -> None:
    okta = json.dumps({"eventType": "user.session.start", "actor": {"alternateId": "a@b.c"}, "published": "2026-03-02T10:00:00Z"}).encode()
    own = JSON.replace('"badge.id", "at"', '"eventType", "published"').replace('"at"', '"published"')
    assert read(saved(tmp_path, mine=own), okta)[0] == "door"
    source, _ = sources.read(lines.in_memory(okta), Limits())
    assert source is not None and source.name == "okta"


def test_records_of_our_kinds_among_the_users_are_read_by_ours(tmp_path: Path) -> None:
    okta = json.dumps({"eventType": "user.session.start", "actor": {"alternateId": "a@b.c"}, "published": "2026-03-02T10:00:00Z"}).encode()
    name, chunks = read(saved(tmp_path, door=JSON), DOOR + okta + b"\n")
    assert (name, frame(chunks)["source"].to_list()) == ("door", ["door", "okta"])


def test_csv_is_read_by_header_names(tmp_path: Path) -> None:
    name, chunks = read(saved(tmp_path, vpn=CSV), ROWS)
    events = frame(chunks)
    assert name == "vpn" and reasons(chunks) == [] and dict(events.schema) == SCHEMA
    assert events["user"].to_list() == ["ann", "bob; the 2nd"]
    assert events["src_ip"].to_list() == ["10.0.0.1", "10.0.0.2"]
    assert events["bytes_out"].to_list() == [12, None]
    assert events["answers"].to_list() == [["x"], None]
    assert events["status_id"].to_list() == [1, 2] and events["class_uid"].to_list() == [3002, 3002]
    assert events["record"].to_list() == [1, 2]
    assert json.loads(events["ext"][1])["User name"] == "bob; the 2nd" and json.loads(events["ext"][0])["a_b_.c"] == "x"
    assert events["raw"].to_list() == ROWS.decode().split("\n")[1:3]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"2026-03-02 10:00:00;ann;10.0.0.1;12;ok;vpn\n", "csv-fields"),
        (b"2026-03-02 10:00:00;ann;10.0.0.1;12;ok;vpn;x;y\n", "csv-fields"),
        (b'2026-03-02 10:00:00;"ann;10.0.0.1;12;ok;vpn;x\n', "csv-fields"),
        (b"yesterday;ann;10.0.0.1;12;ok;vpn;x\n", "bad-time"),
        (b"2026-99-02 10:00:00;ann;;;;;\n", "bad-time"),
        (b";;;1;;;\n", "not-vpn"),
        (b"\0\0\0\n", "csv-fields"),
        (b"[" * 1000 + b"\n", "csv-fields"),
    ],
)
def test_a_bad_csv_record_is_a_dead_letter_and_harms_nothing_beside_it(tmp_path: Path, line: bytes, reason: str) -> None:
    path = saved(tmp_path, vpn=CSV)
    _, good = read(path, ROWS)
    _, chunks = read(path, ROWS + line + ROWS[len(HEADER) :].replace(b"ann", b"amy"))
    events = frame(chunks)
    assert reasons(chunks) == [reason]
    assert events["user"].to_list() == ["ann", "bob; the 2nd", "amy", "bob; the 2nd"]
    assert events.head(2).equals(frame(good))
    assert sum(chunk.records for chunk in chunks) == 5


def test_csv_odd_values_become_null_and_nothing_else(tmp_path: Path) -> None:
    row = b"2026-03-02 10:00:00;\xff\xfe;1e999;99999999999999999999;NaN;vpn;x\n"
    _, chunks = read(saved(tmp_path, vpn=CSV), HEADER + row)
    found = frame(chunks).row(0, named=True)
    assert reasons(chunks) == []
    assert (found["user"], found["src_ip"], found["bytes_out"], found["status_id"]) == ("\ufffd\ufffd", None, None, None)


def test_csv_the_header_may_come_again_and_may_stand_alone(tmp_path: Path) -> None:
    path = saved(tmp_path, vpn=CSV)
    assert frame(read(path, ROWS + b"\n" + ROWS)[1]).height == 4
    no_is = CSV.replace('is = { Kind = ["vpn*"] }', "")
    assert reasons(read(saved(tmp_path, vpn=no_is), HEADER)[1]) == ["empty"]


@pytest.mark.parametrize(
    "data",
    [
        HEADER,  # no record says that it is of the kind
        ROWS.replace(b"vpn1", b"web").replace(b"VPN2", b"web"),
        ROWS.replace(b"User name", b"Username"),
        ROWS.replace(b";", b","),
        b"",
        b"\n\n",
        b"\0" * 100,
        b'"' * 100,
        b"{}\n",
    ],
)
def test_csv_of_another_kind_is_not_claimed(tmp_path: Path, data: bytes) -> None:
    (source,) = sources.own([saved(tmp_path, vpn=CSV)])
    assert not source.recognise(data[:65536], "x")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_the_delimiter_is_found_where_none_is_said(tmp_path: Path, delimiter: str) -> None:
    path = saved(tmp_path, vpn=CSV.replace('delimiter = ";"', ""))
    name, chunks = read(path, ROWS.replace(b"bob; the 2nd", b"bob").replace(b";", delimiter.encode()))
    assert name == "vpn" and frame(chunks)["user"].to_list() == ["ann", "bob"]


@pytest.mark.parametrize("form", ["crlf", "bom", "utf-16", "small chunks"])
def test_csv_in_other_clothes(tmp_path: Path, form: str) -> None:
    path = saved(tmp_path, vpn=CSV)
    text = ROWS.decode()
    data = {
        "crlf": ROWS.replace(b"\n", b"\r\n"),
        "bom": b"\xef\xbb\xbf" + ROWS,
        "utf-16": b"\xff\xfe" + text.encode("utf-16-le"),
        "small chunks": ROWS,
    }[form]
    _, chunks = read(path, data, Limits(chunk_records=1) if form == "small chunks" else None)
    assert reasons(chunks) == [] and frame(chunks).drop("origin").equals(frame(read(path, ROWS)[1]).drop("origin"))


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n")), max_size=20))
def test_csv_any_text_is_read_or_a_dead_letter(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    source = own_maps.sources([saved(tmp_path_factory.mktemp("maps"), vpn=CSV)])[0]
    body = ROWS + "\n".join(texts).encode() + b"\n"
    chunks = list(source.read(lines.in_memory(body), Limits()))
    assert frame(chunks)["user"].to_list()[:2] == ["ann", "bob; the 2nd"]
    assert sum(chunk.records for chunk in chunks) == frame(chunks).height + len(reasons(chunks))


def parquet(table: pl.DataFrame) -> bytes:
    body = io.BytesIO()
    table.write_parquet(body)
    return body.getvalue()


def test_parquet_is_read_by_paths(tmp_path: Path) -> None:
    path = saved(tmp_path, door=JSON.replace("[recognise]", '[read]\nas = "parquet"\n[recognise]'))
    table = pl.DataFrame(
        {
            "badge": [{"id": 7, "owner": "ann"}, {"id": 8, "owner": "bob"}, None],
            "at": pl.Series(["2026-03-02 10:00:00", "2026-03-02 11:00:00", None]).str.to_datetime(time_unit="ns"),
            "did": ["entry", None, None],
            "blob": [b"\xff\x00", None, b""],
        }
    )
    name, chunks = read(path, parquet(table))
    events = frame(chunks)
    assert name == "parquet" and events["source"].to_list() == ["door", "door"]
    assert events["user"].to_list() == ["ann", "bob"] and events["op"].to_list() == ["entry", None]
    assert events["time"].dt.hour().to_list() == [10, 11] and events["record"].to_list() == [0, 1]
    assert json.loads(events["raw"][0])["blob"] == "ff00"
    assert reasons(chunks) == ["not-door"] and sum(chunk.records for chunk in chunks) == 3


def test_parquet_of_no_mapping_says_so_and_of_ours_is_still_read(tmp_path: Path) -> None:
    path = saved(tmp_path, door=JSON.replace("[recognise]", '[read]\nas = "parquet"\n[recognise]'))
    assert reasons(read(path, parquet(pl.DataFrame({"a": [1]})))[1]) == ["unknown-parquet"]
    own = pl.DataFrame({"time": ["2026-03-02T10:00:00Z"], "class_uid": [3002], "user": ["ann"]}).with_columns(
        pl.col("time").str.to_datetime(time_zone="UTC")
    )
    assert frame(read(path, parquet(own))[1])["user"].to_list() == ["ann"]


def refusal(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        sources.own([saved(tmp_path, bad=text)])
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "bad.toml")), message
    return message.removeprefix(str(tmp_path / "bad.toml") + ": ")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('name = "door"', 'name = "Door!"', "name: expected lower-case letters, digits and dashes, got 'Door!'"),
        ('name = "door"', "", "expected name, got nothing"),
        ('title = "Door controller"', "title = 7", "title: expected a text, got a whole number"),
        ('["badge.id", "at"]', "7", "[recognise] has: expected a text or a list, got a whole number"),
        ('["badge.id", "at"]', "[]", "[recognise]: expected `has` or `is`: nothing says which records are meant"),
        ('has = ["badge.id"', 'hass = ["badge.id"', "[recognise]: expected has, inside, is, needs, or, unwrap, got hass"),
        ('from = ["at"]', "", "[time]: expected `from`, the fields that hold the time"),
        ('from = ["at"]', 'from = ["at"]\nformat = "%q"', "[time] format: expected a date as strptime writes it, such as %d/%m/%Y"),
        ('user = "badge.owner"', 'usr = "badge.owner"', "[columns] usr: expected a column of `nonself schema`"),
        ('user = "badge.owner"', 'user = "badge["', "[columns] user: expected a field like a.b, a.0.b, a[].b or a[type=x].b, got 'badge['"),
        ('user = "badge.owner"', "user = []", "[columns] user: expected a field, or several, got none"),
        ('user = "badge.owner"', "user = 7", "[columns] user: expected a table, got a whole number"),
        ('user = "badge.owner"', 'src_port = "=x"', "[columns] src_port: expected a constant that is a whole number of its size, got '=x'"),
        ('user = "badge.owner"', 'answers = "=x"', "[columns] answers: expected a constant that is nothing: this column takes fields only"),
        ("open = 1", 'open = "yes"', "[columns] status_id: expected `map` to give a whole number of its size, got 'yes'"),
        ("open = 1", "open = 1000", "[columns] status_id: expected `map` to give a whole number of its size, got 1000"),
        ("default = 0", 'as = "upside-down"', "[columns] status_id: expected `as` to be one of account, "),
        ("class = 3002", "class = 1", "[[class]] class: expected an OCSF class that nonself knows, got 1"),
        ("activity = 1", 'activity = "x"', "[[class]] activity: expected a number or \"verb\", got 'x'"),
        ("activity = 1", "when = { nope = 'x' }", "[[class]] when: expected an event column, or a field with a leading dot, got 'nope'"),
        ("[sigma]", '[read]\nas = "xml"\n[sigma]', "[read] as: expected json, csv or parquet, got 'xml'"),
        ("[sigma]", '[read]\ndelimiter = ","\n[sigma]', '[read] delimiter: expected only with as = "csv"'),
        ("[sigma]", "[read]\nfrom = 1\n[sigma]", "[read]: expected as, delimiter, got from"),
        ('product = "door"\nservice = "badges"', "", "[sigma]: expected `product`, `category` or `service`, got none"),
        ('op = "did"', 'channel = "did"', "[sigma]: expected no `channel` in [columns]"),
        ('op = "did"', "op = [[[", "Invalid value (at line 11, column 1)"),
        ('op = "did"', "op = " + "[" * 2000 + "]" * 2000, "expected a mapping, got values nested too deeply"),
    ],
)
def test_errors_name_file_part_expected_and_got(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in JSON
    message = refusal(tmp_path, JSON.replace(old, new, 1))
    assert told in message, message


def test_maps_that_are_no_files_or_twice_the_same_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected a mapping, got No such file"):
        sources.own([tmp_path / "none.toml"])
    with pytest.raises(ConfigError, match="none in this folder"):
        sources.own([tmp_path])
    with pytest.raises(ConfigError, match="'door' twice"):
        sources.own([saved(tmp_path, a=JSON, b=JSON)])
    (tmp_path / "a.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="UTF-8"):
        sources.own([tmp_path / "a.toml"])


def drafted(data: bytes, name: str = "sample") -> tuple[Draft, list[Chunk]]:
    """A draft of a sample, and the sample as the draft reads it."""
    made = draft(lines.in_memory(data, "x"), name)
    source = own_maps.source(own_maps.parse(made.text(), "draft"))
    assert source.recognise(data[:65536], "x")
    return made, list(source.read(lines.in_memory(data, "x"), Limits()))


SAMPLE = [
    {
        "timestamp": f"2026-03-02T10:00:{at:02}Z",
        "actor": {"email": f"u{at % 5}@example.org", "ip": f"203.0.113.{at}", "id": f"id-{at % 5}"},
        "action": "user.login" if at % 2 else "repo.delete",
        "outcome": "SUCCESS" if at % 3 else "denied",
        "agent": "Mozilla/5.0 (X11)",
        "odd\x1b[31m\nname": '"]\nclass = "x" \x1b]0;x\x07 \u202e',
        "a.b": at,
    }
    for at in range(30)
]


@pytest.mark.parametrize("form", ["lines", "array", "envelope", "printed"])
def test_a_draft_of_json_reads_its_own_sample(form: str) -> None:
    data = {
        "lines": "\n".join(map(json.dumps, SAMPLE)),
        "array": json.dumps(SAMPLE),
        "envelope": json.dumps({"events": SAMPLE, "next": "x"}),
        "printed": json.dumps(SAMPLE, indent=2),
    }[form].encode()
    made, chunks = drafted(data)
    events = frame(chunks)
    assert reasons(chunks) == [] and events.height == 30 and events["time"].null_count() == 0
    row = events.row(1, named=True)
    assert (row["user"], row["src_ip"], row["op"], row["status_id"]) == ("u1@example.org", "203.0.113.1", "user.login", 1)
    assert row["user_agent"] == "Mozilla/5.0 (X11)" and row["user_uid"] == "id-1"
    assert events["status_id"].to_list()[:4] == [2, 1, 1, 2]
    assert events["class_uid"].to_list()[:2] == [6003, 3002]
    assert set(made.unmapped) == {'"odd\x1b[31m\nname"', '"a.b"'}
    assert not set(made.text()) & set("\x1b\x07\u202e")


def test_a_draft_of_csv_reads_its_own_sample() -> None:
    rows = "".join(f"{1 + at:02}/03/2026 10:00:00;10.0.0.{at};ann{at};{'ok' if at % 2 else 'denied'};{at}\n" for at in range(20))
    made, chunks = drafted(("Date;Client IP;User;Result;Bytes Sent\n" + rows).encode(), "My VPN!")
    events = frame(chunks)
    assert made.name == "my-vpn" and made.format == "%d/%m/%Y %H:%M:%S"
    assert reasons(chunks) == [] and events["time"].dt.day().to_list() == list(range(1, 21))
    assert events["src_ip"][3] == "10.0.0.3" and events["user"][3] == "ann3" and events["bytes_out"][3] == 3
    assert events["status_id"].to_list()[:2] == [2, 1]


def test_a_draft_without_a_time_says_so_and_still_parses() -> None:
    made, chunks = drafted(b'{"user":"ann","n":1,"time":"soon"}\n{"user":"bob","n":2,"time":"late"}\n')
    assert "No field looks like a time" in made.text() and frame(chunks)["user"].to_list() == ["ann", "bob"]


@pytest.mark.parametrize("data", [b"", b"hello\n", b"\0" * 100, b"[1,2]", b"{}", b"{", b"<a></a>"])
def test_what_is_no_sample_is_refused(data: bytes) -> None:
    with pytest.raises(UsageError, match="sample"):
        draft(lines.in_memory(data, "x"), "x")


KEYS = st.text(min_size=1, max_size=12) | st.sampled_from(["time", "user", "ip", "action", "result", "a.b", 'x"y', "l[]"])
RECORDS = st.dictionaries(
    KEYS, st.none() | st.integers() | st.text(max_size=20) | st.lists(st.integers(), max_size=2), min_size=1, max_size=8
)


@given(st.lists(RECORDS, min_size=1, max_size=4))
def test_a_draft_of_any_records_parses(found: list[dict[str, object]]) -> None:
    data = "\n".join(map(json.dumps, found)).encode()
    try:
        made = draft(lines.in_memory(data, "x"), "x")
    except UsageError:
        return
    if made.sample.fields:
        own_maps.parse(made.text(), "draft")


def test_the_commands_draft_and_use_a_mapping(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample, mapping = tmp_path / "door.jsonl", tmp_path / "door.toml"
    sample.write_text("\n".join(map(json.dumps, SAMPLE)))
    assert main(["sources", "new", "--from", str(sample), "--out", str(mapping)]) == 0
    told = capsys.readouterr()
    assert "30 events, 0 dead letters" in told.err and "\x1b" not in told.err and told.out == ""
    assert main(["sources", "new", "--from", str(sample), "--out", str(mapping)]) == 2  # nothing is written over
    assert main(["ocsf", str(sample), "--map", str(mapping)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 30
    state = str(tmp_path / "state")
    assert main(["ingest", str(sample), "--map", str(mapping), "--state", state, "--no-builtin-rules", "--quiet", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["events"] == 30
    assert main(["sources", "--json"]) == 0 and len(capsys.readouterr().out.splitlines()) == len(sources.SOURCES)


def test_the_mappings_of_the_docs_are_read() -> None:
    text = (Path(__file__).resolve().parent.parent / "docs" / "mapping.md").read_text("utf-8")
    door, vpn = re.findall(r"```toml\n(.*?)```", text, re.S)
    made = own_maps.source(own_maps.parse(door, "docs"))
    events = frame(list(made.read(lines.in_memory(DOOR), Limits())))
    assert events.row(0, named=True)["user"] == "ann" and events["channel"].to_list() == ["door//badges"]
    rows = b"When;User name;Client\n02.03.2026 10:00:00;ann;10.0.0.1:99\n"
    events = frame(list(own_maps.source(own_maps.parse(vpn, "docs")).read(lines.in_memory(rows), Limits())))
    assert events["src_ip"].to_list() == ["10.0.0.1"] and str(events["time"][0]) == "2026-03-02 10:00:00+00:00"


def test_a_draft_tells_the_ends_of_a_machines_own_connections_and_its_processes() -> None:
    ends = {"local_ip": "10.0.0.7", "local_port": 50000, "remote_ip": "203.0.113.7", "remote_port": 443}
    about = {"machine_id": "m-1", "process_id": 77, "ppid": 70, "process_path": "C:\\a.exe", "parent_path": "C:\\b.exe"}
    _, chunks = drafted(json.dumps({"time": "2026-03-02T10:00:00Z", "evt": "conn", **ends, **about}).encode())
    found = frame(chunks).row(0, named=True)
    assert [found[name] for name in ("src_ip", "src_port", "dst_ip", "dst_port")] == list(ends.values())
    assert [found[name] for name in ("host_uid", "pid", "parent_pid", "image", "parent_image")] == ["m-1", 77, 70, "C:\\a.exe", "C:\\b.exe"]


def test_a_draft_takes_apart_what_holds_two_columns() -> None:
    record = {"time": "2026-03-02T10:00:00Z", "username": "CORP\\ann", "url": "http://www.example.org/a?b=1", "statusCode": 403}
    made, chunks = drafted(json.dumps({**record, "event": "user_signed_in"}).encode())
    found = frame(chunks).row(0, named=True)
    wanted = {"user": "ann", "user_domain": "CORP", "url_host": "www.example.org", "url_path": "/a?b=1", "http_status": 403}
    assert {name: found[name] for name in wanted} == wanted and "log-ons" in made.text()
