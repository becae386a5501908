"""What developers and administrators do besides: build, ask the cloud, work on servers. One function per activity."""

from __future__ import annotations

from nonself.lab.world import emit_cloud as aws
from nonself.lab.world import emit_windows as win
from nonself.lab.world.activities import Desk
from nonself.lab.world.catalog import PROJECTS
from nonself.lab.world.clock import MINUTE, MS, SECOND, poisson
from nonself.lab.world.company import DOMAIN, foreign_network
from nonself.lab.world.emit import Scene
from nonself.lab.world.emit_cloud import Call
from nonself.lab.world.emit_saas import Seen
from nonself.lab.world.emit_windows import Proc
from nonself.lab.world.emit_zeek import Flow

POWERSHELL = '"C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe"'


_BUILDING = (
    ("git", "git.exe pull --tags origin main", "git"),
    ("git", "git.exe push origin HEAD", "git"),
    ("git", "git.exe status -z -uall", ""),
    ("node", "node.exe C:\\src\\{project}\\node_modules\\.bin\\vite build", ""),
    ("node", "node.exe npm-cli.js ci", "packages"),
    ("python", "python.exe -m pytest C:\\src\\{project}\\tests -q", ""),
)
"""Program, command line, and the service it talks to, if any."""


def develop(desk: Desk, at: int) -> None:
    """Edit, pull, build, test, push."""
    scene, rng, services = desk.scene, desk.scene.rng, desk.scene.company.services
    code, project = desk.programs["code"], rng.choice(PROJECTS)
    shell = scene.start(at, code, "powershell", "powershell.exe -noexit -command \"try { . 'shellIntegration.ps1' } catch {}\"")
    for _ in range(1 + poisson(rng, 1.5)):
        at += int(rng.expovariate(1 / 90) * SECOND)
        name, command, service = rng.choice(_BUILDING)
        tool = scene.run(at, shell, name, command.format(project=project), seconds=15)
        if service:
            scene.fetch(at + 200 * MS, tool, services[service])
    scene.stop(at + 20 * MINUTE, shell)


def _calls(desk: Desk) -> tuple[tuple[str, Call], ...]:
    account, rng = desk.scene.company.aws_account, desk.scene.rng
    bucket, name = f"tidewell-{rng.choice(PROJECTS)}-artifacts", desk.person.login
    group = f"/ecs/{rng.choice(PROJECTS)}"
    key = f"builds/{rng.randrange(1_000, 1_400)}/manifest.json"
    return (
        (f"s3 ls s3://{bucket}/builds/", aws.s3(account, "ListObjects", bucket)),
        (f"s3 cp s3://{bucket}/{key} .", aws.s3(account, "GetObject", bucket, key)),
        ("s3 ls", Call("s3", "ListBuckets", {"Host": "s3.amazonaws.com"})),
        ("ec2 describe-instances", Call("ec2", "DescribeInstances", {"instancesSet": {}, "filterSet": {}})),
        (f"logs tail {group}", Call("logs", "FilterLogEvents", {"logGroupName": group, "startTime": 0}, data=False)),
        ("ecs list-tasks --cluster main", Call("ecs", "ListTasks", {"cluster": "main"})),
        ("sts get-caller-identity", Call("sts", "GetCallerIdentity")),
        (f"iam list-access-keys --user-name {name}", Call("iam", "ListAccessKeys", {"userName": name})),
    )


def cloud(desk: Desk, at: int) -> None:
    """The cloud account is looked at from the command line: a process, connections, and what the trail records."""
    scene, rng, company = desk.scene, desk.scene.rng, desk.scene.company
    source = foreign_network(company.seed, desk.person.login) if scene.away else company.egress
    caller = aws.user(company.aws_account, desk.person.account, source)
    shell = scene.start(at, desk.explorer, "powershell", POWERSHELL)
    for _ in range(2 + poisson(rng, 2)):
        at += int((2 + rng.expovariate(1 / 50)) * SECOND)
        command, call = rng.choices(_calls(desk), (5, 6, 1, 5, 6, 4, 1, 0.3))[0]
        tool = scene.run(at, shell, "aws", f"aws {command}", seconds=2)
        site = {"s3": "aws-s3", "sts": "aws-sts"}.get(call.service, "aws")
        scene.fetch(at + 300 * MS, tool, company.services[site])
        scene.cloud.call(at + 350 * MS, caller, call)
    scene.stop(at + 8 * MINUTE, shell)


def remote_shell(desk: Desk, at: int) -> None:
    """A session on a Linux server, with a look as root."""
    scene, rng, person = desk.scene, desk.scene.rng, desk.person
    server = scene.company.servers["mon01" if person.role == "admin" and rng.random() < 0.5 else "web01"]
    minutes = rng.uniform(2, 40)
    client = scene.start(at, desk.explorer, "ssh", f"ssh.exe {person.login}@{server.name}")
    flow = Flow(at + 100 * MS, "", scene.port(), server.ip, 22, duration=int(minutes * MINUTE))
    flow, uid = scene.connect(flow, client, "ssh", rng.randrange(4_000, 60_000), rng.randrange(6_000, 400_000), server.fqdn)
    if uid:
        scene.zeek.ssh(flow, uid, True, 1, "SSH-2.0-OpenSSH_for_Windows_9.5")
    source = foreign_network(scene.company.seed, person.login) if scene.away else flow.src
    end, pid = at + int(minutes * MINUTE), rng.randrange(900, 60_000)
    scene.linux.accepted(server, at + 400 * MS, pid, person.login, source, flow.sport)
    for _ in range(poisson(rng, 1.4)):
        unit = rng.choice(("portal", "nginx", "ingest"))
        command = rng.choice(
            (f"/usr/bin/systemctl status {unit}", f"/usr/bin/journalctl -u {unit} -n 200", f"/usr/bin/systemctl restart {unit}")
        )
        when = at + int(rng.uniform(5, minutes * 55) * SECOND)
        scene.linux.sudo(server, when, rng.randrange(900, 60_000), person.login, command)
        scene.shell(when, server, person.login, (f"/usr/bin/sudo {command}", command), cwd=f"/home/{person.login}")
    scene.linux.closed(server, end, pid, person.login, source, flow.sport)
    scene.stop(end, client)


