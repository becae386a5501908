"""Archives that lie: bombs, nesting, passwords, paths, damage. Nothing is extracted, nothing raises, each problem is one dead letter."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import struct
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nonself.sources import discover, read
from nonself.sources.contract import Chunk, Limits
from test_sources_samples import SAMPLES

LOG = SAMPLES["windows-json"][0][1]
COUNT = SAMPLES["windows-json"][0][2]
LIMITS = Limits()


def scan(path: Path, limits: Limits = LIMITS) -> tuple[int, list[tuple[str, str]]]:
    """Events found, and (origin below `path`, reason) of every dead letter."""
    total, dead = 0, []
    for found in discover([path], limits):
        chunks: list[Chunk] = list(read(found, limits)[1])
        total += sum(chunk.events.height for chunk in chunks)
        dead += [(letter.origin.removeprefix(str(path)), letter.reason) for chunk in chunks for letter in chunk.dead]
    return total, dead


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return out.getvalue()


def tarred(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(LOG),
        gzip.compress(LOG[:900]) + gzip.compress(LOG[900:]) + b"\0" * 20,
        bz2.compress(LOG),
        lzma.compress(LOG),
        gzip.compress(gzip.compress(LOG)),
        zipped({"a/b.log": LOG}),
        zipped({"a.log": LOG}, zipfile.ZIP_STORED),
        zipped({"a.log": LOG}, zipfile.ZIP_BZIP2),
        zipped({"x.log.gz": gzip.compress(LOG)}),
        tarred({"a.log": LOG}),
        gzip.compress(tarred({"a.log": LOG})),
        zipped({"inner.zip": zipped({"deep.tar.gz": gzip.compress(tarred({"x.log": LOG}))})}),
    ],
)
def test_every_wrapping_gives_the_same_events(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "f").write_bytes(data)
    assert scan(tmp_path) == (COUNT, [])


def test_content_names_the_bytes_not_the_file(tmp_path: Path) -> None:
    data = zipped({"a": LOG, "b": LOG})
    (tmp_path / "1.zip").write_bytes(data)
    (tmp_path / "2.zip").write_bytes(data)
    first, second, third, fourth = [found.content for found in discover([tmp_path], LIMITS)]
    assert (first, second) == (third, fourth)
    assert first != second


def test_inputs_can_be_opened_in_any_order_and_again(tmp_path: Path) -> None:
    inner = {f"{n}.zip": zipped({"x.log": LOG, "y.log": LOG * (n + 1)}) for n in range(7)}
    (tmp_path / "a.zip").write_bytes(zipped(inner))
    inputs = list(discover([tmp_path], LIMITS))
    assert len(inputs) == 14
    for found in [*reversed(inputs), *inputs]:
        with found.open() as stream:
            expected = LOG if "x.log" in found.origin else LOG * (int(found.origin.split("!")[1][0]) + 1)
            body = b""
            while piece := stream.read(1000):
                body += piece
            assert body == expected


def test_a_truncated_gzip_keeps_its_head(tmp_path: Path) -> None:
    data = gzip.compress(LOG + os.urandom(5000).hex().encode())
    (tmp_path / "f.gz").write_bytes(data[:-2000])
    events, dead = scan(tmp_path)
    assert (events, [reason for _, reason in dead]) == (COUNT, ["truncated"])


def test_a_damaged_gzip_keeps_what_stands_before_the_damage(tmp_path: Path) -> None:
    lines = b"".join(LOG.split(b"\n")[0] + b" " * n + b"\n" for n in range(2000))
    data = bytearray(gzip.compress(lines))
    data[len(data) // 2 :] = b"\xff" * (len(data) - len(data) // 2)
    (tmp_path / "f.gz").write_bytes(data)
    events, dead = scan(tmp_path)
    assert events > 200
    assert [reason for _, reason in dead] in (["corrupt-gzip"], ["truncated"])


def test_a_bomb_stops_at_the_cap(tmp_path: Path) -> None:
    limits = Limits(member_bytes=1 << 20, ratio_floor=1 << 40)
    row = LOG.split(b"\n")[0] + b"\n"
    for name, data in (("a.gz", gzip.compress(row * 3000)), ("b.zip", zipped({"x": row * 3000}))):
        (tmp_path / name).write_bytes(data)
    events, dead = scan(tmp_path, limits)
    assert events == 2 * ((1 << 20) // len(row))
    assert dead == [("/a.gz", "over-limit"), ("/b.zip!x", "over-limit")]


def test_a_ratio_no_log_has_is_a_bomb(tmp_path: Path) -> None:
    (tmp_path / "b.gz").write_bytes(gzip.compress(LOG + b"\n" * 3_000_000))
    events, dead = scan(tmp_path, Limits(archive_ratio=100, ratio_floor=1 << 20))
    assert events == COUNT
    assert dead == [("/b.gz", "over-limit")]


def test_members_share_the_archives_cap(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped({str(n): LOG for n in range(100)}))
    events, dead = scan(tmp_path, Limits(archive_bytes=len(LOG) * 10))
    assert events == COUNT * 10
    assert {reason for _, reason in dead} == {"over-limit"} and len(dead) <= 2
    events, dead = scan(tmp_path, Limits(archive_members=5))
    assert (events, dead) == (COUNT * 5, [("/a.zip", "over-limit")])


def test_overlapping_members_are_capped(tmp_path: Path) -> None:
    """A better zip bomb: a thousand directory entries for one member."""
    data = zipped({"x": b"\n" * 1_000_000})
    end = data.rindex(b"PK\x05\x06")
    start = struct.unpack("<I", data[end + 16 : end + 20])[0]
    entry = data[start:end]
    tail = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1000, 1000, len(entry) * 1000, start, 0)
    (tmp_path / "f.zip").write_bytes(data[:start] + entry * 1000 + tail)
    _, dead = scan(tmp_path, Limits(archive_ratio=100, ratio_floor=1 << 20))
    assert dead[-1] == ("/f.zip", "over-limit")


def test_nesting_stops_at_the_depth(tmp_path: Path) -> None:
    data = zipped({"x.log": LOG})
    for _ in range(40):
        data = zipped({"a.zip": data, "b.log": LOG})
    (tmp_path / "f.zip").write_bytes(data)
    assert scan(tmp_path) == (3 * COUNT, [("/f.zip!a.zip!a.zip!a.zip", "archive-depth")])


def test_an_encrypted_member_is_named_and_harms_no_other(tmp_path: Path) -> None:
    data = bytearray(zipped({"a.log": LOG, "b.log": LOG}))
    directory = data.index(b"PK\x01\x02")
    data[directory + 8] |= 1
    (tmp_path / "f.zip").write_bytes(data)
    assert scan(tmp_path) == (COUNT, [("/f.zip!a.log", "encrypted")])


def test_a_damaged_member_keeps_its_head_and_harms_no_other(tmp_path: Path) -> None:
    data = zipped({"a.log": LOG, "b.log": LOG}, zipfile.ZIP_STORED)
    at = data.index(LOG)
    (tmp_path / "f.zip").write_bytes(data[: at + 5] + b"#" + data[at + 6 :])
    (tmp_path / "g.zip").write_bytes(zipped({"a.log": LOG})[:-30])
    assert scan(tmp_path / "g.zip") == (0, [("", "corrupt-zip")])
    deflated = bytearray(zipped({"a.log": LOG, "b.log": LOG}))
    directory = deflated.index(b"PK\x01\x02")
    deflated[directory + 16] ^= 0xFF  # the checksum
    (tmp_path / "h.zip").write_bytes(deflated)
    assert scan(tmp_path / "h.zip") == (2 * COUNT, [("!a.log", "corrupt-zip")])


@pytest.mark.parametrize(("place", "expected"), [("name", (2 * COUNT, [])), ("offset", (COUNT, ["corrupt-zip"]))])
def test_a_member_without_a_name_or_a_place_harms_no_other(tmp_path: Path, place: str, expected: tuple[int, list[str]]) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(zipfile.ZipInfo("a.log"), LOG)
        odd = zipfile.ZipInfo("x")
        odd.extra = struct.pack("<HHQ", 1, 8, (1 << 64) - 1) if place == "offset" else b""
        archive.writestr(odd, LOG)
    packed = bytearray(out.getvalue())
    entry = packed.rindex(b"PK\1\2")
    if place == "name":
        packed[entry + 28 : entry + 32] = struct.pack("<HH", 0, 1)  # its letter counts as an extra byte
    else:
        packed[entry + 42 : entry + 46] = b"\xff" * 4
    (tmp_path / "odd.zip").write_bytes(packed)
    total, dead = scan(tmp_path)
    assert (total, [reason for _, reason in dead]) == expected


def test_paths_inside_are_only_names(tmp_path: Path) -> None:
    names = ["../../../../tmp/evil.log", "/etc/passwd", "C:\\x.log", "a/../../b", "\x1b[31mred\x1b[0m"]
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f.zip").write_bytes(zipped(dict.fromkeys(names, LOG)))
    (tmp_path / "d" / "g.tar").write_bytes(tarred(dict.fromkeys(names, LOG)))
    before = sorted(tmp_path.rglob("*"))
    assert scan(tmp_path / "d") == (2 * len(names) * COUNT, [])
    assert sorted(tmp_path.rglob("*")) == before


def test_links_and_devices_in_a_tar_have_no_content(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE):
            info = tarfile.TarInfo("x")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        info = tarfile.TarInfo("a.log")
        info.size = len(LOG)
        archive.addfile(info, io.BytesIO(LOG))
    (tmp_path / "f.tar").write_bytes(out.getvalue())
    assert scan(tmp_path) == (COUNT, [])


def test_a_cut_or_damaged_tar_keeps_what_stands_before(tmp_path: Path) -> None:
    data = tarred({"a.log": LOG, "b.log": LOG})
    second = data.index(b"b.log")
    (tmp_path / "a.tar").write_bytes(data[: second + 600])
    (tmp_path / "b.tar").write_bytes(data[:second] + b"\xff" * 512 + data[second + 512 :])
    (tmp_path / "c.tgz").write_bytes(gzip.compress(data)[:-12])
    for name, least in (("a.tar", COUNT), ("b.tar", COUNT), ("c.tgz", COUNT)):
        events, dead = scan(tmp_path / name)
        assert events >= least
        assert dead, name


def test_a_header_that_claims_gigabytes_costs_nothing(tmp_path: Path) -> None:
    info = tarfile.TarInfo("././@PaxHeader")
    info.type, info.size = tarfile.XHDTYPE, 7 << 30
    (tmp_path / "f.tar").write_bytes(info.tobuf() + b"\0" * 4096)
    events, dead = scan(tmp_path)
    assert events == 0 and dead[0][0] == "/f.tar"


def test_the_finders_notes_are_passed_over_by_content(tmp_path: Path) -> None:
    fork = b"\0\x05\x16\x07\0\x02\0\0Mac OS X" + b"\0" * 80
    (tmp_path / "f.zip").write_bytes(zipped({"a.log": LOG, "__MACOSX/._a.log": fork, "._real.log": LOG, "dir/": b""}))
    assert scan(tmp_path) == (2 * COUNT, [])


@given(
    st.binary(max_size=400),
    st.sampled_from([b"PK\x03\x04", b"\x1f\x8b\x08\0", b"BZh91AY&SY", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"PK\x05\x06"]),
)
def test_noise_behind_a_magic_number_never_raises(tmp_path_factory: pytest.TempPathFactory, noise: bytes, magic: bytes) -> None:
    path = tmp_path_factory.mktemp("noise") / "f"
    path.write_bytes(magic + noise)
    events, dead = scan(path)
    assert events == 0 and len(dead) == 1


@given(st.data())
def test_a_flipped_byte_never_raises_nor_passes_in_silence(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    whole = data.draw(
        st.sampled_from([zipped({"a.log": LOG, "b.log": LOG}), gzip.compress(tarred({"a.log": LOG})), tarred({"a.log": LOG})])
    )
    at = data.draw(st.integers(0, len(whole) - 1))
    path = tmp_path_factory.mktemp("flip") / "f"
    path.write_bytes(whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :])
    events, dead = scan(path)
    assert events or dead


def zstd(data: bytes) -> bytes:
    zstandard = pytest.importorskip("zstandard", reason="zstd is not tested: install the package `zstandard`")
    return bytes(zstandard.ZstdCompressor(level=3).compress(data))


def test_zstd_in_every_wrapping(tmp_path: Path) -> None:
    skippable = b"\x50\x2a\x4d\x18" + struct.pack("<I", 4) + b"note"
    wholes = (
        zstd(LOG),
        zstd(LOG[:900]) + zstd(LOG[900:]) + b"\0" * 20,
        zstd(LOG[:900]) + skippable + zstd(LOG[900:]),
        zstd(zipped({"a": LOG})),
    )
    for number, data in enumerate((*wholes, zipped({"a.zst": zstd(LOG)}), zstd(tarred({"a": LOG})))):
        (tmp_path / f"{number}.zst").write_bytes(data)
        assert scan(tmp_path / f"{number}.zst") == (COUNT, []), number


def test_a_cut_or_damaged_zstd_says_so(tmp_path: Path) -> None:
    path, packed = tmp_path / "a.zst", zstd(LOG * 300) + zstd(LOG * 300)
    path.write_bytes(packed[:-9])
    total, dead = scan(path)
    assert (total >= 300 * COUNT, [reason for _, reason in dead]) == (True, ["truncated"])
    first = len(packed) // 2
    path.write_bytes(packed[:first] + b"\x28\xb5\x2f\xfd" + b"\xff" * 99)
    total, dead = scan(path)
    assert (total, {reason for _, reason in dead} - {"json-syntax"}) == (300 * COUNT, {"corrupt-zstd"})


def test_a_zstd_bomb_stops_at_the_cap(tmp_path: Path) -> None:
    """A log, then one byte repeated: 128 KiB a block of four bytes, without a checksum, of a size nobody declared."""
    pytest.importorskip("zstandard", reason="zstd is not tested: install the package `zstandard`")
    block = struct.pack("<I", 131_072 << 3 | 1 << 1)[:3] + b" "
    plain = struct.pack("<I", len(LOG) << 3)[:3] + LOG
    (tmp_path / "a.zst").write_bytes(b"\x28\xb5\x2f\xfd\x00\x58" + plain + block * 4_000 + b"\x01\0\0")
    total, dead = scan(tmp_path / "a.zst", Limits(member_bytes=32 << 20))
    assert (total, {reason for _, reason in dead} & {"over-limit"}) == (COUNT, {"over-limit"})


def test_a_window_of_gigabytes_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("zstandard", reason="zstd is not tested: install the package `zstandard`")
    (tmp_path / "a.zst").write_bytes(b"\x28\xb5\x2f\xfd\x00\xa8" + b"\x01\0\0")
    assert [reason for _, reason in scan(tmp_path / "a.zst")[1]] == ["corrupt-zstd"]


def test_without_its_package_zstd_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    (tmp_path / "a.zst").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(99))
    (found,) = discover([tmp_path], LIMITS)
    (chunk,) = read(found, LIMITS)[1]
    assert [(letter.reason, "pip install zstandard" in letter.detail) for letter in chunk.dead] == [("unsupported-compression", True)]


RAR5 = b"Rar!\x1a\x07\x01\x00" + b"\xde\xad\xbe\xef"


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"age-encryption.org/v1\n-> X25519 abc\n", "encrypted"),
        (b"-----BEGIN PGP MESSAGE-----\n\nhQIMA", "encrypted"),
        (b"\x8c\x0d\x04\x09\x03\x02", "encrypted"),
        (b"Salted__" + bytes(8), "encrypted"),
        (RAR5 + b"\x21\x04" + bytes(30), "encrypted"),
        (RAR5 + b"\x80\x01\x04" + bytes(30), "encrypted"),
        (RAR5 + b"\x21\x01" + bytes(30), "unsupported-archive"),
        (b"Rar!\x1a\x07\x00\xce\x99\x73\x80\x00" + bytes(30), "encrypted"),
        (b"Rar!\x1a\x07\x00\xce\x99\x73\x00\x00" + bytes(30), "unsupported-archive"),
        (b"Rar!\x1a\x07\x00", "unsupported-archive"),
        (RAR5, "unsupported-archive"),
        (b"7z\xbc\xaf\x27\x1c\0\4" + bytes(40), "unsupported-archive"),
    ],
)
def test_what_cannot_be_opened_says_why_and_harms_no_other(tmp_path: Path, head: bytes, reason: str) -> None:
    (tmp_path / "closed").write_bytes(head)
    (tmp_path / "packed.zip").write_bytes(zipped({"a.log": LOG, "closed": head}))
    assert scan(tmp_path) == (COUNT, [("/closed", reason), ("/packed.zip!closed", reason)])


def test_members_encrypted_by_aes_are_named_too(tmp_path: Path) -> None:
    data = bytearray(zipped({"secret.log": LOG, "plain.log": LOG}))
    for magic, flags, method in ((b"PK\x03\x04", 6, 8), (b"PK\x01\x02", 8, 10)):
        at = data.index(magic)
        data[at + flags] |= 1
        data[at + method : at + method + 2] = (99).to_bytes(2, "little")
    (tmp_path / "a.zip").write_bytes(bytes(data))
    assert scan(tmp_path / "a.zip") == (COUNT, [("!secret.log", "encrypted")])
