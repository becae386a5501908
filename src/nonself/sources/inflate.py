"""Compressed and bounded streams: gzip, bzip2, xz, zstd and raw deflate that give all they can before they fail; windows; meters."""

from __future__ import annotations

import bz2
import io
import lzma
import zipfile
import zlib
from typing import BinaryIO, Literal, Protocol

from nonself.core.errors import RecordError
from nonself.sources.contract import Limits

Coding = Literal["gzip", "bz2", "xz", "zstd", "deflate"]
_INPUT = 16_384
_XZ_MEMORY = 256 << 20  # a header may ask for 4 GB of dictionary; real files need 65 MB at most
_ZSTD_WINDOW = 128 << 20  # likewise, up to 2 GB; `zstd` itself takes no more without being told to
_ZSTD_SLICE = 1_024  # a block is 3 bytes at least and 128 KiB at most: so many bytes give 32 MB at most
_MAX_READ = 64 << 20  # no library may hold more of a hostile archive's directory at once


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Zlib:
    """zlib's decompressor with the manners of bz2's and lzma's: it keeps what it has not used yet."""

    def __init__(self, wbits: int) -> None:
        self._inner = zlib.decompressobj(wbits)
        self._failed: zlib.error | None = None

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Like zlib's; on damage, first all that stands before it, then (at the next call) the error."""
        if self._failed:
            raise self._failed
        data = self._inner.unconsumed_tail + data
        before = self._inner.copy()
        try:
            return self._inner.decompress(data, max_length)
        except zlib.error as error:
            self._failed = error
        out = b""
        for at in range(len(data)):  # byte by byte: the failing call threw away what it had
            try:
                out += before.decompress(data[at : at + 1])
            except zlib.error:
                break
        if not out:
            raise self._failed
        return out


class _Zstd:
    """zstandard's decompressor with the same manners. It knows no `max_length`, so it is fed in slices, and gives what it has in pieces."""

    def __init__(self) -> None:
        try:
            import zstandard
        except ImportError:
            raise RecordError("unsupported-compression", "zstd needs the package `zstandard`: pip install zstandard") from None
        self._inner, self._error = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj(), zstandard.ZstdError
        self._waiting, self._ready = b"", memoryview(b"")  # a view, so that to take a piece copies no more than the piece

    @property
    def eof(self) -> bool:
        return bool(self._inner.eof) and not self._ready

    @property
    def unused_data(self) -> bytes:
        return bytes(self._inner.unused_data) + self._waiting

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """At most `max_length` bytes; RecordError "corrupt-zstd" for damage."""
        self._waiting += data
        while not self._ready and self._waiting and not self._inner.eof:
            piece, self._waiting = self._waiting[:_ZSTD_SLICE], self._waiting[_ZSTD_SLICE:]
            try:
                self._ready = memoryview(self._inner.decompress(piece))
            except self._error as error:
                raise RecordError("corrupt-zstd", str(error)) from None
        out, self._ready = bytes(self._ready[:max_length]), self._ready[max_length:]
        return out


def _decompressor(coding: Coding) -> _Decompressor:
    if coding == "zstd":
        return _Zstd()
    if coding == "bz2":
        return bz2.BZ2Decompressor()
    if coding == "xz":
        return lzma.LZMADecompressor(memlimit=_XZ_MEMORY)
    return _Zlib(31 if coding == "gzip" else -15)


