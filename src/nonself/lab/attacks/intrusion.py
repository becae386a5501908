"""Whom a campaign befalls and what stands for what in it: the people, machines, hosts outside and words that a plan's moves name."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from nonself.lab.world import emit_cloud as aws
from nonself.lab.world import emit_windows as win
from nonself.lab.world import life, staff
from nonself.lab.world.catalog import AGENTS_OF_BROWSERS
from nonself.lab.world.clock import DAY, MINUTE, stream
from nonself.lab.world.company import Account, Company, Machine, Person, Site, public_ip, site, site_name
from nonself.lab.world.emit import Scene
from nonself.lab.world.emit_cloud import Caller
from nonself.lab.world.emit_windows import Proc


@dataclass(slots=True)
class Intrusion:
    """One intrusion under way. `procs` holds processes by the plan's own names, `words` what `{...}` in texts stands for."""

    world: Company  # of all days; the scene's is that of the day
    scene: Scene
    person: Person  # whose laptop or account is entered
    admin: Account  # whose rights are taken
    developer: Account  # whose cloud identity is taken
    server: Machine  # where it moves to
    far: str  # the address it comes from
    agent: str  # what its web client calls itself
    caller: Caller  # the stolen cloud key
    assumed: Caller  # the role that was taken, if any
    sites: dict[str, Site]
    procs: dict[str, Proc]
    words: dict[str, str] = field(default_factory=dict)
    guid: str = ""  # of the victim's session
    days: dict[int, Company] = field(default_factory=dict)

    def text(self, template: str) -> str:
        return template.format_map(self.words)

    def turn(self, at: int) -> None:
        """Come to the day of `at`: the company, and the laptop's address, are as that day finds them."""
        day = (at - self.world.first) // DAY
        if self.scene.company.people is not (today := self._today(day)).people:
            self.scene.company = today
            self.person = next((one for one in today.people if one.login == self.person.login), self.person)
            self.scene.moved[self.person.machine.name] = self.person.machine.ip

    def _today(self, day: int) -> Company:
        if day not in self.days:
            self.days[day] = staff.on(self.world, day)
        return self.days[day]


def intrude(world: Company, scene: Scene, person: Person, day: int, name: str, shared: bool) -> Intrusion:
    """An intrusion `name` that begins with this person on this day. `shared`: it uses the server that administrators repair remotely."""
    rng, names = scene.rng, _new_names(world, name)
    where, explorer = life.resident_session(world, person)
    present = life.shift(world, person, day)
    opened = life.programs(world, person, day, present, where) if present else {}
    admin, developers = world.of("admin")[0], [one for one in world.of("developer") if one.joins < 0 and one.leaves > world.days]
    developer, far = developers[rng.randrange(len(developers))].account, public_ip(rng)
    server = world.servers["db01" if shared else "fs01"]
    return Intrusion(
        world=world,
        scene=scene,
        person=person,
        admin=admin.privileged or admin.account,
        developer=developer,
        server=server,
        far=far,
        agent=AGENTS_OF_BROWSERS["script" if rng.random() < 0.5 else "edge"],
        caller=aws.user(world.aws_account, developer, far, "boto"),
        assumed=aws.user(world.aws_account, developer, far, "boto"),
        sites={role: site(world.seed, name) for role, name in names.items()},
        procs={"desk": explorer, **({"mail": opened["outlook"][1]} if opened else {})},
        words=names | _words(rng, person, server),
        guid=win.session(person.machine, person.account, world.first + day * DAY + 9 * 60 * MINUTE).guid,
    )


def _words(rng: random.Random, person: Person, server: Machine) -> dict[str, str]:
    home, program = f"C:\\Users\\{person.login}\\AppData", rng.choice(("sharedhost", "synchelper", "mediaupd", "printcfg"))
    mail = f"{home}\\Local\\Microsoft\\Windows\\INetCache\\Content.Outlook"
    vendor = rng.choice(("Intel", "Realtek", "Lenovo"))
    return {
        "document": f"{mail}\\{rng.getrandbits(32):08X}\\order_{rng.randrange(1_000, 9_999)}.docm",
        "word": "C:\\Program Files\\Microsoft Office\\root\\Office16\\WINWORD.EXE",
        "packer": "C:\\Program Files\\7-Zip\\7z.exe",
        "program": f"{program}.exe",
        "payload": f"{home}\\Roaming\\Microsoft\\Shared\\{program}.exe",
        "dump": f"{home}\\Local\\Temp\\{rng.getrandbits(32):08x}.tmp",
        "token": f"{rng.getrandbits(40):010x}",
        "server": server.name,
        "login": person.login,
        "sid": person.account.sid,
        "folder": f"C:\\ProgramData\\{vendor}\\Logs",
        "archive": f"C:\\ProgramData\\{vendor}\\Logs\\q{rng.randrange(1, 5)}",
        "uploader": f"C:\\ProgramData\\{vendor}\\{rng.choice(('igfxsync', 'audiosvcx', 'vantagex'))}.exe",
        "driver": f"{rng.choice(('mnt', 'qlx', 'rvt'))}{rng.randrange(10, 99)}",
    }


def _new_names(world: Company, campaign: str) -> dict[str, str]:
    """Host names that nobody here has asked for before, made the way all outside names are made."""
    rng, known = stream(world.seed, "names", campaign), {one.name for one in world.sites}
    names: dict[str, str] = {}
    while len(names) < 3:
        name = site_name(rng)
        if name not in known and name not in names.values():
            names[("delivery", "orders", "box")[len(names)]] = name
    return names
