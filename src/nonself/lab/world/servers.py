"""What servers do: pages for visitors, queries, monitoring, builds in the cloud. The outside world knocks here too."""

from __future__ import annotations

from nonself.lab.world import calendar
from nonself.lab.world import emit_cloud as aws
from nonself.lab.world import emit_windows as win
from nonself.lab.world.background import background
from nonself.lab.world.catalog import AGENTS_OF_BROWSERS, PROJECTS, USER_AGENTS
from nonself.lab.world.clock import DAY, HOUR, MINUTE, MS, SECOND, by_daylight, poisson, stream
from nonself.lab.world.company import Company, Machine, Site, aws_id, public_ip
from nonself.lab.world.emit import Scene
from nonself.lab.world.emit_cloud import Call, Caller
from nonself.lab.world.emit_zeek import Flow
from nonself.lab.world.write import Journal, Label

WEB = Site("www.tidewell.example", "", 1.0, True)
_PAGES = ("/", "/products", "/support", "/contact", "/login", "/docs/install", "/news", "/favicon.ico", "/robots.txt")
_PROBES = ("/.env", "/wp-login.php", "/admin/config.php", "/.git/config", "/cgi-bin/luci", "/actuator/health", "/phpmyadmin/")
_GUESSES = ("root", "admin", "ubuntu", "test", "oracle", "postgres", "git", "user", "deploy", "pi")
_WATCHED = (("dc01", 389), ("dc02", 53), ("fs01", 445), ("db01", 1433), ("bk01", 9392), ("web01", 443))


def live(company: Company, journal: Journal, day: int) -> None:
    """All that servers and the cloud account do on one day."""
    start = company.first + day * DAY
    for machine in company.servers.values():
        scene = Scene(company, journal, stream(company.seed, "server", machine.name, day))
        if machine.os == "windows":
            background(scene, machine, start, start + DAY)
        if machine.name in _LIVES:
            _LIVES[machine.name](scene, machine, start)
    gear(Scene(company, journal, stream(company.seed, "gear", day)), start)
    _cloud(Scene(company, journal, stream(company.seed, "cloud", day)), start, day)


def _database(scene: Scene, machine: Machine, start: int) -> None:
    """The web application asks; a job runs each hour under the service account."""
    rng, web = scene.rng, scene.company.servers["web01"]
    for at in by_daylight(rng, scene.sometimes(start, start + DAY, 40 * SECOND), 0.3):
        flow = Flow(at, web.ip, scene.port(), machine.ip, 1433, duration=int(rng.lognormvariate(1.5, 1) * SECOND), host=machine.name)
        scene.wire(flow, "-", int(rng.lognormvariate(8, 0.8)), int(rng.lognormvariate(10, 1)))
    account = scene.company.accounts["svc_sql"]
    for at in scene.regularly(start, start + DAY, HOUR, 0.01):
        where = win.session(machine, account, at)
        scene.logon(at, where, 5)
        scene.run(at + 100 * MS, scene.resident(machine, "sqlservr"), "cmd", "cmd.exe /c D:\\jobs\\rollup.cmd", 25, where=where)
        scene.logoff(at + 90 * SECOND, where, 5)


