"""Events of services that people sign in to: of each the kinds that matter, in every shape they come in, and what their columns hold.

What an event means is checked against public mappings (Elastic's integrations, Panther's rules) and the vendors' documentation; the
records are ours.
"""

from __future__ import annotations

import json
from typing import Any

import polars as pl

from nonself.sources import lines, read
from nonself.sources.contract import Limits

Record = dict[str, Any]
IP, AT = "192.0.2.7", "2026-03-02T10:00:00Z"


def rows(*records: Record) -> list[Record]:
    """The events of a log that holds some records."""
    _, found = read(lines.in_memory(b"\n".join(json.dumps(record).encode() for record in records)), Limits())
    return pl.concat([chunk.events for chunk in found]).to_dicts()


def row(record: Record) -> Record:
    (found,) = rows(record)
    return found


def holds(found: Record, **columns: Any) -> None:
    assert {name: found[name] for name in columns} == columns


def test_duo_says_who_signed_in_in_all_versions_of_its_log() -> None:
    second = {
        "event_type": "authentication",
        "txid": "t1",
        "application": {"key": "DI1", "name": "VPN"},
        "user": {"key": "DU1", "name": "ann"},
        "access_device": {"ip": None},
        "auth_device": {"ip": None},
        "factor": None,
        "result": "denied",
        "reason": "no_keys_pressed",
        "isotimestamp": AT,
    }
    holds(row(second), source="duo-auth", user="ann", status_id=2, status_code="no_keys_pressed", svc="VPN", class_uid=3002)
    enrolled = row({**second, "event_type": "enrollment", "result": "success", "access_device": {"ip": IP}})
    holds(enrolled, class_uid=3001, activity_id=10, status_id=1, src_ip=IP)
    first = {"username": "bob", "integration": "VPN", "factor": "Phone Call", "result": "FAILURE", "ip": IP, "timestamp": 1772445600}
    holds(row(first), source="duo-auth", user="bob", src_ip=IP, status_id=2, svc="VPN", op="authentication", class_uid=3002)
    holds(row({"@timestamp": AT, "message": json.dumps(second)}), source="duo-auth", user="ann")


def test_duo_says_what_administrators_did_and_from_where() -> None:
    said = json.dumps({"ip_address": IP, "error": "no such factor"})
    record = {"action": "admin_login_error", "isotimestamp": "2026-03-02T10: 00: 00+00: 00", "timestamp": 1772445600, "username": "ann"}
    holds(row({**record, "description": said}), source="duo-admin", user="ann", src_ip=IP, status_id=2, class_uid=3002)
    holds(row({**record, "action": "admin_login", "description": {"ip_address": IP}}), src_ip=IP, status_id=1)
    holds(row({**record, "action": "user_update", "description": "cafe: 12"}), src_ip=None, status_code="cafe: 12")
    activity = {
        "activity_id": "a1",
        "action": {"name": "user_update"},
        "actor": {"key": "DE1", "name": "ann", "type": "admin"},
        "access_device": {"ip": {"address": IP}},
        "outcome": {"result": "FAILURE"},
        "target": {"name": "bob"},
        "ts": AT,
    }
    holds(row(activity), source="duo-admin", op="user_update", user="ann", user_uid="DE1", src_ip=IP, status_id=2, resource="bob")
    call = {"telephony_id": "t1", "context": "authentication", "phone": "+15550100", "type": "sms", "txid": "x1", "ts": AT}
    holds(row(call), source="duo-admin", op="sms", resource="+15550100", session="x1")


def google(name: str, application: str = "login", kind: str = "login", **parameters: str) -> Record:
    said = [{"name": parameter, "value": value} for parameter, value in parameters.items()]
    event = {"type": kind, "name": name, "parameters": said}
    return {
        "kind": "admin#reports#activity",
        "id": {"time": AT, "applicationName": application, "uniqueQualifier": "1", "customerId": "C1"},
        "actor": {"email": "ann@corp.example", "profileId": "7"},
        "ipAddress": IP,
        "events": [event],
    }


