"""Which header names of an alert list mean what.

A name is compared in lower case, with everything but letters and digits as one `_`. What a data set says of the truth (labels) is never
input of a detection: such columns are kept in `ext` alone.
"""

from __future__ import annotations

import re

MAP_VER = 1

COLUMNS: dict[str, tuple[str, ...]] = {
    "time": ("time", "timestamp", "datetime", "date_time", "event_time", "eventtime", "alert_time", "time_generated",
             "timegenerated", "detected", "detected_at", "detection_time", "created", "created_at", "creation_time", "start_time",
             "first_seen", "ts", "date"),
    "rule": ("rule", "rule_name", "rulename", "signature", "signature_name", "alert", "alert_name", "alertname", "alert_title",
             "alert_signature", "detection", "detection_name", "threat", "threat_name", "title", "event_name", "name"),
    "host": ("host", "hostname", "host_name", "computer", "computer_name", "computername", "device", "device_name", "devicename", "machine",
             "endpoint", "agent", "agent_name", "asset"),
    "src_ip": ("src_ip", "srcip", "source_ip", "sourceip", "src", "sip", "saddr", "src_addr", "source_address", "client_ip", "attacker_ip",
               "source", "ip", "ip_address", "ipaddress", "host_ip", "agent_ip"),
    "dst_ip": ("dst_ip", "dstip", "dest_ip", "destip", "destination_ip", "destinationip", "dst", "dip", "daddr", "dst_addr", "dest",
               "destination_address", "target_ip", "victim_ip", "destination"),
    "src_port": ("src_port", "srcport", "source_port", "sport", "spt"),
    "dst_port": ("dst_port", "dstport", "dest_port", "destination_port", "dport", "dpt"),
    "proto": ("proto", "protocol", "transport"),
    "user": ("user", "username", "user_name", "account", "account_name", "src_user", "suser", "actor"),
    "severity": ("severity", "sev", "severity_label", "alert_severity", "risk_level", "rule_level", "level", "urgency"),
    "score": ("score", "risk_score", "risk", "threat_score", "anomaly_score"),
    "tactics": ("mitre", "mitre_attack", "mitre_technique", "mitre_techniques", "technique", "techniques", "technique_id", "tactic",
                "tactics", "attack_technique"),
    "channel": ("category", "alert_category", "classtype", "classification", "event_type", "type"),
    "log_provider": ("product", "product_name", "vendor", "tool", "sensor", "engine", "detector", "provider", "analyzer"),
    "op": ("rule_id", "ruleid", "signature_id", "sid", "alert_code", "code", "short"),
    "session": ("alert_id", "event_id", "incident_id", "flow_id"),
    "status_code": ("action", "status", "outcome", "disposition"),
    "url_host": ("domain", "url_domain", "hostname_requested"),
    "url_path": ("url", "uri", "request"),
    "image": ("process", "process_name", "process_path", "image"),
    "cmdline": ("command_line", "commandline", "cmdline", "command"),
    "file_path": ("file_path", "filepath", "file", "file_name", "filename", "path"),
    "hash": ("hash", "sha256", "file_hash", "sha1", "md5"),
}  # fmt: skip
"""Event column (or `severity`) -> names; of several in one header the first named here."""

TELLING = frozenset((
    "alert", "alert_name", "alertname", "alert_title", "alert_signature", "alert_severity", "rule_name", "rulename", "rule_id", "ruleid",
    "rule_level", "signature", "signature_name", "signature_id", "detection", "detection_name", "threat", "threat_name", "severity",
    "classtype",
    "risk_score", "mitre", "mitre_technique", "mitre_techniques", "technique_id",
))  # fmt: skip
"""Names that only lists of alerts have. One of them is wanted, or an address and a host beside a name."""
WHERE = ("host", "src_ip", "dst_ip", "user")

PRODUCTS = r"^(Wazuh|OSSEC|Suricata|Snort|AMiner|Zeek|Falco|ClamAV|CrowdStrike|Defender|Sophos|Symantec|McAfee|Elastic|Splunk): "
"""Products that lists put before the alert's name."""

_TRUTH = re.compile(r"(?:^|_)(?:labels?|labell?ed|truth|malicious|attack|target|y|class|verdict)(?:$|_)")


def plain(name: str) -> str:
    """A header name as it is compared."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def is_truth(name: str) -> bool:
    """Whether a plain name says what a data set's author knows, not what a tool saw."""
    return name not in ("severity_label", "attack_technique", "mitre_attack", "target_ip") and _TRUTH.search(name) is not None
