"""QUIC's first packets: the TLS client hello in them, whose keys follow from what the packet itself says (RFC 9001 section 5.2; version 2:
RFC 9369). A hello may be spread over several CRYPTO frames, in any order, and over several datagrams."""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from nonself.sources.pcap_tls import LARGEST, CutError, Hello, parse

_MAC = 16
"""Bytes of a packet's tag, and of the sample that its number is hidden with."""


class _Version(NamedTuple):
    salt: bytes
    label: bytes  # what the names of keys begin with
    initial: int  # the type of Initial packets


class _Initial(NamedTuple):
    """An Initial packet in a datagram: its bytes, where its number begins, and the connection it is for."""

    data: bytes
    number: int
    connection: bytes


class _Keys(NamedTuple):
    key: bytes
    nonce: bytes
    hiding: bytes


_VERSIONS = {
    b"\0\0\0\1": _Version(bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a"), b"quic", 0),
    b"\x6b\x33\x43\xcf": _Version(bytes.fromhex("0dede3def700a6db819381be6e269dcbf9bd2ed9"), b"quicv2", 1),
}


def is_long(datagram: bytes) -> bool:
    """Whether a datagram begins with a long header of a known version, as all before the handshake's end do."""
    return len(datagram) > 5 and datagram[0] & 0xC0 == 0xC0 and datagram[1:5] in _VERSIONS


def hello(datagrams: Sequence[bytes]) -> Hello | None:
    """The client hello in the first datagrams of a client. None where there is none to be read; CutError where more are needed."""
    found: dict[int, bytes] = {}
    first: bytes | None = None
    for datagram in datagrams:
        for packet in _initials(datagram):
            first = packet.connection if first is None else first
            # After the server's first answer packets carry the name that it chose; the keys stay, unless it asked to begin anew.
            payload = _opened(packet, first) or _opened(packet, packet.connection)
            for offset, data in _crypto(payload or b""):
                found[offset] = max(found.get(offset, b""), data, key=len)
    if not found:
        return None
    stream = _joined(found)
    size = 4 + int.from_bytes(stream[1:4], "big")
    if stream[:1] not in (b"", b"\1") or size > LARGEST:
        return None
    if len(stream) < size:
        raise CutError
    return parse(stream[4:size])


def _initials(datagram: bytes) -> Iterator[_Initial]:
    """The Initial packets that a datagram begins with."""
    at = 0
    while is_long(datagram[at:]):
        version = _VERSIONS[datagram[at + 1 : at + 5]]
        if datagram[at] >> 4 & 3 != version.initial:
            return
        try:
            connection, end = _short(datagram, at + 5)
            _, end = _short(datagram, end)
            token, end = _number(datagram, end)
            size, start = _number(datagram, end + token)
        except IndexError:
            return
        if start + size > len(datagram) or size < 4 + _MAC:
            return
        yield _Initial(datagram[at : start + size], start - at, connection)
        at = start + size


def _short(data: bytes, at: int) -> tuple[bytes, int]:
    """The bytes behind a length of one byte, and where they end."""
    end = at + 1 + data[at]
    return data[at + 1 : end], end


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A number of variable length (RFC 9000 section 16), and where it ends. IndexError where it is cut."""
    size = 1 << (data[at] >> 6)
    if at + size > len(data):
        raise IndexError
    return int.from_bytes(data[at : at + size], "big") & ((1 << (8 * size - 2)) - 1), at + size


@lru_cache(maxsize=256)
def _keys(version: bytes, connection: bytes) -> _Keys:
    """What a client's Initial packets are protected with."""
    salt, name, _ = _VERSIONS[version]
    secret = _expanded(hmac.digest(salt, connection, "sha256"), b"client in", 32)
    return _Keys(_expanded(secret, name + b" key", 16), _expanded(secret, name + b" iv", 12), _expanded(secret, name + b" hp", 16))


def _expanded(secret: bytes, label: bytes, size: int) -> bytes:
    """HKDF-Expand-Label of TLS 1.3 (RFC 8446 section 7.1) without context, of at most 32 bytes."""
    label = b"tls13 " + label
    return hmac.digest(secret, size.to_bytes(2, "big") + bytes([len(label)]) + label + b"\0\1", "sha256")[:size]


def _opened(packet: _Initial, connection: bytes) -> bytes | None:
    """The frames in a packet; None where it was not protected with these keys."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    data, at = packet.data, packet.number
    keys = _keys(data[1:5], connection)
    sample = data[at + 4 : at + 4 + _MAC]
    mask = Cipher(algorithms.AES(keys.hiding), modes.ECB()).encryptor().update(sample)
    lead = data[0] ^ mask[0] & 0x0F
    size = (lead & 3) + 1
    number = bytes(a ^ b for a, b in zip(data[at : at + size], mask[1:], strict=False))
    nonce = (int.from_bytes(keys.nonce, "big") ^ int.from_bytes(number, "big")).to_bytes(12, "big")
    try:
        return AESGCM(keys.key).decrypt(nonce, data[at + size :], bytes([lead]) + data[1:at] + number)
    except InvalidTag:
        return None


def _crypto(payload: bytes) -> Iterator[tuple[int, bytes]]:
    """Offset and bytes of the CRYPTO frames before the first frame that an Initial packet may not hold."""
    at = 0
    try:
        while at < len(payload):
            kind, at = payload[at], at + 1
            if kind in (2, 3):
                at = _behind_ack(payload, at, kind)
            elif kind == 6:
                offset, at = _number(payload, at)
                size, at = _number(payload, at)
                yield offset, payload[at : at + size]
                at += size
            elif kind > 1:  # 0 is padding, 1 a ping
                return
    except IndexError:
        return


def _behind_ack(payload: bytes, at: int, kind: int) -> int:
    """Where an acknowledgement ends."""
    _, at = _number(payload, at)
    _, at = _number(payload, at)
    ranges, at = _number(payload, at)
    for _ in range(1 + 2 * ranges + (3 if kind == 3 else 0)):
        _, at = _number(payload, at)
    return at


def _joined(found: dict[int, bytes]) -> bytes:
    """The bytes from offset 0 on, up to the first gap."""
    stream = b""
    for offset in sorted(found):
        if offset > len(stream) or len(stream) > LARGEST:
            break
        stream += found[offset][len(stream) - offset :]
    return stream
