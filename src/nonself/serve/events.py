"""An event in one plain sentence, for timelines: what happened, to what, by whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nonself.core.schema import CLASSES

_TOLD: tuple[tuple[str, str], ...] = (
    ("rule", "alert {}"), ("cmdline", "ran {}"), ("image", "{}"), ("tgt_image", "on process {}"), ("parent_image", "started by {}"),
    ("module_path", "loaded {}"), ("reg_key", "registry {}"), ("reg_value", "set to {}"), ("file_path", "file {}"),
    ("service", "service {}"),
    ("pipe", "pipe {}"), ("query", "asked for {}"), ("http_method", "HTTP {}"), ("url_host", "at {}"), ("url_path", "{}"),
    ("sni", "TLS to {}"), ("user_agent", "as {}"), ("mail_subject", "mail {}"), ("tgt_user", "account {}"), ("priv", "privilege {}"),
    ("svc", "service {}"),
    ("resource", "resource {}"), ("status_code", "result {}"), ("dst_port", "port {}"), ("bytes_out", "{} bytes out"),
    ("bytes_in", "{} bytes in"),
)  # fmt: skip
_MOST = 6
_LONGEST = 180


def kind(event: Mapping[str, Any]) -> str:
    """What sort of record it is: `Process Activity (Microsoft-Windows-Sysmon/Operational 1)`."""
    caption = CLASSES.get(event.get("class_uid") or 0, "Event")
    log = " ".join(str(part) for part in (event.get("channel"), event.get("op")) if part)
    return f"{caption} ({log})" if log else caption


def sentence(event: Mapping[str, Any]) -> str:
    """Kind, then the few columns that say most, then who and where. Not neutralised: the caller knows where it goes."""
    parts = []
    for column, form in _TOLD:
        value = event.get(column)
        redundant = (column == "image" and event.get("cmdline")) or (column == "status_code" and event.get("status_id") == 1)
        if value not in (None, "", "-") and not redundant:
            text = str(value)
            parts.append(form.format(text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"))
    who = _who(event)
    return f"{kind(event)}: {'; '.join(parts[:_MOST])}" + (f" [{who}]" if who else "")


def _who(event: Mapping[str, Any]) -> str:
    endpoints = " -> ".join(str(event[c]) for c in ("src_ip", "dst_ip") if event.get(c))
    named = (f"{label} {event[c]}" for label, c in (("host", "host"), ("user", "user")) if event.get(c))
    return ", ".join([*named, *([endpoints] if endpoints else [])])
