"""Which verdicts are in force, and where they disagree. Verdicts are appended and can be undone; nothing here forgets one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from nonself.core.incident import Incident
from nonself.core.verdict import Judgement, Verdict

WORDS: dict[str, Judgement] = {
    "malicious": "malicious",
    "attempt": "attempt",
    "benign": "benign trigger",
    "false": "false alarm",
    "unsure": "unsure",
}
"""What a verdict is called on the command line."""
TRUE: frozenset[Judgement] = frozenset(("malicious", "attempt"))
FALSE: frozenset[Judgement] = frozenset(("benign trigger", "false alarm"))
"""Verdicts to learn from; `unsure` says nothing either way."""
WORTH: dict[Judgement, float] = {"malicious": 1.0, "attempt": 0.5, "benign trigger": 0.0, "false alarm": 0.0}
"""What something judged so is to the ranking: 1 is malicious, 0 no attack, what lies between an attack that came to nothing."""


def in_force(verdicts: Iterable[Verdict]) -> dict[str, Verdict]:
    """Subject -> its last verdict that nobody took back. `verdicts` in the order they were given."""
    given = list(verdicts)
    undone = {verdict.undoes for verdict in given if verdict.undoes}
    return {v.subject: v for v in given if not v.undoes and v.id not in undone}


def of(incident: Incident, standing: Mapping[str, Verdict]) -> Verdict | None:
    """The verdict on an incident, or on one that became part of it: the last."""
    found = [standing[name] for name in (incident.id, *incident.merged) if name in standing]
    return max(found, key=lambda verdict: verdict.when) if found else None


def disagreements(verdicts: Iterable[Verdict], alike: Mapping[str, object]) -> list[tuple[Verdict, Verdict]]:
    """Pairs of standing verdicts that contradict each other: on one subject by different people, or on subjects that `alike` says are of
    one sort. About one verdict in six is wrong (17 % in a field study, arXiv 2604.22001), so they are shown to be looked at again."""
    given = list(verdicts)
    undone = {verdict.undoes for verdict in given if verdict.undoes}
    sorts: dict[object, list[Verdict]] = defaultdict(list)
    for verdict in given:
        if not verdict.undoes and verdict.id not in undone and verdict.judgement != "unsure":
            sorts[alike.get(verdict.subject, verdict.subject)].append(verdict)
    return [pair for group in sorts.values() if (pair := _pair(group)) is not None]


def _pair(group: Sequence[Verdict]) -> tuple[Verdict, Verdict] | None:
    """The last verdict of a sort and the last one before it that says otherwise."""
    last = group[-1]
    others = [v for v in group[:-1] if (v.judgement in TRUE) != (last.judgement in TRUE) and (v.who, v.subject) != (last.who, last.subject)]
    return (others[-1], last) if others else None
