"""What becomes of the keys of CEF and LEEF, and what kind of event a record is.

CEF's `in` counts bytes from source to destination, `out` those from destination to source (ArcSight's dictionary): `bytes_out` and
`bytes_in` here, where the direction is the source's.
"""

from __future__ import annotations

MAP_VER = 2

CEF: dict[str, tuple[str, ...]] = {
    "channel": ("cat",),
    "user": ("suser",), "user_uid": ("suid",), "user_domain": ("sntdom",),
    "tgt_user": ("duser",), "tgt_uid": ("duid",), "tgt_domain": ("dntdom",), "priv": ("dpriv", "spriv"),
    "host": ("dvchost", "deviceHostName", "syslog_host", "dvc"), "host_uid": ("deviceExternalId",),
    "src_ip": ("src", "c6a2"), "src_port": ("spt",), "src_host": ("shost",),
    "dst_ip": ("dst", "c6a3"), "dst_port": ("dpt",), "dst_host": ("dhost",),
    "proto": ("proto",), "app_proto": ("app",), "bytes_out": ("in",), "bytes_in": ("out",),
    "http_method": ("requestMethod", "method"), "url_path": ("request", "requestUrl", "uri"), "user_agent": ("requestClientApplication",),
    "file_path": ("filePath", "fname"), "image": ("sproc",), "tgt_image": ("dproc",), "pid": ("spid",),
    "hash": ("fileHash", "TrendMicroDsFileSHA256", "TrendMicroDsFileSHA1", "TrendMicroDsFileMD5"),
    "service": ("sourceServiceName", "destinationServiceName"), "outcome": ("outcome", "auth_status", "categoryOutcome"),
    "action": ("act",), "severity": ("severity",),
    "http_status": ("status", "httpStatusCode"), "direction": ("deviceDirection",),
}  # fmt: skip
CEF_TIMES = ("rt", "deviceReceiptTime", "end", "start", "art")

LEEF: dict[str, tuple[str, ...]] = {
    "channel": ("cat",),
    "user": ("usrName", "accountName", "suser"), "user_domain": ("domain",), "priv": ("role",),
    "tgt_user": ("duser",),
    "host": ("identHostName", "dvchost", "devName", "syslog_host", "dvc"), "host_uid": ("deviceGUID",),
    "src_ip": ("src", "identSrc"), "src_port": ("srcPort",), "src_host": ("shost",),
    "dst_ip": ("dst",), "dst_port": ("dstPort",), "dst_host": ("dhost",), "proto": ("proto",),
    "bytes_out": ("srcBytes",), "bytes_in": ("dstBytes",), "pkts_out": ("srcPackets",), "pkts_in": ("dstPackets",),
    "http_method": ("requestMethod", "method"), "url_path": ("url", "request"), "user_agent": ("userAgent",),
    "file_path": ("filePath", "fname"), "hash": ("fileHash",), "resource": ("resource",),
    "outcome": ("outcome", "result"), "action": ("act", "action"), "severity": ("sev", "severity"), "http_status": ("status",),
}  # fmt: skip
LEEF_TIMES = ("devTime",)

STAND_INS = ("outcome", "action", "severity", "direction")
"""Names above that are no event columns."""
INTEGERS = ("src_port", "dst_port", "bytes_in", "bytes_out", "pkts_in", "pkts_out", "pid", "http_status")
ADDRESSES = ("src_ip", "dst_ip")
PROTOCOLS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmp"}

ALERT = (
    r"(?i)\b(ids|ips|idp|nids|hids|av|waf|edr|xdr|ndr|dlp|threats?|virus(es)?|malware|malicious|anti-?(virus|malware|spyware)|intrusions?|"
    r"exploits?|attacks?|trojan|worm|ransomware|spyware|botnet|c2|c&c|phishing|sandbox|anomal(y|ies)|detections?|defender|snort|suricata|"
    r"deep security|apex (one|central)|officescan|deep discovery|crowdstrike|falconhost|sentinelone|carbon black|fireeye|wazuh|darktrace|"
    r"vectra|application security manager|securesphere|smartdefense|alert|correlation|ueba|appfw|pta|suspicious|suspected|brute.?force|"
    r"(sql )?injection|cross.site scripting|xss|ddos)\b"
)
"""What a product, a category or a name says where the record is a finding of the device, and no log of what passed."""
LOGON = r"(?i)\b(log-?ons?|log-?ins?|log(ged|ging)? (in|on|out|off)|log-?(off|out)s?|authenticat\w*|sign(ed)?[- ]?(in|out|on)s?|auth)\b"
NO_LOGON = r"(?i)\b(unusual|anomal\w*|abnormal|multiple|excessive|impossible|risky|compromised|attempts|first time)\b"
"""What makes a finding of a name that speaks of logons, where the product makes findings."""
LOGOFF = r"(?i)\b(log-?(off|out)s?|log(ged|ging)? (off|out)|sign(ed)?[- ]?outs?|session (end|closed))\b"
REFUSED = r"(?i)\b(block\w*|den(y|ied)|drop\w*|reject\w*|refus\w*|prevent\w*|quarantin\w*|reset\w*|fail\w*|kill\w*|delet\w*)\b"
ALLOWED = r"(?i)\b(allow\w*|accept\w*|permit\w*|pass(ed|ing)?|success\w*|forward\w*|detect\w*|monitor\w*|logged|ok)\b"
FAILED = r"(?i)(fail|den(y|ied)|error|unsuccess|invalid|reject|block)"
SUCCEEDED = r"(?i)(success|succeed|^ok$|accept|grant|allow)"

SEVERITIES = {
    "unknown": 0, "informational": 1, "info": 1, "notice": 1, "very-low": 1, "low": 2, "warning": 3, "medium": 3, "moderate": 3,
    "error": 4, "high": 4, "severe": 4, "very-high": 5, "critical": 5, "alert": 5, "fatal": 6, "emergency": 6,
}  # fmt: skip
"""Severities in words, as OCSF has them."""
STEPS = ((4, 2), (7, 3), (9, 4))
"""CEF's numbers 0 to 10: below the first of a pair it is the second; from the last on critical (5)."""