def test_google_says_the_same_where_a_shipper_has_split_the_events() -> None:
    whole = google("login_failure", login_failure_type="login_failure_invalid_password", login_type="google_password")
    for record in (whole, {**whole, "events": whole["events"][0]}):
        holds(
            row(record), op="login_failure", class_uid=3002, status_id=2, status_code="login_failure_invalid_password", svc="login",
            auth_protocol="google_password",
        )  # fmt: skip


def test_google_says_on_whom_and_on_what_something_was_done() -> None:
    holds(row(google("login_challenge", login_challenge_status="Challenge Passed.")), status_id=1)
    holds(row(google("risky_sensitive_action_blocked", login_challenge_status="Challenge Passed.")), status_id=2)
    holds(row(google("2sv_disable", "user_accounts")), class_uid=3001, activity_id=11)
    holds(
        row(google("suspicious_programmatic_login", affected_email_address="bob@corp.example")), tgt_user="bob@corp.example", class_uid=3002
    )
    member = {"group_email": "all@corp.example", "user_email": "bob@corp.example", "status": "succeeded"}
    holds(
        row(google("add_user", "groups", **member)), class_uid=3006, tgt_user="bob@corp.example", resource="all@corp.example", status_id=1
    )
    revoked = google("UNASSIGN_ROLE", "admin", USER_EMAIL="bob@corp.example", ROLE_NAME="_HELP_DESK_ADMIN_ROLE")
    holds(row(revoked), class_uid=3005, activity_id=2, tgt_user="bob@corp.example", priv="_HELP_DESK_ADMIN_ROLE")
    holds(row(google("login_failure", "saml", application_name="Wiki", failure_type="x")), resource="Wiki", status_code="x", status_id=2)
    holds(row(google("CHANGE_APPLICATION_SETTING", "admin", APPLICATION_NAME="Gmail", SETTING_NAME="POP")), resource="POP")


def okta(event: str, **more: Any) -> Record:
    actor = {"id": "00u1", "type": "User", "alternateId": "ann@corp.example", "displayName": "Ann"}
    return {"eventType": event, "published": AT, "actor": actor, "outcome": {"result": "SUCCESS"}, **more}


def test_okta_within_what_carries_it() -> None:
    plain = okta("user.session.start", client={"ipAddress": IP})
    bus = {"version": "0", "source": "aws.partner/okta.example/x", "detail-type": "SystemLog", "time": AT, "detail": plain}
    for record in (plain, bus, {"@timestamp": AT, "message": json.dumps(plain)}):
        holds(row(record), source="okta", op="user.session.start", user="ann@corp.example", src_ip=IP, status_id=1, class_uid=3002)


def test_okta_unknown_is_no_name() -> None:
    nobody = okta("user.session.start", authenticationContext={"externalSessionId": "unknown"})
    holds(row(nobody), session=None, user="ann@corp.example")
    holds(row({**nobody, "actor": {**nobody["actor"], "alternateId": "unknown", "displayName": "unknown"}}), user=None, user_uid="00u1")
    device = okta("user.authentication.auth_via_mfa", device={"id": "guo1", "name": "LAPTOP-7"})
    holds(row(device), host="LAPTOP-7", host_uid="guo1", mfa=True)


def test_okta_kinds() -> None:
    kinds = {
        "user.authentication.slo": (3002, 2),
        "user.authentication.auth_via_mfa": (3002, 1),
        "user.mfa.okta_verify.deny_push": (3002, 1),
        "app.generic.unauth_app_access_attempt": (3002, 1),
        "user.account.lock.limit": (3001, 9),
        "user.account.update_password": (3001, 3),
        "user.account.reset_password": (3001, 4),
        "user.mfa.factor.suspend": (3001, 11),
        "application.user_membership.add": (3005, 1),
        "application.user_membership.remove": (3005, 2),
        "application.lifecycle.create": (6003, 1),
    }
    assert {event: tuple(row(okta(event))[name] for name in ("class_uid", "activity_id")) for event in kinds} == kinds


