"""What each Zeek log says in the event schema, as tables. `zeek_plan` has the converters they name and turns them into columns.

A column's recipe is `field` (cast to the column's type), `converter(field, ...)` or `=constant`. Where a log has none of a recipe's
fields the column stays null. Field names are Zeek's own, with dots (`id.orig_h`).

Several logs tell of one connection: conn of its traffic (`channel` "conn"), ssl, ssh, dns... of what it carried, open_conn, hour by hour,
of connections not over yet. They share `session`, Zeek's uid; whoever counts connections or bytes counts `channel` "conn" alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Log:
    """One kind of log. `lean`: `ext` holds only what no column took (conn is large); elsewhere it holds every field but ts and uid."""

    class_uid: int = 0
    columns: Mapping[str, str] = field(default_factory=dict)
    lean: bool = False


CONNECTION = {
    "session": "uid", "src_ip": "id.orig_h", "src_port": "id.orig_p", "dst_ip": "id.resp_h", "dst_port": "id.resp_p", "proto": "proto",
}  # fmt: skip
"""What any log may have, mapped or not; a log's own recipe goes first."""

_CONN = {
    "app_proto": "service", "duration_us": "us(duration)", "bytes_out": "orig_bytes", "bytes_in": "resp_bytes",
    "activity_id": "conn_activity(conn_state)", "status_id": "conn_status(conn_state, proto)", "status_code": "conn_state",
    "direction_id": "conn_direction(local_orig, local_resp)", "pkts_out": "orig_pkts", "pkts_in": "resp_pkts",
}  # fmt: skip
"""In Zeek's own order of fields, as elsewhere where it can be: JSON is decoded faster then."""
_TLS = {
    "activity_id": "=6", "status_id": "success(established)", "status_code": "validation_status",
    "app_proto": "=ssl", "sni": "server_name", "ja3": "ja3", "ja4": "ja4",
}  # fmt: skip

