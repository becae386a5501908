"""Who and what the company consists of: people, machines, addresses, accounts, and the outside world they use. Nothing happens here."""

from __future__ import annotations

import bisect
import itertools
import random
from dataclasses import dataclass
from datetime import date
from typing import Literal

from nonself.lab.world.catalog import DEPARTMENTS, FIRST_NAMES, LAST_NAMES, SERVICES, SITE_HEADS, SITE_HOSTS, SITE_TAILS, SITE_ZONES
from nonself.lab.world.clock import DAY, HOUR, MINUTE, MS, SECOND, midnight, stream
from nonself.lab.world.offices import BLOCK, OFFICES, Office, address

Role = Literal["office", "developer", "admin"]

DOMAIN = "corp.tidewell.example"
NETBIOS = "TIDEWELL"
MAIL = "tidewell.example"
SITES = 420
EVER = 10**9
"""A day that never comes."""


_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_PUBLIC_FIRST_OCTETS = (11, 21, 22, 26, 28, 29, 30, 33, 55)
"""Global unicast blocks that are hardly announced: addresses from them look public and name no real site."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A computer. `tag` opens its Sysmon guids, `skew` is its clock's error and `delay` its way to the collector, in microseconds."""

    name: str
    ip: str
    os: Literal["windows", "linux"]
    role: str
    tag: int
    boot: int
    skew: int
    delay: int
    docked: bool = False

    @property
    def fqdn(self) -> str:
        return f"{self.name}.{DOMAIN}"


@dataclass(frozen=True, slots=True)
class Account:
    """A domain account, which is the account at the identity provider too. `aws_key` and `aws_id` belong to the person's cloud identity, ""
    for those who have none."""

    login: str
    sid: str
    name: str = ""
    aws_key: str = ""
    aws_id: str = ""

    @property
    def mail(self) -> str:
        return f"{self.login}@{MAIL}"


