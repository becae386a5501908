"""The compiled set on disk: MessagePack, named by what it was made from, checked by a digest, never trusted when it does not fit."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import msgspec

from nonself.detect.sigma.logsource import table
from nonself.detect.sigma.tree import Compiled

ENGINE = 2
"""Version of what a compiled set means: raised when compilation changes."""
_DIGEST = 32


def name(files: Sequence[tuple[str, bytes | OSError]]) -> str:
    """File name of the set compiled from `files`: a hash of engine, parser, log source table, and every path and content."""
    digest = hashlib.blake2b(f"{ENGINE} {metadata.version('pysigma')}".encode(), digest_size=16)
    for part in (table(), *(item for path, content in files for item in (os.fsencode(path), content))):
        data = part if isinstance(part, bytes) else str(part).encode(errors="replace")
        digest.update(len(data).to_bytes(8))
        digest.update(data)
    return f"sigma-{digest.hexdigest()}.msgpack"


def read(path: Path) -> Compiled | None:
    """The set at `path`, or None where there is none that is whole."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if hashlib.blake2b(data[_DIGEST:], digest_size=_DIGEST).digest() != data[:_DIGEST]:
        return None
    try:
        return msgspec.msgpack.decode(data[_DIGEST:], type=Compiled)
    except (msgspec.MsgspecError, RecursionError):
        return None


def write(path: Path, compiled: Compiled) -> None:
    """Put the set at `path`, whole or not at all. A cache that can't be written is no reason to fail: the set is compiled again."""
    data = msgspec.msgpack.encode(compiled)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".sigma-", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.blake2b(data, digest_size=_DIGEST).digest() + data)
        Path(temporary).replace(path)
