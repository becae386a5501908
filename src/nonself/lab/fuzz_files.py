"""Whole files to fuzz: packed samples, and what a scan does with a file: unpack it, recognise what is inside, read that.

A mutant of packed bytes rarely unpacks; what is tried is that one which breaks anywhere is told and loses nothing before that.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from nonself import sources
from nonself.sources.contract import Chunk, Input, Limits


class Files:
    """A source to give to `fuzz.campaign`: it reads its input as a file of that content, by whichever source knows it."""

    name = "files"
    title = "packed files of any kind"
    formats = "gzip, bzip2, xz, zstd, tar, zip"
    classes: tuple[int, ...] = ()

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="nonself-fuzz-")

    def recognise(self, head: bytes, origin: str) -> bool:
        return False

    def read(self, source_input: Input, limits: Limits) -> Iterator[Chunk]:
        path = Path(self._folder.name) / "fuzzed"
        with source_input.open() as stream:
            path.write_bytes(stream.read())
        for given in sources.discover([path], limits):
            yield from sources.read(given, limits)[1]


def packed(samples: Sequence[bytes]) -> list[bytes]:
    """Each sample packed in one of the ways, by turns; the same bytes each time."""
    return [_PACKERS[at % len(_PACKERS)](sample) for at, sample in enumerate(samples)]


def _zip(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("a.log"), data)
        archive.writestr(zipfile.ZipInfo("b/c.log.gz"), _gzip(data))
    return buffer.getvalue()


def _tar(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo("a.log")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return _gzip(buffer.getvalue())


def _zstd(data: bytes) -> bytes:
    import zstandard

    half = len(data) // 2
    return b"".join(zstandard.ZstdCompressor(level=1).compress(part) for part in (data[:half], data[half:]))  # two frames


_gzip = partial(gzip.compress, mtime=0)
_PACKERS: tuple[Callable[[bytes], bytes], ...] = (_zstd, _zip, _gzip, _tar, _zstd, bz2.compress, lzma.compress)
