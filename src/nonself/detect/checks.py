"""What is wrong with an entry of a content table, told by file, detector and key."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from nonself.core.errors import ConfigError


def expect(good: bool, key: str, expected: str, got: object, where: str) -> None:
    if not good:
        raise ConfigError(expected=expected, got=repr(got), where=f"{where}: key {key!r}")


def check_keys(entry: Mapping[str, Any], allowed: set[str], where: str, inside: str) -> None:
    for key in entry:
        if key not in allowed:
            near = difflib.get_close_matches(key, sorted(allowed), 1)
            do = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(sorted(allowed))}"
            raise ConfigError(expected="a known key", got=repr(f"{inside}{key}"), do=do, where=where)
