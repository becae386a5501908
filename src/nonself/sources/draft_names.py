"""What fields are called, for drafting a mapping: by event column the names, the most telling first, and the shape values must have."""

from __future__ import annotations

TIMES = (
    "timestamp", "time", "event_time", "eventtime", "event_timestamp", "published", "occurred_at", "occurred", "created_at", "created",
    "createdat", "createddate", "created_date", "creation_time", "start_time", "starttime", "received_at", "logged_at", "log_time",
    "date_time", "datetime", "date", "when", "ts", "at", "epoch", "updated_at", "start", "first_seen", "last_seen",
)  # fmt: skip

COLUMNS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("op", "word", (
        "event_name", "eventname", "operation", "operation_name", "action", "event_action", "activity", "event_type", "eventtype",
        "event_code", "event", "method_name", "verb", "command_name", "did", "evt", "type", "kind", "name",
    )),
    ("src_ip", "ip", (
        "src_ip", "source_ip", "client_ip", "local_ip", "local_address", "local_addr", "remote_ip",
        "ip_address", "ipaddress", "src", "source", "source_address", "client_address",
        "actor_ip", "user_ip", "ip", "remote_addr", "remote_address", "remotehost", "client", "src_addr", "saddr", "peer", "address",
        "from",
    )),
    ("dst_ip", "ip", (
        "dst_ip", "dest_ip", "destination_ip", "destination", "dst", "server_ip", "target_ip", "dst_addr", "daddr", "dest", "remote_ip",
        "remote_address", "remote_addr",
    )),
    ("src_port", "port", (
        "src_port", "source_port", "client_port", "sport", "local_port", "peer_port", "remote_port",
    )),
    ("dst_port", "port", (
        "dst_port", "dest_port", "destination_port", "dport", "server_port", "remote_port", "port",
    )),
    ("tgt_user", "name", (
        "target_user", "target_email", "target_user_email", "target_username", "affected_user", "new_user", "member", "target_login",
    )),
    ("user", "name", (
        "user_name", "username", "user_email", "actor_email", "actor_name", "actor_login", "login", "email", "user", "actor",
        "principal", "account_name", "user_principal_name", "userprincipalname", "subject", "owner", "login_name", "initiator", "who",
        "by", "uname", "alternate_id", "author_name", "author", "display_name", "holder", "caller",
    )),
    ("user_uid", "id", (
        "user_id", "userid", "actor_id", "uid", "user_uid", "principal_id", "account_id", "sub",
    )),
    ("user_domain", "word", (
        "user_domain", "account_domain", "realm", "nt_domain",
    )),
    ("user_type", "word", (
        "user_type", "actor_type", "principal_type",
    )),
    ("session", "id", (
        "session_id", "sessionid", "session", "correlation_id", "connection_id", "request_id", "transaction_id", "trace_id",
    )),
    ("host", "host", (
        "host", "hostname", "host_name", "computer", "computer_name", "device_name", "device_hostname", "machine", "machine_name",
        "node", "server", "server_name", "endpoint", "gateway",
    )),
    ("host_uid", "id", (
        "host_id", "device_id", "machine_id", "agent_id", "sensor_id", "asset_id", "computer_id",
    )),
    ("http_status", "http", (
        "http_status", "status_code", "response_code", "status", "sc_status", "code",
    )),
    ("status_code", "short", (
        "error_code", "errorcode", "status_code", "result_code", "error", "reason", "failure_reason", "result", "outcome", "status",
        "error_message",
    )),
    ("http_method", "verb", (
        "http_method", "request_method", "method", "cs_method", "verb",
    )),
    ("url_host", "host", (
        "url_host", "http_host", "vhost", "domain", "request_host", "host_header",
    )),
    ("url_path", "path", (
        "url_path", "path", "uri", "request_uri", "url", "cs_uri_stem", "endpoint", "route",
    )),
    ("user_agent", "agent", (
        "user_agent", "useragent", "http_user_agent", "raw_user_agent", "client_agent", "browser", "agent",
    )),
    ("query", "host", (
        "query", "qname", "dns_query", "query_name", "question", "domain",
    )),
    ("hash", "hash", (
        "sha256", "file_hash", "sha1", "md5", "hash", "sha_256", "checksum",
    )),
    ("parent_image", "file", (
        "parent_path", "parent_image", "parent_process_path", "parent_executable", "parent_process", "parent_process_name",
    )),
    ("parent_cmdline", "any", (
        "parent_command_line", "parent_cmdline", "parent_process_command_line",
    )),
    ("parent_pid", "number", (
        "ppid", "parent_pid", "parent_process_id",
    )),
    ("pid", "number", (
        "pid", "process_id",
    )),
    ("image", "file", (
        "process_path", "image", "executable", "process", "exe", "process_name",
    )),
    ("cmdline", "any", (
        "command_line", "cmdline", "commandline", "cmd", "command", "process_command_line",
    )),
    ("file_path", "file", (
        "file_path", "filepath", "file_name", "filename", "file", "target_path",
    )),
    ("proto", "word", (
        "proto", "protocol", "transport", "ip_protocol",
    )),
    ("bytes_out", "number", (
        "bytes_out", "bytes_sent", "sent_bytes", "orig_bytes", "tx_bytes", "bytes_toserver", "sent_byte", "sentbyte", "sent",
    )),
    ("bytes_in", "number", (
        "bytes_in", "bytes_received", "received_bytes", "resp_bytes", "rx_bytes", "bytes_toclient", "bytes_recv", "recv_bytes", "rcvd_byte",
        "rcvdbyte", "received",
    )),
    ("country", "country", (
        "country", "country_code", "country_iso", "geo_country", "iso_code",
    )),
    ("resource", "any", (
        "resource", "resource_name", "resource_id", "object", "object_name", "target", "target_name", "entity", "repository", "repo",
        "bucket", "project", "target_id",
    )),
    ("account", "any", (
        "org", "organization", "organisation", "org_id", "organization_id", "tenant", "tenant_id", "workspace", "team", "customer",
        "account",
    )),
    ("region", "word", (
        "region", "location", "zone", "aws_region",
    )),
    ("role", "word", (
        "role", "role_name", "assumed_role",
    )),
    ("auth_protocol", "word", (
        "auth_method", "authentication_method", "auth_type", "mfa_method", "factor", "login_method",
    )),
    ("mfa", "flag", (
        "mfa", "mfa_used", "is_mfa", "two_factor", "used_mfa", "twofa",
    )),
    ("rule", "any", (
        "rule_name", "alert_name", "signature", "detection_name", "alert", "rule", "threat_name",
    )),
    ("score", "number", (
        "risk_score", "score", "threat_score", "anomaly_score",
    )),
    ("svc", "word", (
        "service_name", "service", "product", "application", "app", "app_name",
    )),
    ("log_provider", "word", (
        "program", "process", "logger", "component", "module",
    )),
)  # fmt: skip
"""(event column, shape, names), asked in this order; a field goes to the first column that takes it."""

