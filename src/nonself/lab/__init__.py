"""The lab: a company that never was, its ordinary life in the formats of real sources, attacks hidden in it, and what is measured by it.

`make` writes the logs. It is deterministic: the same arguments give the same bytes. What is hidden where goes to a side file
that no reader of the logs is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from nonself.core.errors import UsageError
from nonself.lab import attacks
from nonself.lab.attacks import splice as traces
from nonself.lab.world import release as releases
from nonself.lab.world import servers, staff, triggers
from nonself.lab.world.clock import DAY
from nonself.lab.world.company import Company, build
from nonself.lab.world.write import Journal, Mark, read_truth, truth_writer

SMALLEST, LARGEST = 5, 10_000
"""Below so many people there is not one of each role; above, not an address for each."""
START = date(2026, 2, 23)
"""A Monday: three weeks from it hold a month's end, a patch night, a release and a holiday."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What `make` wrote and hid.

    counts   records written, by kind of log
    company  who and what the logs are about
    path     where the truth was written, if it was
    """

    counts: dict[str, int]
    company: Company
    path: Path | None

    @property
    def events(self) -> int:
        """All records written."""
        return sum(self.counts.values())

    def marks(self, kind: str = "") -> Iterator[Mark]:
        """The records of campaigns, benign triggers and attempts, or of one `kind` of them (see `Mark`); none without a truth file."""
        for mark in read_truth(self.path) if self.path else ():
            if kind in ("", mark.kind):
                yield mark


def make(
    out: Path,
    *,
    seed: int = 7,
    people: int = 200,
    days: int = 21,
    start: date = START,
    attack: str = "document-to-cloud",
    activity: float = 1.0,
    truth: Path | None = None,
    splice: Sequence[Path] = (),
    release: int | None = None,
    tick: Callable[[int, int], None] = lambda done, events: None,
) -> Truth:
    """Write the logs of a company of `people` over `days` days into the folder `out`, and the truth about them to the file `truth`.

    Below `out` each day has a folder of its date, by arrival: `windows.jsonl.gz` (Sysmon, Security, System, PowerShell as flat JSON lines),
    `zeek/*.log.gz` (conn, dhcp, dns, http, ssl, ssh), `linux/auth.log` and `linux/audit.log`, `cloudtrail/*.json.gz`, `okta.jsonl.gz`,
    `m365.jsonl.gz`, `eve.jsonl.gz`. `truth` is JSON lines, one `Mark` each, and must lie outside `out`. `attack` is as `attacks.parse`
    takes it; `splice` names recorded traces (see `attacks.splice`); `activity` scales how often ordinary things happen, never what happens.
    From day `release` (from 0) on, every machine does something new. `tick(days done, records so far)` is called after each day. Memory is
    bounded by the records of a day or two, however many days.

    UsageError if `out` already holds something, `truth` lies inside it, or people, days or activity are out of bounds.
    """
    _check(out, people, days, activity, truth)
    company, chosen = build(seed, people, days, start, activity), attacks.parse(attack)
    with ExitStack() as files:
        journal = Journal(out, seed, company.aws_account)
        if truth:
            truth.parent.mkdir(parents=True, exist_ok=True)
            journal.tell = truth_writer(files.enter_context(truth.open("wb")))
        attacks.befall(company, journal, chosen)
        traces.splice(company, journal, splice)
        for day in range(days):
            today = staff.on(company, day)
            servers.live(today, journal, day)
            for person in today.people:
                triggers.live(today, journal, person, day)
            triggers.happen(today, journal, day)
            if release is not None and day >= release:
                releases.live(today, journal, day, release)
            journal.close(company.first // DAY + day)
            tick(day + 1, sum(journal.counts.values()))
        journal.discard()
    return Truth(journal.counts, company, truth)


def _check(out: Path, people: int, days: int, activity: float, truth: Path | None) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(expected="a new or empty folder", got=str(out), do="choose another", where="lab")
    if truth is not None and truth.resolve().is_relative_to(out.resolve()):
        raise UsageError(expected=f"a truth file outside {out}", got=str(truth), do="choose another path", where="lab")
    if not SMALLEST <= people <= LARGEST:
        raise UsageError(expected=f"at least {SMALLEST} people and at most {LARGEST:,}", got=str(people), where="--people")
    if not 1 <= days <= 3_650:
        raise UsageError(expected="1 to 3650 days", got=str(days), where="--days")
    if not 0.005 <= activity <= 10:
        raise UsageError(expected="an activity from 0.005 to 10", got=str(activity), where="--activity")
