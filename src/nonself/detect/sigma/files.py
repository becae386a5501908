"""Which rule files there are, and their bytes. Knows nothing of YAML or Sigma, so a start from the cache needs no more than this."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path

from nonself.core.errors import UsageError

SUFFIXES = (".yml", ".yaml")
PLACEHOLDERS = "placeholders.toml"
MAX_BYTES = 1 << 20
_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)  # opening a pipe would wait for a writer


def rule_files(paths: Sequence[Path], *, builtin: bool) -> Iterator[tuple[str, bytes | OSError]]:
    """Rule files as (path, content), in a fixed order: those of `paths` (files, or trees of .yml), then nonself's own. Files of
    placeholders are among them.

    A file that can't be read gives its error; one that is too long gives its first `MAX_BYTES + 1` bytes. Raises UsageError for a
    path that is not there.
    """
    for path in paths:
        if not path.exists():
            raise UsageError(expected="a rule file or a folder of rule files", got=str(path))
        yield from ((str(file), _content(file)) for file in _walk(path))
    if builtin:
        home = Path(str(resources.files("nonself")))
        yield from ((file.relative_to(home).as_posix(), _content(file)) for file in _walk(home / "rules"))


def _walk(path: Path) -> Iterator[Path]:
    """The file itself, or all rule and placeholder files below a folder; links to folders are not followed, so no walk is endless."""
    if not path.is_dir():
        yield path
    for folder, folders, names in os.walk(path):
        folders.sort()
        yield from (Path(folder, name) for name in sorted(names) if name.endswith(SUFFIXES) or name == PLACEHOLDERS)


def _content(path: Path) -> bytes | OSError:
    """By plain system calls: with thousands of rules, Path and file objects took longer than reading."""
    try:
        file = os.open(path, _READ)
        try:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode):  # reading a pipe would wait for ever
                return OSError("it is not a regular file")
            data = os.read(file, min(status.st_size, MAX_BYTES) + 1)  # room for more is made in vain, a page at a time
            return data if len(data) <= status.st_size else data + os.read(file, MAX_BYTES + 1 - len(data))
        finally:
            os.close(file)
    except OSError as error:
        return error
