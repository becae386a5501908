"""Real events of many cloud services (the examples of Panther's rules, as `saas/panther-rule-tests.jsonl`): what their fields hold is read.

`HELD` says, after the vendors' documentation and apart from our mappings, which native fields hold who, when, what, how it ended and from
where. Wherever one of them has a value, the column must have one, and it must be one of theirs.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from nonself.sources import SOURCES, lines, read
from nonself.sources.contract import Limits

COLUMNS = ("time", "op", "user", "src_ip", "status_id")
HELD: dict[str, dict[str, list[str]]] = {
    "AWS.CloudTrail": {"time": ["eventTime"], "op": ["eventName"], "src_ip": ["sourceIPAddress"], "status_id": ["eventName"],
                       "user": ["userIdentity.userName", "userIdentity.arn", "userIdentity.principalId", "userIdentity.invokedBy"]},
    "AWS.SecurityFindingFormat": {"time": ["UpdatedAt"], "op": ["Action.AwsApiCallAction.Api"],
                                  "src_ip": ["Action.AwsApiCallAction.RemoteIpDetails.IpAddressV4"],
                                  "user": ["Resources.*.Details.AwsIamAccessKey.PrincipalName",
                                           "Resources.*.Details.AwsIamAccessKey.PrincipalId"]},
    "AWS.VPCDns": {"time": ["query_timestamp"], "op": ["query_type"], "src_ip": ["srcaddr"], "status_id": ["rcode"]},
    "AWS.WAFWebACL": {"time": ["timestamp"], "op": ["action"], "src_ip": ["httpRequest.clientIp"], "status_id": ["action"]},
    "Amazon.EKS.Audit": {"time": ["requestReceivedTimestamp", "stageTimestamp"], "op": ["verb"], "user": ["user.username"],
                         "src_ip": ["sourceIPs.0"], "status_id": ["responseStatus.code"]},
    "Anthropic.Activity": {"time": ["created_at"], "op": ["type"], "src_ip": ["actor.ip_address"],
                           "user": ["actor.email_address", "actor.unauthenticated_email_address", "actor.api_key_id"]},
    "Asana.Audit": {"time": ["created_at"], "op": ["event_type"], "user": ["actor.email", "actor.name"],
                    "src_ip": ["context.client_ip_address"]},
    "Auth0.Events": {"time": ["data.date"], "op": ["data.type"], "src_ip": ["data.ip"],
                     "user": ["data.user_name", "data.user_id", "data.details.request.auth.user.email"]},
    "Azure.Audit": {"time": ["time", "properties.createdDateTime", "properties.activityDateTime"],
                    "op": ["operationName", "operationname", "properties.activityDisplayName", "properties.operationName"],
                    "src_ip": ["callerIpAddress", "calleripaddress", "properties.ipAddress", "properties.initiatedBy.user.ipAddress"],
                    "user": ["properties.userPrincipalName", "properties.servicePrincipalName",
                             "properties.initiatedBy.user.userPrincipalName", "properties.initiatedBy.user.displayName",
                             "properties.initiatedBy.app.displayName"],
                    "status_id": ["resultType", "resulttype", "properties.status.errorCode", "properties.result"]},
    "Azure.MonitorActivity": {"time": ["time"], "op": ["operationName", "properties.log"],
                              "src_ip": ["callerIpAddress"], "status_id": ["resultType"],
                              "user": ["caller", "identity.claims.upn", "identity.UserName"]},
    "Box.Event": {"time": ["created_at"], "op": ["event_type"], "user": ["created_by.login", "created_by.name"], "src_ip": ["ip_address"]},
    "CiscoUmbrella.DNS": {"time": ["timestamp"], "op": ["action"], "src_ip": ["internalIp"], "status_id": ["action"]},
    "Cloudflare.Firewall": {"time": ["Datetime"], "op": ["Action"], "src_ip": ["ClientIP"], "status_id": ["Action"]},
    "Crowdstrike.EventStreams": {"time": ["metadata.eventCreationTime"], "op": ["event.OperationName"], "src_ip": ["event.UserIp"],
                                 "user": ["event.UserId", "event.UserName"], "status_id": ["event.Success"]},
    "Crowdstrike.FDREvent": {"time": ["event.timestamp", "timestamp", "event.ContextTimeStamp"], "user": ["event.UserName"],
                             "op": ["event.event_simpleName", "event_simplename", "fdr_event_type"]},
    "Databricks.Audit": {"time": ["timestamp"], "op": ["actionName"], "user": ["userIdentity.email"], "src_ip": ["sourceIPAddress"],
                         "status_id": ["response.statusCode"]},
    "Docusign.Connect": {"time": ["generatedDateTime"], "op": ["event"],
                         "user": ["data.senderEmail", "data.email", "data.envelopeSummary.sender.email", "data.userId", "data.name"]},
    "Dropbox.TeamEvent": {"time": ["timestamp"], "op": ["event_type._tag"], "src_ip": ["origin.geo_location.ip_address"],
                          "user": ["actor.user.email", "actor.admin.email", "context.email"]},
    "Duo.Administrator": {"time": ["isotimestamp"], "op": ["action"], "user": ["username"]},
    "Duo.Authentication": {"time": ["isotimestamp"], "op": ["event_type"], "user": ["user.name"], "src_ip": ["access_device.ip"],
                           "status_id": ["result"]},
    "GCP.AuditLog": {"time": ["timestamp", "receiveTimestamp"], "op": ["protoPayload.methodName", "protopayload.methodName"],
                     "user": ["protoPayload.authenticationInfo.principalEmail", "protopayload.authenticationInfo.principalEmail",
                              "protoPayload.authenticationInfo.principalSubject"],
                     "src_ip": ["protoPayload.requestMetadata.callerIp", "protoPayload.requestMetadata.callerIP",
                                "protopayload.requestMetadata.callerIP"],
                     "status_id": ["protoPayload.methodName"]},
    "GSuite.ActivityEvent": {"time": ["id.time"], "op": ["name", "events.0.name"], "user": ["actor.email"], "src_ip": ["ipAddress"]},
    "GitHub.Audit": {"time": ["created_at", "at_sign_timestamp", "@timestamp"], "op": ["action"], "user": ["actor"],
                     "src_ip": ["actor_ip"]},
    "GitHub.Webhook": {"op": ["action"], "user": ["sender.login", "pusher.name"],
                       "status_id": ["workflow_job.conclusion", "workflow_run.conclusion"]},
    "Gravitational.TeleportAudit": {"time": ["time"], "op": ["event"], "user": ["user"], "status_id": ["success", "return_code"],
                                    "src_ip": ["addr.remote"]},
    "MicrosoftIntune.AuditLogs": {"time": ["time"], "op": ["operationName"], "user": ["properties.Actor.UPN", "identity"],
                                  "status_id": ["resultType"]},
    "MongoDB.OrganizationEvent": {"time": ["created"], "op": ["eventTypeName"], "user": ["username"], "src_ip": ["remoteAddress"]},
    "MongoDB.ProjectEvent": {"time": ["created"], "op": ["eventTypeName"], "user": ["username"], "src_ip": ["remoteAddress"]},
    "Notion.AuditLogs": {"time": ["event.timestamp"], "op": ["event.type"], "user": ["event.actor.person.email"],
                         "src_ip": ["event.ip_address"]},
    "Okta.SystemLog": {"time": ["published"], "op": ["eventType", "eventtype"], "user": ["actor.alternateId"],
                       "src_ip": ["client.ipAddress"], "status_id": ["outcome.result"]},
    "OneLogin.Events": {"time": ["event_timestamp"], "op": ["event_type_id"], "user": ["actor_user_name", "user_name"],
                        "src_ip": ["ipaddr"]},
    "OnePassword.ItemUsage": {"time": ["timestamp"], "user": ["user.email"], "src_ip": ["client.ip_address"]},
    "OnePassword.SignInAttempt": {"time": ["timestamp"], "op": ["type"], "user": ["target_user.email"],
                                  "src_ip": ["client.ip_address"], "status_id": ["type"]},
    "OpenAI.Audit": {"time": ["effective_at"], "op": ["type"], "src_ip": ["actor.session.ip_address"],
                     "user": ["actor.session.user.email", "actor.api_key.service_account.id"]},
    "Osquery.Differential": {"time": ["unixTime", "calendarTime"], "op": ["name", "action"]},
    "Proofpoint.Event": {"time": ["messageTime"], "src_ip": ["senderIP"],
                         "user": ["fromAddress.0", "sender", "toAddresses.0", "recipient"]},
    "Salesforce.RealtimeEvent": {"time": ["TIMESTAMP_DERIVED"], "op": ["EVENT_TYPE"], "user": ["USER_NAME"], "src_ip": ["SOURCE_IP"],
                                 "status_id": ["STATUS", "LOGIN_STATUS"]},
    "Slack.AuditLogs": {"time": ["date_create"], "op": ["action"], "user": ["actor.user.email"], "src_ip": ["context.ip_address"]},
    "Snowflake.LoginHistory": {"time": ["EVENT_TIMESTAMP"], "op": ["EVENT_TYPE"], "user": ["USER_NAME"], "src_ip": ["CLIENT_IP"],
                               "status_id": ["IS_SUCCESS"]},
    "Snowflake.QueryHistory": {"time": ["START_TIME", "END_TIME"], "op": ["QUERY_TYPE"], "user": ["USER_NAME"],
                               "status_id": ["EXECUTION_STATUS"]},
    "Snyk.GroupAudit": {"time": ["created"], "op": ["event"], "user": ["userId"]},
    "Tailscale.Audit": {"time": ["time"], "op": ["event.action"], "user": ["event.actor.loginName"]},
    "Tines.Audit": {"time": ["created_at"], "op": ["operation_name"], "user": ["user_email"], "src_ip": ["request_ip"]},
    "Wiz.Audit": {"time": ["timestamp"], "op": ["action"], "src_ip": ["sourceIP", "sourceip"], "status_id": ["status"],
                  "user": ["user.name", "user.id", "serviceAccount.name", "serviceaccount.name"]},
    "Zendesk.Audit": {"time": ["created_at"], "op": ["action"], "user": ["actor_name", "actor_id"], "src_ip": ["ip_address"]},
    "Zoom.Operation": {"time": ["time"], "op": ["action"], "user": ["operator"]},
    "Zscaler.ZIA.AdminAuditLog": {"time": ["event.time"], "op": ["event.action"], "user": ["event.adminid"], "src_ip": ["event.clientip"],
                                  "status_id": ["event.result"]},
}  # fmt: skip
"""Log type -> column -> fields that hold it."""
NOTHING = ("", "null", "None", "-", "unknown")
NOT_OVER = ("CHALLENGE",)
"""Results that tell of no outcome yet."""
# Records that are cut down to a field or two, or renamed by the export to lower case throughout: nothing tells their kind any more.
READ_AT_LEAST = 0.92


@pytest.fixture(scope="module")
def records(data_dir: Path) -> list[tuple[str, dict[str, Any]]]:
    """(log type, event) of every example."""
    path = data_dir / "saas" / "panther-rule-tests.jsonl"
    if not path.is_file():
        pytest.skip(f"REAL DATA ABSENT: no file {path}; this test reads what Panther's rule tests hold")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [(_kind(row), row["event"]) for row in rows]


def _kind(row: dict[str, Any]) -> str:
    kinds = row["log_types"] or ["-"]
    own = row["event"].get("p_log_type") if len(kinds) > 1 else None
    return str(own or kinds[0])


@pytest.fixture(scope="module")
def rows(records: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any], dict[str, Any] | None]]:
    """(log type, event, its columns or None where no source reads it)."""
    return [(kind, event, _columns(event)) for kind, event in records]


def _columns(event: dict[str, Any]) -> dict[str, Any] | None:
    source, found = read(lines.in_memory(json.dumps(event, separators=(",", ":")).encode()), Limits())
    frame = pl.concat([chunk.events for chunk in found])
    return frame.select("source", *COLUMNS).row(0, named=True) if source is not None and frame.height == 1 else None


def _values(value: Any, steps: list[str]) -> Iterator[Any]:
    if not steps:
        yield value
    elif isinstance(value, dict) and steps[0] in value:
        yield from _values(value[steps[0]], steps[1:])
    elif isinstance(value, list) and steps[0] == "*":
        for item in value:
            yield from _values(item, steps[1:])
    elif isinstance(value, list) and steps[0].isdigit() and int(steps[0]) < len(value):
        yield from _values(value[int(steps[0])], steps[1:])


def _held(event: dict[str, Any], fields: list[str]) -> list[str]:
    found = [value for field in fields for value in _values(event, field.split("."))]
    texts = [str(value) for value in found if isinstance(value, str | int | float | bool)]
    return [text for text in texts if text not in NOTHING]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _wrong(column: str, value: Any, held: list[str]) -> bool:
    """Whether a column misses what the record holds, or holds what the record does not."""
    if column == "src_ip":
        held = [text for text in held if _is_address(text)]
    if column == "status_id":
        held = [text for text in held if text not in NOT_OVER]
    if column == "time":
        held = [text for text in held if any(letter.isdigit() for letter in text)]
    if value is None or not held:
        return bool(held)
    return column in ("op", "user", "src_ip") and not any(str(value).lower() in text.lower() for text in held)


def of(event: dict[str, Any]) -> dict[str, Any]:
    _, found = read(lines.in_memory(json.dumps(event).encode()), Limits())
    return pl.concat([chunk.events for chunk in found]).row(0, named=True)


def test_a_challenge_is_no_outcome() -> None:
    okta = {"eventType": "policy.evaluate_sign_on", "actor": {"alternateId": "a@b.c"}, "published": "2026-03-02T10:00:00Z"}
    ended = [of({**okta, "outcome": {"result": result}}) for result in ("CHALLENGE", "ALLOW", "DENY")]
    assert [found["status_id"] for found in ended] == [None, 1, 2] and ended[0]["status_code"] == "CHALLENGE"
    google = {
        "kind": "admin#reports#activity",
        "id": {"time": "2026-03-02T10:00:00Z", "applicationName": "login"},
        "actor": {"email": "a@b.c"},
    }
    said = [[], [{"name": "login_challenge_status", "value": "passed"}], [{"name": "login_challenge_status", "value": "Challenge Failed"}]]
    events = [[{"type": "login", "name": "login_challenge", "parameters": parameters}] for parameters in said]
    assert [of({**google, "events": event})["status_id"] for event in events] == [None, 1, 2]


def test_an_account_at_an_application_has_a_name_and_an_id() -> None:
    okta = {"eventType": "user.authentication.sso", "actor": {"alternateId": "a@b.c"}, "published": "2026-03-02T10:00:00Z"}
    found = of({**okta, "target": [{"type": "AppInstance", "id": "0oa"}, {"type": "AppUser", "id": "0ua", "alternateId": "ann"}]})
    assert (found["tgt_user"], found["tgt_uid"]) == ("ann", "0ua")


def test_a_port_that_is_listened_on_is_the_near_end() -> None:
    result = {"name": "listening_ports", "hostIdentifier": "h1", "unixTime": 1772445600, "action": "added"}
    found = of({**result, "columns": {"address": "192.0.2.1", "port": "22", "pid": "5"}})
    assert (found["src_ip"], found["src_port"], found["pid"]) == ("192.0.2.1", 22, 5)


def test_a_request_at_the_edge_ended_as_its_firewall_said_or_as_it_was_answered() -> None:
    asked = {"RayID": "7", "ClientIP": "192.0.2.1", "ClientRequestMethod": "POST", "EdgeStartTimestamp": 1772445600}
    more = ({"EdgeResponseStatus": 204}, {"EdgeResponseStatus": 403}, {"EdgeResponseStatus": 200, "SecurityAction": "block"},
            {"EdgeResponseStatus": 200, "SecurityAction": "unknown"},
            {"EdgeResponseStatus": 200, "Action": "managedchallengebypassed"})  # fmt: skip
    found = [of({**asked, **one}) for one in more]
    assert [one["status_id"] for one in found] == [1, 2, 2, 1, 1] and {one["activity_id"] for one in found} == {6}
    request = {"clientIp": "192.0.2.1", "httpMethod": "GET", "requestId": "null"}
    arn = "arn:aws:wafv2:eu-west-1:123456789012:regional/webacl/shop/1"
    waf = of({"timestamp": 1772445600123, "webaclId": arn, "action": "ALLOW", "httpSourceName": "-", "httpRequest": request})
    held = ("account", "region", "svc", "session", "activity_id", "status_id")
    assert [waf[name] for name in held] == ["123456789012", "eu-west-1", None, None, 3, 1]


def test_where_and_on_which_machine_a_call_acted() -> None:
    payload = {"methodName": "v1.compute.instances.stop", "resourceLocation": {"currentLocations": ["eu"]}}
    found = of({"timestamp": "2026-03-02T10:00:00Z", "protoPayload": payload, "resource": {"labels": {"instance_id": "77"}}})
    assert (found["host_uid"], found["region"], found["status_id"]) == ("77", "eu", 1)
    zoned = of({"timestamp": "2026-03-02T10:00:00Z", "protoPayload": payload, "resource": {"labels": {"zone": "eu-west1-b"}}})
    assert zoned["region"] == "eu-west1-b"


def test_names_in_lower_case_hide_no_failure() -> None:
    metadata = {"callerSuppliedUserAgent": "sdk/1"}
    payload = {"methodName": "SetIamPolicy", "requestMetadata": metadata, "status": {"code": 7, "message": "denied"}}
    found = of({"timestamp": "2026-03-02T10:00:00Z", "protopayload": payload})
    assert (found["user_agent"], found["status_id"], found["status_code"]) == ("sdk/1", 2, "denied")


def test_at_least_25_log_types_are_covered(rows: list[tuple[str, dict[str, Any], dict[str, Any] | None]]) -> None:
    table = (
        pl.DataFrame(
            [{"log_type": kind, **(found or dict.fromkeys(("source", *COLUMNS)))} for kind, _, found in rows], infer_schema_length=None
        )
        .group_by("log_type")
        .agg(pl.len().alias("events"), pl.col("source").count().alias("read"), *(pl.col(column).count() for column in COLUMNS))
        .sort("events", "log_type", descending=[True, False])
    )
    with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True):
        print(table)  # shown by pytest -s
    covered = table.filter(pl.col("read") > 0)
    assert covered.height >= 25
    assert set(HELD) <= set(covered["log_type"]) and len(HELD) >= 25
    assert table["read"].sum() >= READ_AT_LEAST * table["events"].sum()


@pytest.mark.parametrize("kind", HELD)
def test_what_a_record_holds_is_in_its_columns(kind: str, rows: list[tuple[str, dict[str, Any], dict[str, Any] | None]]) -> None:
    mine = [(event, found) for one, event, found in rows if one == kind and found is not None]
    assert mine
    for event, found in mine:
        wrong = {
            column: (found[column], held)
            for column, fields in HELD[kind].items()
            if _wrong(column, found[column], held := _held(event, fields))
        }
        assert not wrong, (found["source"], json.dumps(event)[:600])


def test_every_source_of_the_test_is_ours(rows: list[tuple[str, dict[str, Any], dict[str, Any] | None]]) -> None:
    assert {found["source"] for _, _, found in rows if found} <= {source.name for source in SOURCES}