def remote_desktop(desk: Desk, at: int) -> None:
    """An administrator works on a Windows server."""
    scene, rng, person = desk.scene, desk.scene.rng, desk.person
    if scene.away or person.privileged is None:
        return
    server = scene.company.servers[rng.choice(("dc01", "dc02", "fs01", "db01", "bk01"))]
    minutes = rng.uniform(4, 50)
    client = scene.start(at, desk.explorer, "mstsc", f'"C:\\Windows\\system32\\mstsc.exe" /v:{server.name}')
    scene.ticket(at + SECOND, person.privileged, person.machine, server, first=True)
    flow = Flow(at + 2 * SECOND, "", scene.port(), server.ip, 3389, duration=int(minutes * MINUTE))
    flow, _ = scene.connect(flow, client, "ssl,rdp", int(minutes * 90_000), int(minutes * 900_000), server.fqdn)
    where = win.session(server, person.privileged, at + 3 * SECOND, 2)
    scene.logon(at + 3 * SECOND, where, 10, person.machine, flow.sport, admin=True)
    shell = scene.start(at + 6 * SECOND, scene.resident(server, "winlogon"), "explorer", where=where)
    console(scene, shell, at + 40 * SECOND, 1 + poisson(rng, 2))
    end = at + int(minutes * MINUTE)
    scene.stop(end - SECOND, shell)
    scene.logoff(end, where, 10)
    scene.stop(end + SECOND, client)


_CONSOLE = (
    ("mmc", '"C:\\Windows\\system32\\mmc.exe" "C:\\Windows\\system32\\services.msc"', 6),
    ("mmc", '"C:\\Windows\\system32\\mmc.exe" "C:\\Windows\\system32\\eventvwr.msc" /s', 5),
    ("ipconfig", "ipconfig /all", 3),
    ("gpupdate", "gpupdate /force", 3),
    ("ping", "ping dc01", 3),
    ("net", "net user /domain", 1),
    ("whoami", "whoami", 1),
    ("systeminfo", "systeminfo", 1),
    ("schtasks", "schtasks /query /fo LIST", 1),
    ("nltest", f"nltest /sc_verify:{DOMAIN}", 0.5),
)


def console(scene: Scene, shell: Proc, at: int, count: int) -> None:
    """Administrators' tools, run by hand from a shell."""
    rng = scene.rng
    for _ in range(count):
        name, command, _ = rng.choices(_CONSOLE, [weight for _, _, weight in _CONSOLE])[0]
        scene.run(at, shell, name, command, seconds=20 if name == "mmc" else 1)
        at += int(rng.expovariate(1 / 60) * SECOND)


_ASKING = (
    "Get-ADUser -Identity {login} -Properties LockedOut,PasswordLastSet",
    "Get-ADComputer {machine} -Properties OperatingSystemVersion",
    "Get-ADGroupMember 'Domain Admins' | Select-Object Name",
    "Test-NetConnection {machine} -Port 445",
    "Invoke-Command -ComputerName {machine} -ScriptBlock {{ Get-Service corvidsvc }}",
)


def administer(desk: Desk, at: int) -> None:
    """PowerShell by hand, against the directory or a machine."""
    scene, rng = desk.scene, desk.scene.rng
    shell = scene.start(at, desk.explorer, "powershell", POWERSHELL, level="High")
    for _ in range(1 + poisson(rng, 1.5)):
        at += int(rng.expovariate(1 / 60) * SECOND)
        person = rng.choice(scene.company.people)
        scene.script(at, shell, rng.choice(_ASKING).format(login=person.login, machine=person.machine.name))
    scene.stop(at + 6 * MINUTE, shell)


def troubleshoot(desk: Desk, at: int) -> None:
    """A few console tools on the own machine."""
    shell = desk.scene.start(at, desk.explorer, "cmd", '"C:\\Windows\\system32\\cmd.exe"')
    console(desk.scene, shell, at + 5 * SECOND, 1 + poisson(desk.scene.rng, 1.5))
    desk.scene.stop(at + 12 * MINUTE, shell)


def help_out(desk: Desk, at: int) -> None:
    """The service desk resets somebody's password or second factor."""
    scene, rng = desk.scene, desk.scene.rng
    whom = rng.choice(scene.company.people).account
    scene.fetch(at, desk.programs["chrome"], scene.company.services["identity"])
    event = rng.choice(("user.account.reset_password", "user.account.unlock", "user.mfa.factor.reset_all"))
    scene.signed(at + 30 * SECOND, desk.person.account, Seen(event, whom=whom))
    if event == "user.mfa.factor.reset_all":
        scene.signed(at + 400 * SECOND, whom, Seen("user.mfa.factor.activate", detail=(("factor", "OKTA_VERIFY_PUSH"),)))
