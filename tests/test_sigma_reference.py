"""A naive Sigma evaluator over dicts, written from the specification and sharing nothing with the engine, and checks of it by hand.

It takes rules as YAML gives them (no pySigma), one event at a time, one value at a time.
`test_sigma_differential` compares the engine with it.
"""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import itertools
import json
import operator
import re
from collections.abc import Callable
from typing import Any

DASHES = "-/\u2013\u2014\u2015"
ANY_RUN, ANY_ONE = object(), object()


def lower(text: str) -> str:
    return text.lower().replace("\u03c2", "\u03c3")


def text_of(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) if isinstance(value, dict) else str(value)


ABSENT = object()


def inside(value: Any, path: list[str]) -> Any:
    """What a path leads to: of objects in a list all they have."""
    if not path:
        return value
    if isinstance(value, list):
        found = [part for item in value if (part := inside(item, path)) is not ABSENT]
        return found or ABSENT
    return inside(value[path[0]], path[1:]) if isinstance(value, dict) and path[0] in value else ABSENT


def lookup(event: dict[str, Any], field: str) -> Any:
    """A field by its very name, else by its dotted path."""
    return event[field] if field in event else inside(event, field.split("."))


def flat(value: Any) -> list[Any]:
    return [part for item in value for part in flat(item)] if isinstance(value, list) else [value]


def values_of(event: dict[str, Any], field: str) -> list[str]:
    return [text_of(v) for v in flat(lookup(event, field)) if v is not None and v is not ABSENT]


def pattern_of(text: str) -> list[Any]:
    """Characters and wildcards of a Sigma string: a backslash escapes a wildcard or a backslash, and is itself before all else."""
    out: list[Any] = []
    i = 0
    while i < len(text):
        if text[i] == "\\" and i + 1 < len(text) and text[i + 1] in "*?\\":
            out.append(text[i + 1])
            i += 2
            continue
        out.append(ANY_RUN if text[i] == "*" else ANY_ONE if text[i] == "?" else text[i])
        i += 1
    return out


def glob(pattern: list[Any], text: str, cased: bool) -> bool:
    """Whether the whole text matches, by dynamic programming."""
    if not cased:
        pattern = [c for p in pattern for c in (lower(p) if isinstance(p, str) else [p])]
        text = lower(text)
    reach = {0}
    for item in pattern:
        if item is ANY_RUN:
            reach = set(range(min(reach), len(text) + 1)) if reach else set()
        else:
            reach = {at + 1 for at in reach if at < len(text) and (item is ANY_ONE or text[at] == item)}
    return len(text) in reach


def windash(pattern: list[Any]) -> list[list[Any]]:
    def word(item: Any) -> bool:
        return isinstance(item, str) and (item.isalnum() or item == "_")

    choices = [
        list(DASHES)
        if item in ("-", "/") and not (i and word(pattern[i - 1])) and i + 1 < len(pattern) and word(pattern[i + 1])
        else [item]
        for i, item in enumerate(pattern)
    ]
    return [list(choice) for choice in itertools.product(*choices)]


UTF16 = {"wide": ("utf-16-le", b""), "utf16le": ("utf-16-le", b""), "utf16be": ("utf-16-be", b""), "utf16": ("utf-16-le", b"\xff\xfe")}
PARTS = ("minute", "hour", "day", "week", "month", "year")


def utf16(pattern: list[Any], codec: str, mark: bytes) -> list[Any]:
    """A pattern's characters as bytes of UTF-16, each byte a character."""
    wide = [c for item in pattern for c in (item.encode(codec).decode("latin-1") if isinstance(item, str) else [item])]
    return [*mark.decode("latin-1"), *wide]


def expand(text: str, placeholders: dict[str, list[str]]) -> list[str]:
    """A text with each `%name%` replaced by each of its values."""
    found = re.search("%([^%]+)%", text)
    if found is None:
        return [text]
    return [head for value in placeholders[found[1]] for head in expand(text[: found.start()] + value + text[found.end() :], placeholders)]


def time_part(text: str, part: str) -> int | None:
    """A part of the time a text writes, in UTC."""
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ].*", text):
        try:
            when = dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
        except ValueError:
            return None
        when = when.replace(tzinfo=dt.UTC) if when.tzinfo is None else when.astimezone(dt.UTC)
    else:
        count = number(text)
        if count is None:
            return None
        for unit in (1, 1_000, 1_000_000, 1_000_000_000):
            if abs(count) / unit < 1e11:
                break
        try:
            when = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=count / unit)
        except OverflowError:
            return None
    return when.isocalendar()[1] if part == "week" else int(getattr(when, part))


