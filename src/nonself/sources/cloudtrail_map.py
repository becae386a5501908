"""What a CloudTrail record says in the event schema, and its fields under the dotted names that Sigma rules use."""

from __future__ import annotations

import re
from typing import Any

from nonself.core.errors import RecordError
from nonself.sources.dotted import dotted, instant
from nonself.sources.records import Record, dump_json

MAP_VER = 1
CLASSES: tuple[int, ...] = (3001, 3002, 3006, 6003)
COLUMNS = (
    "class_uid", "activity_id", "status_id", "status_code", "op", "channel", "user", "user_uid", "user_type", "cred", "mfa", "role",
    "tgt_user", "tgt_uid", "priv", "src_ip", "src_host", "user_agent", "provider", "account", "region", "svc", "resource", "ext",
)  # fmt: skip
"""Columns that `row` may fill; `time` is apart."""

_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]{1,45}")
_VERBS = {
    1: "Create Run Register Import Allocate Copy Generate Restore Issue Upload",
    2: "Get List Describe Head Lookup Search Select Scan Query BatchGet Download View Check Test Simulate Preview",
    3: "Put Update Modify Set Add Attach Detach Associate Disassociate Enable Disable Start Stop Reboot Tag Untag Authorize Revoke Change "
       "Reset Send Invoke Replace Share",
    4: "Delete Remove Terminate Deregister Purge Cancel Release",
}  # fmt: skip
_VERB = re.compile("|".join(f"(?P<_{number}>(?:{'|'.join(words.split())})(?![a-z]))" for number, words in _VERBS.items()))
_LOGONS = frozenset((
    "ConsoleLogin", "SwitchRole", "RenewRole", "GetSessionToken", "GetFederationToken", "GetSigninToken", "UserAuthentication",
    "Authenticate", "Federate",
))  # fmt: skip
_ACCOUNTS = {
    "CreateUser": 1, "UpdateUser": 99, "DeleteUser": 6, "CreateLoginProfile": 2, "UpdateLoginProfile": 4, "DeleteLoginProfile": 5,
    "ChangePassword": 3, "CreateAccessKey": 99, "UpdateAccessKey": 99, "DeleteAccessKey": 99, "AttachUserPolicy": 7, "PutUserPolicy": 7,
    "DetachUserPolicy": 8, "DeleteUserPolicy": 8, "PutUserPermissionsBoundary": 99, "DeleteUserPermissionsBoundary": 99,
    "EnableMFADevice": 10, "DeactivateMFADevice": 11, "UploadSSHPublicKey": 99, "CreateServiceSpecificCredential": 99,
}  # fmt: skip
"""IAM calls about users -> OCSF activity of Account Change."""
_GROUPS = {"AddUserToGroup": 3, "RemoveUserFromGroup": 4}
_IDS = (
    "roleArn", "functionName", "secretId", "instanceId", "keyId", "trailName", "detectorId", "groupId", "snapshotId", "imageId", "volumeId",
    "roleName", "userName", "groupName", "instanceProfileName", "tableName", "queueUrl", "topicArn", "dBInstanceIdentifier", "clusterName",
    "policyArn", "resourceArn", "name",
)  # fmt: skip
"""Request parameters that name what is acted on, the most telling first."""
_WHOLE = 1_024  # characters


def microseconds(record: Record) -> int:
    """The record's time since 1970. RecordError "bad-time" where it has none, "not-cloudtrail" where it is another kind of object."""
    if not isinstance(record.get("eventName"), str) or not isinstance(record.get("eventSource"), str):
        raise RecordError("not-cloudtrail", "expected eventName and eventSource")
    return instant(record.get("eventTime") or record.get("@timestamp"))  # some shippers move it there


