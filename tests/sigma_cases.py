"""Random rules and events for the differential test: small words that meet often, and every modifier of the specification."""

from __future__ import annotations

import base64
import random
from typing import Any

FIELDS = ("alpha", "beta", "gamma", "nest.path", "eventName")
PIECES = [
    "a",
    "A",
    "b",
    "bc",
    " ",
    "-",
    "/",
    "-e",
    ".",
    "\\",
    "*",
    "?",
    "\\*",
    "\\\\",
    "é",
    "É",
    "ς",
    "Σ",
    "k",
    "1",
    "10",
    "%",
    "İ",
    "_",
    "ß",
    "ẞ",
]
TIMES = ["2024-05-01T10:59:00Z", "2024-05-01 10:59:00", "2024-12-30T23:30:00.1234567+02:00",
         "2021-01-03T00:00:00-05:00", "2024-13-01T00:00:00Z",
         "noon", 1714561140, "1714561140000", 1714561140000000, "", "2024-05-01"]  # fmt: skip
NUMBERS = [0, 1, 10, 443, -3, 2.5, 1.0, True, False, None, "443", "true", "True", "0x10", "1e2", "10.1.2.3", "fe80::1", "fe80::1%12", ""]
CONDITIONS = [
    "sel_a", "sel_a and sel_b", "sel_a or sel_b", "not sel_a", "sel_a and not sel_b", "1 of sel*", "all of sel_*", "all of them",
    "any of sel_*", "1 of them", "not (sel_a or not sel_b) and sel_a", "not 1 of sel_*", "sel_b or (sel_a and not sel_b)", "not all of *_b",
    ["sel_a", "sel_b"], "not not sel_b", "(sel_a or _other) and not (sel_b and _other)", "1 of *_a or not _other",
]  # fmt: skip


def rule(draw: random.Random) -> dict[str, Any]:
    """A `detection` section."""
    parts = {name: _detection(draw) for name in ("sel_a", "sel_b", "_other")}
    return {**parts, "condition": draw.choice(CONDITIONS)}


def event(draw: random.Random) -> dict[str, Any]:
    """A record: of every field there may be nothing, null, a scalar, a list, or an object with the rest of a dotted name."""
    made: dict[str, Any] = {}
    for field in ("alpha", "beta", "gamma"):
        if draw.random() < 0.7:
            made[field] = _value(draw)
    if draw.random() < 0.5:
        made["nest"] = draw.choice([{"path": _value(draw)}, [{"path": _value(draw)}, {"other": 1}, "x"], {"other": _scalar(draw)}, None])
    if draw.random() < 0.1:
        made["nest.path"] = _scalar(draw)
    return made


def _detection(draw: random.Random) -> Any:
    roll = draw.random()
    if roll < 0.6:
        return _items(draw)
    if roll < 0.75:
        return [_items(draw) for _ in range(draw.randint(1, 2))]
    words = [_word(draw) for _ in range(draw.randint(1, 3))]
    keys = {"|all": words, "|re": draw.choice(["b+c", "A1?", "[ab]{2}"]), "|cased": words, "|expand": "%letters%1"}
    return words if roll < 0.9 else dict([draw.choice(list(keys.items()))])


def _items(draw: random.Random) -> dict[str, Any]:
    return dict(_item(draw) for _ in range(draw.randint(1, 3)))


def _item(draw: random.Random) -> tuple[str, Any]:
    field = draw.choice(FIELDS)
    kind = draw.choice(_KINDS)
    modifiers, values = kind(draw)
    negated = "|neq" if draw.random() < 0.08 else ""
    return field + modifiers + negated, values


def _strings(draw: random.Random) -> tuple[str, Any]:
    shape = draw.choice(["", "", "|contains", "|startswith", "|endswith"])
    return shape + draw.choice(["", "", "", "|cased", "|all"]), _some(draw, _text)


def _dashes(draw: random.Random) -> tuple[str, Any]:
    return draw.choice(["|windash|contains", "|windash", "|contains|all|windash", "|windash|startswith|cased"]), _some(draw, _text)


def _encodings(draw: random.Random) -> tuple[str, Any]:
    utf16 = draw.choice(["", "", "|wide", "|utf16le", "|utf16be", "|utf16"])
    coding = draw.choice(["|base64", "|base64offset", "|base64offset", ""]) if utf16 else draw.choice(["|base64", "|base64offset"])
    return utf16 + coding + draw.choice(["|contains", "|contains", "", "|startswith", "|contains|cased"]), _some(draw, _literal)


