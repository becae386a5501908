"""Lists of indicators as they are given out: plain text, CSV, STIX 2.1, MISP. What can't be used is refused entry by entry, and counted.

An indicator is one or several atoms (`intel_values`) that must all be met in one event.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from nonself.core.errors import ConfigError
from nonself.detect.intel_stix import PatternError, alternatives
from nonself.detect.intel_values import MAX_VALUE, Atom, EntryError, guessed, of, user

LEVELS = ("informational", "low", "medium", "high", "critical")
MAX_INDICATORS = 1_000_000
MAX_BYTES = 512 << 20
MAX_NOTE = 200
_HEAD = 64
"""Comments among which a header is looked for."""
_SINKS = ("0.0.0.0", "127.0.0.1", "::", "::1")
_VALUE = ("indicator", "ioc", "ioc_value", "value", "indicator_value", "observable", "artifact", "dst_ip", "ip", "ip_address", "domain",
          "hostname", "url", "sha256", "sha256_hash", "sha1", "md5", "hash", "email")  # fmt: skip
_TYPE = ("type", "indicator_type", "ioc_type", "kind", "observable_type", "category")
_NOTE = ("description", "comment", "threat", "malware", "malware_printable", "signature", "note", "tags", "name")
_LEVEL = ("level", "severity", "priority")


class Indicator(NamedTuple):
    """Atoms that must all be met, what is said of them, and how bad that is (one of LEVELS)."""

    atoms: tuple[Atom, ...]
    note: str = ""
    level: str = "high"


@dataclass(slots=True)
class Listed:
    """One list as read: its name, its indicators, and how many entries were refused for which reason."""

    name: str
    indicators: list[Indicator] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)


def read(path: Path, room: int = MAX_INDICATORS) -> Listed:
    """One list; at most `room` indicators. ConfigError where the file can't be read, or is JSON of no known kind."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ConfigError(expected=f"a list of at most {MAX_BYTES} bytes", got=str(size), where=str(path))
        body = path.read_bytes()
    except OSError as error:
        raise ConfigError(expected="a list of indicators", got=error.strerror or str(error), where=str(path)) from None
    listed = Listed(re.sub(r"[^\w.-]+", "-", path.stem)[:64] or "list")
    body = body.removeprefix(b"\xef\xbb\xbf")
    entries = _json(body, listed, path) if body.lstrip()[:1] in (b"{", b"[") and not _is_text(body) else text(body, listed)
    for indicator in entries:
        if len(listed.indicators) >= room:
            listed.refused["over-limit"] += 1
        else:
            listed.indicators.append(indicator)
    return listed


def _is_text(body: bytes) -> bool:
    """Whether a bracket opens a line of text rather than JSON: `[2001:db8::1]`."""
    return re.match(rb"\s*\[[0-9a-fA-F:.]*\]", body[:100]) is not None and not body.strip().endswith(b"]]")


def text(body: bytes, listed: Listed) -> Iterator[Indicator]:
    """Plain text or CSV: lines that are refused harm no other."""
    lines = _lines(body, listed)
    head: list[str] = []
    for line in lines:
        head.append(line)
        if len(head) >= _HEAD or _header(line) or line[:1] not in ("#", ""):
            break
    header = _header(head[-1]) if head else None
    if header is not None:
        yield from _each(lines, listed, lambda line: _row(line, *header))
    else:
        yield from _each(head, listed, _plain)
        yield from _each(lines, listed, _plain)


def _lines(body: bytes, listed: Listed) -> Iterator[str]:
    for line in body.splitlines():
        if len(line) > MAX_VALUE:
            listed.refused["line-too-long"] += 1
        else:
            yield line.decode("utf-8", "replace").strip()


def _each(entries: Iterable[Any], listed: Listed, made: Callable[[Any], list[Indicator]]) -> Iterator[Indicator]:
    for entry in entries:
        try:
            yield from made(entry)
        except (EntryError, PatternError) as error:
            listed.refused[str(error) if isinstance(error, EntryError) else "stix-unsupported"] += 1


def _plain(line: str) -> list[Indicator]:
    line = re.split(r"\s[#;]|\s//", line, maxsplit=1)[0].strip()
    if not line or line[0] in "#;!" or line.startswith("//"):
        return []
    words = line.split()
    if len(words) == 2 and words[0] in _SINKS:
        words = words[1:]
    if len(words) != 1:
        raise EntryError("not-an-indicator")
    return [Indicator((guessed(words[0]),))]


def _header(line: str) -> tuple[str, list[str]] | None:
    """Separator and names of a CSV's header, which may stand in a comment."""
    line = line.lstrip("# ")
    separator = max(",;\t|", key=line.count)
    names = [name.strip().strip('"').strip().lower().replace(" ", "_") for name in line.split(separator)]
    return (separator, names) if len(names) > 1 and any(name in _VALUE for name in names) else None