OUTCOMES = (
    "outcome", "result", "status", "success", "succeeded", "event_outcome", "login_status", "response", "decision", "allowed",
    "disposition", "action_result", "ok", "verdict", "state",
)  # fmt: skip
SUCCESS = frozenset((
    "success", "succeeded", "successful", "ok", "allow", "allowed", "accept", "accepted", "granted", "pass", "passed", "true", "yes",
    "permit", "permitted", "completed", "complete", "approved", "open", "opened", "0", "200",
))  # fmt: skip
FAILURE = frozenset((
    "failure", "failed", "fail", "error", "deny", "denied", "reject", "rejected", "refused", "block", "blocked", "false", "no",
    "invalid", "unauthorized", "forbidden", "drop", "dropped", "timeout", "aborted", "cancelled", "unsuccessful", "locked", "401", "403",
))  # fmt: skip

FORMATS = (
    "%d/%b/%Y:%H:%M:%S %z", "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%m/%d/%Y %I:%M:%S %p",
    "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%d-%m-%Y %H:%M:%S", "%d-%b-%Y %H:%M:%S",
    "%a, %d %b %Y %H:%M:%S %z", "%a %b %d %H:%M:%S %Y", "%b %d %Y %H:%M:%S", "%b %d, %Y %H:%M:%S", "%Y%m%d%H%M%S", "%Y%m%dT%H%M%SZ",
)  # fmt: skip
"""Ways to write a time that are not read without being told."""
