"""Detectors as data: the content tables beside this file, read and checked."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import replace
from importlib import resources

from nonself.core.errors import ConfigError
from nonself.detect.beacon import Beacon
from nonself.detect.contract import Detector
from nonself.detect.dga import Dga
from nonself.detect.exfil import Exfil
from nonself.detect.gap import Gap
from nonself.detect.information import Information
from nonself.detect.lateral import Lateral
from nonself.detect.lineage import Lineage
from nonself.detect.longconn import LongConn
from nonself.detect.measure import Measure
from nonself.detect.rare import Rare
from nonself.detect.scan import Scan
from nonself.detect.sequence import Sequence
from nonself.detect.spec import Spec, parse
from nonself.detect.timeofweek import TimeOfWeek
from nonself.detect.travel import Travel
from nonself.detect.tunnel import Tunnel
from nonself.detect.volume import Volume

_Learner = (
    Rare
    | Volume
    | Information
    | Measure
    | TimeOfWeek
    | Gap
    | Beacon
    | LongConn
    | Lineage
    | Sequence
    | Scan
    | Exfil
    | Lateral
    | Travel
    | Dga
    | Tunnel
)
PRIMITIVES: dict[str, type[_Learner]] = {
    "rare": Rare,
    "volume": Volume,
    "information": Information,
    "measure": Measure,
    "timeofweek": TimeOfWeek,
    "gap": Gap,
    "beacon": Beacon,
    "longconn": LongConn,
    "lineage": Lineage,
    "sequence": Sequence,
    "scan": Scan,
    "exfil": Exfil,
    "lateral": Lateral,
    "travel": Travel,
    "dga": Dga,
    "tunnel": Tunnel,
}
"""What makes a detector of an entry, by the entry's `primitive`."""
TABLES: tuple[str, ...] = ("endpoint", "tools", "identity", "accounts", "network", "remote", "cloud", "saas")


BACKED: frozenset[str] = frozenset(("rare", "volume", "measure", "timeofweek", "gap", "lineage", "sequence"))
"""Primitives whose y are backed off to their peers, and can be held against their own history alone."""


def shipped(*, peers: bool = True) -> tuple[Detector, ...]:
    """The detectors of the shipped tables, in the tables' order; without `peers` those of `BACKED` know each y's own history alone, unless
    they compare with nothing but peers."""
    folder = resources.files("nonself.detect") / "content"
    made = load((f"{name}.toml", (folder / f"{name}.toml").read_text(encoding="utf-8")) for name in TABLES)
    return made if peers else tuple(PRIMITIVES[spec.primitive](_alone(spec)) for spec in specs(made))


def _alone(spec: Spec) -> Spec:
    return replace(spec, compare="own") if spec.primitive in BACKED and spec.compare != "peers" else spec


def load(tables: Iterable[tuple[str, str]]) -> tuple[Detector, ...]:
    """Detectors of some content tables, given as (file name, TOML text). ConfigError names file and key of a mistake."""
    made: dict[str, Detector] = {}
    for file, text in tables:
        for spec in _specs(file, text):
            if spec.name in made:
                raise ConfigError(expected="a name used once", got=repr(spec.name), where=f"{file}: key 'name'")
            made[spec.name] = PRIMITIVES[spec.primitive](spec)
    return tuple(made.values())


def _specs(file: str, text: str) -> list[Spec]:
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(expected="TOML", got=str(error), where=file) from error
    unknown = table.keys() - {"detector"}
    if unknown or not isinstance(table.get("detector", []), list):
        raise ConfigError(expected="[[detector]] tables only", got=repr(sorted(unknown)), where=file)
    return [parse(entry, file) for entry in table.get("detector", [])]


def specs(learners: Iterable[Detector]) -> list[Spec]:
    """What the tables say of these detectors."""
    return [d.spec for d in learners if isinstance(d, _Learner)]
