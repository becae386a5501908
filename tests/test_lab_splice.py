"""Recorded traces in the world: they become the company's in every name and time, and stay what they were in all else."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nonself import lab, sources
from nonself.core.errors import UsageError
from nonself.lab import START
from nonself.lab.attacks.splice import splice
from nonself.lab.world.clock import DAY
from nonself.lab.world.company import Company, build
from nonself.lab.world.write import Journal, Mark
from nonself.sources.contract import Limits

ACCOUNT, KEY, WHO = "111122223333", "AKIAOLDOLDOLDOLDOLD1", "mallory"


def record(second: int, name: str, **more: Any) -> dict[str, Any]:
    identity = {
        "type": "IAMUser", "principalId": "AIDAOLDOLDOLDOLDOLD1", "arn": f"arn:aws:iam::{ACCOUNT}:user/{WHO}", "accountId": ACCOUNT,
        "accessKeyId": KEY, "userName": WHO,
    }  # fmt: skip
    return {
        "eventVersion": "1.09", "userIdentity": identity, "eventTime": f"2024-07-31T23:59:{second:02}Z", "eventName": name,
        "eventSource": "iam.amazonaws.com", "awsRegion": "eu-westwest-1r", "sourceIPAddress": "075.050.255.67", "eventID": "old",
        "userAgent": "stratus-red-team_0a05817a", "requestParameters": {"roleName": "stratus-red-team-malicious-role"},
        "responseElements": {"role": {"createDate": "Jul 31, 2024, 11:59:01 PM", "arn": f"arn:aws:iam::{ACCOUNT}:role/{WHO}ish"}},
        "recipientAccountId": ACCOUNT, **more,
    }  # fmt: skip


TRACE = [
    record(31, "CreateRole"),
    record(2, "ListRoles"),
    record(40, "CreateRole", errorCode="AccessDenied", errorMessage=f"{WHO} may not"),
]


def spliced(folder: Path, *paths: Path, days: int = 9) -> tuple[Company, list[Mark], list[dict[str, Any]]]:
    """The company, the truth, and the records, of the traces alone."""
    company, told = build(7, 60, days, START), list[Mark]()
    journal = Journal(folder / "logs", 7, company.aws_account, told.extend)
    splice(company, journal, paths)
    journal.close(company.first // DAY + days + 1)
    files = sorted((folder / "logs").rglob("*.json.gz"))
    return company, told, [one for path in files for one in orjson.loads(gzip.decompress(path.read_bytes()))["Records"]]


def test_a_trace_becomes_the_companys(tmp_path: Path) -> None:
    (tmp_path / "role.json").write_text(json.dumps(TRACE))
    company, truth, records = spliced(tmp_path, tmp_path / "role.json")
    text = json.dumps(records)
    for old in (ACCOUNT, KEY, "AIDAOLD", "075.050", "westwest", "tratus", "alicious", "2024", f'"{WHO}"', f"user/{WHO}", f"{WHO} may"):
        assert old not in text, old
    assert f"{WHO}ish" in text, "a longer word is another word"
    by_time = sorted(records, key=lambda one: one["eventTime"])
    assert [one["eventName"] for one in by_time] == ["ListRoles", "CreateRole", "CreateRole"]
    login = by_time[0]["userIdentity"]["userName"]
    who = next(one.account for one in company.people if one.login == login)
    assert (by_time[0]["userIdentity"]["accessKeyId"], by_time[0]["recipientAccountId"]) == (who.aws_key, company.aws_account)
    assert by_time[0]["userIdentity"]["arn"] == f"arn:aws:iam::{company.aws_account}:user/{login}"
    assert by_time[2]["errorMessage"] == f"{login} may not"
    seconds = [int(one["eventTime"][-3:-1]) for one in by_time]
    assert [(b - seconds[0]) % 60 for b in seconds] == [0, 29, 38], "distances in time stay"
    assert by_time[0]["responseElements"]["role"]["createDate"].startswith(("Feb", "Mar")), "times in words move too"
    assert [(mark.kind, mark.name, mark.step, mark.user) for mark in truth] == [
        ("campaign", "splice:role", name, login) for name in ("ListRoles", "CreateRole", "CreateRole")
    ]
    assert {mark.key["eventID"] for mark in truth} == {one["eventID"] for one in records}


def test_the_same_trace_the_same_bytes_and_read_as_cloudtrail(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("\n".join(map(json.dumps, [{"no": "record"}, *TRACE])) + "\nbroken {\n")
    made = [lab.make(tmp_path / name, people=6, days=3, activity=0.01, attack="none", splice=[tmp_path / "a.json"],
                     truth=tmp_path / f"{name}.jsonl") for name in ("one", "two")]  # fmt: skip
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()
    marks = list(made[0].marks("campaign"))
    assert len(marks) == 3
    one = next(iter(sources.discover([tmp_path / "one" / marks[0].origin], Limits())))
    source, chunks = sources.read(one, Limits())
    assert source is not None
    assert source.name == "cloudtrail"
    assert sum(chunk.events.height for chunk in chunks) >= 1


def test_errors_teach(tmp_path: Path) -> None:
    (tmp_path / "no.json").write_text('{"a": 1}')
    with pytest.raises(UsageError, match="expected CloudTrail records as JSON"):
        spliced(tmp_path, tmp_path / "no.json")
    with pytest.raises(UsageError, match="a folder of them"):
        spliced(tmp_path, tmp_path / "nothing")
    long = [record(1, "A"), {**record(2, "B"), "eventTime": "2024-09-30T00:00:00Z"}]
    (tmp_path / "no.json").write_text(json.dumps({"Records": long}))
    with pytest.raises(UsageError, match=r"days enough for no\.json, which takes 60"):
        spliced(tmp_path, tmp_path / "no.json")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from([ACCOUNT, "9999-12-31T23:59:59Z", "Jan 01, 0001, 01:00:00 AM", "\0", "x" * 9_000]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(field=st.sampled_from(sorted(record(1, "A"))), value=JSON)
def test_hostile_records_do_no_harm(tmp_path_factory: pytest.TempPathFactory, field: str, value: Any) -> None:
    folder = tmp_path_factory.mktemp("trace")
    (folder / "t.json").write_bytes(json.dumps([record(1, "A"), {**record(2, "B"), field: value}]).encode("utf-8", "replace"))
    _, truth, records = spliced(folder, folder / "t.json")
    assert 1 <= len(truth) == len(records) <= 2


def test_recorded_traces(tmp_path: Path) -> None:
    data = Path(os.environ.get("NONSELF_DATA", "../shared/data")) / "cloudtrail" / "stratus"
    if not data.is_dir():
        pytest.skip(f"no recorded traces at {data}: set NONSELF_DATA")
    _, truth, records = spliced(tmp_path, data)
    assert len({mark.name for mark in truth}) == len(list(data.glob("*.json")))
    assert len(records) >= 100
    assert "christophe" not in json.dumps(records)