def _web(scene: Scene, machine: Machine, start: int) -> None:
    """Visitors, crawlers, guessers, and the server's own cron and updates."""
    rng = scene.rng
    for at in by_daylight(rng, scene.sometimes(start, start + DAY, 5 * MINUTE), 0.25):
        _visit(scene, machine, at, public_ip(rng))
    for at in scene.sometimes(start, start + DAY, 50 * MINUTE):
        with scene.journal.labelled(Label("attempt", "password guessing", "password guessing", "T1110.001", at // SECOND)):
            _guess(scene, machine, at, public_ip(rng))
    for at in scene.regularly(start, start + DAY, HOUR, 0.0005):
        scene.linux.cron(machine, at, rng.randrange(900, 60_000), "root")
        scene.shell(at, machine, "root", ("/bin/sh -c run-parts", "/usr/sbin/logrotate /etc/logrotate.conf"), daemon=True)
    for at in scene.sometimes(start, start + DAY, 2 * HOUR):  # the portal makes small pictures of uploads
        scene.shell(
            at, machine, "www-data", (f"/usr/bin/convert /srv/portal/up/{rng.getrandbits(32):08x}.png -resize 200x",), True, "/srv/portal"
        )
    for at in scene.sometimes(start, start + DAY, 8 * HOUR):
        mirror = Site("deb.debian.org", scene.company.resolver, 1.0, True)
        scene.ask(at, machine, mirror)
        flow = Flow(at + 40 * MS, machine.ip, scene.port(), mirror.ip, 80, duration=2 * SECOND, host=machine.name)
        size = rng.randrange(20_000, 9_000_000)
        uid = scene.wire(flow, "http", 800, size)
        scene.zeek.http(flow, uid, mirror.name, "GET /debian/dists/bookworm/InRelease", USER_AGENTS["apt"], 200, size, "text/plain")


def _visit(scene: Scene, machine: Machine, at: int, source: str) -> None:
    """A visitor (some come without TLS first); one in nine only probes, and tries in vain."""
    rng = scene.rng
    probing = rng.random() < 0.11
    if probing:
        with scene.journal.labelled(Label("attempt", "web probing", "web probing", "T1595.003", at // SECOND)):
            _request(scene, machine, at, source, rng.choice(_PROBES), 404)
        return
    if rng.random() < 0.3:
        _request(scene, machine, at, source, rng.choice(_PAGES), 301)
    _pages(scene, machine, at, source)


def _request(scene: Scene, machine: Machine, at: int, source: str, path: str, status: int) -> None:
    """One page over plain HTTP; whoever asks for what is not there brings a script."""
    rng, agent = scene.rng, AGENTS_OF_BROWSERS["chrome" if status == 301 else "script"]
    flow = Flow(at, source, rng.randrange(1_024, 65_536), machine.ip, 80, duration=rng.randrange(30, 900) * MS, host=machine.name)
    scene.zeek.http(flow, scene.wire(flow, "http", 420, 610), WEB.name, f"GET {path}", agent, status, 162)
    if status == 404 and rng.random() < 0.7:
        scene.eve.alert(flow, rng.choice(("probe", "agent")), "http")


def _pages(scene: Scene, machine: Machine, at: int, source: str) -> None:
    rng = scene.rng
    for _ in range(1 + poisson(rng, 1.5)):
        at += int(rng.expovariate(1 / 12) * SECOND)
        flow = Flow(
            at, source, rng.randrange(1_024, 65_536), machine.ip, 443, duration=int(rng.lognormvariate(0.5, 1) * SECOND), host=machine.name
        )
        uid = scene.wire(flow, "ssl", int(rng.lognormvariate(7, 0.6)), int(rng.lognormvariate(10, 1)))
        scene.zeek.ssl(flow, uid, WEB, f"visitor {rng.randrange(12)}")


def _guess(scene: Scene, machine: Machine, at: int, source: str) -> None:
    """Somebody out there tries passwords on one connection after another; nobody gets in that way."""
    rng = scene.rng
    for _ in range(1 + poisson(rng, 2)):
        login, port, pid = rng.choice(_GUESSES), rng.randrange(1_024, 65_536), rng.randrange(900, 60_000)
        flow = Flow(at, source, port, machine.ip, 22, duration=int(rng.uniform(2, 5) * SECOND), host=machine.name, user=login)
        uid = scene.wire(flow, "ssh", 1_250, 1_694)
        if rng.random() < 0.3:
            scene.eve.alert(flow, "guess", "ssh")
        scene.zeek.ssh(flow, uid, False, 1, rng.choice(("SSH-2.0-libssh_0.9.6", "SSH-2.0-Go", "SSH-2.0-paramiko_3.4.0")))
        scene.linux.refused(machine, at, pid, login, source, port, known=login in ("root", "deploy"))
        at += int(rng.expovariate(1 / 20) * SECOND)


def _monitor(scene: Scene, machine: Machine, start: int) -> None:
    """Monitoring asks each service whether it lives."""
    rng = scene.rng
    for name, port in _WATCHED:
        target = scene.company.servers[name]
        for at in scene.regularly(start, start + DAY, 2 * MINUTE, 0.01):
            flow = Flow(at, machine.ip, scene.port(), target.ip, port, duration=rng.randrange(1, 40) * MS, host=machine.name)
            scene.wire(flow, "-", rng.randrange(60, 400), rng.randrange(80, 900))
    for at in scene.regularly(start, start + DAY, HOUR, 0.0005):
        scene.linux.cron(machine, at, rng.randrange(900, 60_000), "root")


def gear(scene: Scene, start: int) -> None:
    """Switches and access points report to monitoring, one datagram at a time, and printers make themselves known."""
    company, monitor = scene.company, scene.company.servers["mon01"]
    for number in range(3 + len(company.people) // 8):
        address = f"10.20.250.{10 + number % 240}"
        for at in scene.sometimes(start, start + DAY, 5 * MINUTE):
            scene.wire(
                Flow(at, address, 514, monitor.ip, 514, "udp", 0, host=monitor.name), "syslog", scene.rng.randrange(90, 300), 0, "S0"
            )
        for at in scene.sometimes(start, start + DAY, 40 * MINUTE) if number % 3 == 0 else ():
            scene.wire(Flow(at, address, scene.port(), "239.255.255.253", 427, "udp", 0), "-", scene.rng.randrange(40, 90), 0, "S0")


_LIVES = {"db01": _database, "web01": _web, "mon01": _monitor}


def _role(scene: Scene, name: str, session: str, at: int, source: str) -> Caller:
    company = scene.company
    principal = aws_id(stream(company.seed, "role", name), "AROA", 17)
    return aws.role(company.aws_account, name, session, principal, aws_id(scene.rng, "ASIA"), at, source)


def _cloud(scene: Scene, start: int, day: int) -> None:
    rng, company = scene.rng, scene.company
    every, release = 50 * MINUTE if company.workday(day) else 9 * HOUR, calendar.release_day(company, day)
    for at in scene.sometimes(start + 8 * HOUR, start + 18 * HOUR, every // 4 if release else every):
        _build(scene, at, deploy=rng.random() < (0.8 if release else 0.4))
    _build(scene, start + 2 * HOUR + rng.randrange(30) * SECOND, deploy=False)  # the nightly build
    watcher = _role(scene, "monitoring", "mon01", start, company.egress)
    for at in scene.regularly(start, start + DAY, 20 * MINUTE, 0.02):
        scene.cloud.call(at, watcher, Call("monitoring", "GetMetricData", {"maxDatapoints": 500}))
    export = _role(scene, "billing-export", "nightly", start + 3 * HOUR, company.runners[0])
    for part in (1, 2):
        at = start + 3 * HOUR + part * 40 * SECOND + rng.randrange(30) * SECOND
        key = f"{at // DAY}/customers-{part}.parquet"
        scene.cloud.call(at, export, aws.s3(company.aws_account, "PutObject", "tidewell-billing-exports", key))
    for at in scene.sometimes(start, start + DAY, 50 * MINUTE):
        name = rng.choice(("ecs.amazonaws.com", "autoscaling.amazonaws.com", "lambda.amazonaws.com"))
        role = f"arn:aws:iam::{company.aws_account}:role/aws-service-role/{name}/AWSServiceRole"
        scene.cloud.call(at, aws.service(name), Call("sts", "AssumeRole", {"roleArn": role, "roleSessionName": "scheduler"}))


def _build(scene: Scene, at: int, deploy: bool) -> None:
    """A build runner takes the build role, stores what it made, and may roll it out."""
    rng, company, project = scene.rng, scene.company, scene.rng.choice(PROJECTS)
    runner, number = rng.choice(company.runners), rng.randrange(1_000, 1_400)
    caller = _role(scene, "build", f"{project}-{number}", at, runner)
    bucket = f"tidewell-{project}-artifacts"
    names = [f"builds/{number}/{part}" for part in ("manifest.json", "app.tar.zst", "symbols.zst", "sbom.json")]
    calls = [Call("sts", "GetCallerIdentity"), Call("ecr", "GetAuthorizationToken")]
    calls += [aws.s3(company.aws_account, "GetObject", bucket, f"cache/{rng.getrandbits(32):08x}.zst") for _ in range(1 + poisson(rng, 3))]
    calls += [aws.s3(company.aws_account, "PutObject", bucket, name) for name in names]
    if deploy:
        request = {"cluster": "main", "service": project, "forceNewDeployment": True}
        calls += [
            Call("ecs", "DescribeServices", {"cluster": "main", "services": [project]}),
            Call("ecs", "UpdateService", request, read=False),
        ]
        _roll_out(scene, at + 200 * SECOND, runner)
    for call in calls:
        at += int(rng.expovariate(1 / 6) * SECOND)
        scene.cloud.call(at, caller, call)


def _roll_out(scene: Scene, at: int, runner: str) -> None:
    """The runner restarts the portal on the web server."""
    rng, web, port = scene.rng, scene.company.servers["web01"], scene.rng.randrange(32_768, 61_000)
    flow = Flow(at, runner, port, web.ip, 22, duration=14 * SECOND, host=web.name, user="deploy")
    scene.zeek.ssh(flow, scene.wire(flow, "ssh", 9_400, 7_200), True, 1, "SSH-2.0-OpenSSH_9.6")
    pid = rng.randrange(900, 60_000)
    scene.linux.accepted(web, at + 300 * MS, pid, "deploy", runner, port)
    restart = "/usr/bin/systemctl restart portal"
    scene.linux.sudo(web, at + 3 * SECOND, rng.randrange(900, 60_000), "deploy", restart)
    scene.shell(at + 3 * SECOND, web, "deploy", (f"/usr/bin/sudo {restart}", restart), cwd="/home/deploy")
    scene.linux.closed(web, at + 13 * SECOND, pid, "deploy", runner, port)
