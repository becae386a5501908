"""CloudTrail: who, what, on what, with which outcome; every container a record comes in; odd values; real trails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nonself.core.schema import CLASSES, SCHEMA
from nonself.sources import cloudtrail, lines
from nonself.sources.contract import Chunk, Limits
from nonself.sources.walk import discover
from test_sources_samples import CALLS

CALL = CALLS[0]
SOURCE = cloudtrail.source()
ARN = "arn:aws:iam::123456789012:"


def read(data: bytes, limits: Limits | None = None) -> list[Chunk]:
    source_input = lines.in_memory(data)
    assert SOURCE.recognise(source_input.head, "")
    return list(SOURCE.read(source_input, limits or Limits()))


def events(chunks: list[Chunk]) -> pl.DataFrame:
    return pl.concat([chunk.events for chunk in chunks])


def reasons(chunks: list[Chunk]) -> list[str]:
    return [letter.reason for chunk in chunks for letter in chunk.dead]


def call(**more: object) -> dict[str, object]:
    """The row of one call, without nulls."""
    found = events(read(json.dumps({**CALL, **more}).encode())).row(0, named=True)
    return {name: value for name, value in found.items() if value is not None}


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        ({"type": "IAMUser", "userName": "ann", "arn": ARN + "user/ann", "accessKeyId": "AKIA1"},
         {"user": "ann", "user_uid": ARN + "user/ann", "user_type": "IAMUser", "cred": "AKIA1"}),
        ({"type": "AssumedRole", "arn": "arn:aws:sts::1:assumed-role/deploy/ci-7", "principalId": "AROA:ci-7",
          "sessionContext": {"sessionIssuer": {"arn": ARN + "role/deploy"}, "attributes": {"mfaAuthenticated": "true"}}},
         {"user": "ci-7", "role": ARN + "role/deploy", "mfa": True}),
        ({"type": "Root", "arn": ARN + "root", "principalId": "123456789012"}, {"user": "root", "user_type": "Root"}),
        ({"type": "AWSService", "invokedBy": "ec2.amazonaws.com"}, {"user": "ec2.amazonaws.com"}),
        ({"type": "AWSAccount", "principalId": "AROA1:ann"}, {"user": "ann", "user_uid": "AROA1:ann"}),
        ({"type": "IdentityCenterUser", "accountId": "1", "onBehalfOf": {"userId": "u-7"}, "credentialId": "c-1"},
         {"user": "u-7", "user_uid": "u-7", "cred": "c-1"}),
        ({}, {"op": "GetObject"}),
    ],
)  # fmt: skip
def test_who_acts(identity: dict[str, object], expected: dict[str, object]) -> None:
    found = call(userIdentity=identity)
    assert {name: found.get(name) for name in expected} == expected
    assert ("user" in found) == ("user" in expected)


@pytest.mark.parametrize(
    ("name", "service", "more", "expected"),
    [
        ("GetObject", "s3", {}, {"class_uid": 6003, "activity_id": 2, "svc": "s3", "resource": "arn:aws:s3:::vault/a/b", "status_id": 1}),
        ("PutBucketPolicy", "s3", {"resources": [{"ARN": "arn:aws:s3:::vault"}]}, {"activity_id": 3, "resource": "arn:aws:s3:::vault"}),
        ("TerminateInstances", "ec2", {"requestParameters": {"instancesSet": {"items": [{"instanceId": "i-1"}]}}},
         {"activity_id": 4, "resource": "i-1"}),
        ("RunInstances", "ec2", {"errorCode": "Client.UnauthorizedOperation"}, {"activity_id": 1, "status_id": 2,
         "status_code": "Client.UnauthorizedOperation"}),
        ("Getaway", "x", {"readOnly": False}, {"activity_id": 99}),
        ("PollForJobs", "codepipeline", {"readOnly": True}, {"activity_id": 2}),
        ("ConsoleLogin", "signin", {"responseElements": {"ConsoleLogin": "Failure"}, "errorMessage": "Failed authentication",
         "additionalEventData": {"MFAUsed": "No"}},
         {"class_uid": 3002, "activity_id": 1, "status_id": 2, "status_code": "Failed authentication", "mfa": False}),
        ("AssumeRole", "sts", {"requestParameters": {"roleArn": ARN + "role/x"},
                               "responseElements": {"assumedRoleUser": {"arn": "arn:aws:sts::1:assumed-role/x/s"}}},
         {"class_uid": 3002, "resource": ARN + "role/x", "tgt_uid": "arn:aws:sts::1:assumed-role/x/s"}),
        ("CredentialVerification", "signin", {"userIdentity": {"type": "Unknown"}, "additionalEventData":
                                              {"UserName": "ann", "CredentialType": "PASSWORD"},
                                              "serviceEventDetails": {"CredentialVerification": "Failure"}},
         {"class_uid": 3002, "user": "ann", "status_id": 2, "status_code": "Failure", "auth_protocol": "PASSWORD"}),
        ("UserAuthentication", "signin", {"serviceEventDetails": {"UserAuthentication": "Success"}}, {"class_uid": 3002, "status_id": 1}),
        ("SwitchRole", "signin", {"responseElements": {"SwitchRole": "Failure"}}, {"class_uid": 3002, "status_id": 2}),
        ("CheckMfa", "signin", {"responseElements": {"CheckMfa": "Success"}}, {"class_uid": 3002, "status_id": 1}),
        ("GetObject", "s3", {"additionalEventData": {"bytesTransferredIn": 0, "bytesTransferredOut": 4096.0}},
         {"bytes_in": 4096, "bytes_out": 0}),
        ("CreateUser", "iam", {"requestParameters": {"userName": "eve"}, "responseElements": {"user": {"arn": ARN + "user/eve"}}},
         {"class_uid": 3001, "activity_id": 1, "tgt_user": "eve", "tgt_uid": ARN + "user/eve", "resource": "eve"}),
        ("AttachUserPolicy", "iam", {"requestParameters": {"userName": "eve", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}},
         {"class_uid": 3001, "activity_id": 7, "priv": "arn:aws:iam::aws:policy/AdministratorAccess"}),
        ("AddUserToGroup", "iam", {"requestParameters": {"userName": "eve", "groupName": "admins"}},
         {"class_uid": 3006, "activity_id": 3, "tgt_user": "eve", "priv": "admins"}),
    ],
)  # fmt: skip
def test_what_is_done(name: str, service: str, more: dict[str, object], expected: dict[str, object]) -> None:
    found = call(eventName=name, eventSource=f"{service}.amazonaws.com", **more)
    assert {column: found.get(column) for column in expected} == expected
    assert (found["op"], found["region"], found["account"], found["provider"]) == (name, "eu-west-1", "123456789012", "AWS")
    assert found["class_uid"] in CLASSES


@pytest.mark.parametrize(
    ("where", "expected"),
    [("192.0.2.44", {"src_ip": "192.0.2.44"}), ("2001:db8::7", {"src_ip": "2001:db8::7"}),
     ("ec2.amazonaws.com", {"src_host": "ec2.amazonaws.com"}),
     ("AWS Internal", {}), (7, {})],
)  # fmt: skip
def test_where_from(where: object, expected: dict[str, str]) -> None:
    found = call(sourceIPAddress=where)
    assert {name: found[name] for name in ("src_ip", "src_host") if name in found} == expected


def containers(records: list[object]) -> Iterator[bytes]:
    yield json.dumps({"Records": records}).encode()
    yield json.dumps({"Records": records}, indent=2).encode()
    yield json.dumps({"nextToken": "abc", "n": 1, "Records": records, "more": None}).encode()
    yield json.dumps(records).encode()
    yield b"\n".join(json.dumps(record).encode() for record in records)
    yield b"\n".join(json.dumps({"Records": [record]}).encode() for record in records)
    yield b"\n".join(json.dumps(record, indent=1).encode() for record in records)
    yield b"\xef\xbb\xbf" + json.dumps({"Records": records}).encode()
    yield b'{"Records":[\n' + b",\n".join(json.dumps(record).encode() for record in records) + b"\n]}"
    yield b"\n".join(json.dumps({"version": "0", "detail-type": "AWS API Call", "detail": record}).encode() for record in records)
    logged = [{"id": "1", "timestamp": 7, "message": json.dumps(record)} for record in records]
    yield json.dumps({"messageType": "DATA_MESSAGE", "logGroup": "g", "logEvents": logged}).encode()
    yield json.dumps({"events": logged, "searchedLogStreams": []}).encode()
    yield json.dumps({"Events": [{"EventId": "e", "EventTime": 1.5, "CloudTrailEvent": json.dumps(record)} for record in records]}).encode()


@pytest.mark.parametrize("at", range(13))
@pytest.mark.parametrize("line_bytes", [16 << 20, 900])
def test_every_container_gives_the_same_events(at: int, line_bytes: int) -> None:
    data = list(containers([*CALLS, *CALLS]))[at]
    plain = events(read(json.dumps({"Records": [*CALLS, *CALLS]}).encode()))
    found = read(data, Limits(line_bytes=line_bytes))  # small: the document is not read whole but by the object
    assert reasons(found) == []
    assert events(found).equals(plain)


@pytest.mark.parametrize("line_bytes", [16 << 20, 5_000])
def test_bad_records_lose_no_other(line_bytes: int) -> None:
    odd = [{"eventName": "x"}, {**CALL, "eventTime": "soon"}, {**CALL, "requestParameters": {"a": "DEEP"}}]
    data = json.dumps({"Records": [CALLS[0], *odd, CALLS[1]]}).encode().replace(b'"DEEP"', b"[" * 1_500 + b"]" * 1_500)
    found = read(data, Limits(line_bytes=line_bytes))
    assert sorted(reasons(found)) == ["bad-time", "json-depth", "not-cloudtrail"]
    assert events(found)["op"].to_list() == ["GetObject", "CreateUser"]


def test_documents_without_a_line_end_between_them() -> None:
    document = json.dumps({"logGroup": "g", "logEvents": [{"id": "1", "message": json.dumps(CALL)}]}).encode()
    found = read(document * 3)
    assert (events(found)["op"].to_list(), reasons(found)) == (["GetObject"] * 3, [])


def test_a_list_within_a_record_is_no_envelope() -> None:
    inner = {"requestParameters": {"Records": [{"a": 1}], "events": [{"Records": [1]}]}, **CALL}
    inner["requestParameters"] = {"Records": [{"a": 1}], "bucketName": "vault"}
    for data in (
        json.dumps(inner).encode(),
        json.dumps(inner, indent=1).encode(),
        json.dumps(inner).encode() + b"\n" + json.dumps(CALL).encode(),
    ):
        assert events(read(data))["resource"][0] == "arn:aws:s3:::vault"


def test_a_cut_trail_gives_what_stands_before_and_says_so() -> None:
    data = json.dumps({"Records": CALLS}).encode()
    for cut in range(len(json.dumps({"Records": CALLS[:1]})), len(data), 7):
        found = read(data[:cut])
        height = events(found).height
        assert height in (1, 2, 3)
        assert reasons(found), f"cut at {cut} of {len(data)} was silent"
    assert reasons(read(data)) == []


def test_chunks_keep_the_limits_within_one_document() -> None:
    data = json.dumps({"Records": CALLS * 4}).encode()
    assert [chunk.events.height for chunk in read(data, Limits(chunk_records=5))] == [5, 5, 2]
    assert [chunk.events.height for chunk in read(data, Limits(chunk_bytes=1))] == [1] * 12
    assert sum(chunk.bytes for chunk in read(data, Limits(chunk_records=5))) == len(data)


def test_raw_is_the_record_written_compactly() -> None:
    frame = events(read(json.dumps({"Records": CALLS}, indent=3).encode()))
    assert [json.loads(raw) for raw in frame["raw"]] == CALLS
    assert ": " not in frame["raw"][0]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["ARN", "a", "user", "ConsoleLogin"]), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@given(
    st.dictionaries(
        st.sampled_from([*sorted(set(CALL) - {"eventTime", "eventName", "eventSource"}), "resources", "responseElements", "readOnly"]), JSON
    )
)
def test_any_value_anywhere_loses_no_neighbour(own: dict[str, object]) -> None:
    found = read(json.dumps([CALL, {**CALL, **own}, CALL]).encode())
    frame = events(found)
    assert dict(frame.schema) == SCHEMA
    assert frame.height + len(reasons(found)) == 3
    kept = frame.filter(pl.col("record").is_in([0, 2])).drop("record").unique()
    assert kept.height == 1
    assert kept["resource"].item() == "arn:aws:s3:::vault/a/b"


def test_not_cloudtrail() -> None:
    s3 = {
        "Records": [{"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "x", "eventTime": "t", "eventName": "ObjectCreated:Put"}]
    }
    text = {"EventID": 1, "Message": json.dumps(CALL)}
    for data in (json.dumps(s3).encode(), json.dumps(text).encode(), b"eventSource eventName awsRegion eventID"):
        assert not SOURCE.recognise(data, "trail.json")


def test_real_trails_lose_nothing(data_dir: Path) -> None:
    chunks = [
        chunk
        for source_input in discover([data_dir / "cloudtrail"], Limits())
        if SOURCE.recognise(source_input.head, "")
        for chunk in SOURCE.read(source_input, Limits())
    ]
    files = list((data_dir / "cloudtrail").rglob("*.json"))
    expected = sum(len(found["Records"] if isinstance(found := json.loads(path.read_bytes()), dict) else found) for path in files)
    frame = events(chunks)
    assert (frame.height, reasons(chunks)) == (expected, [])
    assert frame["uid"].n_unique() == expected
    for column in ("time", "op", "svc", "region", "account", "user"):
        assert frame[column].null_count() == 0