def test_sign_ins_have_an_outcome_where_each_outcome_has_its_own_name() -> None:
    person, place = {"id": "1", "login": "ann@corp.example", "email": "ann@corp.example"}, {"id": "T1"}
    slack = {"date_create": 1772445600, "actor": {"type": "user", "user": person}, "context": {"location": place, "ip_address": IP}}
    box = {"type": "event", "created_at": AT, "created_by": person, "ip_address": IP}
    asana = {"created_at": AT, "event_category": "logins", "actor": {"actor_type": "user", **person}}
    dropbox = {"timestamp": AT, "event_category": {".tag": "logins"}, "actor": {"user": person}}
    github = {"@timestamp": 1772445600123, "actor": "ann", "org": "corp", "actor_ip": IP}
    signed_in: list[tuple[Record, Record]] = [
        ({**slack, "action": "user_login"}, {**slack, "action": "user_login_failed"}),
        ({**box, "event_type": "LOGIN"}, {**box, "event_type": "FAILED_LOGIN"}),
        ({**asana, "event_type": "user_login_succeeded"}, {**asana, "event_type": "user_login_failed"}),
        ({**dropbox, "event_type": {".tag": "login_success"}}, {**dropbox, "event_type": {".tag": "login_fail"}}),
        ({**github, "action": "user.login"}, {**github, "action": "user.failed_login"}),
    ]
    for good, bad in signed_in:
        holds(row(good), class_uid=3002, activity_id=1, status_id=1)
        holds(row(bad), class_uid=3002, activity_id=1, status_id=2)
    holds(row({**slack, "action": "anomaly", "details": {"reason": ["asn"]}}), class_uid=2004, rule="asn")
    holds(row({**slack, "action": "user_deactivated", "entity": {"user": {"email": "bob@corp.example"}}}), class_uid=3001, activity_id=5)


def test_github_calls_and_refusals() -> None:
    github = {"@timestamp": 1772445600123, "actor": "ann", "org": "corp", "actor_location": {"ip": IP}}
    call = {**github, "action": "api.request", "request_method": "GET", "url_path": "/user", "status_code": 404}
    holds(row(call), http_method="GET", url_path="/user", http_status=404, src_ip=IP)
    holds(row({**github, "action": "protected_branch.rejected_ref_update"}), status_id=2)
    holds(
        row({**github, "action": "org.update_member", "user": "bob", "permission": "admin"}), class_uid=3005, priv="admin", tgt_user="bob"
    )
    holds(row({**github, "action": "team.add_member", "data": {"team": "corp/ops"}, "user": "bob"}), resource="corp/ops", class_uid=3006)


def falcon(kind: str, **more: str) -> Record:
    return {"event_simpleName": kind, "aid": "a1", "cid": "c1", "timestamp": "1772445600000", **more}


def test_crowdstrike_says_where_a_connection_and_a_logon_came_from() -> None:
    ends = {"LocalAddressIP4": IP, "LocalPort": "3389", "RemoteAddressIP4": "198.51.100.9", "RemotePort": "50100", "Protocol": "6"}
    inward = {"src_ip": "198.51.100.9", "src_port": 50100, "dst_ip": IP, "dst_port": 3389, "proto": "tcp"}
    holds(row(falcon("NetworkReceiveAcceptIP4", **ends)), class_uid=4001, **inward)
    holds(row(falcon("NetworkConnectIP4", **ends, ConnectionDirection="0")), src_ip=IP, dst_port=50100, direction_id=2)
    sixth = {"LocalAddressIP6": "2001:db8::5", "RemoteAddressIP6": "2001:db8::7"}
    holds(row(falcon("NetworkConnectIP6", **sixth)), src_ip="2001:db8::5", dst_ip="2001:db8::7")
    logon = {"UserName": "ann", "LogonDomain": "CORP", "LogonType": "10", "RemoteAddressIP4": "198.51.100.9"}
    who = {"user": "ann", "user_domain": "CORP", "logon_type": 10, "src_ip": "198.51.100.9", "dst_ip": None, "class_uid": 3002}
    holds(row(falcon("UserLogon", **logon)), status_id=1, **who)
    holds(row(falcon("UserLogonFailed2", **logon, SubStatus="3221225578")), status_id=2, status_code="3221225578", **who)


