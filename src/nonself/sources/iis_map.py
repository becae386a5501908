"""What becomes of the fields of W3C extended logs: IIS, HTTP.SYS, CloudFront, web proxies, Windows Firewall.

`COLUMNS` names, for an event column, the native fields it is taken from; of several the first with a value. All other fields are kept
in `ext` under their own names.
"""

from __future__ import annotations

MAP_VER = 2

COLUMNS: dict[str, tuple[str, ...]] = {
    "src_ip": ("c-ip", "src-ip"),
    "src_port": ("c-port", "src-port"),
    "src_host": ("c-dns",),
    "dst_ip": ("s-ip", "dst-ip"),
    "dst_port": ("s-port", "cs-uri-port", "dst-port"),
    "host": ("s-computername",),
    "account": ("cs-username",),
    "http_method": ("cs-method",),
    "url_host": ("x-host-header", "cs-host", "cs(Host)"),
    "stem": ("cs-uri-stem", "cs-uri-path"),
    "search": ("cs-uri-query",),
    "uri": ("cs-uri",),
    "http_status": ("sc-status",),
    "bytes_in": ("sc-bytes",),
    "bytes_out": ("cs-bytes",),
    "user_agent": ("cs(User-Agent)",),
    "app_proto": ("cs-protocol", "cs-uri-scheme"),
    "session": ("x-session",),
    "path": ("path",),
    "proto": ("protocol",),
    "action": ("action",),
    "pid": ("pid",),
    "taken": ("time-taken",),
}
STAND_INS = ("account", "stem", "search", "uri", "action", "taken", "path")
"""Names above that are no event columns; `iis_rows` makes columns of them."""

CLOCK = ("date", "time", "date-time")
NUMBERS = ("src_port", "dst_port", "bytes_in", "bytes_out", "pid")

DIRECTIONS = {"RECEIVE": 1, "SEND": 2}
"""Which way a packet went through Windows Firewall; what it only forwards goes neither."""

WEB = ("cs-method", "cs-uri-stem", "cs-uri", "cs-uri-path", "sc-status", "s-reason")
"""A log that has one of these beside `c-ip` is a web log."""
