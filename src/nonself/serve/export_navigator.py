"""Layers for the ATT&CK Navigator (layer format 4.5): what was seen, and what can be found."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nonself.core import attack, safe
from nonself.core.settings import Config
from nonself.serve.export_parts import Told, told

_LISTED = 10
"""Names in a technique's comment."""


def write(incidents: Sequence[Told]) -> str:
    """What was seen: a technique's score is the bits of the strongest incident that has it."""
    scores: dict[str, float] = defaultdict(float)
    names: dict[str, list[str]] = defaultdict(list)
    for one in incidents:
        for technique in {t for stage in one.incident.stages for t in stage.techniques if attack.name(t)}:
            scores[technique] = max(scores[technique], one.incident.bits)
            names[technique].append(one.incident.id)
    return _layer("nonself: seen", "Techniques of the incidents, by the bits of the strongest", scores, names)


def coverage(config: Config) -> str:
    """What can be found: a technique's score is how many rules and detectors name it."""
    from nonself.detect import detectors
    from nonself.detect.sigma import Ruleset

    names: dict[str, list[str]] = defaultdict(list)
    for detector in detectors():
        for technique in detector.attack:
            names[technique].append(detector.name)
    for rule in Ruleset.load([Path(folder) for folder in config.rules.dirs], builtin=config.rules.builtin).rules:
        for technique in rule.techniques:
            names[technique].append(rule.title)
    scores = {technique: float(len(found)) for technique, found in names.items()}
    return _layer("nonself: coverage", "Techniques that rules and detectors name, by how many do; naming is not finding", scores, names)


def _layer(name: str, about: str, scores: Mapping[str, float], names: Mapping[str, Iterable[str]]) -> str:
    techniques: list[dict[str, Any]] = []
    for technique, score in sorted(scores.items()):
        counted = Counter(names[technique])
        listed = ", ".join(told(text, 80) for text in list(counted)[:_LISTED]) + (", ..." if len(counted) > _LISTED else "")
        techniques.append({"techniqueID": technique, "score": round(score, 1), "comment": listed, "enabled": True})
    layer = {
        "name": name, "versions": {"attack": "15", "navigator": "5.1.0", "layer": "4.5"}, "domain": "enterprise-attack",
        "description": about,
        "sorting": 3, "hideDisabled": False, "techniques": techniques,
        "gradient": {"colors": ["#ffffff", "#ff6666"], "minValue": 0, "maxValue": round(max(scores.values(), default=1.0), 1)},
    }  # fmt: skip
    return safe.json(layer) + "\n"
