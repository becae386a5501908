"""CloudTrail records: calls to the company's AWS account."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass, field
from typing import Any

import orjson

from nonself.lab.world.clock import when
from nonself.lab.world.company import Account
from nonself.lab.world.write import Journal

REGION = "eu-west-1"
AGENTS = {
    "cli": "aws-cli/2.15.24 Python/3.11.8 Windows/10 exe/AMD64 prompt/off",
    "console": "AWS Signin, aws-internal/3 aws-sdk-java/1.12.660 Linux/5.10",
    "boto": "Boto3/1.34.51 md/Botocore#1.34.51 ua/2.0 os/linux#6.1.0-18-amd64 md/arch#x86_64 lang/python#3.11.2 cfg/retry-mode#legacy",
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, from where, with what: the fields of `userIdentity` and the client's own words."""

    identity: dict[str, Any]
    source: str
    agent: str
    name: str  # for the truth


@dataclass(frozen=True, slots=True)
class Call:
    """One API call. `data` marks S3 object-level calls; `error` is an error code such as AccessDenied."""

    service: str
    name: str
    request: dict[str, Any] | None = None
    response: dict[str, Any] | None = None
    resources: list[dict[str, str]] = field(default_factory=list)
    read: bool = True
    data: bool = False
    error: str = ""


def user(account: str, who: Account, source: str, agent: str = "cli") -> Caller:
    """A person's long-lived key."""
    identity = {"type": "IAMUser", "principalId": who.aws_id, "arn": f"arn:aws:iam::{account}:user/{who.login}", "accountId": account,
                "accessKeyId": who.aws_key, "userName": who.login}  # fmt: skip
    return Caller(identity, source, AGENTS[agent], who.login)


def role(account: str, name: str, session: str, principal: str, key: str, since: int, source: str) -> Caller:
    """An assumed role with its temporary key, created at `since`."""
    arn = f"arn:aws:iam::{account}:role/{name}"
    identity = {
        "type": "AssumedRole",
        "principalId": f"{principal}:{session}",
        "arn": f"arn:aws:sts::{account}:assumed-role/{name}/{session}",
        "accountId": account,
        "accessKeyId": key,
        "sessionContext": {
            "sessionIssuer": {"type": "Role", "principalId": principal, "arn": arn, "accountId": account, "userName": name},
            "webIdFederationData": {},
            "attributes": {"creationDate": _second(since), "mfaAuthenticated": "false"},
        },
    }
    return Caller(identity, source, AGENTS["boto"], name)


def service(name: str) -> Caller:
    """A service of the cloud acting for itself."""
    return Caller({"type": "AWSService", "invokedBy": name}, name, name, name)


def _second(at: int) -> str:
    return when(at).strftime("%Y-%m-%dT%H:%M:%SZ")


class Cloud:
    """Writes CloudTrail records; the trail delivers them some minutes late."""

    def __init__(self, journal: Journal, rng: random.Random, account: str) -> None:
        self._journal, self._rng, self._account = journal, rng, account

    def call(self, at: int, caller: Caller, call: Call) -> None:
        rng = self._rng
        event = str(uuid.UUID(int=rng.getrandbits(128), version=4))
        hostname = f"{call.service}.{REGION}.amazonaws.com"
        record: dict[str, Any] = {
            "eventVersion": "1.09",
            "userIdentity": caller.identity,
            "eventTime": _second(at),
            "eventSource": f"{call.service}.amazonaws.com",
            "eventName": call.name,
            "awsRegion": REGION,
            "sourceIPAddress": caller.source,
            "userAgent": caller.agent,
            "requestParameters": call.request,
            "responseElements": call.response,
            "requestID": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
            "eventID": event,
            "readOnly": call.read,
            "eventType": "AwsApiCall",
            "managementEvent": not call.data,
            "recipientAccountId": self._account,
            "eventCategory": "Data" if call.data else "Management",
        }
        if call.error:
            record["errorCode"], record["errorMessage"] = (
                call.error,
                f"User: {caller.identity.get('arn')} is not authorized to perform this",
            )
        if call.resources:
            record["resources"] = call.resources
        if caller.identity["type"] != "AWSService":
            record["tlsDetails"] = {"tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256", "clientProvidedHostHeader": hostname}
        arrival = at + int(rng.uniform(60, 420) * 1e6)
        self._journal.add("cloudtrail", arrival, orjson.dumps(record), event, at, "", caller.name)

    def saml(self, at: int, who: Account, name: str, source: str) -> None:
        """An assertion of the identity provider is exchanged for a role's temporary key."""
        arn, idp = f"arn:aws:iam::{self._account}:role/{name}", f"arn:aws:iam::{self._account}:saml-provider/idp"
        identity = {"type": "SAMLUser", "principalId": f"{self._account}:{who.mail}", "userName": who.mail, "identityProvider": "idp"}
        request = {
            "sAMLAssertionID": f"_{self._rng.getrandbits(80):020x}",
            "roleSessionName": who.mail,
            "roleArn": arn,
            "principalArn": idp,
        }
        response = {"subjectType": "persistent", "issuer": "https://idp.tidewell.example", "subject": who.mail}
        self.call(at, Caller(identity, source, AGENTS["console"], who.login), Call("sts", "AssumeRoleWithSAML", request, response))

    def assumed(self, who: Account, name: str, at: int, source: str) -> Caller:
        """The caller that `saml` makes of somebody."""
        principal = f"AROA{sum(name.encode()):017d}"
        return role(self._account, name, who.mail, principal, f"ASIA{self._rng.getrandbits(64):016X}", at, source)


def s3(account: str, name: str, bucket: str, key: str = "") -> Call:
    """An S3 call on a bucket or, for object-level calls, on one key of it."""
    data = name in ("GetObject", "PutObject")
    request = {"bucketName": bucket, "Host": f"{bucket}.s3.{REGION}.amazonaws.com"} | ({"key": key} if key else {})
    things = [{"type": "AWS::S3::Bucket", "ARN": f"arn:aws:s3:::{bucket}", "accountId": account}]
    if key:
        things.insert(0, {"type": "AWS::S3::Object", "ARN": f"arn:aws:s3:::{bucket}/{key}"})
    return Call("s3", name, request, None, things, read=name != "PutObject", data=data)
