"""Values and members of Windows events, whatever wrote them down: text, section data, attributes, names, levels, keywords, times."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson

from nonself.core.errors import RecordError
from nonself.sources.contract import Limits
from nonself.sources.records import load_json
from nonself.sources.windows_tree import parse_xml

Flat = dict[str, Any]

_LEVEL_OF_SEVERITY = {1: 5, 2: 4, 3: 3, 4: 2, 5: 1}  # NXLog's SeverityValue
_LEVEL_OF_NAME = {"critical": 1, "error": 2, "warning": 3, "information": 4, "verbose": 5, "info": 4, "logalways": 0}
CLASSIC = ("Windows PowerShell", "Application")
"""Logs whose events carry text instead of named fields."""
_WHOLE = re.compile("-?[0-9]{1,20}")
_EPOCH_SECONDS, _EPOCH_MILLIS, _EPOCH_MICROS = 1e8, 1e11, 1e14
"""From where on a number is a time in seconds, milliseconds or microseconds: all three begin in 1973."""
_VALUE = ("#text", "Value", "value", "$value", "content")
"""Where converters of XML put an element's text beside its name."""
_OF_XML = {"#text", "#attributes"}
_AUDIT = {"audit success": "0x8020000000000000", "audit failure": "0x8010000000000000"}
"""Keywords that say how an audited action ended."""


def text(value: Any) -> str:
    """A field's value as Windows would write it."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "\n".join(map(text, value))
    if isinstance(value, dict):
        return text(value["#text"]) if "#text" in value else orjson.dumps(_bounded(value)).decode() if value else ""
    value = _bounded(value)
    return "" if value is None else str(value)


def _bounded(value: Any) -> Any:
    """A JSON value with integers as `load_json` gives them: beyond 64 bits they are floats, beyond those null."""
    if isinstance(value, dict):
        return {name: _bounded(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_bounded(item) for item in value]
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        return float(value) if value.bit_length() < sys.float_info.max_exp else None
    return value


def as_event_id(value: Any) -> int | None:
    """An event id, or None where the value is none."""
    if type(value) is int:
        return value if 0 <= value < 1 << 31 else None
    if isinstance(value, dict):  # with its qualifiers
        value = next((value[name] for name in ("Value", "value", "id") if name in value), value)
    value = text(value) if not isinstance(value, bool) else ""
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else None


def as_level(level: Any, severity: Any = None) -> Any:
    """A level; where there is only NXLog's severity, what that stands for."""
    if level is None:
        return _LEVEL_OF_SEVERITY.get(severity) if type(severity) is int else None
    return _LEVEL_OF_NAME.get(level.lower(), level) if type(level) is str else level


def as_keywords(value: Any) -> Any:
    """Keywords as Windows writes them: a hexadecimal number. Shippers give signed integers, or names."""
    if type(value) is int:
        return hex(value & 0xFFFFFFFFFFFFFFFF)
    if isinstance(value, list):
        return next((_AUDIT[word] for word in map(str.lower, map(text, value)) if word in _AUDIT), text(value))
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return hex(int(value) & 0xFFFFFFFFFFFFFFFF)
    return _AUDIT.get(value.lower(), value) if isinstance(value, str) else value


def as_time(value: Any) -> str | None:
    """A time's text: itself, of a number since 1970, or of the attribute that holds it."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        value = attributes(value).get("SystemTime")
    if isinstance(value, int | float) and _EPOCH_SECONDS <= value < _EPOCH_MICROS * 100:
        scale = 1 if value >= _EPOCH_MICROS else 1_000 if value >= _EPOCH_MILLIS else 1_000_000
        return (datetime(1970, 1, 1) + timedelta(microseconds=round(value * scale))).isoformat()
    return value if isinstance(value, str) else None


def attributes(node: Any) -> Flat:
    """The XML attributes of a node: under "#attributes", or as its own keys with or without "@"."""
    if not isinstance(node, dict):
        return {}
    inner = node.get("#attributes")
    if isinstance(inner, dict):
        return inner
    return {name.removeprefix("@"): value for name, value in node.items()}


def section(node: Any) -> Flat:
    """EventData or one child of UserData as names and strings; values without a name are joined by newlines as `Data`."""
    if isinstance(node, str) and node.lstrip()[:1] in ("{", "<"):
        node = _parsed(node)
    if isinstance(node, list) and any(isinstance(item, dict) for item in node):
        return _named(node)
    if not isinstance(node, dict):
        return {"Data": text(node)} if node else {}
    flat = {name: value if type(value) is str else text(value) for name, value in node.items() if name[0:1] not in ("#", "@")}
    items = node.get("Data")
    if isinstance(items, list | dict):
        flat.update(_named(items if isinstance(items, list) else [items]))
    return flat


def _parsed(node: str) -> Any:
    """A section that a shipper gives as text: JSON, or XML of the section, of what is in it, or of Azure's `DataItem` around it."""
    try:
        if node.lstrip()[:1] == "{":
            tree = load_json(node.encode("utf-8", "replace"), Limits())
            return tree["EventData"] if tree.keys() == {"EventData"} else tree
        tree = parse_xml(f"<x>{node}</x>".encode("utf-8", "replace"), Limits().json_depth)["x"]
    except RecordError:
        return {"Data": node}
    while isinstance(tree, dict) and len(inner := tree.keys() - {"#attributes"}) == 1 and inner != {"Data"}:
        tree = tree[inner.pop()]
    return tree


def merged(data: Flat, name: str, system: Flat) -> Flat:
    """`data` of the section `name` under `system`: a field both have stays the system's, the section's is called after it."""
    if data.keys().isdisjoint(system):
        return {**system, **data}
    return {**system, **{f"{name}_{field}" if field in system else field: value for field, value in data.items()}}


def is_nothing(values: Sequence[Any]) -> bool:
    """Whether all values are null. Mostly the first tells; counting alone would compare every text with None."""
    return not values or (values[0] is None and values.count(None) == len(values))


def members(value: Any) -> Flat:
    """An object's members; none of anything else."""
    return value if isinstance(value, dict) else {}


def with_message(flat: Flat, message: Any) -> Flat:
    """Classic events have no named fields; where a shipper left out their `Data`, the rendered text, made of it, stands in."""
    if flat.get("Channel") in CLASSIC and "Data" not in flat and message:
        flat["Data"] = text(message)
    return flat


def _named(items: list[Any]) -> Flat:
    """`<Data Name="x">v</Data>` elements as xmltodict gives them, or objects whose members are names and values; the rest is joined."""
    named: Flat = {}
    unnamed: list[str] = []
    for item in items:
        name = attributes(item).get("Name")
        if isinstance(name, str):
            named[name] = text(next((item[key] for key in _VALUE if key in item), None))
        elif isinstance(item, dict) and item and not item.keys() & _OF_XML:
            named |= {key: text(value) for key, value in item.items()}
        else:
            unnamed.append(text(item))
    return {**named, "Data": "\n".join(unnamed)} if unnamed or not named else {"Data": "", **named}
