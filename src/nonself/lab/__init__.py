"""The lab: a small company that never was, its ordinary life in the formats of real sources, and one attack hidden in it.

`make` writes the demonstration data. It is deterministic: the same arguments give the same bytes. What is hidden where goes to a side file
that no reader of the data is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from nonself.core.errors import UsageError
from nonself.lab import campaign, servers, triggers
from nonself.lab.clock import DAY
from nonself.lab.company import Company, build
from nonself.lab.write import Journal, Mark, write_truth

SMALLEST = 5
"""Below so many people there is not one of each role."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What `make` hid and wrote.

    marks   every record of the campaign, the benign triggers and the attempts, with its place (see `Mark`)
    counts  records written, by kind of log
    company who and what the data is about
    """

    marks: tuple[Mark, ...]
    counts: dict[str, int]
    company: Company

    @property
    def events(self) -> int:
        """All records written."""
        return sum(self.counts.values())

    @property
    def campaign(self) -> tuple[Mark, ...]:
        """The records of the attack."""
        return tuple(mark for mark in self.marks if mark.kind == "campaign")

    @property
    def benign(self) -> tuple[Mark, ...]:
        """The records of things that look odd and are not."""
        return tuple(mark for mark in self.marks if mark.kind == "benign trigger")


def make(out: Path, *, seed: int = 7, people: int = 30, days: int = 6, start: date = date(2026, 3, 2), truth: Path | None = None) -> Truth:
    """Write the logs of a company of `people` over `days` days into the folder `out`, and the truth about them to the file `truth`.

    Below `out`: `windows/<day>.jsonl.gz` (Sysmon, Security, System, PowerShell as flat JSON lines), `zeek/<day>/<log>.<day>.log.gz` (conn,
    dns, http, ssl, ssh), `linux/auth.log` (sshd, sudo, cron), `cloudtrail/*.json.gz`. `truth` is JSON lines, one `Mark` each, and must lie
    outside `out`. Memory is bounded by the records of a day or two, whatever the number of days.

    UsageError if `out` already holds something, `truth` lies inside it, there are fewer than 5 people, or no working day is followed by
    another day.
    """
    _check(out, people, truth)
    company = build(seed, people, days, start)
    journal = Journal(out, seed, company.aws_account)
    campaign.befall(company, journal)
    for day in range(days):
        servers.live(company, journal, day)
        for person in company.people:
            triggers.live(company, journal, person, day)
        triggers.happen(company, journal, day)
        journal.close(company.first // DAY + day)
    journal.discard()
    if truth is not None:
        write_truth(truth, journal.marks)
    return Truth(tuple(journal.marks), journal.counts, company)


def _check(out: Path, people: int, truth: Path | None) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(expected="a new or empty folder", got=str(out), do="choose another", where="lab")
    if truth is not None and truth.resolve().is_relative_to(out.resolve()):
        raise UsageError(expected=f"a truth file outside {out}", got=str(truth), do="choose another path", where="lab")
    if people < SMALLEST:
        raise UsageError(expected=f"at least {SMALLEST} people", got=str(people), do="give more", where="lab")