def test_crowdstrike_detections() -> None:
    stream = {"metadata": {"eventType": "DetectionSummaryEvent", "customerIDString": "c1", "eventCreationTime": 1772445600000}}
    event = {"FileName": "Tool.exe", "FilePath": "\\Device\\Volume1\\Temp", "SeverityName": "High", "Severity": 4, "DetectName": "odd"}
    found = row({**stream, "event": event})
    holds(found, image="\\Device\\Volume1\\Temp\\Tool.exe", severity_id=4, rule="odd", class_uid=2004)
    linux = {**event, "FilePath": "/usr/bin/tool", "FileName": "tool", "MitreAttack": [{"TechniqueID": "T1204", "TacticID": "TA0002"}]}
    holds(row({**stream, "event": linux}), image="/usr/bin/tool", tactics=["T1204", "TA0002"])
    holds(row({**stream, "event": {**linux, "FilePath": "/usr/bin/"}}), image="/usr/bin/tool")


def test_teleport_says_from_where_and_on_whom() -> None:
    event = {"ei": 0, "uid": "u1", "time": AT, "cluster_name": "c", "user": "ann"}
    ends = {"addr.remote": f"{IP}:50100", "addr.local": "192.0.2.9:3022", "login": "root", "sid": "s1"}
    holds(
        row({**event, **ends, "event": "session.start", "code": "T2000I"}), src_ip=IP, dst_ip="192.0.2.9", tgt_user="root", class_uid=4007
    )
    command = {"event": "exec", "code": "T3002E", "command": "id -u", "exitCode": "1", "exitError": "exit status 1"}
    holds(row({**event, **ends, **command}), cmdline="id -u", status_id=2, status_code="exit status 1", src_ip=IP)
    query = {"event": "db.session.query", "code": "TDB02I", "db_query": "select 1", "db_user": "owner", "db_service": "shop"}
    holds(row({**event, **query}), cmdline="select 1", tgt_user="owner", resource="shop")
    network = {"event": "session.network", "code": "T4002I", "src_addr": IP, "dst_addr": "203.0.113.5", "dst_port": "443"}
    holds(row({**event, **network}), src_ip=IP, dst_ip="203.0.113.5", dst_port=443, class_uid=4001)
    holds(row({**event, "event": "access_request.create", "code": "T5000I", "id": "r1"}), activity_id=1, resource="r1")
    holds(row({**event, "event": "mfa.delete", "code": "T1007I"}), class_uid=3001, activity_id=11)


def test_proofpoint_tells_clicks_from_mails_and_loses_no_list() -> None:
    click = {"clickTime": AT, "clickIP": IP, "threatID": "t1", "recipient": "ann@corp.example", "sender": "eve@bad.example"}
    click |= {"url": "http://bad.example/login?x=1", "classification": "phish", "messageID": "m1", "senderIP": "198.51.100.9"}
    holds(
        row(click), source="proofpoint-clicks", user="ann@corp.example", tgt_user="eve@bad.example", src_ip=IP, url_host="bad.example",
        url_path="/login?x=1", rule="phish", status_id=None, class_uid=4002,
    )  # fmt: skip
    part = {"disposition": "attached", "filename": "a.exe", "sha256": "ab" * 32}
    mail = {"messageID": "m1", "messageTime": AT, "senderIP": "198.51.100.9", "sender": "eve@bad.example", "messageParts": [part]}
    holds(row(mail), source="proofpoint", file_path="a.exe", hash="ab" * 32, status_id=1)
    answer = {
        "queryEndTime": AT,
        "messagesDelivered": [],
        "clicksPermitted": [click],
        "messagesBlocked": [mail, mail],
        "clicksBlocked": [click],
    }
    assert sorted(found["source"] for found in rows(answer)) == ["proofpoint"] * 2 + ["proofpoint-clicks"] * 2


