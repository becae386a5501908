"""Archives as streams of members: never extracted, no path from inside used, every cap on what comes out, not on what is claimed."""

from __future__ import annotations

import struct
import tarfile
import tempfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, Literal, cast

from nonself.core.errors import RecordError
from nonself.sources.contract import Limits
from nonself.sources.inflate import Coding, Inflate, Window
from nonself.sources.lines import BROKEN, diagnose

Kind = Literal["zip", "tar", "gzip", "bz2", "xz", "zstd"]
Open = Callable[[], BinaryIO]

CODINGS: frozenset[str] = frozenset(("gzip", "bz2", "xz", "zstd"))
_MAGIC: tuple[tuple[bytes, Kind], ...] = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\x1f\x8b\x08", "gzip"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
)
_ENCRYPTED: tuple[tuple[bytes, str], ...] = (
    (b"age-encryption.org/", "age"),
    (b"-----BEGIN AGE ENCRYPTED FILE-----", "age"),
    (b"-----BEGIN PGP MESSAGE-----", "OpenPGP"),
    (b"\x8c\x0d\x04", "OpenPGP"),  # a session key by passphrase
    (b"\x85\x01\x0c\x03", "OpenPGP"),  # by an RSA key of 2048 bits
    (b"\x85\x02\x0c\x03", "OpenPGP"),  # of 4096
    (b"\x84\x5e\x03", "OpenPGP"),  # by an elliptic curve
    (b"Salted__", "openssl enc"),
    (b"$ANSIBLE_VAULT;", "Ansible Vault"),
    (b"LUKS\xba\xbe", "LUKS"),
)
_CLOSED: tuple[tuple[bytes, str], ...] = (
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07\x00", "rar"),
    (b"Rar!\x1a\x07\x01\x00", "rar"),
    (b"MSCF\0\0\0\0", "cabinet"),
    (b"\x1f\x9d", "compress"),
    (b"\x04\x22\x4d\x18", "lz4"),
)
_RAR_ENCRYPTED = 0x80
"""Flag of an archive header of RAR before 5: its headers are encrypted."""
_APPLE_DOUBLE = b"\0\x05\x16\x07"
SPOOL_MEMORY = 16 << 20
"""Bytes of a copied stream held in memory; more go to a temporary file."""
_SPOOLS = 4
_UNREADABLE_DIRECTORY = (*BROKEN, NotImplementedError, ValueError, OverflowError, struct.error)
"""What zipfile and tarfile raise on hostile directories."""


@dataclass(frozen=True, slots=True)
class Member:
    """One member: its name as the archive gives it, its bytes in the archive, and its decompressed stream or why there is none.

    A member without a name is a problem of the archive as a whole.
    """

    name: str
    size: int
    open: Open
    problem: RecordError | None = None


def kind(head: bytes) -> Kind | None:
    """Which archive or compression these first bytes belong to."""
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    if head.startswith(b"BZh") and head[4:10] == b"1AY&SY":
        return "bz2"
    return "tar" if head[257:262] == b"ustar" else None


def closed(head: bytes) -> RecordError | None:
    """Why a stream of these first bytes can't be opened: it is encrypted as a whole, or an archive of a kind that is not opened."""
    for magic, name in _ENCRYPTED:
        if head.startswith(magic):
            return RecordError("encrypted", f"encrypted by {name}; decrypt it first")
    name = next((name for magic, name in _CLOSED if head.startswith(magic)), "")
    if name == "rar" and _is_encrypted_rar(head):
        return RecordError("encrypted", "the rar archive needs a password; unpack it first")
    return RecordError("unsupported-archive", f"{name} is not opened; unpack it first") if name else None


def _is_encrypted_rar(head: bytes) -> bool:
    """Whether even the names in it are encrypted: by the first header's flags or, in RAR 5, its type, behind its checksum and size."""
    if head[6] == 0:
        return head[9:10] == b"\x73" and bool(int.from_bytes(head[10:12], "little") & _RAR_ENCRYPTED)
    at = 12
    while head[at : at + 1] >= b"\x80" and at < 22:  # the size is as long as its bytes' upper bits say
        at += 1
    return head[at + 1 : at + 2] == b"\x04"


def is_resource_fork(head: bytes) -> bool:
    """Whether these are the Finder's notes about a file (`__MACOSX/._name`), not the file."""
    return head.startswith(_APPLE_DOUBLE)


