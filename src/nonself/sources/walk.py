"""From paths to `Input`s: folders in sorted order, archives opened by content, every failure an input that says why."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

from nonself.core.errors import RecordError, UsageError
from nonself.sources import archive
from nonself.sources.contract import HEAD, Input, Limits
from nonself.sources.inflate import Account, Meter, Window
from nonself.sources.lines import BROKEN, diagnose
from nonself.sources.records import clean

STDIN = Path("-")
_PIECE = 1 << 20


def discover(paths: Iterable[Path], limits: Limits) -> Iterator[Input]:
    """Every stream of bytes below `paths`, in an order that depends on the names alone.

    What can't be read (a locked file, a damaged archive, an encrypted member, a device) is an input whose `open` raises the reason:
    `sources.read` makes a dead letter of it. `-` is standard input, which is copied to an unnamed temporary file first. Links within a
    folder are not followed: a link to a place outside of it is reported, one to a place inside is found there. Raises UsageError for a
    path that does not exist, before anything is read.
    """
    chosen = [Path(path) for path in paths]
    for path in chosen:
        if path != STDIN and not path.exists():
            raise UsageError(expected="a file or folder", got="nothing there", do="check the path", where=clean(str(path)))
    for path in dict.fromkeys(chosen):
        yield from _standard_input(limits) if path == STDIN else _walk(path, path, limits)


def broken(origin: str, problem: RecordError, content: str = "") -> Input:
    """An input that can only say why it can't be read."""

    def fail() -> BinaryIO:
        raise problem

    return Input(clean(origin), content or _digest(problem.reason, origin), 0, fail, b"")


def _walk(path: Path, root: Path, limits: Limits) -> Iterator[Input]:
    try:
        status = path.stat() if path == root else path.lstat()
        if stat.S_ISDIR(status.st_mode):
            for name in sorted(os.listdir(path)):  # noqa: PTH208 - names, to be sorted
                yield from _walk(path / name, root, limits)
        elif stat.S_ISLNK(status.st_mode):
            if not path.resolve().is_relative_to(root.resolve()):
                yield broken(str(path), RecordError("symlink", "points out of the folder"))
        elif not stat.S_ISREG(status.st_mode):
            yield broken(str(path), RecordError("special-file", "not a regular file"))
        else:
            yield from _file(path, status.st_size, limits)
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
        yield broken(str(path), RecordError("unreadable", str(error)))


def _file(path: Path, size: int, limits: Limits) -> Iterator[Input]:
    with path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()  # half of BLAKE2b's cost, and what `sha256sum` says of evidence
    yield from _Expander(limits, Account(size, limits)).expand(_Layer(str(path), content, size, lambda: path.open("rb")))


def _standard_input(limits: Limits) -> Iterator[Input]:
    """Standard input as a file: it is hashed before it is read, and may be an archive."""
    state = hashlib.sha256()
    with tempfile.SpooledTemporaryFile(max_size=archive.SPOOL_MEMORY) as spool:
        while piece := sys.stdin.buffer.read(_PIECE):
            state.update(piece)
            spool.write(piece)
        size = spool.tell()
        copy = partial(Window, cast(BinaryIO, spool), 0, size, owned=False)
        layer = _Layer("-", state.hexdigest(), size, cast(archive.Open, copy))
        yield from _Expander(limits, Account(size, limits)).expand(layer)


@dataclass(frozen=True, slots=True)
class _Layer:
    """A stream that may turn out to be an archive. `depth` archives are around it; `seekable` where it lies on disk as it is."""

    origin: str
    content: str
    size: int
    open: archive.Open
    depth: int = 0
    seekable: bool = True


@dataclass(slots=True)
class _Expander:
    """Opens what one file on disk holds, layer by layer, on one account."""

    limits: Limits
    account: Account
    spools: archive.Spools = field(default_factory=archive.Spools)

    def expand(self, layer: _Layer) -> Iterator[Input]:
        head, problem = _head(layer.open)
        kind = archive.kind(head)
        if archive.is_resource_fork(head):
            return
        if kind is None:
            closed = archive.closed(head)
            if closed:
                yield broken(layer.origin, closed, layer.content)
            elif head or problem is None:
                yield Input(clean(layer.origin), layer.content, layer.size, layer.open, head)
            else:
                yield broken(layer.origin, problem, layer.content)
        elif layer.depth == self.limits.archive_depth:
            yield broken(layer.origin, RecordError("archive-depth", f"more than {layer.depth} archives within archives"), layer.content)
        elif kind in archive.CODINGS:
            yield from self._inflated(layer, kind)
        else:
            yield from self._members(layer, kind)

    def _inflated(self, layer: _Layer, kind: archive.Kind) -> Iterator[Input]:
        inflate = partial(archive.inflate, layer.open, kind)
        inner_kind = archive.kind(_head(inflate)[0])
        cap = self.limits.archive_bytes if inner_kind else self.limits.member_bytes
        metered = self._meter(inflate, _digest(kind, layer.content), cap)
        depth = layer.depth + (inner_kind != "tar")  # .tar.gz is one archive, not two
        content = _digest(kind, layer.content) if layer.depth else layer.content
        yield from self.expand(_Layer(layer.origin, content, layer.size, metered, depth, seekable=False))

    def _members(self, layer: _Layer, kind: archive.Kind) -> Iterator[Input]:
        seekable = layer.open if layer.seekable else partial(self.spools.open, layer.content, layer.open)
        for index, member in enumerate(archive.members(seekable, kind, self.limits)):
            if self.account.exhausted:
                yield broken(layer.origin, self.account.exhausted, layer.content)
                return
            origin = f"{layer.origin}!{member.name}" if member.name else layer.origin
            content = _digest(layer.content, member.name, str(index))
            if member.problem:
                yield broken(origin, member.problem, content)
                continue
            metered = self._meter(member.open, content, self.limits.member_bytes)
            yield from self.expand(_Layer(origin, content, member.size, metered, layer.depth + 1, seekable=False))
        problem = None if layer.seekable else self.spools.problem(layer.content, layer.open)
        if problem:
            yield broken(layer.origin, problem, layer.content)

    def _meter(self, stream: archive.Open, key: str, cap: int) -> archive.Open:
        return lambda: cast(BinaryIO, Meter(stream(), self.account, key, cap))


def _head(stream: archive.Open) -> tuple[bytes, RecordError | None]:
    """The first HEAD bytes, and why there are not more if the stream broke."""
    head = b""
    try:
        with stream() as source:
            while len(head) < HEAD and (piece := source.read(HEAD - len(head))):
                head += piece
    except BROKEN as error:
        return head, diagnose(error)
    return head, None


def _digest(*parts: str) -> str:
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        state.update(len(encoded).to_bytes(8, "big") + encoded)
    return state.hexdigest()
