"""`Claim`: a typed predicate about events that can be checked by running it again. Reports are made of verified claims only."""

from __future__ import annotations

from typing import Literal

import msgspec

Truth = Literal["verified", "refuted", "unverifiable"]


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """`predicate` names the check ("Spawned", "FirstSeen"...), `args` its arguments by name, `events` the uids it rests on."""

    predicate: str
    args: dict[str, str]
    events: tuple[str, ...]
    truth: Truth = "unverifiable"