def _plain(draw: random.Random) -> tuple[str, Any]:
    return "", _some(draw, _scalar) if draw.random() < 0.95 else []


def _compared(draw: random.Random) -> tuple[str, Any]:
    return draw.choice(["|gt", "|gte", "|lt", "|lte"]), draw.choice([0, 1, 2.5, 443, -3])


def _times(draw: random.Random) -> tuple[str, Any]:
    part = draw.choice(["minute", "hour", "day", "week", "month", "year"])
    value = draw.choice({"minute": [0, 30, 59], "hour": [0, 5, 8, 10, 21], "day": [1, 3, 30], "week": [1, 18, 53], "month": [1, 5, 12],
                         "year": [2021, 2024, 1970]}[part])  # fmt: skip
    return f"|{part}" + draw.choice(["", "", "|gte", "|lt", "|lte", "|gt"]), value


def _networks(draw: random.Random) -> tuple[str, Any]:
    return "|cidr", _some(draw, lambda d: d.choice(["10.0.0.0/8", "10.1.2.3/32", "fe80::/10", "::/0"]))


def _regexes(draw: random.Random) -> tuple[str, Any]:
    if draw.random() < 0.2:
        return "|re|expand", draw.choice(["x?%letters%", "^%port%"])
    patterns = ["^a.*b$", "bc+", "[ab]{2}", "a|1", r"\d\d", "A", "abc", "a.?c", r"\.1"]
    return draw.choice(["|re", "|re|i", "|re|i|s", "|re|i|m"]), _some(draw, lambda d: d.choice(patterns))


def _references(draw: random.Random) -> tuple[str, Any]:
    return "|fieldref" + draw.choice(["", "|contains", "|startswith", "|endswith"]), draw.choice(FIELDS)


def _exists(draw: random.Random) -> tuple[str, Any]:
    return "|exists", draw.random() < 0.5


def _expanded(draw: random.Random) -> tuple[str, Any]:
    return "|expand" + draw.choice(["", "|contains", "|startswith", "|cased"]), draw.choice(
        ["%letters%", "a%letters%", "%port%", "%letters%%port%"]
    )


_KINDS = [_strings] * 6 + [_plain] * 3 + [_dashes, _encodings, _encodings, _compared, _times, _networks, _regexes, _regexes, _references,
                                          _exists,
                                          _expanded]  # fmt: skip


def _some(draw: random.Random, make: Any) -> Any:
    return make(draw) if draw.random() < 0.5 else [make(draw) for _ in range(draw.randint(1, 3))]


def _text(draw: random.Random) -> str:
    return "".join(draw.choices(PIECES, k=draw.randint(0, 4)))


def _literal(draw: random.Random) -> str:
    """One of few texts, so that a rule's is met encoded in events; as a rule writes it, without a wildcard."""
    return draw.choice(["a\\*b", "éΣ1"])


def _word(draw: random.Random) -> str:
    return "".join(draw.choices(["a", "A", "b", "bc", "1", "10", "path", "e", "k"], k=draw.randint(1, 3)))


def _scalar(draw: random.Random) -> Any:
    return _text(draw) if draw.random() < 0.6 else draw.choice(NUMBERS)


def _value(draw: random.Random) -> Any:
    """What a field of an event may hold: encoded texts and times too, so that the modifiers for them can be true."""
    roll = draw.random()
    if roll < 0.3:
        text = _literal(draw).replace("\\\\", "\\").replace("\\*", "*")
        data = text.encode(draw.choice(["utf-8", "utf-16-le", "utf-16-le", "utf-16-be", "utf-16"]))
        if draw.random() < 0.3:
            return data.decode("latin-1")
        around = draw.random() < 0.5
        return base64.b64encode(bytes(draw.randint(0, 3) * around) + data + bytes(draw.randint(0, 2) * around)).decode()
    if roll < 0.38:
        return draw.choice(TIMES)
    if roll < 0.44:
        return draw.choice(["::ffff:10.1.2.3", "10.9.0.1", "10.1.2.3", "fe80::1"])
    if roll < 0.54:
        return [_scalar(draw) for _ in range(draw.randint(0, 3))] + ([[_scalar(draw)]] if draw.random() < 0.2 else [])
    return {"x": 1, "y": ["a"]} if roll < 0.56 else _scalar(draw)
