"""The event schema: one flat table of columns that every source fills and every detector reads.

A column has a short name, a polars type, a unit, one path of OCSF 1.8, a trust label and a sentence. Null means "the source did not say".
`trust` says who can write the value: `attacker` marks text that whoever acts in the logs can choose (a command line, a user agent, a
file name); it is neutralised wherever it is shown (`core.safe`). `sensor` marks what the logging system itself states.
Enums are OCSF integers; captions are derived, never stored.

In memory strings are plain `polars.String`; on disk Parquet dictionary-encodes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl

OCSF_VERSION = "1.8.0"
TIME = pl.Datetime("us", "UTC")
Trust = Literal["sensor", "attacker"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the event schema. `unit` is empty where there is none; `group` is a heading of the printed table."""

    name: str
    dtype: pl.DataType
    group: str
    ocsf: str
    doc: str
    trust: Trust = "sensor"
    unit: str = ""


def _c(name: str, dtype: object, group: str, ocsf: str, doc: str, trust: Trust = "sensor", unit: str = "") -> Column:
    return Column(name, dtype() if isinstance(dtype, type) else dtype, group, ocsf, doc, trust, unit)  # type: ignore[arg-type]


_S, _I64, _I32, _I16, _I8, _B = pl.String, pl.Int64, pl.Int32, pl.Int16, pl.Int8, pl.Boolean
_LIST = pl.List(pl.String)

