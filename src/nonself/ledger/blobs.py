"""Blobs: immutable bytes named by their BLAKE2b-256, small ones inside the SQLite file, large ones as files of their own.

A file is written to a temporary name, synced, renamed, and its directory synced, before any row speaks of it. So a crash can leave a
file that no row knows, which is harmless and swept at the next open, but never a row whose file is missing or torn.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from nonself.core.errors import StateError
from nonself.ledger.db import Database

INLINE = 64 << 10
"""Bytes below which a blob lives in SQLite. By SQLite's own figures (sqlite.org/intern-v-extern-blob.html, 8 KiB pages) a blob of 50 KB
is read 1.3 times as fast from the database as from a file, one of 100 KB as fast; and a commit then syncs one file, not hundreds."""

_NAME = re.compile(r"[0-9a-f]{62}")
_FOLDER = re.compile(r"[0-9a-f]{2}")
_RESTORE = "restore it from a backup, or scan again into a new state directory"


def name_of(data: bytes) -> str:
    """The name of a blob: BLAKE2b-256 in hex."""
    return hashlib.blake2b(data, digest_size=32).hexdigest()


def verified(data: bytes, name: str, where: str) -> bytes:
    """`data`, if it is what `name` says; else StateError."""
    if name_of(data) != name:
        raise StateError(f"blob {name} is corrupt: its bytes no longer match its name", do=_RESTORE, where=where)
    return data


class Store(Protocol):
    """Where large blobs are kept."""

    def put(self, data: bytes) -> str:
        """Keep `data` for good; its name. Putting the same bytes again changes nothing."""
        ...

    def get(self, name: str) -> bytes:
        """The bytes of a blob, checked against its name. StateError, naming it, where it is missing or corrupt."""
        ...

    def peek(self, name: str) -> Path | io.BytesIO:
        """The blob for a reader that wants parts of it: unchecked, and maybe not there."""
        ...

    def names(self) -> Iterator[str]:
        """The names of all blobs kept, in no order."""
        ...

    def sweep(self, referenced: set[str]) -> int:
        """Remove what a crash left behind: temporary files, and blobs not in `referenced`. How many went."""
        ...


class MemoryBlobs:
    """Blobs in a dict: gone with the process, and never on disk."""

    def __init__(self) -> None:
        self._blobs: dict[str, bytes] = {}

    def put(self, data: bytes) -> str:
        name = name_of(data)
        self._blobs[name] = data
        return name

    def get(self, name: str) -> bytes:
        if name not in self._blobs:
            raise StateError(f"blob {name} is missing", where=":memory:")
        return verified(self._blobs[name], name, ":memory:")

    def peek(self, name: str) -> io.BytesIO:
        return io.BytesIO(self._blobs.get(name, b""))

    def names(self) -> Iterator[str]:
        return iter(self._blobs)

    def sweep(self, referenced: set[str]) -> int:
        orphans = self._blobs.keys() - referenced
        for name in orphans:
            del self._blobs[name]
        return len(orphans)


class LocalBlobs:
    """Blobs as files below `root`: `root/ab/cdef...`, two hex digits a folder, so that no folder holds too many."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, data: bytes) -> str:
        name = name_of(data)
        path = self._path(name)
        try:
            if not path.parent.is_dir():
                path.parent.mkdir(parents=True, mode=0o700)
                _sync_folder(self._root)
                _sync_folder(self._root.parent)
            self._write(path, data)
        except OSError as error:
            raise StateError(
                f"blob {name} can't be written: {error.strerror}",
                do="make room and check the permissions, then run again: nothing of this batch was committed",
                where=str(path),
            ) from error
        return name

    def get(self, name: str) -> bytes:
        path = self._path(name)
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise StateError(f"blob {name} is missing", do=_RESTORE, where=str(path)) from error
        except OSError as error:
            raise StateError(f"blob {name} can't be read: {error.strerror}", do="check its permissions", where=str(path)) from error
        return verified(data, name, str(path))

    def peek(self, name: str) -> Path:
        return self._path(name)

    def names(self) -> Iterator[str]:
        if not self._root.is_dir():
            return
        for folder in self._root.iterdir():
            if _FOLDER.fullmatch(folder.name) and folder.is_dir() and not folder.is_symlink():
                yield from (folder.name + file.name for file in folder.iterdir() if _NAME.fullmatch(file.name))

    def sweep(self, referenced: set[str]) -> int:
        orphans = [self._path(name) for name in self.names() if name not in referenced]
        orphans += self._root.glob("tmp-*")
        for path in orphans:
            path.unlink()
        return len(orphans)

    def _path(self, name: str) -> Path:
        return self._root / name[:2] / name[2:]

    def _write(self, path: Path, data: bytes) -> None:
        temporary = self._root / f"tmp-{path.parent.name}{path.name}"
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(handle)
        temporary.replace(path)
        _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    """A rename is on disk once its folder is."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Blobs:
    """All blobs of a ledger behind one interface. `put` belongs inside a transaction: a blob is kept when its row is committed."""

    def __init__(self, db: Database, store: Store) -> None:
        self._db = db
        self._store = store

    def put(self, data: bytes, *, inline: bool = True) -> str:
        """Keep `data`; its name. `inline` allows SQLite as its place when it is small."""
        small = inline and len(data) < INLINE
        name = name_of(data) if small else self._store.put(data)
        self._db.run("INSERT OR IGNORE INTO blob VALUES (?, ?, ?)", (name, len(data), data if small else None))
        return name

    def get(self, name: str) -> bytes:
        """The bytes of a blob, checked against its name. StateError, naming it, where it is missing or corrupt."""
        found = self._db.rows("SELECT CAST(data AS BLOB) FROM blob WHERE hash = ?", (name,))
        if found and found[0][0] is not None:
            return verified(found[0][0], name, self._db.where)
        return self._store.get(name)

    def peek(self, name: str) -> Path | io.BytesIO:
        """A blob that was put with `inline=False`, for a reader that wants parts of it: unchecked, and maybe not there."""
        return self._store.peek(name)

    def sweep(self) -> int:
        """Remove the files that no row speaks of; how many went."""
        return self._store.sweep({name for (name,) in self._db.rows("SELECT hash FROM blob WHERE data IS NULL")})
