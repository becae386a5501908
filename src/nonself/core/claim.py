"""`Claim`: a typed predicate about events that can be checked by running it again. Reports are made of verified claims only."""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

Truth = Literal["verified", "refuted", "unverifiable"]


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """`predicate` names the check ("Spawned", "FirstSeen"...), `args` its arguments by name, `events` the uids it rests on.

    truth  what the check found when it was last run; a claim nobody has checked is unverifiable
    why    why it is not verified, in words of our own (never text from a log)
    """

    predicate: str
    args: dict[str, str]
    events: tuple[str, ...]
    truth: Truth = "unverifiable"
    why: str = "not checked yet"

    @property
    def id(self) -> str:
        """Stable name: a hash of what is claimed and of the events it rests on, whatever the check found."""
        parts = [self.predicate, *(f"{name}={value}" for name, value in sorted(self.args.items())), *self.events]
        text = "".join(f"{len(part)}:{part}" for part in parts)
        return "c-" + hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