def row(record: Record) -> Record:
    """The event columns of one record, less `time`."""
    identity, request = _object(record, "userIdentity"), _object(record, "requestParameters")
    name, service = record["eventName"], record["eventSource"].removesuffix(".amazonaws.com")
    class_uid, activity = _class(name, service, record)
    return {
        "class_uid": class_uid, "activity_id": activity, "op": name, "channel": _text(record.get("eventCategory")),
        "provider": "AWS", "svc": service, "region": _text(record.get("awsRegion")),
        "account": _text(record.get("recipientAccountId")) or _text(identity.get("accountId")),
        "user_agent": _text(record.get("userAgent")), "resource": _resource(record, request),
        "tgt_user": _text(request.get("userName")) if service == "iam" else None,
        "tgt_uid": _text(_object(_object(record, "responseElements"), "user").get("arn")),
        "priv": _first(request, ("policyArn", "policyName", "groupName")),
        **_actor(identity, record), **_source(record), **_outcome(record), "ext": dump_json(_ext(record)),
    }  # fmt: skip


def _ext(record: Record) -> Record:
    """All fields by dotted names; request and response as JSON text too where they are short, because rules search them whole."""
    flat = dotted(record)
    for name in ("requestParameters", "responseElements"):
        if isinstance(value := record.get(name), dict) and value and len(text := dump_json(value)) <= _WHOLE:
            flat[name] = text
    return flat


def _class(name: str, service: str, record: Record) -> tuple[int, int]:
    if name in _LOGONS or name.startswith("AssumeRole"):
        return 3002, 1
    if service == "iam" and name in _ACCOUNTS:
        return 3001, _ACCOUNTS[name]
    if service == "iam" and name in _GROUPS:
        return 3006, _GROUPS[name]
    verb = _VERB.match(name)
    return 6003, int(str(verb.lastgroup)[1:]) if verb else 2 if record.get("readOnly") is True else 99


def _actor(identity: Record, record: Record) -> Record:
    """Who acted: of a role's session the session name, with the role beside it; of a service its name."""
    kind, arn, session = _text(identity.get("type")), _text(identity.get("arn")), _object(identity, "sessionContext")
    issuer, attributes = _object(session, "sessionIssuer"), _object(session, "attributes")
    principal = _text(identity.get("principalId"))
    user = _text(identity.get("userName"))
    if kind in ("AssumedRole", "FederatedUser") and (arn or principal):
        user = re.split("[/:]", arn or principal or "")[-1]
    elif kind == "Root":
        user = "root"
    elif user is None:
        user = _text(identity.get("invokedBy")) or (principal or arn or "").rsplit(":", 1)[-1] or None
    used = _object(record, "additionalEventData").get("MFAUsed", attributes.get("mfaAuthenticated"))
    return {
        "user": user, "user_uid": arn or principal, "user_type": kind, "cred": _text(identity.get("accessKeyId")),
        "role": _text(issuer.get("arn")) or _text(issuer.get("userName")),
        "mfa": {"yes": True, "true": True, "no": False, "false": False}.get(str(used).lower()),
    }  # fmt: skip


def _source(record: Record) -> Record:
    where = _text(record.get("sourceIPAddress"))
    if where == "AWS Internal":  # names no machine
        return {}
    return {"src_ip" if where and _ADDRESS.fullmatch(where) else "src_host": where}


def _outcome(record: Record) -> Record:
    code = _text(record.get("errorCode"))
    if _object(record, "responseElements").get("ConsoleLogin") == "Failure":
        code = code or _text(record.get("errorMessage")) or "Failure"
    return {"status_id": 2 if code else 1, "status_code": code}


def _resource(record: Record, request: Record) -> str | None:
    listed = record.get("resources")
    for item in listed if isinstance(listed, list) else ():
        if isinstance(item, dict) and (arn := _text(item.get("ARN")) or _text(item.get("arn"))):
            return arn
    if bucket := _text(request.get("bucketName")):
        key = _text(request.get("key"))
        return f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}"
    if found := _first(request, _IDS):
        return found
    items = _object(request, "instancesSet").get("items")
    if isinstance(items, list) and items and isinstance(items[0], dict):
        return _text(items[0].get("instanceId"))
    return None


def _first(record: Record, names: tuple[str, ...]) -> str | None:
    return next((found for name in names if name in record and (found := _text(record[name]))), None)


def _object(record: Record, name: str) -> Record:
    value = record.get(name)
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
