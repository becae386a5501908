"""Signed checkpoints of the audit chain: Ed25519 over (seq, hash, time) of its head, one JSON line each, beside the ledger.

The chain's hash has no key, so whoever can write the file can make a new chain; nobody can make the signatures of the old one again
without the private key. A checkpoint covers every row up to its own. Whoever holds the state *and* the key can still rewrite both: keep
the key, or copies of the checkpoints, somewhere else, and give them to `verify` (`nonself audit verify --key --against`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import polars as pl

from nonself.core.errors import StateError

KEY, PUBLIC, LINES = "audit.key", "audit.pub", "audit.checkpoints"
"""Files in the state directory: the private key (32 bytes, its owner's only), the public one, the checkpoints."""


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """`hash` of row `seq` in hex; `time` in us since 1970; `signature` in hex over the three."""

    seq: int
    hash: str
    time: int
    signature: str = ""

    @property
    def signed(self) -> bytes:
        """The bytes the signature is over."""
        return f"nonself audit checkpoint\n{self.seq}\n{self.hash}\n{self.time}\n".encode()


def checkpoint(state: Path, rows: pl.DataFrame) -> Checkpoint:
    """Sign the head of the chain and append it to the state's checkpoints. The key is made at first use. StateError for an empty chain, or
    where a file can't be used."""
    if not rows.height:
        raise StateError("the audit chain is empty, so there is nothing to sign", where=str(state))
    seq, hash_ = rows.select("seq", "hash").row(-1)
    bare = Checkpoint(seq=seq, hash=hash_.hex(), time=time.time_ns() // 1_000)
    try:
        signed = msgspec.structs.replace(bare, signature=_private(state).sign(bare.signed).hex())
        handle = os.open(state / LINES, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(handle, "ab") as file:
            file.write(msgspec.json.encode(signed) + b"\n")
            file.flush()
            os.fsync(handle)
    except OSError as error:
        raise StateError("a checkpoint can't be written", got=error.strerror or str(error), where=str(state)) from error
    return signed


def verify(rows: pl.DataFrame, lines: bytes, public: bytes) -> tuple[int, str]:
    """How many checkpoints hold, and what is wrong with the first that does not ("" if all hold).

    rows    the audit chain, columns `AUDIT`
    lines   the checkpoints file, or a copy of it kept elsewhere
    public  the Ed25519 public key, 32 bytes
    """
    hashes: dict[int, bytes] = dict(rows.select("seq", "hash").iter_rows())
    held, last = 0, 0
    for line in lines.splitlines():
        try:
            one = msgspec.json.decode(line, type=Checkpoint)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return held, f"checkpoint {held + 1} can't be read"
        if msgspec.json.encode(one) != line or not _is_signed(one, public):
            return held, f"checkpoint {held + 1} was changed or is signed by another key"
        if one.seq < last:
            return held, f"checkpoint {held + 1} is out of order"
        if hashes.get(one.seq, b"").hex() != one.hash:
            return held, f"row {one.seq} is not what checkpoint {held + 1} says it was"
        held, last = held + 1, one.seq
    if lines and not lines.endswith(b"\n"):
        return held, "the last checkpoint is cut short"
    return held, ""


def last(lines: bytes) -> int:
    """The last row that checkpoints cover, which `verify` has found to hold; 0 for none."""
    return msgspec.json.decode(lines.splitlines()[-1], type=Checkpoint).seq if lines else 0


def read(state: Path, names: Sequence[str] = (LINES, PUBLIC)) -> list[bytes]:
    """Files of the state by name; an absent one is empty."""
    try:
        return [(state / name).read_bytes() if (state / name).exists() else b"" for name in names]
    except OSError as error:
        raise StateError("a checkpoint can't be read", got=error.strerror or str(error), where=str(state)) from error


def _is_signed(one: Checkpoint, public: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if one.signature != one.signature.lower():
        return False  # the same signature written otherwise would be a change that nobody sees
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(bytes.fromhex(one.signature), one.signed)
    except (InvalidSignature, ValueError):
        return False
    return True


def _private(state: Path):  # type: ignore[no-untyped-def]  # cryptography is imported where it is needed: it costs 60 ms
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    path = state / KEY
    if not path.exists():
        fresh = Ed25519PrivateKey.generate()
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(fresh.private_bytes_raw())
        (state / PUBLIC).write_bytes(fresh.public_key().public_bytes_raw())
    key = path.read_bytes()
    if len(key) != 32:
        raise StateError(expected="an Ed25519 key of 32 bytes", got=f"{len(key)} bytes", do="restore it from a backup", where=str(path))
    return Ed25519PrivateKey.from_private_bytes(key)