def _row(line: str, separator: str, names: list[str]) -> list[Indicator]:
    if not line or line[0] == "#":
        return []
    try:
        cells = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    except csv.Error:
        raise EntryError("csv-syntax") from None
    if len(cells) != len(names):
        raise EntryError("csv-fields")
    row = dict(zip(names, (cell.strip() for cell in cells), strict=True))
    value = next((row[name] for name in _VALUE if row.get(name)), "")
    kind = next((row[name].lower() for name in _TYPE if name in row), "")
    level = next((row[name].lower() for name in _LEVEL if row.get(name, "").lower() in LEVELS), "high")
    note = next((row[name] for name in _NOTE if row.get(name)), "")
    atom = ("user", user(value)) if kind in ("user", "username", "account", "user-account", "user_name") else guessed(value)
    return [Indicator((atom,), note[:MAX_NOTE], level)]


def _json(body: bytes, listed: Listed, path: Path) -> Iterator[Indicator]:
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(expected="JSON", got=str(error)[:200], where=str(path)) from None
    if isinstance(document, dict) and document.get("type") == "bundle":
        yield from _each(_dicts(document.get("objects")), listed, _stix)
        return
    events = document.get("response", document) if isinstance(document, dict) else document
    found = [event for item in _dicts(events if isinstance(events, list) else [events]) for event in _dicts([item.get("Event")])]
    if not found:
        raise ConfigError(expected="a STIX 2.1 bundle or MISP events", got="other JSON", where=str(path))
    for event in found:
        level = {"1": "high", "2": "medium", "3": "low"}.get(str(event.get("threat_level_id")), "high")
        info = str(event.get("info") or "")
        objects = [item for one in _dicts(event.get("Object")) for item in _dicts(one.get("Attribute"))]
        made = [(item, info, level) for item in (*_dicts(event.get("Attribute")), *objects)]
        yield from _each(made, listed, _misp)


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


_STIX = {
    "ipv4-addr:value": "ip", "ipv6-addr:value": "ip", "domain-name:value": "domain", "url:value": "url", "email-addr:value": "user",
    "user-account:user_id": "user", "user-account:account_login": "user",
    "network-traffic:dst_ref.value": "", "network-traffic:src_ref.value": "",
}  # fmt: skip


def _stix(item: dict[str, Any]) -> list[Indicator]:
    if item.get("type") != "indicator":
        return []
    if item.get("revoked") is True:
        raise EntryError("revoked")
    if item.get("pattern_type", "stix") != "stix" or not isinstance(item.get("pattern"), str):
        raise EntryError("stix-unsupported")
    note = str(item.get("name") or item.get("description") or "")[:MAX_NOTE]
    found, problem = [], EntryError("stix-unsupported")
    for both in alternatives(item["pattern"]):
        try:
            found.append(Indicator(tuple(_compared(*one) for one in both), note))
        except EntryError as error:  # of alternatives those that can be asked are still worth asking
            problem = error
    if not found:
        raise problem
    return found


def _compared(where: str, value: str) -> Atom:
    name = where.replace("'", "")
    if re.fullmatch(r"file:hashes\.(MD5|SHA-?1|SHA-?256|SHA-?512)", name, re.IGNORECASE):
        return of("hash", value)
    if name not in _STIX:
        raise EntryError("stix-unsupported")
    return of(_STIX[name], value)


_MISP = {
    "ip-src": "ip", "ip-dst": "ip", "ip-src|port": "ip", "ip-dst|port": "ip", "domain": "domain", "hostname": "domain",
    "hostname|port": "domain", "domain|ip": "domain", "url": "url", "uri": "url", "md5": "hash", "sha1": "hash", "sha256": "hash",
    "sha512": "hash", "filename|md5": "hash", "filename|sha1": "hash", "filename|sha256": "hash", "email": "user", "email-src": "user",
    "email-dst": "user", "target-user": "user", "target-email": "user", "ja3-fingerprint-md5": "ja3",
}  # fmt: skip


def _misp(entry: tuple[dict[str, Any], str, str]) -> list[Indicator]:
    item, info, level = entry
    kind, value = item.get("type"), item.get("value")
    if item.get("to_ids") is False or item.get("deleted") is True:
        raise EntryError("not-for-detection")
    if kind not in _MISP or not isinstance(value, str):
        raise EntryError("misp-unsupported")
    if "|" in kind:
        first, _, second = value.partition("|")
        value = second if kind.startswith("filename|") else first
    return [Indicator((of(_MISP[kind], value),), (str(item.get("comment") or "") or info)[:MAX_NOTE], level)]