COLUMNS: tuple[Column, ...] = (
    _c("time", TIME, "core", "time", "when it happened, by the log's own clock", unit="us since 1970, UTC"),
    _c("uid", _S, "core", "metadata.uid", "96-bit hash of source and raw record, hex; the event's name"),
    _c("source", _S, "core", "metadata.product.feature.name", "the source kind that read it, as in `nonself sources`"),
    _c("origin", _S, "core", "metadata.log_file", "the file (and archive member) it was read from", "attacker"),
    _c("record", _I64, "core", "metadata.sequence", "the record's number in that file, from 0"),
    _c("channel", _S, "core", "metadata.log_name", "the log within the source: Windows channel, Zeek path, EVE event type"),
    _c("log_provider", _S, "core", "metadata.log_provider", "the program that wrote the record: Windows provider, syslog program"),
    _c("class_uid", _I32, "core", "class_uid", "OCSF event class; 0 is Base Event"),
    _c("activity_id", _I16, "core", "activity_id", "OCSF activity within the class; 0 unknown, 99 other"),
    _c("severity_id", _I8, "core", "severity_id", "OCSF severity as the source states it: 1 informational to 6 fatal"),
    _c("status_id", _I8, "core", "status_id", "outcome: 1 success, 2 failure"),
    _c("status_code", _S, "core", "status_code", "the source's own outcome: error code, NTSTATUS, Zeek conn_state"),
    _c("op", _S, "core", "metadata.event_code", "the operation: Windows event id, API operation, EVE event type, sshd action"),
    _c("user", _S, "actor", "actor.user.name", "who acted, without domain", "attacker"),
    _c("user_uid", _S, "actor", "actor.user.uid", "the actor's SID, ARN or numeric id"),
    _c("user_type", _S, "actor", "actor.user.type", "kind of actor as the source names it: IAMUser, AssumedRole, User"),
    _c("user_domain", _S, "actor", "actor.user.domain", "the actor's Windows domain, realm or tenant"),
    _c("session", _S, "actor", "actor.session.uid", "session the action ran in: logon id, Zeek uid, flow id"),
    _c("cred", _S, "actor", "actor.user.credential_uid", "credential used: access key id, token id, logon GUID"),
    _c("mfa", _B, "actor", "actor.session.is_mfa", "whether a second factor was used"),
    _c("auth_protocol", _S, "actor", "auth_protocol", "authentication protocol or method: NTLM, Kerberos, password, publickey"),
    _c("logon_type", _I16, "actor", "logon_type_id", "Windows logon type: 2 interactive, 3 network, 10 remote interactive"),
    _c("role", _S, "actor", "actor.invoked_by", "role or account assumed while acting"),
    _c("tgt_user", _S, "target", "user.name", "the account acted on: created, logged on to, granted to, sudo'd to", "attacker"),
    _c("tgt_uid", _S, "target", "user.uid", "the target account's SID, ARN or numeric id"),
    _c("tgt_domain", _S, "target", "user.domain", "the target account's domain"),
    _c("priv", _S, "target", "privileges", "privilege, group or policy granted or used"),
    _c("host", _S, "device", "device.hostname", "the machine the record is about", "attacker"),
    _c("host_uid", _S, "device", "device.uid", "the machine's stable id: instance id, agent id"),
    _c("src_ip", _S, "network", "src_endpoint.ip", "source address"),
    _c("src_port", _I32, "network", "src_endpoint.port", "source port"),
    _c("src_host", _S, "network", "src_endpoint.hostname", "source machine's name as the record gives it", "attacker"),
    _c("dst_ip", _S, "network", "dst_endpoint.ip", "destination address"),
    _c("dst_port", _I32, "network", "dst_endpoint.port", "destination port"),
    _c("dst_host", _S, "network", "dst_endpoint.hostname", "destination machine's name as the record gives it", "attacker"),
    _c("proto", _S, "network", "connection_info.protocol_name", "transport: tcp, udp, icmp"),
    _c("app_proto", _S, "network", "connection_info.app_protocol_name", "application protocol the sensor recognised: dns, ssl, ssh"),
    _c("direction_id", _I8, "network", "connection_info.direction_id", "1 inbound, 2 outbound, 3 lateral"),
    _c("bytes_in", _I64, "network", "traffic.bytes_in", "payload from destination to source", unit="bytes"),
    _c("bytes_out", _I64, "network", "traffic.bytes_out", "payload from source to destination", unit="bytes"),
    _c("pkts_in", _I64, "network", "traffic.packets_in", "packets from destination to source"),
    _c("pkts_out", _I64, "network", "traffic.packets_out", "packets from source to destination"),
    _c("duration_us", _I64, "network", "duration", "how long the activity lasted", unit="us"),
    _c("country", _S, "network", "src_endpoint.location.country", "country of the source address, ISO 3166 alpha-2"),
    _c("asn", _I64, "network", "src_endpoint.autonomous_system.number", "autonomous system of the source address"),
    _c("proc_guid", _S, "process", "process.uid", "the process, unique for ever: Sysmon ProcessGuid"),
    _c("pid", _I64, "process", "process.pid", "process id"),
    _c("image", _S, "process", "process.file.path", "full path of the process's executable", "attacker"),
    _c("cmdline", _S, "process", "process.cmd_line", "command line", "attacker"),
    _c("cwd", _S, "process", "process.working_directory", "working directory", "attacker"),
    _c("parent_guid", _S, "process", "process.parent_process.uid", "the parent process, unique for ever"),
    _c("parent_pid", _I64, "process", "process.parent_process.pid", "parent process id"),
    _c("parent_image", _S, "process", "process.parent_process.file.path", "full path of the parent's executable", "attacker"),
    _c("parent_cmdline", _S, "process", "process.parent_process.cmd_line", "the parent's command line", "attacker"),
    _c("integrity", _S, "process", "process.integrity", "integrity level: Low, Medium, High, System"),
    _c("tgt_guid", _S, "process", "module.process.uid", "the process acted on (opened, injected into)"),
    _c("tgt_image", _S, "process", "module.process.file.path", "executable of the process acted on", "attacker"),
    _c("file_path", _S, "file", "file.path", "file created, read, changed or deleted", "attacker"),
    _c("hash", _S, "file", "file.hashes", "strongest hash of the file or image, lower-case hex"),
    _c("reg_key", _S, "file", "reg_key.path", "registry key or value path", "attacker"),
    _c("reg_value", _S, "file", "reg_value.data", "registry value data", "attacker"),
    _c("module_path", _S, "file", "module.file.path", "library or driver loaded", "attacker"),
    _c("signed", _B, "file", "module.file.signature.state_id", "whether the module or image carries a valid signature"),
    _c("service", _S, "file", "service.name", "Windows service or scheduled task created, changed or run", "attacker"),
    _c("pipe", _S, "file", "file.name", "named pipe or network share", "attacker"),
    _c("query", _S, "application", "query.hostname", "name asked in DNS", "attacker"),
    _c("qtype", _S, "application", "query.type", "DNS record type"),
    _c("rcode", _S, "application", "rcode", "DNS response code name"),
    _c("answers", _LIST, "application", "answers", "DNS answers", "attacker"),
    _c("http_method", _S, "application", "http_request.http_method", "HTTP method", "attacker"),
    _c("url_host", _S, "application", "http_request.url.hostname", "host asked for in HTTP", "attacker"),
    _c("url_path", _S, "application", "http_request.url.path", "path and query asked for in HTTP", "attacker"),
    _c("http_status", _I16, "application", "http_response.code", "HTTP status"),
    _c("user_agent", _S, "application", "http_request.user_agent", "HTTP or API client's own name", "attacker"),
    _c("mail_subject", _S, "application", "email.subject", "subject of a mail", "attacker"),
    _c("sni", _S, "application", "tls.sni", "server name asked for in TLS", "attacker"),
    _c("ja3", _S, "application", "tls.ja3_hash", "JA3 of the TLS client"),
    _c("ja4", _S, "application", "tls.ja4", "JA4 of the TLS client"),
    _c("hassh", _S, "application", "ssh.client_hassh", "HASSH of the SSH client"),
    _c("provider", _S, "cloud", "cloud.provider", "cloud or SaaS: AWS, GCP, Azure, Okta"),
    _c("account", _S, "cloud", "cloud.account.uid", "account, project, subscription or tenant"),
    _c("region", _S, "cloud", "cloud.region", "region"),
    _c("svc", _S, "cloud", "api.service.name", "the service called"),
    _c("resource", _S, "cloud", "resources.uid", "the resource acted on", "attacker"),
    _c("rule", _S, "finding", "finding_info.title", "another tool's rule or signature", "attacker"),
    _c("score", pl.Float64(), "finding", "risk_score", "another tool's score, as it gave it"),
    _c("tactics", _LIST, "finding", "finding_info.attacks", "ATT&CK tactic or technique ids another tool gave"),
    _c("ext", _S, "tail", "unmapped", "JSON object of the record's fields by their native names, less rendered text", "attacker"),
    _c("raw", _S, "tail", "raw_data", "the record as it came; separately droppable", "attacker"),
    _c("map_ver", _I16, "tail", "metadata.processed_version", "version of the mapping that made the row"),
)