def members(archive: Open, archive_kind: Kind, limits: Limits) -> Iterator[Member]:
    """The members of a zip or tar in their order, at most `archive_members`; `archive` gives a seekable stream. Never raises on input."""
    listing = _zip_members if archive_kind == "zip" else _tar_members
    try:
        for index, member in enumerate(listing(archive)):
            if index == limits.archive_members:
                raise RecordError("over-limit", f"more than {limits.archive_members} members")
            yield member
    except _UNREADABLE_DIRECTORY as error:
        known = diagnose(error)
        reason = known.reason if isinstance(error, RecordError) else f"corrupt-{archive_kind}"
        yield Member("", 0, _none, RecordError(reason, known.detail))


def inflate(inner: Open, coding: Kind) -> BinaryIO:
    """The decompressed stream of a gzip, bzip2, xz or zstd stream."""
    return cast(BinaryIO, Inflate(inner(), cast(Coding, coding)))


class Spools:
    """Seekable copies of streams that can't seek (an archive within an archive), in memory or an unnamed temporary file.

    Only the last few are kept; one that is needed again is made again.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[tempfile.SpooledTemporaryFile[bytes], int, RecordError | None]] = OrderedDict()

    def open(self, key: str, stream: Open) -> BinaryIO:
        """The copy of `stream` as a window of its own."""
        file, size, _ = self._get(key, stream)
        return cast(BinaryIO, Window(cast(BinaryIO, file), 0, size, owned=False))

    def problem(self, key: str, stream: Open) -> RecordError | None:
        """Why the copy ends before its stream should, if it does."""
        return self._get(key, stream)[2]

    def _get(self, key: str, stream: Open) -> tuple[tempfile.SpooledTemporaryFile[bytes], int, RecordError | None]:
        if key not in self._kept:
            self._kept[key] = _spool(stream)
            if len(self._kept) > _SPOOLS:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]


def _spool(stream: Open) -> tuple[tempfile.SpooledTemporaryFile[bytes], int, RecordError | None]:
    file = tempfile.SpooledTemporaryFile(max_size=SPOOL_MEMORY)  # noqa: SIM115 - lives as long as its members are read
    problem: RecordError | None = None
    try:
        with stream() as source:
            while piece := source.read(1 << 20):
                file.write(piece)
    except BROKEN as error:
        problem = diagnose(error)
    return file, file.tell(), problem


def _none() -> BinaryIO:
    raise RecordError("unreadable", "no such stream")


def _zip_members(archive: Open) -> Iterator[Member]:
    with archive() as file, zipfile.ZipFile(cast(BinaryIO, Window(file, 0, file.seek(0, 2)))) as listing:
        infos = listing.infolist()
    for info in infos:
        if info.filename.endswith("/"):  # is_dir() fails on no name at all
            continue
        problem = None
        if info.flag_bits & 1:
            problem = RecordError("encrypted", "the member needs a password; unpack it first")
        elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2):
            problem = RecordError("unsupported-compression", f"zip method {info.compress_type}")
        yield Member(info.filename, info.compress_size, partial(_open_zipped, archive, info), problem)


def _open_zipped(archive: Open, info: zipfile.ZipInfo) -> BinaryIO:
    if not 0 <= info.header_offset < 1 << 63:
        raise zipfile.BadZipFile("no member where the directory says")
    file = archive()
    file.seek(info.header_offset)
    header = file.read(30)
    if len(header) < 30 or header[:4] != b"PK\x03\x04":
        file.close()
        raise zipfile.BadZipFile("no member where the directory says")
    name_size, extra_size = struct.unpack_from("<HH", header, 26)
    body = cast(BinaryIO, Window(file, info.header_offset + 30 + name_size + extra_size, info.compress_size))
    if info.compress_type == zipfile.ZIP_STORED:
        return body
    return cast(BinaryIO, Inflate(body, "deflate", info.CRC) if info.compress_type == zipfile.ZIP_DEFLATED else Inflate(body, "bz2"))


def _tar_members(archive: Open) -> Iterator[Member]:
    with archive() as file:
        window = Window(file, 0, file.seek(0, 2))
        with tarfile.open(fileobj=cast(BinaryIO, window), mode="r:", errorlevel=2) as listing:
            for info in listing:
                if not info.isfile():
                    continue
                problem = RecordError("unsupported-compression", "sparse tar member") if info.issparse() else None
                yield Member(info.name, info.size, partial(_open_tarred, archive, info.offset_data, info.size), problem)
            window.seek(min(listing.offset, window.seek(0, 2)))
            if window.read(512).strip(b"\0"):  # tarfile takes a damaged header for the end
                raise tarfile.ReadError(f"no member header at byte {listing.offset}")


def _open_tarred(archive: Open, start: int, size: int) -> BinaryIO:
    return cast(BinaryIO, Window(archive(), start, size))
