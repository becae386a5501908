"""What the first bytes of a file tell about Zeek's text formats: with a header, without one, or no log at all."""

from __future__ import annotations

import re

from nonself.sources.lines import text
from nonself.sources.zeek_plan import Fields
from nonself.sources.zeek_tsv import Header

_ADDRESS = r"(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f:]*:[0-9a-f:.]+)"
_START = re.compile(rf"\d{{1,10}}\.\d{{6}}\t[CF][0-9A-Za-z]{{10,20}}\t{_ADDRESS}\t\d{{1,5}}\t{_ADDRESS}\t\d{{1,5}}\t".encode())
"""Time, uid and connection: how every log of connections begins."""
_STATES = frozenset(b"S0 S1 S2 S3 SF REJ RSTO RSTR RSTOS0 RSTRH SH SHR OTH".split())
_STATE = 11  # the place of conn_state in conn
_CONN: Fields = (
    ("ts", "real"), ("uid", "text"), ("id.orig_h", "text"), ("id.orig_p", "int"), ("id.resp_h", "text"), ("id.resp_p", "int"),
    ("proto", "text"), ("service", "text"), ("duration", "real"), ("orig_bytes", "int"), ("resp_bytes", "int"), ("conn_state", "text"),
    ("local_orig", "flag"), ("local_resp", "flag"), ("missed_bytes", "int"), ("history", "text"), ("orig_pkts", "int"),
    ("orig_ip_bytes", "int"), ("resp_pkts", "int"), ("resp_ip_bytes", "int"), ("tunnel_parents", "list"), ("ip_proto", "int"),
)  # fmt: skip
"""Zeek's own order, unchanged since local_resp came (2014); ip_proto is of Zeek 7.1."""
_WIDTHS = (21, 22)


def is_tsv(head: bytes) -> bool:
    """Whether it begins with a header."""
    start = text(head[:4096]).lstrip()
    return start.startswith((b"#separator ", b"#separator\t")) or (start.startswith(b"#fields\t") and b"\tts\t" in start.split(b"\n", 1)[0])


def is_headless(head: bytes) -> bool:
    """Whether it begins with the columns of a log of connections."""
    return _START.match(text(head[:4096]).lstrip()) is not None


def assumed(head: bytes) -> Header:
    """The header that a log without one would have had: conn's where the cells can only be conn's, else none."""
    cells = text(head).lstrip().split(b"\n", 1)[0].rstrip(b"\r").split(b"\t")
    if len(cells) in _WIDTHS and cells[_STATE] in _STATES and {cells[12], cells[13]} <= {b"T", b"F", b"-"}:
        return Header(path="conn", fields=_CONN[: len(cells)])
    return Header()


def is_summary(head: bytes) -> bool:
    """Whether it is a report of trace-summary on the connections of an hour."""
    return text(head[:4096]).lstrip().startswith(b">== Total === ")
