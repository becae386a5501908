"""What `%name%` stands for in rules that use the modifier `expand`: a file `placeholders.toml` among the rules.

    known_cdcs = ["10.1.2.3", "10.1.2.4"]

Each value is a Sigma string, so `*` and `?` are wildcards in it. Of a name given twice the first one read counts.
"""

from __future__ import annotations

import tomllib

from nonself.core.errors import RuleError
from nonself.detect.sigma.files import MAX_BYTES, PLACEHOLDERS


def is_placeholders(path: str) -> bool:
    """Whether a rule file is one of placeholders."""
    return path.replace("\\", "/").rpartition("/")[2] == PLACEHOLDERS


def placeholders(data: bytes) -> dict[str, tuple[str, ...]]:
    """The values of each name. Raises RuleError where the file is not a table of lists of text."""
    if len(data) > MAX_BYTES:
        raise RuleError(expected=f"a file of placeholders of at most {MAX_BYTES} bytes", got="more")
    try:
        table = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RuleError(f"not valid TOML: {error}") from None
    for name, values in table.items():
        if not isinstance(values, list) or not values or not all(isinstance(value, str) for value in values):
            raise RuleError(expected=f"{name} to be a list of texts, at least one", got=f"{values!r}"[:80])
    return {name: tuple(values) for name, values in table.items()}
