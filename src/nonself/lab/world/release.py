"""A change of what every machine does: from one day on a new program works on each, and a new service outside hears of it.

Not part of the ordinary life, since it is made to be noticed: `make(release=DAY)` lets it happen, and calibration has to say so.
"""

from __future__ import annotations

from nonself.lab.world import emit_logon as auth
from nonself.lab.world import emit_windows as win
from nonself.lab.world.catalog import PROGRAMS
from nonself.lab.world.clock import DAY, HOUR, MINUTE, SECOND, stream
from nonself.lab.world.company import Company, Machine, site
from nonself.lab.world.emit import Scene
from nonself.lab.world.emit_windows import Proc
from nonself.lab.world.travel import present
from nonself.lab.world.write import Journal, Label

_LOOKING = ("systeminfo", "ipconfig /all", "tasklist /svc", "netstat -ano", "net localgroup administrators")
"""What the new program asks a machine: an inventory."""
_TOOLS = {"systeminfo": "systeminfo", "ipconfig": "ipconfig", "net": "net"}


def live(company: Company, journal: Journal, day: int, release: int) -> None:
    """The day of the release, or one after it: on the first the program arrives at the machines in the office in the course of the
    morning; on each it takes stock every two hours and sends what it found to its maker."""
    start = company.first + day * DAY
    scene = Scene(company, journal, stream(company.seed, "release", day))
    with journal.labelled(Label("benign trigger", "release", "release", "", day)):
        for machine in _machines(company, start):
            at = start + 9 * HOUR + int(scene.rng.uniform(0, 150) * MINUTE)
            agent = _arrived(scene, machine, at) if day == release else _started(company, machine)
            for hour in range(2, 9, 2):
                _inventory(scene, agent, at + hour * HOUR // 2 + int(scene.rng.uniform(0, 20) * MINUTE))


def _machines(company: Company, start: int) -> list[Machine]:
    here = [person.machine for person in present(company, start, start + 12 * HOUR)]
    return [*here, *(machine for machine in company.servers.values() if machine.os == "windows")]


def _started(company: Company, machine: Machine) -> Proc:
    where = win.session(machine, None, machine.boot)
    rng = stream(company.seed, "released", machine.name)
    return win.process(where, "release", machine.boot + 9 * SECOND, rng, f'"{PROGRAMS["release"].image}" --run')


def _arrived(scene: Scene, machine: Machine, at: int) -> Proc:
    agent = _started(scene.company, machine)
    command = "msiexec.exe /i \\\\fs01\\dist\\PelagiaInventory-1.0.0.msi /qn /norestart"
    setup = scene.run(at, scene.resident(machine, "agent"), "msiexec", command, 40)
    for name in ("pelagia.exe", "pelagia-core.dll", "collect.ps1"):
        scene.wrote(at + 3 * SECOND, setup, f"{agent.image.rpartition(chr(92))[0]}\\{name}")
    scene.windows.other("System", machine, at + 6 * SECOND, 7045, auth.service_installed("Pelagia", agent.cmdline, start="auto start"))
    scene.began(at + 8 * SECOND, agent, scene.resident(machine, "services"))
    return agent


def _inventory(scene: Scene, agent: Proc, at: int) -> None:
    """A script, the tools it runs, and an upload."""
    shell = scene.start(at, agent, "powershell", "powershell.exe -NoProfile -ExecutionPolicy Bypass -File collect.ps1")
    for place, command in enumerate(_LOOKING):
        name = _TOOLS.get(command.partition(" ")[0], "cmd")
        scene.run(at + (2 + 3 * place) * SECOND, shell, name, command if name != "cmd" else f"cmd.exe /c {command}")
    scene.stop(at + 30 * SECOND, shell)
    service = site(scene.company.seed, "intake.pelagia-inventory.com")
    scene.fetch(at + 40 * SECOND, agent, service, int(scene.rng.lognormvariate(16.5, 0.3)), 900, 20.0)
