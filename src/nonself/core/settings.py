"""The settings there are: a frozen, typed section for each table of the configuration, with its defaults and bounds.

The meaning, unit and default of every key stand in `config.toml` beside this file; a test keeps the two equal.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Count = Annotated[int, Meta(ge=1, le=2**63 - 1)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Dollars = Annotated[float, Meta(ge=0.0, le=1e9)]
Text = Annotated[str, Meta(min_length=1)]


class State(msgspec.Struct, frozen=True):
    """Where nonself keeps what it knows."""

    dir: str = ""


class Limits(msgspec.Struct, frozen=True):
    """Caps that hostile input meets: the same names and defaults as `sources.contract.Limits`."""

    chunk_records: Count = 8_192
    chunk_bytes: Count = 8 << 20
    line_bytes: Count = 16 << 20
    member_bytes: Count = 8 << 30
    archive_bytes: Count = 32 << 30
    archive_ratio: Count = 1_000
    ratio_floor: Count = 64 << 20
    archive_members: Count = 100_000
    archive_depth: Count = 3
    json_depth: Annotated[int, Meta(ge=1, le=500)] = 100  # past that the interpreter's own stack is the limit


class Sources(msgspec.Struct, frozen=True):
    """What is read besides the kinds that nonself knows."""

    maps: tuple[Text, ...] = ()


class Enrich(msgspec.Struct, frozen=True):
    """What is added to events on their way in."""

    country: str = ""
    asn: str = ""


class Intel(msgspec.Struct, frozen=True):
    """Lists of indicators that events are matched against."""

    lists: tuple[Text, ...] = ()


class Batch(msgspec.Struct, frozen=True):
    """How much is committed in one transaction."""

    records: Count = 30_000
    bytes: Count = 16 << 20


class Lake(msgspec.Struct, frozen=True):
    """What the event lake keeps."""

    raw: bool = True


class Rules(msgspec.Struct, frozen=True):
    """Which Sigma rules are used."""

    dirs: tuple[Text, ...] = ()
    builtin: bool = True


class Self(msgspec.Struct, frozen=True):
    """How far back the self remembers, and whether others vouch for what it does not know."""

    days: Annotated[int, Meta(ge=1, le=36_500)] = 30
    peers: bool = True


class Calibrate(msgspec.Struct, frozen=True):
    """Which scores become findings."""

    min_bits: Annotated[float, Meta(ge=0.0, le=1_000.0)] = 7.0
    rule_min_bits: Annotated[float, Meta(ge=0.0, le=1_000.0)] = 3.0
    max_findings_per_detector_day: Count = 200


class Correlate(msgspec.Struct, frozen=True):
    """Which findings join into one incident."""

    linger_hours: Annotated[float, Meta(gt=0.0, le=8_760.0)] = 24.0


class Triage(msgspec.Struct, frozen=True):
    """What interrupts nobody."""

    exceptions: tuple[Text, ...] = ()


class Budget(msgspec.Struct, frozen=True):
    """How many incidents are shown."""

    incidents_per_day: Annotated[int, Meta(ge=0, le=1_000_000)] = 5


class Analyst(msgspec.Struct, frozen=True):
    """Whether a language model is asked, which, what it may cost; and where approved actions are sent."""

    egress: Literal["none", "loopback", "allowlist"] = "none"
    endpoint: str = ""
    allow: tuple[Text, ...] = ()
    model: str = ""
    key_file: str = ""
    gguf: str = ""
    threads: Annotated[int, Meta(ge=1, le=1_024)] = 1
    tokens: Count = 8_000
    seconds: Annotated[float, Meta(ge=0.0, le=86_400.0)] = 60.0
    usd: Dollars = 0.0
    usd_per_million_in: Dollars = 0.0
    usd_per_million_out: Dollars = 0.0
    quarantine: bool = False
    webhook: str = ""
    webhook_key_file: str = ""


class Output(msgspec.Struct, frozen=True):
    """When a command's result counts as partial."""

    dead_letter_limit: Share = 0.05


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """The whole configuration; a field is a section of the file."""

    state: State = State()
    limits: Limits = Limits()
    sources: Sources = Sources()
    enrich: Enrich = Enrich()
    intel: Intel = Intel()
    batch: Batch = Batch()
    lake: Lake = Lake()
    rules: Rules = Rules()
    self: Self = Self()
    calibrate: Calibrate = Calibrate()
    correlate: Correlate = Correlate()
    triage: Triage = Triage()
    budget: Budget = Budget()
    analyst: Analyst = Analyst()
    output: Output = Output()