def base64_offsets(data: bytes) -> list[str]:
    """What of a text's base64 does not depend on what stands around it, for the three places it can start at."""
    out = []
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + data + b"\0\0").decode()
        out.append(encoded[-(-8 * shift // 6) : 8 * (shift + len(data)) // 6])
    return out


def string_test(modifiers: list[str], value: Any, placeholders: dict[str, list[str]] | None = None) -> Callable[[str], bool]:
    values = expand(value, placeholders or {}) if "expand" in modifiers else [value]
    patterns = [pattern_of(v) if isinstance(v, str) else list(text_of(v)) for v in values]
    codec = "utf-8"
    for modifier in modifiers:
        if modifier == "windash":
            patterns = [variant for p in patterns for variant in windash(p)]
        elif modifier in UTF16:
            patterns, codec = [utf16(p, *UTF16[modifier]) for p in patterns], "latin-1"
        elif modifier == "base64":
            patterns = [list(base64.b64encode("".join(p).encode(codec)).decode()) for p in patterns]
        elif modifier == "base64offset":
            patterns = [list(text) for p in patterns for text in base64_offsets("".join(p).encode(codec))]
    head = [ANY_RUN] if {"contains", "endswith"} & set(modifiers) else []
    tail = [ANY_RUN] if {"contains", "startswith"} & set(modifiers) else []
    return lambda text: any(glob([*head, *p, *tail], text, "cased" in modifiers) for p in patterns)


def number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", text) else None


def in_network(text: str, network: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    forms = [address, getattr(address, "ipv4_mapped", None)]
    return any(form is not None and form in ipaddress.ip_network(network) for form in forms)


def refers(modifiers: list[str], text: str, other: str) -> bool:
    text, other = lower(text), lower(other)
    if "contains" in modifiers:
        return other in text
    if "startswith" in modifiers:
        return text.startswith(other)
    return text.endswith(other) if "endswith" in modifiers else text == other


def regex_holds(modifiers: list[str], pattern: str, text: str) -> bool:
    flags = sum({"i": re.I, "m": re.M, "s": re.S}[m] for m in modifiers if m in "ims")
    if "expand" in modifiers:
        pattern = re.sub("%([^%]+)%", lambda m: "(?:" + "|".join(map(re.escape, PLACEHOLDERS[m[1]])) + ")", pattern)
    return re.search(pattern, text, flags) is not None


PLACEHOLDERS: dict[str, list[str]] = {"letters": ["a*", "B", "bc"], "port": ["443", "10"]}
"""What `expand` puts in here."""


def value_holds(event: dict[str, Any], field: str, modifiers: list[str], value: Any) -> bool:
    texts = values_of(event, field)
    if "exists" in modifiers:
        return (lookup(event, field) is not ABSENT) is value
    if value is None:
        return not texts
    if "re" in modifiers:
        return any(regex_holds(modifiers, value, text) for text in texts)
    if "cidr" in modifiers:
        return any(in_network(text, value) for text in texts)
    if "fieldref" in modifiers:
        return any(refers(modifiers, text, other) for text in texts for other in values_of(event, value))
    part = next((m for m in modifiers if m in PARTS), "")
    numbers = [time_part(text, part) if part else number(text) for text in texts]
    for name, compare in {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}.items():
        if name in modifiers:
            return any(left is not None and compare(left, value) for left in numbers)
    if part:
        return value in numbers
    return any(map(string_test(modifiers, value, PLACEHOLDERS), texts))


def item_holds(event: dict[str, Any], text: str, key: str, values: Any) -> bool:
    field, *modifiers = key.split("|")
    linked = all if "all" in modifiers else any
    values = values if isinstance(values, list) else [values]
    if not field:
        test = regex_holds if "re" in modifiers else lambda m, value, text: string_test(["contains", *m], value, PLACEHOLDERS)(text)
        return linked(test(modifiers, value, text) for value in values)
    if not values:
        return bool(values_of(event, field)) is ("neq" in modifiers)
    return linked(value_holds(event, field, modifiers, value) for value in values) is not ("neq" in modifiers)


def detection_holds(event: dict[str, Any], text: str, detection: Any) -> bool:
    if isinstance(detection, dict):
        return all(item_holds(event, text, key, values) for key, values in detection.items())
    if isinstance(detection, list) and any(isinstance(part, dict | list) for part in detection):
        return any(detection_holds(event, text, part) for part in detection)
    return item_holds(event, text, "", detection)


def condition_holds(condition: str, named: dict[str, bool]) -> bool:
    """Evaluates a condition by writing it as Python over the named detections' outcomes."""

    def selector(match: re.Match[str]) -> str:
        chosen = named.items() if match[2] == "them" else ((n, v) for n, v in named.items() if glob(pattern_of(match[2]), n, True))
        outcomes = [v for n, v in chosen if not n.startswith("_")]
        return str(all(outcomes) if match[1] == "all" else any(outcomes))

    text = re.sub(r"\b(1|any|all) of ([\w*]+)", selector, condition)
    text = re.sub(r"\b(?!and\b|or\b|not\b|True\b|False\b)\w+", lambda m: str(named[m[0]]), text)
    return bool(eval(text, {"__builtins__": {}}))  # noqa: S307  the text holds True, False, and, or, not and brackets only


def rule_holds(rule: dict[str, Any], event: dict[str, Any], text: str) -> bool:
    """Whether a rule is true of one event: its fields by native name, and its full text."""
    detection = dict(rule["detection"])
    conditions = detection.pop("condition")
    named = {name: detection_holds(event, text, content) for name, content in detection.items()}
    return any(condition_holds(c, named) for c in (conditions if isinstance(conditions, list) else [conditions]))


def _holds(selection: Any, event: dict[str, Any], condition: str = "sel", **more: Any) -> bool:
    return rule_holds({"detection": {"sel": selection, **more, "condition": condition}}, event, "full text")


def test_reference_by_hand() -> None:
    assert _holds({"a": "FOO*"}, {"a": "fooBAR"}) and not _holds({"a": "FOO"}, {"a": "fooBAR"})
    assert not _holds({"a|cased": "FOO"}, {"a": "foo"}) and not _holds({"a|re": "FOO"}, {"a": "foo"})
    assert _holds({"a": r"x\*y"}, {"a": "x*y"}) and not _holds({"a": r"x\*y"}, {"a": "xzy"})
    assert _holds({"a": r"c:\\*"}, {"a": "c:\\temp"}) and _holds({"a": r"c:\t"}, {"a": r"c:\t"})
    assert _holds({"a": None}, {}) and _holds({"a": None}, {"a": None}) and not _holds({"a": None}, {"a": ""})
    assert _holds({"a|exists": True}, {"a": None}) and _holds({"a|exists": False}, {})
    assert _holds({"a": 443}, {"a": "443"}) and _holds({"a": "true"}, {"a": True}) and _holds({"a": ["x", "y"]}, {"a": ["z", "Y"]})
    assert _holds({"b": "x"}, {"b": "x"}, "sel and not other", other={"a": "x"})
    assert _holds({"a|windash|contains": " -enc"}, {"a": "p \u2013enc"}) and not _holds({"a|windash|contains": "a-b"}, {"a": "a/b"})
    assert _holds({"a|base64offset|contains": "http://"}, {"a": base64.b64encode(b"xxhttp://evil").decode()})
    assert _holds({"a|wide|base64|contains": "é*"[:1]}, {"a": "6QA="}) and _holds({"a|utf16|base64": "a"}, {"a": "//5hAA=="})
    assert _holds({"a|hour": 8}, {"a": "2024-05-01T10:59:00+02:00"}) and _holds({"a|week|lte": 18}, {"a": "1714561140000"})
    assert not _holds({"a|hour": 8}, {"a": "noon"}) and _holds({"a|expand": "x%letters%"}, {"a": "XABC"})
    assert _holds({"a.b": "x"}, {"a": [{"b": "y"}, {"b": ["X"]}]}) and _holds({"a.b": "x"}, {"a.b": "x", "a": {"b": "z"}})
    assert _holds({"a.b|exists": False}, {"a": {"c": 1}}) and _holds({"a.b": None}, {"a": {"b": None}})
    assert _holds({"a|cidr": "10.0.0.0/8"}, {"a": "::ffff:10.1.2.3"}) and not _holds({"a|cidr": "10.0.0.0/8"}, {"a": "x"})
    assert _holds(["nothing", "TEXT"], {}) and not _holds({"|all": ["full", "nothing"]}, {})