LOGS: dict[str, Log] = {
    "conn": Log(4001, _CONN, lean=True),
    "dns": Log(4003, {
        "activity_id": "=6", "status_id": "dns_status(rcode_name)", "app_proto": "=dns", "duration_us": "us(rtt)", "query": "query",
        "qtype": "qtype_name", "rcode": "rcode_name", "answers": "items(answers)",
    }),
    "http": Log(4002, {
        "op": "method", "activity_id": "http_activity(method)", "status_id": "reply(status_code)", "status_code": "status_code",
        "proto": "=tcp", "app_proto": "=http", "user": "username", "http_method": "method", "url_host": "host", "url_path": "uri",
        "http_status": "status_code", "user_agent": "user_agent", "bytes_out": "request_body_len", "bytes_in": "response_body_len",
    }),
    "ssl": Log(4001, {**_TLS, "proto": "tls_proto(version)", "hash": "any(cert_chain_fps)"}),
    "quic": Log(4001, {"activity_id": "=6", "proto": "=udp", "app_proto": "=quic", "sni": "server_name", "ja4": "ja4"}),
    "x509": Log(0, {"session": "id", "hash": "fingerprint", "resource": "certificate.subject"}),
    "ssh": Log(4007, {
        "activity_id": "=6", "status_id": "success(auth_success)", "proto": "=tcp", "app_proto": "=ssh",
        "direction_id": "ssh_direction(direction)", "hassh": "hassh",
        "country": "ssh_country(direction, remote_location.country_code)",
    }),
    "files": Log(4010, {
        "activity_id": "file_activity(is_orig)", "session": "any(uid, conn_uids)",
        "src_ip": "file_orig(tx_hosts, rx_hosts, is_orig, id.orig_h)",
        "dst_ip": "file_resp(tx_hosts, rx_hosts, is_orig, id.resp_h)",
        "app_proto": "lower(source)", "duration_us": "us(duration)",
        "bytes_out": "where(is_orig, seen_bytes)", "bytes_in": "where_not(is_orig, seen_bytes)", "file_path": "filename",
        "hash": "any(sha256, sha1, md5)",
    }),
    "smb_files": Log(4006, {
        "op": "action", "activity_id": "smb_activity(action)",
        "proto": "=tcp", "app_proto": "=smb", "file_path": "share_file(path, name)", "pipe": "path",
    }),
    "smb_mapping": Log(4006, {"activity_id": "=99", "proto": "=tcp", "app_proto": "=smb", "pipe": "path"}),
    "rdp": Log(4005, {
        "activity_id": "=6", "status_id": "rdp_status(result)", "status_code": "result", "proto": "=tcp", "app_proto": "=rdp",
        "user": "cookie", "src_host": "client_name",
    }),
    "kerberos": Log(3002, {
        "op": "request_type", "activity_id": "kerberos_activity(request_type)", "status_id": "success(success)", "status_code": "error_msg",
        "app_proto": "=kerberos", "auth_protocol": "=Kerberos", "user": "before_realm(client)", "user_domain": "after_slash(client)",
        "svc": "service",
    }),
    "ntlm": Log(3002, {
        "activity_id": "=1", "status_id": "success(success)", "status_code": "status", "proto": "=tcp", "app_proto": "=ntlm",
        "auth_protocol": "=NTLM", "user": "username", "user_domain": "domainname", "src_host": "hostname",
        "dst_host": "any(server_nb_computer_name, server_dns_computer_name)",
    }),
    "dce_rpc": Log(4001, {
        "op": "operation", "activity_id": "=6",
        "proto": "=tcp", "app_proto": "=dce_rpc", "duration_us": "us(rtt)", "pipe": "named_pipe", "svc": "endpoint",
    }),
    "ldap": Log(4001, {
        "op": "opcode", "activity_id": "=6", "status_id": "ldap_status(result)", "status_code": "result", "app_proto": "=ldap",
        "user": "bind_name(opcode, object)", "auth_protocol": "bind_method(opcode)", "resource": "object",
    }),
    "ldap_search": Log(4001, {
        "activity_id": "=6", "status_id": "ldap_status(result)", "status_code": "result", "app_proto": "=ldap", "resource": "base_object",
    }),
    "dhcp": Log(4004, {
        "activity_id": "dhcp_activity(msg_types)", "session": "any(uid, uids)", "proto": "=udp", "app_proto": "=dhcp",
        "src_ip": "any(client_addr, assigned_addr, assigned_ip, requested_addr, id.orig_h)", "dst_ip": "any(server_addr, id.resp_h)",
        "src_host": "any(host_name, client_fqdn)", "host": "any(host_name, client_fqdn)", "host_uid": "mac", "duration_us": "us(duration)",
    }),
    "ftp": Log(4008, {
        "op": "command", "activity_id": "ftp_activity(command)",
        "status_id": "reply(reply_code)", "status_code": "reply_code", "proto": "=tcp",
        "app_proto": "=ftp", "user": "user", "file_path": "arg", "bytes_in": "file_size",
    }),
    "smtp": Log(4009, {
        "activity_id": "=1", "status_id": "mail_reply(last_reply)", "status_code": "last_reply", "proto": "=tcp", "app_proto": "=smtp",
        "user": "mail(mailfrom, from)", "tgt_user": "mail(rcptto, to)", "src_host": "helo", "user_agent": "user_agent",
        "mail_subject": "subject",
    }),
    "notice": Log(2004, {
        "activity_id": "=1", "rule": "note", "src_ip": "any(src, id.orig_h)", "dst_ip": "any(dst, id.resp_h)",
        "dst_port": "any(p, id.resp_p)",
    }),
    "weird": Log(0, {"rule": "name"}),
    "tunnel": Log(4014, {"op": "action", "activity_id": "tunnel_activity(action)", "app_proto": "last_name(tunnel_type)"}),
    "intel": Log(2004, {"activity_id": "=1", "rule": "seen.indicator", "hash": "seen_hash(seen.indicator_type, seen.indicator)"}),
    "signatures": Log(2004, {
        "activity_id": "=1", "rule": "sig_id", "src_ip": "any(src_addr, id.orig_h)", "src_port": "any(src_port, id.orig_p)",
        "dst_ip": "any(dst_addr, id.resp_h)", "dst_port": "any(dst_port, id.resp_p)",
    }),
    "radius": Log(3002, {
        "activity_id": "=1", "status_id": "radius_status(result)", "status_code": "result", "proto": "=udp", "app_proto": "=radius",
        "auth_protocol": "=RADIUS", "user": "username", "host_uid": "mac", "duration_us": "us(ttl)",
    }),
    "sip": Log(4001, {
        "op": "method", "activity_id": "=6", "status_id": "reply(status_code)", "status_code": "status_code", "app_proto": "=sip",
        "user": "mail(request_from)", "tgt_user": "mail(request_to)", "user_agent": "user_agent",
    }),
    "socks": Log(4001, {
        "activity_id": "=6", "status_id": "socks_status(status)", "status_code": "status", "proto": "=tcp", "app_proto": "=socks",
        "user": "user", "dst_host": "any(request.name, request.host)",
    }),
    "snmp": Log(4001, {"activity_id": "=6", "proto": "=udp", "app_proto": "=snmp", "duration_us": "us(duration)"}),
    "ntp": Log(4013, {"activity_id": "=99", "proto": "=udp", "app_proto": "=ntp"}),
    "mysql": Log(6005, {
        "op": "cmd", "activity_id": "=99", "status_id": "success(success)", "proto": "=tcp", "app_proto": "=mysql", "resource": "arg",
        "user": "login_name(cmd, arg)",
    }),
    "postgresql": Log(6005, {
        "op": "frontend", "activity_id": "=99", "status_id": "success(success)", "status_code": "backend", "proto": "=tcp",
        "app_proto": "=postgresql", "user": "user", "resource": "any(frontend_arg, database)", "user_agent": "application_name",
    }),
    "redis": Log(6005, {
        "op": "cmd.name", "activity_id": "=99", "status_id": "success(success)", "proto": "=tcp", "app_proto": "=redis",
        "resource": "cmd.key",
    }),
    "websocket": Log(4002, {
        "activity_id": "=99", "proto": "=tcp", "app_proto": "=websocket", "url_host": "host", "url_path": "uri", "user_agent": "user_agent",
    }),
    "smb_cmd": Log(4006, {
        "op": "command", "activity_id": "=99", "status_id": "smb_status(status)", "status_code": "status", "proto": "=tcp",
        "app_proto": "=smb", "duration_us": "us(rtt)", "user": "username", "file_path": "argument", "pipe": "tree",
    }),
    "traceroute": Log(4001, {"activity_id": "=6", "src_ip": "any(src, id.orig_h)", "dst_ip": "any(dst, id.resp_h)"}),
    "suricata_corelight": Log(2004, {
        "activity_id": "=1", "rule": "alert.signature", "score": "alert.severity", "severity_id": "alert_severity(alert.severity)",
        "status_code": "alert.action", "app_proto": "service",
    }),
    "mqtt_connect": Log(4001, {
        "activity_id": "=1", "status_id": "mqtt_status(connect_status)", "status_code": "connect_status", "app_proto": "=mqtt",
        "src_host": "client_id",
    }),
    "mqtt_publish": Log(4001, {"activity_id": "=6", "app_proto": "=mqtt", "resource": "topic"}),
    "mqtt_subscribe": Log(4001, {"op": "action", "activity_id": "=6", "app_proto": "=mqtt", "resource": "any(topics)"}),
    "modbus": Log(4001, {
        "op": "func", "activity_id": "=6", "status_id": "failed(exception)", "status_code": "exception", "proto": "=tcp",
        "app_proto": "=modbus",
    }),
    "dnp3": Log(4001, {"op": "fc_request", "activity_id": "=6", "app_proto": "=dnp3"}),
    "rfb": Log(4001, {
        "activity_id": "=6", "status_id": "success(auth)", "proto": "=tcp", "app_proto": "=rfb", "auth_protocol": "authentication_method",
        "dst_host": "desktop_name",
    }),
    "irc": Log(4001, {"op": "command", "activity_id": "=6", "proto": "=tcp", "app_proto": "=irc", "user": "any(nick, user)"}),
    "syslog": Log(0, {"app_proto": "=syslog"}),
    "pe": Log(0, {"session": "id"}),
    "known_hosts": Log(0, {"src_ip": "host"}),
    "known_services": Log(0, {"dst_ip": "host", "dst_port": "port_num", "proto": "port_proto", "app_proto": "lower(service)"}),
    "known_certs": Log(0, {"dst_ip": "host", "dst_port": "port_num", "resource": "subject"}),
    "software": Log(0, {"src_ip": "host", "src_port": "host_p", "app_proto": "first_name(software_type)",
                        "user_agent": "unparsed_version"}),
}  # fmt: skip