class Inflate(io.RawIOBase):
    """The decompressed bytes of `inner`. Joined streams are read on; zero padding is skipped.

    Raises what the coding's library raises for damage and EOFError where the data ends too early, each only after all bytes before.
    With `crc` given (a zip member's), the sum is checked at the end: BadZipFile.
    """

    def __init__(self, inner: BinaryIO, coding: Coding, crc: int | None = None) -> None:
        super().__init__()
        self._inner, self._coding, self._expected = inner, coding, crc
        try:
            self._decompressor = _decompressor(coding)
        except RecordError:
            inner.close()
            raise
        self._ready = b""
        self._crc = 0
        self._fresh = False  # between two joined streams, where the data may end

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._inner.close()
        super().close()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._ready:
            self._ready = self._inflate(len(buffer))
        taken, self._ready = self._ready[: len(buffer)], self._ready[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)

    def _inflate(self, size: int) -> bytes:
        data = b""
        while True:
            if self._decompressor.eof:
                data = self._decompressor.unused_data.lstrip(b"\0")
                if self._coding == "deflate":
                    return self._end()
                self._decompressor, self._fresh = _decompressor(self._coding), not data
            out = self._decompressor.decompress(data, size)
            if out:
                self._crc = zlib.crc32(out, self._crc)
                return out
            if self._decompressor.eof:
                continue
            data = self._inner.read(_INPUT)
            if not data and self._fresh:
                return b""
            if not data:
                raise EOFError("compressed data ends before its end mark")
            if self._fresh:
                data = data.lstrip(b"\0")
                self._fresh = not data

    def _end(self) -> bytes:
        if self._expected is not None and self._crc != self._expected:
            self._expected = None
            raise zipfile.BadZipFile("checksum does not match")
        return b""


class Window(io.RawIOBase):
    """`size` bytes of a seekable file from `start`, with a position of its own. EOFError where the file ends before the window does.

    `owned` says that closing the window closes the file.
    """

    def __init__(self, file: BinaryIO, start: int, size: int, *, owned: bool = True) -> None:
        super().__init__()
        self._file, self._start, self._size, self._owned = file, start, size, owned
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        if self._owned:
            self._file.close()
        super().close()

    def seek(self, offset: int, whence: int = 0) -> int:
        base = (0, self._at, self._size)[whence]
        if base + offset < 0:
            raise OSError("seek before the start")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        left = max(self._size - self._at, 0)
        wanted = left if size is None or size < 0 else min(size, left)
        if wanted > _MAX_READ:
            raise RecordError("over-limit", f"{wanted} bytes to be held at once")
        self._file.seek(self._start + self._at)
        data = self._file.read(wanted)
        if wanted and not data:
            raise EOFError(f"expected {self._size} bytes, got {self._at}")
        self._at += len(data)
        return data

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class Account:
    """What has been decompressed of one file on disk, over all its members and layers, against the caps of `Limits`."""

    def __init__(self, compressed: int, limits: Limits) -> None:
        by_ratio = max(limits.ratio_floor, limits.archive_ratio * compressed)
        self._cap = min(limits.archive_bytes, by_ratio)
        self._why = (
            f"expands more than {limits.archive_ratio} times" if by_ratio == self._cap else f"more than {self._cap} bytes in all members"
        )
        self._used: dict[str, int] = {}
        self._total = 0
        self.exhausted: RecordError | None = None

    def left(self, key: str, given: int) -> int:
        """How many more bytes stream `key` may give after `given`. What was given once (to look at its head) is not counted twice."""
        return self._cap - self._total + self._used.get(key, 0) - given

    def note(self, key: str, given: int) -> None:
        """`given` bytes of stream `key` have been given so far. Raises RecordError "over-limit" past the caps."""
        new = max(given - self._used.get(key, 0), 0)
        if self._total + new > self._cap:
            self.exhausted = RecordError("over-limit", self._why)
            raise self.exhausted
        self._total += new
        self._used[key] = self._used.get(key, 0) + new


class Meter(io.RawIOBase):
    """`inner`, counted: RecordError "over-limit" after `cap` bytes, or where the account's caps are reached."""

    def __init__(self, inner: BinaryIO, account: Account, key: str, cap: int) -> None:
        super().__init__()
        self._inner, self._account, self._key, self._cap = inner, account, key, cap
        self._given = 0

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._inner.close()
        super().close()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        left = min(self._cap - self._given, self._account.left(self._key, self._given))
        data = self._inner.read(max(min(len(buffer), left), 1))  # one byte more tells the end from the cap
        if self._given + len(data) > self._cap:
            raise RecordError("over-limit", f"more than {self._cap} bytes")
        self._account.note(self._key, self._given + len(data))
        self._given += len(data)
        buffer[: len(data)] = data
        return len(data)
