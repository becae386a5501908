"""Which incidents `nonself incidents` lists, and in which order."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from nonself.calibrate.budget import order
from nonself.core.incident import Incident
from nonself.core.verdict import Verdict
from nonself.serve.selection import moment
from nonself.triage import verdicts

_ORDERS: dict[str, Callable[[Incident], Any]] = {
    "rank": order,
    "bits": lambda i: (-i.bits, i.start, i.id),
    "raised": lambda i: (-_stamp(i.raised or i.start), i.id),
    "changed": lambda i: (-_stamp(i.changed or i.end), i.id),
    "findings": lambda i: (-len(i.findings), i.id),
}


def _stamp(when: datetime) -> float:
    return when.timestamp()


def chosen(
    arguments: argparse.Namespace, incidents: Sequence[Incident], standing: Mapping[str, Verdict], detectors: Mapping[str, str]
) -> list[Incident]:
    """The incidents that the flags ask for, sorted. `detectors`: finding id -> its detector."""
    tests: list[Callable[[Incident], bool]] = []
    if not arguments.all and not arguments.verdict and arguments.status != "closed":
        tests.append(lambda i: i.shown)
    if arguments.entity:
        tests.append(lambda i: any(arguments.entity.lower() in name for name in i.entities))
    if arguments.technique:
        tests.append(lambda i: any(arguments.technique in (stage.tactic, *stage.techniques) for stage in i.stages))
    if arguments.detector:
        tests.append(lambda i: any(arguments.detector in detectors.get(name, "") for name in i.findings))
    if arguments.status:
        tests.append(lambda i: i.state == arguments.status)
    if arguments.min_bits is not None:
        tests.append(lambda i: i.bits >= arguments.min_bits)
    tests += _judged(arguments.verdict, standing) + _timed(arguments.since, arguments.until)
    return sorted((i for i in incidents if all(test(i) for test in tests)), key=_ORDERS[arguments.sort])


def _judged(word: str | None, standing: Mapping[str, Verdict]) -> list[Callable[[Incident], bool]]:
    if not word:
        return []
    if word == "none":
        return [lambda i: verdicts.of(i, standing) is None]
    return [lambda i: (found := verdicts.of(i, standing)) is not None and found.judgement == verdicts.WORDS[word]]


def _timed(since: str | None, until: str | None) -> list[Callable[[Incident], bool]]:
    tests: list[Callable[[Incident], bool]] = []
    if since:
        first = moment(since)
        tests.append(lambda i: (i.changed or i.end) >= first)
    if until:
        last = moment(until)
        tests.append(lambda i: (i.raised or i.start) < last)
    return tests