def test_every_code_of_auth0_has_its_outcome() -> None:
    event = {"log_id": "l1", "data": {"log_id": "l1", "date": AT, "ip": IP, "user_name": "ann@corp.example", "user_id": "auth0|1"}}
    kinds = {
        "scoa": (3002, 1, 1), "fcoa": (3002, 1, 2), "sens": (3002, 1, 1), "feotpft": (3002, 1, 2), "sertft": (3002, 1, 1),
        "ferrt": (3002, 1, 2), "fco": (3002, 1, 2), "w": (3002, 1, None), "flo": (3002, 2, 2), "fs": (3001, 1, 2), "sdu": (3001, 6, 1),
        "fcpr": (3001, 4, 2), "scp": (3001, 3, 1), "gd_enrollment_complete": (3001, 10, 1), "gd_unenroll": (3001, 11, None),
        "gd_recovery_failed": (3002, 1, 2), "api_limit": (6003, 99, 2), "gd_tenant_update": (6003, 99, None),
    }  # fmt: skip
    found = {code: row({**event, "data": {**event["data"], "type": code}}) for code in kinds}
    assert {code: (one["class_uid"], one["activity_id"], one["status_id"]) for code, one in found.items()} == kinds
    holds(
        row({"detail-type": "Auth0 log", "detail": {**event, "data": {**event["data"], "type": "s"}}}), user="ann@corp.example", status_id=1
    )


def test_1password_says_on_whom() -> None:
    event = {"uuid": "e1", "timestamp": AT, "actor_uuid": "A1", "actor_details": {"email": "ann@corp.example"}, "session": {"ip": IP}}
    bob = {"object_type": "user", "object_uuid": "B1", "object_details": {"uuid": "B1", "email": "bob@corp.example"}}
    holds(row({**event, **bob, "action": "suspend"}), user="ann@corp.example", tgt_user="bob@corp.example", class_uid=3001, activity_id=5)
    holds(row({**event, "object_type": "gm", "object_uuid": "G1", "action": "join"}), class_uid=3006, activity_id=3, tgt_user=None)


def test_younger_forms_of_snyk_zoom_and_salesforce() -> None:
    snyk = {"created": AT, "event": "org.user.role.edit", "group_id": "g1", "org_id": "o1", "user_id": "u1", "project_id": "p1"}
    holds(row(snyk), source="snyk", user="u1", account="g1", resource="p1")
    person = {"id": "z1", "email": "ann@corp.example", "client_type": "mac", "date_time": AT}
    zoom = {"event": "user.signed_in", "event_ts": 1772445600000, "payload": {"account_id": "a1", "object": person}}
    holds(row(zoom), source="zoom", user="ann@corp.example", status_id=1, class_uid=3002, account="a1")
    removed = {"account_id": "a1", "operator": "bob@corp.example", "object": person}
    holds(row({**zoom, "event": "user.deleted", "payload": removed}), user="bob@corp.example", tgt_user="ann@corp.example", activity_id=6)
    login = {"attributes": {"type": "LoginEvent"}, "EventIdentifier": "e1", "EventDate": AT, "Username": "ann@corp.example", "SourceIp": IP}
    holds(row({**login, "Status": "Success"}), source="salesforce", user="ann@corp.example", src_ip=IP, status_id=1, class_uid=3002)
    holds(row({**login, "Status": "Invalid Password"}), status_id=2, status_code="Invalid Password")


def wazuh(decoder: str, **more: Any) -> Record:
    rule = {"id": "5402", "level": 3, "description": "odd"}
    agent = {"id": "001", "name": "web1", "ip": "10.0.0.9"}
    return {"timestamp": "2026-03-02T10:00:00.123+0000", "rule": rule, "agent": agent, "decoder": {"name": decoder}, "data": more}


