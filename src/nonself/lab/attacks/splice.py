"""Real traces spliced into the world: CloudTrail records of an attack that somebody else recorded, made part of this company.

Accounts, users, keys, addresses, regions and the clock become the company's own: the first user of a trace is one of its developers, its
addresses are addresses from outside, its first record falls on a working day after the first third. Distances in time, the order of
calls, their parameters and errors stay as they were recorded. Names that only a tool for exercises gives to things (`GIVEAWAYS`) are
replaced, and so is such a tool's user agent: they would give the answer away.
"""

from __future__ import annotations

import ipaddress
import random
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from nonself.core.errors import UsageError
from nonself.lab.world import calendar
from nonself.lab.world.clock import DAY, HOUR, MINUTE, SECOND, stream
from nonself.lab.world.company import Account, Company, aws_id, public_ip
from nonself.lab.world.emit_cloud import REGION
from nonself.lab.world.write import Journal, Label

GIVEAWAYS = r"(?i)stratus[-_ ]?red[-_ ]?team|malicious"
"""What names in recorded exercises say of themselves."""
AGENT = "aws-sdk-go-v2/1.30.3 os/linux lang/go#1.22.5 md/GOOS#linux md/GOARCH#amd64"
"""The library behind such tools, by its own user agent."""
MOST_BYTES, MOST_RECORDS, DEEP = 64 << 20, 50_000, 100
MOST_NAMES = 500
"""Names of a trace that are replaced, the first ones: each costs a look at every letter."""
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_WORDED = "%b %d, %Y, %I:%M:%S %p", "%b %d, %Y %I:%M:%S %p"


def splice(company: Company, journal: Journal, paths: Sequence[Path]) -> None:
    """Write the traces below `paths` (JSON files, each a trace: a list, `{"Records": [...]}` or lines) into the journal, in order of their
    names. In the truth each is a campaign `splice:` and the file's name; its steps are the API operations.

    UsageError for a file that is no trace, and where the days are too few for one.
    """
    for path in _files(paths):
        _one(company, journal, path)


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in dict.fromkeys(paths):
        found = sorted(one for one in path.rglob("*.json*") if one.is_file()) if path.is_dir() else [path]
        if not found or not path.exists():
            raise UsageError(expected="a CloudTrail file, or a folder of them", got="none there", where=str(path))
        yield from found


