"""Keyed pseudonyms: the names a model, and whoever runs it, sees instead of users, hosts and addresses.

pseudonym(entity) = kind + "-" + HMAC-SHA256(key, kind || 0 || name), shortened to 40 bits: stable within one key, so that one incident's
`host-k3v7q2aa` is the next one's, and without the key neither to be reversed nor to be guessed from a list of names. An address keeps its
format and its class: a private one becomes an address of 10/8 or fd00::/8, a public one of 240/4 (reserved, so it is nobody's) or
2001:db8::/32 (documentation). Rotating the key unlinks everything said before. They are turned back only where a report is rendered, from
the table of one `Vault`; a name the vault did not give out stays what it is and is refused by whoever reads answers.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import os
import secrets
from pathlib import Path

from nonself.core.entities import KINDS
from nonself.core.errors import StateError

KEY_BYTES = 32


class Pseudonym(str):
    """A name given out by a `Vault`."""

    __slots__ = ()


class Vault:
    """Pseudonyms under one key, and who is behind those given out. KeyError where a name was never given out."""

    def __init__(self, key: bytes) -> None:
        if len(key) < KEY_BYTES:
            raise ValueError(f"expected a key of at least {KEY_BYTES} bytes, got {len(key)}")
        self._key = key
        self._behind: dict[str, str] = {}
        self._given: dict[str, Pseudonym] = {}

    def pseudonym(self, entity: str) -> Pseudonym:
        """The pseudonym of an entity such as `host:ws5`; of equal names equal ones."""
        if entity not in self._given:
            for attempt in range(256):
                name = Pseudonym(self._named(entity, attempt))
                if self._behind.setdefault(name, entity) == entity:
                    self._given[entity] = name
                    break
            else:
                raise StateError("no free pseudonym is left", do="rotate the key")
        return self._given[entity]

    def behind(self, pseudonym: str) -> str:
        """The entity behind a pseudonym that this vault gave out."""
        return self._behind[pseudonym]

    def names(self) -> dict[str, str]:
        """Entity -> pseudonym, of all given out."""
        return {entity: str(name) for entity, name in self._given.items()}

    def _named(self, entity: str, attempt: int) -> str:
        entity_kind, _, value = entity.partition(":")
        digest = hmac.digest(self._key, f"{entity_kind}\0{value}\0{attempt}".encode("utf-8", "surrogatepass"), hashlib.sha256)
        if entity_kind == "ip":
            return "ip-" + _address(value, digest)
        word = base64.b32encode(digest[:5]).decode().lower()
        label = entity_kind if entity_kind in KINDS else "thing"
        return f"{label}-{word}.invalid" if label == "domain" else f"{label}-{word}"


def _address(value: str, digest: bytes) -> str:
    """An address of the same version and class. Text that is no address counts as a public IPv4 one."""
    try:
        address = ipaddress.ip_address(value)
        private, six = address.is_private, address.version == 6
    except ValueError:
        private, six = False, False
    if six:
        head = b"\xfd" if private else b"\x20\x01\x0d\xb8"
        return str(ipaddress.IPv6Address(head + digest[: 16 - len(head)]))
    head = b"\x0a" if private else bytes([0xF0 | digest[31] & 0x07])
    return str(ipaddress.IPv4Address(head + digest[:3]))


def load_key(path: Path) -> bytes:
    """The installation's key, made at first use, readable by its owner only. StateError where it can't be read or is too short."""
    try:
        if not path.exists():
            rotate_key(path)
        key = path.read_bytes()
    except OSError as error:
        raise StateError("the key of the pseudonyms can't be used", got=error.strerror or str(error), where=str(path)) from error
    if len(key) < KEY_BYTES:
        raise StateError(
            expected=f"a key of {KEY_BYTES} bytes", got=f"{len(key)} bytes", do="remove it: a new one is made", where=str(path)
        )
    return key


def rotate_key(path: Path) -> None:
    """Replace the key by a new random one: pseudonyms given out before can't be linked to those given out after."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_suffix(".new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(secrets.token_bytes(KEY_BYTES))
        file.flush()
        os.fsync(handle)
    fresh.replace(path)
