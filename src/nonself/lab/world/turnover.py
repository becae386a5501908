"""What looks odd and befalls people: forgotten passwords, new colleagues, leavers, new services, and guessers outside."""

from __future__ import annotations

from dataclasses import replace

from nonself.lab.world import activities as do
from nonself.lab.world import calendar
from nonself.lab.world import emit_logon as auth
from nonself.lab.world import emit_windows as win
from nonself.lab.world.catalog import DOCUMENTS
from nonself.lab.world.clock import DAY, HOUR, MINUTE, SECOND, poisson, stream
from nonself.lab.world.company import Account, Company, public_ip, site, site_name
from nonself.lab.world.emit import Scene
from nonself.lab.world.emit_saas import Seen, client
from nonself.lab.world.travel import present
from nonself.lab.world.write import Label


def forgotten(scene: Scene, start: int) -> None:
    """After a change of password somebody needs several attempts, at the keyboard and on the file server."""
    rng, company = scene.rng, scene.company
    here = present(company, start, start + 11 * HOUR)
    if not here:
        return
    person, at = rng.choice(here), start + 10 * HOUR + rng.randrange(50) * MINUTE
    server = company.servers["fs01"]
    for n in range(5 + poisson(rng, 2)):
        at += int(rng.uniform(4, 20) * SECOND)
        kind, machine = (3, server) if n % 3 == 2 else (7, person.machine)
        address, port = (person.machine.ip, scene.port()) if kind == 3 else ("127.0.0.1", 0)
        scene.windows.security(
            machine, at, 4625, auth.failed(machine, person.login, kind, address, port, person.machine.name), person.login
        )
    scene.logon(at + 15 * SECOND, win.session(person.machine, person.account, at + 15 * SECOND), 7)


NEW_SERVICES = 8
"""Working days between one new web service and the next; the first comes on the fourth."""


def fashions(company: Company, day: int) -> tuple[do.Activity, ...]:
    """New web services come into use; half of the people open each every day from then on."""
    begins = calendar.workdays(company)[3::NEW_SERVICES]
    return tuple(_fashion(company, number, day) for number, begin in enumerate(begins) if day >= begin)


def _fashion(company: Company, number: int, day: int) -> do.Activity:
    name = "app." + site_name(stream(company.seed, "new service", number)).split(".", 1)[-1]
    service = replace(site(company.seed, name), weight=2.0)

    def try_out(desk: do.Desk, at: int) -> None:
        rng, scene = desk.scene.rng, desk.scene
        with scene.journal.labelled(Label("benign trigger", "new service", "new service", "", day)):
            for _ in range(2 + poisson(rng, 5 * company.activity)):
                scene.fetch(at, desk.programs["chrome"], service)
                at += int(rng.expovariate(1 / 90) * SECOND)

    return try_out


def joiners(scene: Scene, start: int) -> None:
    """Accounts are made for those who join today, on the domain controller and at the identity provider."""
    company, rng = scene.company, scene.rng
    day, admin = (start - company.first) // DAY, company.of("admin")[0]
    accounts = [person.account for person in company.people if person.joins == day]
    if day == calendar.nth(company, 0):  # one who begins next month
        accounts.append(Account("n.starter", f"{company.sid}-{rng.randrange(3_000, 4_000)}", "New Starter"))
    at = start + 7 * HOUR + rng.randrange(40) * MINUTE
    for account in accounts:
        at += int(rng.uniform(3, 12) * MINUTE)
        where = win.session(company.servers["dc01"], admin.privileged, at)
        fields = auth.account_created(where, account)
        scene.windows.security(company.servers["dc01"], at, 4720, fields, where.login)
        for event, group in (
            ("user.lifecycle.create", ""),
            ("user.lifecycle.activate", ""),
            ("group.user_membership.add", "Everyone here"),
        ):
            at += 20 * SECOND
            scene.signed(at, admin.account, Seen(event, whom=account, group=group))


def leavers(scene: Scene, start: int) -> None:
    """On a last day somebody takes home what is theirs, and in the evening the account is closed."""
    company, rng = scene.company, scene.rng
    day, admin = (start - company.first) // DAY, company.of("admin")[0]
    for person in (one for one in company.people if one.leaves == day + 1):
        at = start + 15 * HOUR + rng.randrange(60) * MINUTE
        for _ in range(rng.randrange(10, 40)):
            name = f"{rng.choice(DOCUMENTS)}-{rng.randrange(2019, 2027)}-{rng.randrange(60):02d}.docx"
            scene.saas.file(at, person.account, client(company), "FileDownloaded", person.team, name)
            at += int(rng.expovariate(1 / 20) * SECOND)
        scene.signed(start + 19 * HOUR, admin.account, Seen("user.lifecycle.deactivate", whom=person.account))


def spray(scene: Scene, start: int) -> None:
    """From outside somebody tries one password on many accounts of the identity provider, a few from each address; none is right."""
    company, rng = scene.company, scene.rng
    at, people = start + int(rng.uniform(0, 20) * HOUR), list(company.people)
    rng.shuffle(people)
    for person in people[: 12 + len(people) // 4]:
        at += int(rng.expovariate(1 / 30) * SECOND)
        via = client(company, public_ip(rng), agent="script")
        scene.signed(at, person.account, Seen("user.session.start", "INVALID_CREDENTIALS"), via)