def log_of(path: str | None) -> Log:
    """The mapping of a Zeek path; `open_conn` and Corelight's `conn_long` and `conn_red` are read as `conn`. A path without one gets the
    connection's columns and class 0."""
    name = (path or "").removeprefix("open_").removesuffix("_long").removesuffix("_red")
    return LOGS.get(name) or Log()


KINDS: tuple[tuple[str, frozenset[str]], ...] = tuple(
    (path, frozenset(fields.split()))
    for path, fields in (
        ("conn", "conn_state"), ("conn", "orig_ip_bytes resp_ip_bytes"), ("dns", "AA RD"), ("ssl", "established"),
        ("quic", "client_initial_dcid"), ("x509", "certificate.serial"), ("ssh", "auth_attempts"), ("ssh", "kex_alg"),
        ("files", "fuid seen_bytes"), ("smb_mapping", "share_type"), ("smb_files", "action path name"), ("smb_files", "times.modified"),
        ("rdp", "cert_count"), ("rdp", "security_protocol"), ("kerberos", "request_type"), ("ntlm", "domainname"),
        ("ntlm", "server_nb_computer_name"), ("dce_rpc", "endpoint operation"), ("ldap_search", "message_id base_object"),
        ("ldap", "message_id opcode"), ("dhcp", "msg_types"), ("dhcp", "assigned_ip mac"), ("sip", "call_id seq"),
        ("smtp", "trans_depth helo"), ("smtp", "trans_depth last_reply"), ("http", "trans_depth request_body_len"),
        ("ftp", "command reply_code"), ("ftp", "command arg"), ("ftp", "command user"), ("notice", "note actions"),
        ("weird", "name notice"), ("tunnel", "tunnel_type action"), ("software", "software_type"), ("capture_loss", "percent_lost acks"),
        ("stats", "pkts_proc events_proc"), ("packet_filter", "node filter"), ("reporter", "level message location"),
        ("pe", "machine is_exe"), ("ntp", "stratum root_delay"), ("dpd", "analyzer failure_reason"), ("arp", "orig_hw resp_hw"),
        ("snmp", "community get_requests"), ("known_services", "port_num port_proto"), ("known_certs", "port_num serial"),
        ("radius", "username mac"), ("radius", "username result"), ("socks", "request.host bound.host"), ("socks", "request_p bound_p"),
        ("mysql", "cmd arg"), ("postgresql", "uid frontend"), ("postgresql", "uid backend"), ("redis", "uid cmd.name"),
        ("suricata_corelight", "alert.signature suri_id"), ("smb_cmd", "command tree_service"), ("smb_cmd", "command sub_command"),
        ("mqtt_connect", "proto_name connect_status"), ("mqtt_publish", "topic payload_len"),
        ("mqtt_subscribe", "action topics"), ("modbus", "func unit"), ("dnp3", "fc_request"), ("rfb", "authentication_method"),
        ("irc", "nick command"), ("syslog", "facility severity message"), ("intel", "seen.indicator"), ("signatures", "sig_id"),
        ("websocket", "uid uri server_extensions"), ("websocket", "uid uri client_extensions"),
    )
)  # fmt: skip
"""How a JSON record that doesn't name its log is told: the first kind all of whose fields it has."""

DOTTED = ("id_", "certificate_", "san_", "basic_constraints_", "version_", "remote_location_", "data_channel_", "times_")
"""Prefixes of Zeek's records, which some writers join with `_`: `id_orig_h` is `id.orig_h`."""

NESTED = ("id", "certificate", "cmd", "seen")
"""Zeek's records that some writers keep as objects: `{"id": {"orig_h": ...}}`."""

MAX_NAME = 128
"""Characters of a path or field name that are kept; plans are cached by them."""
TIMELESS = frozenset({"loaded_scripts"})
"""Logs whose records bear no time."""
LISTS = frozenset({"conn_uids", "uids", "tx_hosts", "rx_hosts", "rcptto", "to", "topics", "cert_chain_fps"})
NUMBERS = frozenset({"p", "host_p", "src_port", "dst_port"})
"""Fields that JSON holds as lists or numbers though recipes take them as text."""