def test_wazuh_says_who_did_what_to_whom() -> None:
    sudo = row(wazuh("sudo", srcuser="ann", dstuser="root", command="/bin/sh", pwd="/home/ann"))
    holds(sudo, user="ann", tgt_user="root", cmdline="/bin/sh", cwd="/home/ann", src_ip=None, host="web1")
    holds(row(wazuh("sshd", srcip=IP, dstuser="root")), user="root", src_ip=IP)
    holds(row(wazuh("json", aws={"sourceIPAddress": IP, "userIdentity": {"userName": "ann"}})), user="ann", src_ip=IP)
    audit = {"exe": "/usr/bin/id", "pid": "71", "cwd": "/root", "file": {"name": "/etc/shadow"}}
    holds(row(wazuh("auditd", audit=audit)), image="/usr/bin/id", pid=71, cwd="/root", file_path="/etc/shadow")


def test_wazuh_writes_windows_paths_with_two_backslashes() -> None:
    event = {"image": "C:\\\\Temp\\\\a.exe", "commandLine": "a.exe \\\\srv\\x", "user": "CORP\\\\ann", "parentImage": "C:\\Windows\\b.exe"}
    found = row(wazuh("windows_eventchannel", win={"eventdata": {**event, "sourceIp": IP, "destinationIp": "203.0.113.5"}}))
    holds(found, image="C:\\Temp\\a.exe", parent_image="C:\\Windows\\b.exe", cmdline="a.exe \\\\srv\\x", user="ann", dst_ip="203.0.113.5")
    logon = {
        "targetUserName": "bob",
        "targetDomainName": "CORP",
        "logonType": "3",
        "ipAddress": IP,
        "ipPort": "50100",
        "subStatus": "0xc000006a",
    }
    found = row(wazuh("windows_eventchannel", win={"eventdata": logon}))
    holds(found, user="bob", user_domain="CORP", logon_type=3, src_port=50100, status_code="0xc000006a")


def test_elastic_alerts_in_all_their_spellings() -> None:
    threat = [{"tactic": {"id": "TA0002"}, "technique": [{"id": "T1059", "subtechnique": [{"id": "T1059.001"}]}, {"id": "T1204"}]}]
    about = {"process": {"executable": "/bin/a", "pid": 7, "parent": {"executable": "/bin/b"}}, "user": {"name": "ann", "domain": "CORP"}}
    flat = {
        "process.executable": "/bin/a",
        "process.pid": 7,
        "process.parent.executable": "/bin/b",
        "user.name": "ann",
        "user.domain": "CORP",
    }
    mixed = {"@timestamp": AT, "kibana.alert.rule.name": "r", "kibana.alert.rule.threat": threat}
    signal = {"@timestamp": AT, "event": {"kind": "signal"}, "signal": {"rule": {"name": "r", "threat": threat}}}
    nested = {"@timestamp": AT, "kibana": {"alert": {"rule": {"name": "r", "threat": threat}}}}
    for record in ({**mixed, **about}, {**mixed, **flat}, {**signal, **about}, {**nested, **about}, {"_source": {**mixed, **flat}}):
        found = row(record)
        holds(found, source="elastic-alerts", rule="r", image="/bin/a", pid=7, parent_image="/bin/b", user="ann", user_domain="CORP")
        assert {"TA0002", "T1059", "T1204"} <= set(found["tactics"])


def test_a_beat_carries_records_as_text() -> None:
    github = {"@timestamp": 1772445600123, "action": "repo.create", "actor": "ann", "org": "corp"}
    teleport = {"event": "user.login", "code": "T1000W", "uid": "u1", "time": AT, "user": "ann", "success": False}
    actor = {"id": "U1", "login": "ann", "email": "ann"}
    slack = {"action": "user_login", "date_create": 1772445600, "actor": {"user": actor}, "context": {"location": {"id": "T1"}}}
    box = {"type": "event", "event_type": "LOGIN", "created_at": AT, "created_by": actor}
    for source, record in (("github-audit", github), ("teleport", teleport), ("slack-audit", slack), ("box", box)):
        holds(row({"@timestamp": AT, "message": json.dumps(record)}), source=source, user="ann")
        holds(row({**record, "message": "a text of its own"}), source=source, user="ann")
