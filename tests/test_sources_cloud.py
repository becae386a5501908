"""Records of clouds in what carries them, and what is read from each kind of record."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest

from nonself.sources import lines, read
from nonself.sources.contract import Limits

Record = dict[str, Any]
POD = {"spec": {"volumes": [{"configMap": {"name": "c", "items": [{"key": "a", "path": "b"}]}}]}}
K8S: Record = {
    "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "RequestResponse", "requestObject": POD, "auditID": "a-1",
    "stage": "ResponseComplete", "requestURI": "/api/v1/namespaces/shop/pods/web/exec?command=sh", "verb": "create",
    "user": {"username": "ann", "groups": ["devs"]}, "sourceIPs": ["192.0.2.7"], "userAgent": "kubectl",
    "objectRef": {"resource": "pods", "namespace": "shop", "name": "web", "apiVersion": "v1", "subresource": "exec"},
    "responseStatus": {"code": 101}, "requestReceivedTimestamp": "2026-03-02T10:00:00.000000Z",
}  # fmt: skip
FINDING: Record = {
    "AwsAccountId": "123456789012", "ProductArn": "arn:p", "GeneratorId": "g", "Id": "arn:f", "Title": "Bucket is public",
    "UpdatedAt": "2026-03-02T10:00:00Z", "Severity": {"Label": "HIGH"}, "Resources": [{"Type": "AwsS3Bucket", "Id": "arn:aws:s3:::b"}],
}  # fmt: skip


def rows(data: bytes, source: str) -> list[Record]:
    """The rows of a file that `source` reads, without nulls; nothing of it is lost."""
    found, chunks = read(lines.in_memory(data), Limits())
    assert found is not None
    kept = list(chunks)
    assert [letter.detail for chunk in kept for letter in chunk.dead] == []
    frame = pl.concat([chunk.events for chunk in kept])
    assert set(frame["source"]) == {source}
    return [{name: value for name, value in row.items() if value is not None} for row in frame.iter_rows(named=True)]


def row(record: Record, source: str) -> Record:
    (found,) = rows(json.dumps(record).encode(), source)
    return found


def logged(*records: Record) -> Record:
    return {"logGroup": "g", "logEvents": [{"id": "1", "timestamp": 7, "message": json.dumps(record)} for record in records]}


def diagnosed(record: Record) -> Record:
    return {"category": "kube-audit", "operationName": "Read", "resourceId": "/SUBSCRIPTIONS/S", "properties": {"log": json.dumps(record)}}


@pytest.mark.parametrize(
    "document",
    [K8S, {"kind": "EventList", "items": [K8S]}, logged(K8S), {"records": [diagnosed(K8S)]}, diagnosed(K8S), {"log": json.dumps(K8S)}],
    ids=["alone", "list", "CloudWatch Logs", "diagnostic logs", "one of them", "container log"],
)
@pytest.mark.parametrize("indent", [None, 1])
def test_a_cluster_s_record_in_what_carries_it(document: Record, indent: int | None) -> None:
    (found,) = rows(json.dumps(document, indent=indent).encode(), "k8s-audit")
    assert (found["user"], found["op"], found["resource"], found["src_ip"]) == ("ann", "create", "web", "192.0.2.7")
    assert json.loads(found["raw"]) == K8S


def test_findings_within_an_event_are_each_read() -> None:
    event = {
        "version": "0",
        "detail-type": "Security Hub Findings - Imported",
        "detail": {"findings": [FINDING, FINDING | {"Id": "arn:2"}]},
    }
    one = json.dumps(event).encode()
    for data in (one, one + b"\n" + one, json.dumps(event, indent=2).encode()):
        assert {found["session"] for found in rows(data, "security-hub")} == {"arn:f", "arn:2"}


def test_an_envelope_with_a_record_a_line() -> None:
    data = b'{"items":[\n' + b",\n".join([json.dumps(K8S).encode()] * 3) + b"\n]}\n"
    assert len(rows(data, "k8s-audit")) == 3


def gcp(method: str, **more: Any) -> Record:
    payload = {
        "serviceName": "x.googleapis.com",
        "methodName": method,
        "authenticationInfo": {"principalEmail": "ann@corp.example"},
        **more,
    }
    return {"protoPayload": payload, "timestamp": "2026-03-02T10:00:00Z", "logName": "projects/p/logs/a", "resource": {"labels": {}}}


ADDED = {"policyDelta": {"bindingDeltas": [{"action": "REMOVE", "role": "roles/viewer", "member": "user:old@corp.example"},
                                           {"action": "ADD", "role": "roles/owner", "member": "user:eve@corp.example"}]}}  # fmt: skip
ASKED = {
    "event": [
        {"eventName": "X", "parameter": [{"name": "ROLE_NAME", "value": "admin"}, {"name": "USER_EMAIL", "value": "eve@corp.example"}]}
    ]
}


@pytest.mark.parametrize(
    ("method", "more", "expected"),
    [
        ("SetIamPolicy", {"serviceData": ADDED},
         {"class_uid": 3005, "activity_id": 1, "tgt_user": "eve@corp.example", "priv": "roles/owner"}),
        ("SetIamPolicy", {"serviceData": {"policyDelta": {"bindingDeltas": ADDED["policyDelta"]["bindingDeltas"][:1]}}},
         {"class_uid": 3005, "activity_id": 2, "tgt_user": "old@corp.example", "priv": "roles/viewer"}),
        ("google.login.LoginService.loginFailure", {}, {"class_uid": 3002, "activity_id": 1, "status_id": 2}),
        ("google.login.LoginService.loginSuccess", {}, {"class_uid": 3002, "activity_id": 1, "status_id": 1}),
        ("google.login.LoginService.logout", {}, {"class_uid": 3002, "activity_id": 2, "status_id": 1}),
        ("google.admin.AdminService.assignRole", {"metadata": ASKED},
         {"class_uid": 3005, "activity_id": 1, "tgt_user": "eve@corp.example", "priv": "admin"}),
        ("google.iam.admin.v1.CreateServiceAccountKey", {"status": {"code": 7}}, {"class_uid": 3001, "activity_id": 99, "status_id": 2}),
    ],
)  # fmt: skip
def test_google_cloud(method: str, more: Record, expected: Record) -> None:
    found = row(gcp(method, **more), "gcp-audit")
    assert {name: found.get(name) for name in expected} == expected


ALLOWED = {"authorization.k8s.io/decision": "allow"}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"responseStatus": {"code": 404, "reason": "NotFound"}, "annotations": ALLOWED}, {"status_id": 2, "status_code": "NotFound"}),
        ({"responseStatus": {"code": 206}, "annotations": ALLOWED}, {"status_id": 1}),
        ({"responseStatus": None, "annotations": {"authorization.k8s.io/decision": "forbid"}}, {"status_id": 2}),
        ({"responseStatus": None, "stage": "RequestReceived"}, {"status_id": None}),
        ({"verb": "deletecollection"}, {"class_uid": 6003, "activity_id": 4}),
        ({"verb": "watch"}, {"class_uid": 6003, "activity_id": 2}),
        ({"verb": "patch", "objectRef": {"resource": "rolebindings"}, "requestObject":
          {"roleRef": {"name": "admin"}, "subjects": [{"kind": "User", "name": "eve"}]}},
         {"class_uid": 3005, "activity_id": 1, "tgt_user": "eve", "priv": "admin"}),
        ({"verb": "delete", "objectRef": {"resource": "rolebindings"}}, {"class_uid": 3005, "activity_id": 2}),
    ],
)  # fmt: skip
def test_a_cluster_s_records(more: Record, expected: Record) -> None:
    found = row(K8S | more, "k8s-audit")
    assert {name: found.get(name) for name in expected} == expected


CLAIM = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"
VAULT: Record = {"time": "2026-03-02T10:00:00Z", "resourceId": "/SUBSCRIPTIONS/S/VAULTS/V", "category": "AuditEvent",
                 "operationName": "SecretGet", "resultType": "Success", "identity": {"claim": {CLAIM: "ann@corp.example"}},
                 "callerIpAddress": "192.0.2.7"}  # fmt: skip
BLOB: Record = {"time": "2026-03-02T10:00:00Z", "resourceId": "/subscriptions/S/sa", "category": "StorageRead", "operationName": "GetBlob",
                "callerIpAddress": "192.0.2.7:5000", "identity": {"type": "Anonymous"}}  # fmt: skip


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (VAULT | {"properties": {"httpStatusCode": 200}}, {"user": "ann@corp.example", "status_id": 1, "http_status": 200}),
        (VAULT | {"properties": {"httpStatusCode": 403}, "identity": {"claim": {"appid": "app-1"}}}, {"user": "app-1", "status_id": 2}),
        (BLOB | {"statusCode": 403, "statusText": "AuthenticationFailed"},
         {"user": None, "user_type": "Anonymous", "status_id": 2, "status_code": "AuthenticationFailed", "src_ip": "192.0.2.7"}),
        (BLOB | {"statusCode": 200, "identity": {"requester": {"upn": "ann@corp.example"}}, "properties": {"responseBodySize": 9},
                 "uri": "https://sa.blob.example/c/b?x=1"},
         {"user": "ann@corp.example", "status_id": 1, "bytes_in": 9, "url_host": "sa.blob.example", "url_path": "/c/b?x=1"}),
        ({"eventTimestamp": "2026-03-02T10:00:00Z", "caller": "ann@corp.example", "operationName": "X/listKeys/action", "status": "Failed",
          "subStatus": "Forbidden", "resourceId": "/subscriptions/s/sa", "authorization": {"action": "X/listKeys/action"}},
         {"status_id": 2, "status_code": "Forbidden", "priv": "X/listKeys/action"}),
        ({"TimeGenerated": "2026-03-02T10:00:00Z", "OperationNameValue": "X/DELETE", "Caller": "ann@corp.example", "SubscriptionId": "s",
          "CallerIpAddress": "192.0.2.7", "ActivityStatusValue": "Failure", "Type": "AzureActivity"},
         {"op": "X/DELETE", "user": "ann@corp.example", "src_ip": "192.0.2.7", "status_id": 2, "account": "s", "activity_id": 4}),
        ({"time": "2026-03-02T10:00:00Z", "category": "AZFWNetworkRule", "operationName": "N", "resourceId": "/SUBSCRIPTIONS/S",
          "properties": {"SourceIp": "192.0.2.7", "DestinationIp": "203.0.113.4", "DestinationPort": 443, "Protocol": "TCP",
                         "Action": "Deny"}},
         {"class_uid": 4001, "src_ip": "192.0.2.7", "dst_ip": "203.0.113.4", "dst_port": 443, "proto": "tcp", "status_id": 2}),
        ({"time": "2026-03-02T10:00:00Z", "category": "MicrosoftGraphActivityLogs", "operationName": "Microsoft Graph Activity",
          "properties": {"requestMethod": "GET", "responseStatusCode": 403, "requestUri": "https://graph.example/v1.0/users",
                         "userId": "u-1"}},
         {"class_uid": 6003, "http_method": "GET", "http_status": 403, "status_id": 2, "url_path": "/v1.0/users", "user_uid": "u-1"}),
    ],
)  # fmt: skip
def test_azure(record: Record, expected: Record) -> None:
    found = row(record, "azure-activity")
    assert {name: found.get(name) for name in expected} == expected


GRANTED: Record = {"type": "User", "id": "u-2", "userPrincipalName": "eve@corp.example", "modifiedProperties":
                   [{"displayName": "Role.DisplayName", "newValue": '"Global Administrator"'}]}  # fmt: skip


def audited(op: str, **properties: Any) -> Record:
    return {"time": "2026-03-02T10:00:00Z", "category": "AuditLogs", "operationName": op,
            "properties": {"activityDisplayName": op, "result": "success", **properties}}  # fmt: skip


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (audited("Add member to role", targetResources=[GRANTED, {"type": "Role", "displayName": None}],
                 additionalDetails=[{"key": "User-Agent", "value": "curl"}]),
         {"class_uid": 3005, "tgt_user": "eve@corp.example", "priv": "Global Administrator", "user_agent": "curl"}),
        (audited("Disable Strong Authentication"), {"class_uid": 3001, "activity_id": 11}),
        ({"category": "UserRiskEvents", "time": "2026-03-02T10:00:00Z", "operationName": "User Risk Detection", "resultSignature": "None",
          "properties": {"riskEventType": "unfamiliarFeatures", "riskLevel": "high", "userPrincipalName": "ann@corp.example"}},
         {"class_uid": 2004, "rule": "unfamiliarFeatures", "severity_id": 4, "user": "ann@corp.example", "status_code": None}),
        ({"id": "r", "riskEventType": "leakedCredentials", "riskLevel": "medium", "activityDateTime": "2026-03-02T10:00:00Z",
          "userPrincipalName": "ann@corp.example", "ipAddress": "192.0.2.7"},
         {"class_uid": 2004, "rule": "leakedCredentials", "severity_id": 3, "user": "ann@corp.example", "src_ip": "192.0.2.7"}),
        ({"TimeGenerated": "2026-03-02T10:00:00Z", "OperationName": "Delete user", "Result": "failure", "ResultReason": "no",
          "InitiatedBy": {"user": {"userPrincipalName": "ann@corp.example", "ipAddress": "192.0.2.7"}}, "TargetResources": [GRANTED]},
         {"class_uid": 3001, "activity_id": 6, "status_id": 2, "status_code": "no", "user": "ann@corp.example", "src_ip": "192.0.2.7",
          "tgt_user": "eve@corp.example"}),
    ],
)  # fmt: skip
def test_entra_audit(record: Record, expected: Record) -> None:
    found = row(record, "entra-audit")
    assert {name: found.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"TimeGenerated": "2026-03-02T10:00:00Z", "UserPrincipalName": "ann@corp.example", "ResultType": "50126",
          "AppDisplayName": "Portal", "IPAddress": "192.0.2.7", "Location": "NO"},
         {"user": "ann@corp.example", "status_id": 2, "status_code": "50126", "src_ip": "192.0.2.7", "country": "NO", "role": "Portal"}),
        ({"time": "2026-03-02T10:00:00Z", "category": "ADFSSignInLogs", "resultType": "0", "operationName": "Sign-in activity",
          "properties": {"userPrincipalName": "ann@corp.example"}}, {"user": "ann@corp.example", "status_id": 1}),
        ({"time": "2026-03-02T10:00:00Z", "category": "ServicePrincipalSignInLogs", "resultType": "7000215", "properties":
          {"servicePrincipalName": "builder", "servicePrincipalId": "sp", "servicePrincipalCredentialKeyId": "key-1", "sessionId": "s-1"}},
         {"user": "builder", "user_uid": "sp", "cred": "key-1", "session": "s-1", "status_id": 2}),
    ],
)  # fmt: skip
def test_entra_signin(record: Record, expected: Record) -> None:
    found = row(record, "entra-signin")
    assert {name: found.get(name) for name in expected} == expected


def office(op: str, workload: str, **more: Any) -> Record:
    return {
        "CreationTime": "2026-03-02T10:00:00",
        "Operation": op,
        "Workload": workload,
        "UserId": "ann@corp.example",
        "RecordType": 1,
    } | more


def named(**values: str) -> list[Record]:
    return [{"Name": name.replace("_", "."), "Value": value, "NewValue": value} for name, value in values.items()]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (office("UserLoginFailed", "AzureActiveDirectory", ResultStatus="Success", LogonError="InvalidPassword",
                DeviceProperties=named(SessionId="s-1", DisplayName="PC1"), ExtendedProperties=named(RequestType="Login:login")),
         {"class_uid": 3002, "status_id": 2, "status_code": "InvalidPassword", "session": "s-1", "host": "PC1"}),
        (office("UserLoggedIn", "AzureActiveDirectory", ResultStatus="Success", ObjectId="Unknown"),
         {"class_uid": 3002, "status_id": 1, "resource": None}),
        (office("Add member to role.", "AzureActiveDirectory", ModifiedProperties=named(Role_DisplayName="Global Administrator"),
                Target=[{"ID": "User", "Type": 2}, {"ID": "eve@corp.example", "Type": 5}]),
         {"class_uid": 3005, "activity_id": 1, "tgt_user": "eve@corp.example", "priv": "Global Administrator"}),
        (office("Reset user password.", "AzureActiveDirectory", Target=[{"ID": "eve@corp.example", "Type": "5"}]),
         {"class_uid": 3001, "activity_id": 4, "tgt_user": "eve@corp.example"}),
        (office("FileDownloaded", "SharePoint", SourceRelativeUrl="Docs/x", SourceFileName="plan.docx"),
         {"class_uid": 6003, "activity_id": 2, "file_path": "Docs/x/plan.docx"}),
        (office("FileDeletedFirstStageRecycleBin", "OneDrive", SourceFileName="plan.docx"), {"activity_id": 4, "file_path": "plan.docx"}),
        (office("MailItemsAccessed", "Exchange", MailboxOwnerUPN="boss@corp.example"), {"activity_id": 2, "tgt_user": "boss@corp.example"}),
        (office("MemberAdded", "MicrosoftTeams", Members=[{"UPN": "eve@corp.example"}]),
         {"class_uid": 3006, "activity_id": 3, "tgt_user": "eve@corp.example"}),
        (office("AlertEntityGenerated", "SecurityComplianceCenter", Name="Odd mail", Severity="High", EntityType="User",
                AlertEntityId="eve@corp.example"),
         {"class_uid": 2004, "rule": "Odd mail", "severity_id": 4, "tgt_user": "eve@corp.example"}),
        (office("DlpRuleMatch", "Exchange", UserId="DlpAgent", ExchangeMetaData={"From": "ann@corp.example", "Subject": "Cards"},
                PolicyDetails=[{"PolicyName": "p", "Rules": [{"RuleName": "Many cards", "Severity": "Low"}]}]),
         {"class_uid": 2004, "user": "ann@corp.example", "rule": "Many cards", "severity_id": 2, "mail_subject": "Cards"}),
        (office("TIUrlClickData", "ThreatIntelligence", Url="https://evil.example/p?x", UserIp="192.0.2.7"),
         {"class_uid": 2004, "url_host": "evil.example", "url_path": "/p?x", "src_ip": "192.0.2.7"}),
        ({"TimeGenerated": "2026-03-02T10:00:00Z", "OfficeWorkload": "Exchange", "Operation": "New-InboxRule", "OfficeObjectId": "r",
          "Client_IPAddress": "192.0.2.7"}, {"svc": "Exchange", "resource": "r", "src_ip": "192.0.2.7"}),
        ({"CreationDate": "2026-03-02T10:00:00", "AuditData": json.dumps(office("Send", "Exchange", Item={"Subject": "Hi"}))},
         {"op": "Send", "mail_subject": "Hi"}),
    ],
)  # fmt: skip
def test_microsoft_365(record: Record, expected: Record) -> None:
    found = row(record, "m365-audit")
    assert {name: found.get(name) for name in expected} == expected


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf", b"#TYPE Selected.Object\r\n"])
def test_an_export_of_microsoft_365_as_csv(start: bytes) -> None:
    cells = [json.dumps(office(op, "Exchange"), indent=1).replace('"', '""') for op in ("Send", "New-InboxRule")]
    lines_ = ['"RecordType","CreationDate","UserIds","Operations","AuditData"']
    lines_ += [f'"1","3/2/2026 10:00:00 AM","ann","x","{cell}"' for cell in cells]
    found = rows(start + "\r\n".join(lines_).encode(), "m365-audit")
    assert [(one["op"], one["user"]) for one in found] == [("Send", "ann@corp.example"), ("New-InboxRule", "ann@corp.example")]
    assert found[0]["uid"] == row(office("Send", "Exchange"), "m365-audit")["uid"]