@dataclass(frozen=True, slots=True)
class Site:
    """A host name of the outside world (or an internal service) and its address. `weight` scales the size of its pages."""

    name: str
    ip: str
    weight: float
    modern: bool  # speaks TLS 1.3
    ttl: int = 300  # how long a DNS answer holds, in seconds


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who works here. `start` and `end` are the shift's bounds in microseconds after midnight.

    joins, leaves  first day here and first day no longer (-1: always was, `EVER`: stays)
    swap           day on which a new laptop takes the old one's place (`EVER`: none)
    """

    account: Account
    role: Role
    team: str
    machine: Machine
    start: int
    end: int
    favourites: tuple[Site, ...]
    privileged: Account | None  # the second account of an administrator
    office: Office = OFFICES[0]
    joins: int = -1
    leaves: int = EVER
    swap: int = EVER

    @property
    def login(self) -> str:
        return self.account.login


@dataclass(frozen=True, slots=True)
class Company:
    """Everything that exists. `sites` are in order of popularity, `ranks` the cumulated Zipf weights that go with them. `activity` scales
    how often things of everyday happen (1: as in a real company of desk workers), not what happens."""

    seed: int
    first: int  # start of the first day
    days: int
    people: tuple[Person, ...]
    servers: dict[str, Machine]
    services: dict[str, Site]
    sites: tuple[Site, ...]
    ranks: tuple[float, ...]
    accounts: dict[str, Account]  # service accounts, and the machines' own
    egress: str
    resolver: str
    runners: tuple[str, ...]  # addresses of the build runners in the cloud
    aws_account: str
    sid: str
    activity: float = 1.0

    @property
    def windows(self) -> tuple[Machine, ...]:
        """All Windows machines, servers first."""
        return (*(m for m in self.servers.values() if m.os == "windows"), *(p.machine for p in self.people))

    def controller(self, machine: Machine) -> Machine:
        """The domain controller that a machine asks; a controller asks the other one."""
        first, second = ("dc01", "dc02") if machine.tag % 2 else ("dc02", "dc01")
        return self.servers[second if machine.name == first else first]

    def of(self, role: Role) -> tuple[Person, ...]:
        return tuple(person for person in self.people if person.role == role)

    def popular(self, rng: random.Random) -> Site:
        """A site of the outside world, drawn by Zipf popularity."""
        return self.sites[bisect.bisect_left(self.ranks, rng.random() * self.ranks[-1])]

    def workday(self, day: int) -> bool:
        return workday(self.first, day)


def workday(first: int, day: int) -> bool:
    """Whether day `day` from `first` on is neither a weekend's nor a holiday: a Thursday of the third week, and of every third after it."""
    weekday = (first // DAY + day) % 7  # from Thursday on, since 1970-01-01 was one
    return weekday not in (2, 3) and not (weekday == 0 and day // 7 % 3 == 2)


def public_ip(rng: random.Random) -> str:
    """An address of the outside world."""
    return f"{rng.choice(_PUBLIC_FIRST_OCTETS)}.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"


def foreign_network(seed: int, login: str) -> str:
    """The public address of the network a travelling person works from."""
    return public_ip(stream(seed, "travel", login))


def aws_id(rng: random.Random, prefix: str, length: int = 16) -> str:
    """An AWS unique id or access key id: prefix and base-32 letters."""
    return prefix + "".join(rng.choices(_BASE32, k=length))


def site(seed: int, name: str) -> Site:
    """The outside host `name`; the same name is the same site in every run of a seed."""
    rng = stream(seed, "site", name)
    return Site(name, public_ip(rng), rng.lognormvariate(0, 0.8), rng.random() < 0.75, rng.choice((60, 300, 300, 600, 900, 3_600)))


def site_name(rng: random.Random) -> str:
    """A made-up host name; whoever is behind it, it is made this way."""
    return f"{rng.choice(SITE_HOSTS)}{rng.choice(SITE_HEADS)}{rng.choice(SITE_TAILS)}.{rng.choice(SITE_ZONES)}"


def build(seed: int, people: int, days: int, start: date, activity: float = 1.0) -> Company:
    """The company of a seed. A larger one holds the smaller one unchanged."""
    first, rng = midnight(start), stream(seed, "company")
    sid = "S-1-5-21-" + "-".join(str(rng.randrange(10**8, 2**32)) for _ in range(3))
    servers = _servers(seed, first)
    sites = _sites(seed)
    services = {role: site(seed, name) for role, name in SERVICES.items()}
    for name in ("mon01", "web01"):
        services[name] = Site(servers[name].fqdn, servers[name].ip, 0.3, True)
    return Company(
        seed=seed,
        first=first,
        days=days,
        people=tuple(_person(seed, index, first, sid, sites, days) for index in range(people)),
        servers=servers,
        services=services,
        sites=sites,
        ranks=tuple(itertools.accumulate(1 / rank**1.1 for rank in range(1, len(sites) + 1))),
        accounts={
            name: Account(name, f"{sid}-{1100 + i}")
            for i, name in enumerate(("svc_backup", "svc_scan", "svc_sql", "svc_deploy", "svc_pentest"))
        },
        egress=public_ip(rng),
        resolver=public_ip(rng),
        runners=(public_ip(rng), public_ip(rng)),
        aws_account=str(rng.randrange(10**11, 10**12)),
        sid=sid,
        activity=activity,
    )


def machine(seed: int, name: str, ip: str, os: Literal["windows", "linux"], role: str, first: int, docked: bool = True) -> Machine:
    rng = stream(seed, "machine", name)
    return Machine(
        name=name,
        ip=ip,
        os=os,
        role=role,
        tag=rng.getrandbits(32),
        boot=first - int(rng.uniform(1, 9) * DAY) - int(rng.uniform(0, 20) * HOUR),
        skew=int(rng.gauss(0, 250 * MS if role == "laptop" else 20 * MS)),
        delay=int(rng.uniform(0.4, 3) * SECOND),
        docked=docked,
    )


def _servers(seed: int, first: int) -> dict[str, Machine]:
    table: tuple[tuple[str, str, Literal["windows", "linux"], str], ...] = (
        ("dc01", "10.20.0.10", "windows", "domain controller"),
        ("dc02", "10.20.0.14", "windows", "domain controller"),
        ("fs01", "10.20.0.11", "windows", "file server"),
        ("db01", "10.20.0.12", "windows", "database"),
        ("bk01", "10.20.0.13", "windows", "backup"),
        ("web01", "10.20.2.20", "linux", "web"),
        ("mon01", "10.20.0.30", "linux", "monitoring"),
    )
    return {name: machine(seed, name, ip, os, role, first) for name, ip, os, role in table}


def _sites(seed: int) -> tuple[Site, ...]:
    rng, names = stream(seed, "sites"), dict[str, None]()
    while len(names) < SITES:
        names[site_name(rng)] = None
    return tuple(site(seed, name) for name in names)


def _role(index: int) -> Role:
    """Of each fifteen people one is an administrator, four are developers, ten work in the office."""
    if index % 15 == 4:
        return "admin"
    return "developer" if index % 15 in (1, 6, 9, 12) else "office"


def _person(seed: int, index: int, first: int, sid: str, sites: tuple[Site, ...], days: int) -> Person:
    rng, role = stream(seed, "person", index), _role(index)
    given, family = rng.choice(FIRST_NAMES), LAST_NAMES[index % len(LAST_NAMES)]
    login = f"{given[0]}.{family}".lower() + (str(index // len(LAST_NAMES) + 1) if index >= len(LAST_NAMES) else "")
    cloud = role != "office"
    account = Account(
        login, f"{sid}-{1200 + 2 * index}", f"{given} {family}", aws_id(rng, "AKIA") if cloud else "", aws_id(rng, "AIDA", 17)
    )
    office = OFFICES[0] if index // BLOCK % 4 < 2 else OFFICES[index // BLOCK % 4 - 1]
    team = "engineering" if role == "developer" else "it" if role == "admin" else DEPARTMENTS[index % len(DEPARTMENTS)]
    begin = int((rng.gauss(8.6, 0.5) + office.shift) * HOUR) // (5 * MINUTE) * (5 * MINUTE)
    if team == "operations" and index % 3 == 0:  # the early shift
        begin -= 2 * HOUR
    head = sites[: len(sites) // 2]
    joins, leaves, swap = _changes(seed, index, days)
    return Person(
        account=account,
        role=role,
        team=team,
        machine=machine(
            seed, f"LT-{4100 + index}", address(office, index), "windows", "laptop", first, index % 5 in (0, 3) or index % 30 == 4
        ),
        start=begin,
        end=begin + 9 * HOUR,
        favourites=tuple(rng.choice(head if rng.random() < 0.7 else sites) for _ in range(14)),
        privileged=Account(f"adm-{login}", f"{sid}-{1201 + 2 * index}", f"{given} {family}") if role == "admin" else None,
        office=office,
        joins=joins,
        leaves=leaves,
        swap=swap,
    )


def _changes(seed: int, index: int, days: int) -> tuple[int, int, int]:
    """When somebody joins, leaves and gets a new laptop: each about once in two years. The first fifteen stay as they are."""
    rng = stream(seed, "changes", index)
    joins, leaves, swap = (1 + int(rng.uniform(0, 500)) for _ in range(3))
    if index < 15:
        return -1, EVER, EVER
    joins, swap = joins if joins < days else -1, swap if swap < days else EVER
    return joins, leaves if joins < leaves < days else EVER, swap
