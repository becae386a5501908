"""QUIC Initial packets, protected as a client does it (RFC 9001 sections 5.3 and 5.4), written for these tests."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from nonself.sources.pcap_quic import _VERSIONS, _keys

V1, V2 = tuple(_VERSIONS)
DCID = bytes.fromhex("8394c8f03e515708")


def number(value: int) -> bytes:
    return value.to_bytes(1, "big") if value < 64 else (value | 0x4000).to_bytes(2, "big")


def crypto(offset: int, data: bytes) -> bytes:
    """A CRYPTO frame."""
    return b"\6" + number(offset) + number(len(data)) + data


def initial(frames: bytes, *, at: int = 0, version: bytes = V1, to: bytes = DCID, origin: bytes = DCID) -> bytes:
    """A datagram of one Initial packet, the one with number `at`, for connection `to`, under the keys of connection `origin`."""
    keys = _keys(version, origin)
    frames = frames.ljust(1_160 - len(to), b"\0")
    lead = 0xC0 | _VERSIONS[version].initial << 4 | 1
    head = bytes([lead]) + version + bytes([len(to)]) + to + b"\0\0" + number(2 + len(frames) + 16)
    packed = at.to_bytes(2, "big")
    nonce = (int.from_bytes(keys.nonce, "big") ^ at).to_bytes(12, "big")
    sealed = AESGCM(keys.key).encrypt(nonce, frames, head + packed)
    mask = Cipher(algorithms.AES(keys.hiding), modes.ECB()).encryptor().update(sealed[2:18])
    hidden = bytes(a ^ b for a, b in zip(packed, mask[1:], strict=False))
    return bytes([lead ^ mask[0] & 0x0F]) + head[1:] + hidden + sealed
