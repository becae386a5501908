"""What becomes of incidents when everything is correlated anew: names kept, merges told, states carried on, closed ones re-opened."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from nonself.core.incident import Incident
from nonself.core.verdict import Verdict
from nonself.triage.verdicts import of


def carried(old: Iterable[Incident], new: Iterable[Incident], standing: Mapping[str, Verdict]) -> list[Incident]:
    """`new` incidents with what `old` ones leave them, in the same order.

    An old incident is followed by each new one that holds a finding of it. One whose name is gone is recorded in `merged` of the one that
    has its earliest finding; where others have some of its findings too, they say that they were split off. An incident with a verdict
    is closed, and open again, with the reason, once it holds findings that the verdict did not know. What was shown, or took in what was,
    says so.
    """
    before = {incident.id: incident for incident in old}
    holder = {finding: incident.id for incident in before.values() for finding in incident.findings}
    return [_carried(incident, before, holder, standing) for incident in new]


def _carried(incident: Incident, before: Mapping[str, Incident], holder: Mapping[str, str], standing: Mapping[str, Verdict]) -> Incident:
    from_: dict[str, int] = defaultdict(int)
    for finding in incident.findings:
        if finding in holder:
            from_[holder[finding]] += 1
    known = set(incident.findings)
    taken = [name for name in from_ if name != incident.id and set(before[name].findings) <= known]
    split = [name for name in from_ if name != incident.id and name not in taken]
    own = before.get(incident.id)
    merged = {*(own.merged if own else ()), *taken, *(name for other in taken for name in before[other].merged)}
    shown = any(before[name].shown for name in (incident.id, *taken) if name in before)
    told = msgspec.structs.replace(incident, merged=tuple(sorted(merged)), shown=shown)
    verdict = of(told, standing)
    why = f"split off from {', '.join(sorted(split))}" if split else ""
    if verdict is None or verdict.judgement == "unsure":
        return msgspec.structs.replace(told, why=why)
    seen = {finding for name in (incident.id, *taken) if name in before for finding in before[name].findings}
    fresh = len(known - seen)
    if own and own.state == "open" and own.why.startswith("re-opened"):
        return msgspec.structs.replace(told, why=own.why)
    if fresh:
        more = f"{fresh} new finding{'s' if fresh > 1 else ''}"
        return msgspec.structs.replace(told, why=f"re-opened: {more} since it was judged {verdict.judgement} by {verdict.who}")
    return msgspec.structs.replace(told, state="closed", why=f"judged {verdict.judgement} by {verdict.who}: {verdict.reason}")
