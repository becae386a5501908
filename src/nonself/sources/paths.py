"""Where in a JSON record a field stands: `a.b`, `a.0.b`, `a[].b` or `a[type=x].b`, read as steps from member to member."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from nonself.core.errors import ConfigError

_SEGMENT = re.compile(r'(?:"(?P<quoted>[^"]+)"|(?P<member>[^.\[\]"]+))(?P<filter>\[(?P<key>[^=\]]*)(?:=(?P<value>[^\]]*))?\])?')


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a path: a member's name, then which items of the list it holds: none asked for, all ("" key), or by a member's text.
    Where a list stands the member is an item's `number`."""

    member: str
    key: str | None = None
    value: str = ""
    number: int | None = None


Path = tuple[Step, ...]


@lru_cache(4_096)
def path(field: str) -> Path:
    """The steps of a field as written. ConfigError where it is none."""
    steps: list[Step] = []
    at = 0
    while at < len(field):
        found = _SEGMENT.match(field, at)
        if found is None:
            break
        number = int(found["member"]) if re.fullmatch("[0-9]{1,9}", found["member"] or "") else None
        steps.append(Step(found["quoted"] or found["member"], found["key"] if found["filter"] else None, found["value"] or "", number))
        at = found.end()
        if at < len(field):
            if field[at] != ".":
                break
            at += 1
            if at == len(field):
                break
    else:
        if steps:
            return tuple(steps)
    raise ConfigError(f"expected a field like a.b, a.0.b, a[].b or a[type=x].b, got {field!r}")