def _one(company: Company, journal: Journal, path: Path) -> None:
    records = sorted(_records(path), key=lambda record: str(record["eventTime"]))
    name, first = path.name.partition(".json")[0][:80], _seconds(records[0]["eventTime"], path)
    rng = stream(company.seed, "splice", name)
    began = _begin(company, rng, (_seconds(records[-1]["eventTime"], path) - first) * SECOND, path)
    disguise = _disguise(company, rng, records, began // SECOND - first)
    for number, record in enumerate(records):
        at = began + (_seconds(record["eventTime"], path) - first) * SECOND
        told = disguise.told(record)
        told["eventID"], told["requestID"] = (str(uuid.UUID(int=rng.getrandbits(128), version=4)) for _ in range(2))
        with journal.labelled(Label("campaign", f"splice:{name}", str(record.get("eventName", ""))[:80], "", number)):
            arrival = at + int(rng.uniform(1, 7) * MINUTE)
            journal.add("cloudtrail", arrival, orjson.dumps(told), told["eventID"], at, "", str(_named(told).get("userName", "")))


def _records(path: Path) -> list[dict[str, Any]]:
    """The CloudTrail records of a file."""
    body = path.read_bytes() if path.stat().st_size <= MOST_BYTES else b""
    try:
        found = orjson.loads(body) if body else []
    except orjson.JSONDecodeError:
        found = _lines(body)
    found = found.get("Records", [found]) if isinstance(found, dict) else found
    records = [one for one in found if isinstance(one, dict) and _ISO.fullmatch(str(one.get("eventTime"))) and "eventSource" in one]
    if not records or len(records) > MOST_RECORDS:
        raise UsageError(
            expected=f"CloudTrail records as JSON, at most {MOST_RECORDS:,} and {MOST_BYTES >> 20} MB",
            got=f"{len(records):,} of them", where=str(path),
        )  # fmt: skip
    return records


def _lines(body: bytes) -> list[Any]:
    found = []
    for line in body.splitlines():
        try:
            found.append(orjson.loads(line))
        except orjson.JSONDecodeError:
            continue  # what is no record is left out, as everything else in the file that is none
    return found


def _seconds(time: str, path: Path) -> int:
    try:
        return int(datetime.fromisoformat(time).timestamp())
    except ValueError:
        raise UsageError(expected="a date in eventTime", got=time[:40], where=str(path)) from None


def _begin(company: Company, rng: random.Random, lasts: int, path: Path) -> int:
    """When the first record falls: between nine and five of a working day after the first third that leaves room for the last record."""
    days = [day for day in calendar.workdays(company) if day >= company.days // 3 and day * DAY + 18 * HOUR + lasts < company.days * DAY]
    if not days:
        raise UsageError(expected=f"days enough for {path.name}, which takes {lasts / DAY:.1f}", got=f"{company.days}", where="--days")
    return company.first + rng.choice(days) * DAY + int(rng.uniform(9, 17) * 3_600) * SECOND


@dataclass(slots=True)
class _Disguise:
    """What stands for what, in whole words of any text; `shift` seconds are added to every time."""

    shift: int
    rng: random.Random
    words: dict[str, str] = field(default_factory=dict)
    pattern: re.Pattern[str] = field(default_factory=lambda: re.compile(r"(?!)"))
    neutral: str = ""

    def know(self, word: object, made: Callable[[], str]) -> None:
        """From now on `word` is what `made` gives; the first who says so decides."""
        if isinstance(word, str) and 2 < len(word) <= 256 and word not in self.words and len(self.words) < MOST_NAMES:
            self.words[word] = made()

    def close(self) -> None:
        """No more words: the longest are looked for first."""
        known = "|".join(map(re.escape, sorted(self.words, key=lambda word: (-len(word), word))))
        self.pattern = re.compile(rf"(?<![A-Za-z0-9])(?:{known})(?![A-Za-z0-9])" if known else r"(?!)")
        self.neutral = self.rng.choice(("reporting", "inventory", "billing", "metrics"))

    def told(self, record: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = self._value(record, 0)
        if re.search(GIVEAWAYS, str(record.get("userAgent"))):
            found["userAgent"] = AGENT
        return found

    def _value(self, value: Any, depth: int) -> Any:
        if depth > DEEP:
            return None
        if isinstance(value, dict):
            return {self._text(key): self._value(one, depth + 1) for key, one in value.items()}
        if isinstance(value, list):
            return [self._value(one, depth + 1) for one in value]
        return self._text(value) if isinstance(value, str) else value

    def _text(self, text: str) -> str:
        moved = self._time(text)
        if moved:
            return moved
        return re.sub(GIVEAWAYS, self.neutral, self.pattern.sub(lambda found: self.words[found[0]], text))

    def _time(self, text: str) -> str:
        """A time, moved and in its own form; nothing for any other text."""
        if not 19 <= len(text) <= 32 or not text.endswith(("Z", "M")):
            return ""
        for form in ("%Y-%m-%dT%H:%M:%SZ", *_WORDED):
            try:
                return (datetime.strptime(text, form).replace(tzinfo=UTC) + timedelta(seconds=self.shift)).strftime(form)
            except (ValueError, OverflowError):  # no time of this form, or one beyond all calendars
                continue
        return ""


def _disguise(company: Company, rng: random.Random, records: Sequence[dict[str, Any]], shift: int) -> _Disguise:
    """The disguise of one trace: what its records name as theirs, and who and what that is here."""
    found = _Disguise(shift, rng)
    developers = company.of("developer")
    people = [one.account for one in developers if one.joins < 0 and one.leaves > company.days] or [one.account for one in developers]
    rng.shuffle(people)
    taken: dict[str, Account] = {}
    for record in records:
        identity = _named(record)
        for account in (record.get("recipientAccountId"), identity.get("accountId")):
            found.know(account, lambda: company.aws_account)
        found.know(record.get("awsRegion"), lambda: REGION)
        if _is_address(record.get("sourceIPAddress")):
            found.know(record["sourceIPAddress"], lambda: public_ip(rng))
        _identity(found, identity, people, taken)
    found.close()
    return found


def _identity(found: _Disguise, identity: dict[str, Any], people: Sequence[Account], taken: dict[str, Account]) -> None:
    key, principal = str(identity.get("accessKeyId", "")), str(identity.get("principalId", "")).partition(":")[0]
    if identity.get("type") == "IAMUser" and isinstance(identity.get("userName"), str):
        who = taken.setdefault(identity["userName"], people[len(taken) % len(people)])
        found.know(identity["userName"], lambda: who.login)
        found.know(principal, lambda: who.aws_id)
        if key.startswith("AKIA"):
            found.know(key, lambda: who.aws_key)
    found.know(principal, lambda: aws_id(found.rng, "AROA"))
    found.know(key, lambda: aws_id(found.rng, key[:4] if key[:4] in ("AKIA", "ASIA") else "ASIA"))


def _is_address(text: object) -> bool:
    """An address, also as anonymised traces have them (`075.050.255.67`)."""
    if isinstance(text, str) and re.fullmatch(r"\d{1,3}(\.\d{1,3}){3}", text):
        return True
    try:
        return bool(ipaddress.ip_address(str(text)))
    except ValueError:
        return False


def _named(record: dict[str, Any]) -> dict[str, Any]:
    """Who a record says did it."""
    identity = record.get("userIdentity")
    return identity if isinstance(identity, dict) else {}
