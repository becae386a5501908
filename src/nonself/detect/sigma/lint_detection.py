"""Remarks on a rule's `detection` section: parts that are not used, values that can't matter, wildcards that change nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from nonself.detect.sigma.values import fold

Finding = tuple[int, str, str, str]
"""Line, severity, code, text."""

MODIFIERS = frozenset([
    "all", "base64", "base64offset", "cased", "cidr", "contains", "day", "dotall", "endswith", "exists", "expand", "fieldref", "gt", "gte",
    "hour", "i", "ignorecase", "lt", "lte", "m", "minute", "month", "multiline", "neq", "re", "s", "startswith", "utf16", "utf16be",
    "utf16le", "week", "wide", "windash", "year",
])  # fmt: skip
_ENCODED = frozenset({"base64", "base64offset", "wide", "utf16", "utf16be", "utf16le"})
_PLACES = ("contains", "startswith", "endswith")
_SPECIAL = re.compile(r"[\\^$.|?*+()\[\]{}]")
_COMPARED = 2_000
"""Values of one list that are compared with each other: it takes the square of that."""


def detection(node: yaml.MappingNode, section: dict[Any, Any]) -> Iterator[Finding]:
    """The remarks on one section; `node` is the YAML it was read from."""
    conditions = section.get("condition")
    texts = [text for text in (conditions if isinstance(conditions, list) else [conditions]) if isinstance(text, str)]
    patterns = _named_in(texts)
    for key, value in node.value:
        if key.value in ("condition", "timeframe"):
            continue
        if texts and not any(pattern.fullmatch(key.value) for pattern in patterns):
            yield key.start_mark.line + 1, "warning", "unused-detection", f"the condition does not name {key.value!r}"
        for item, values in _items(value):
            yield from _item(item, values)


def _named_in(conditions: list[str]) -> list[re.Pattern[str]]:
    """What names the conditions hold, `sel_*` and `them` included; `them` leaves out names that begin with "_"."""
    words = {word for text in conditions for word in re.findall(r"[\w*-]+", text)}
    return [re.compile(r"[^_].*" if word == "them" else re.escape(word).replace(r"\*", ".*")) for word in words]


def _items(node: yaml.Node) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    """All key and value nodes within one detection; documents bounds how deep they nest."""
    if isinstance(node, yaml.MappingNode):
        yield from node.value
    elif isinstance(node, yaml.SequenceNode):
        for part in node.value:
            yield from _items(part)


def _item(key: yaml.Node, value: yaml.Node) -> Iterator[Finding]:
    line = key.start_mark.line + 1
    field, *modifiers = str(key.value).split("|")
    for modifier in modifiers:
        if modifier not in MODIFIERS:
            yield line, "error", "unknown-modifier", f"{modifier!r} is no modifier of Sigma"
    if len(set(modifiers)) < len(modifiers):
        yield line, "warning", "repeated-modifier", f"a modifier of {field!r} is given twice"
    nodes = value.value if isinstance(value, yaml.SequenceNode) else [value]
    scalars = [node for node in nodes if isinstance(node, yaml.ScalarNode)]
    if "all" in modifiers and len(nodes) < 2:
        yield line, "warning", "all-of-one", f"{field!r} asks for all of a single value"
    if isinstance(value, yaml.SequenceNode) and not nodes:
        yield line, "error", "empty-list", f"{field!r} has an empty list"
    texts = [node for node in scalars if node.tag == "tag:yaml.org,2002:str"]
    if "re" in modifiers:
        yield from (_remark(node, "re-without-pattern", "a regular expression without a special character: `contains|cased` says the same")
                    for node in texts if not _SPECIAL.search(node.value))  # fmt: skip
    elif not {"cidr", "fieldref", "exists", "expand"} & set(modifiers):
        yield from _texts(texts, modifiers, keyword=not field)


def _texts(nodes: list[yaml.ScalarNode], modifiers: list[str], *, keyword: bool) -> Iterator[Finding]:
    placed = [place for place in _PLACES if place in modifiers]
    for node in nodes:
        text = node.value
        if not text and (placed or keyword):
            yield _remark(node, "empty-text", "the empty text is in every text, so this is always true", "error")
        elif placed and (_ends_in_star(text, placed) or (text.startswith("*") and placed[0] != "startswith")):
            yield _remark(node, "needless-wildcard", f"the `*` of {text[:60]!r} says what `{placed[0]}` says already")
    if "all" not in modifiers and not _ENCODED & set(modifiers):  # encodings tell letter cases apart
        yield from _unreachable(nodes, placed, cased="cased" in modifiers)


def _ends_in_star(text: str, placed: list[str]) -> bool:
    """Whether the text ends in a wildcard that its modifier makes needless: an even number of backslashes before it leaves it one."""
    body = text.rstrip("*")
    return body != text and placed[0] != "endswith" and (len(body) - len(body.rstrip("\\"))) % 2 == 0


def _unreachable(nodes: list[yaml.ScalarNode], placed: list[str], *, cased: bool) -> Iterator[Finding]:
    """Values of an OR that another value of it already covers."""
    texts = [node.value if cased else fold(node.value) for node in nodes[:_COMPARED]]
    first: dict[str, int] = {}
    for at, text in enumerate(texts):
        if first.setdefault(text, at) != at:
            yield _remark(nodes[at], "repeated-value", f"{nodes[at].value[:60]!r} is given twice")
    plain = [text for text in first if text and not re.search(r"[*?\\]", text)]
    for text, at in first.items():
        if text != "*" and "*" in first:
            yield _remark(nodes[at], "unreachable-value", f"{nodes[at].value[:60]!r} can't matter beside `*`")
        elif placed and (other := next((p for p in plain if p != text and _covers(p, text, placed[0])), "")):
            yield _remark(
                nodes[at], "unreachable-value", f"{nodes[at].value[:60]!r} can't matter beside {nodes[first[other]].value[:60]!r}"
            )


def _covers(wider: str, text: str, place: str) -> bool:
    if place == "contains":
        return wider in text
    return text.startswith(wider) if place == "startswith" else text.endswith(wider)


def _remark(node: yaml.Node, code: str, text: str, severity: str = "warning") -> Finding:
    return node.start_mark.line + 1, severity, code, text