SCHEMA: dict[str, pl.DataType] = {column.name: column.dtype for column in COLUMNS}
BY_NAME: dict[str, Column] = {column.name: column for column in COLUMNS}
HOT: tuple[str, ...] = tuple(name for name in SCHEMA if name not in ("ext", "raw"))
ATTACKER_WRITABLE: frozenset[str] = frozenset(c.name for c in COLUMNS if c.trust == "attacker")

CLASSES: dict[int, str] = {
    0: "Base Event", 1001: "File System Activity", 1005: "Module Activity", 1006: "Scheduled Job Activity",
    1007: "Process Activity", 1008: "Event Log Activity", 1009: "Script Activity", 201001: "Registry Key Activity",
    201002: "Registry Value Activity", 201003: "Windows Resource Activity", 201004: "Windows Service Activity",
    2004: "Detection Finding", 3001: "Account Change", 3002: "Authentication", 3003: "Authorize Session",
    3004: "Entity Management", 3005: "User Access Management", 3006: "Group Management", 4001: "Network Activity",
    4002: "HTTP Activity", 4003: "DNS Activity", 4004: "DHCP Activity", 4005: "RDP Activity", 4006: "SMB Activity",
    4007: "SSH Activity", 4008: "FTP Activity", 4009: "Email Activity", 4010: "Network File Activity",
    4013: "NTP Activity", 4014: "Tunnel Activity", 6003: "API Activity", 6005: "Datastore Activity",
}  # fmt: skip
"""OCSF 1.8 classes in use: uid -> caption (schema.ocsf.io/1.8.0)."""
