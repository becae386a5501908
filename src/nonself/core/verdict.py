"""`Verdict`: what an analyst decided about an incident or a finding. Verdicts are appended and can be undone, never erased."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

Judgement = Literal["malicious", "benign trigger", "attempt", "false alarm", "unsure"]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """`subject` is an incident or finding id; `undoes` names the verdict this one takes back, if it does."""

    id: str
    subject: str
    judgement: Judgement
    reason: str
    who: str
    when: datetime
    undoes: str = ""
