"""One action, all its records: what a click, a logon or a started program leaves in every log that would see it."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence

from nonself.lab.world import emit_logon as auth
from nonself.lab.world import emit_windows as win
from nonself.lab.world.catalog import LIBRARIES, PROGRAMS, SVCHOST_GROUPS, USER_AGENTS
from nonself.lab.world.clock import MS, SECOND, regularly, sometimes, spaced
from nonself.lab.world.company import DOMAIN, Account, Company, Machine, Site, foreign_network
from nonself.lab.world.emit_cloud import Cloud
from nonself.lab.world.emit_eve import Eve
from nonself.lab.world.emit_linux import Exec, Linux
from nonself.lab.world.emit_saas import Client, Saas, Seen, client
from nonself.lab.world.emit_windows import Proc, Session, Windows
from nonself.lab.world.emit_zeek import Flow, Zeek
from nonself.lab.world.residents import resident
from nonself.lab.world.write import Journal

_TLS = {
    "chrome": "chromium",
    "teams": "webview",
    "code": "electron",
    "git": "openssl git",
    "python": "openssl python",
    "aws": "openssl python",
    "node": "openssl node",
}
"""Program -> the TLS library it brings; all others use the system's."""
_TRACE = (
    "C:\\Windows\\SYSTEM32\\ntdll.dll+9d4c4|C:\\Windows\\System32\\KERNELBASE.dll+2c13e|{tail}|"
    "C:\\Windows\\System32\\KERNEL32.DLL+17344|C:\\Windows\\SYSTEM32\\ntdll.dll+526b1"
)


class Scene:
    """The hand of one entity on one day. All its chance comes from `rng`; DNS answers and Kerberos tickets are cached within it.

    away  the machine's address on a foreign network, where the company's sensor does not see it
    """

    def __init__(self, company: Company, journal: Journal, rng: random.Random, away: str = "") -> None:
        self.company, self.journal, self.rng, self.away = company, journal, rng, away
        self.windows, self.zeek = Windows(journal, rng), Zeek(journal, rng)
        self.linux, self.cloud = Linux(journal), Cloud(journal, rng, company.aws_account)
        self.saas, self.eve = Saas(journal, rng), Eve(journal, rng)
        self.moved: dict[str, str] = {}  # addresses of machines that have others than when the hand began
        self._known: dict[str, int] = {}

    # ---- time

    def sometimes(self, start: int, end: int, every: int) -> list[int]:
        """`clock.sometimes` as often as this company is active."""
        return sometimes(self.rng, start, end, int(every / self.company.activity))

    def regularly(self, start: int, end: int, every: int, jitter: float) -> list[int]:
        """`clock.regularly`, likewise: a less active company has slower timers."""
        return regularly(self.rng, start, end, int(every / self.company.activity), jitter)

    # ---- processes

    def resident(self, machine: Machine, name: str) -> Proc:
        group = SVCHOST_GROUPS[self.rng.randrange(len(SVCHOST_GROUPS))] if name == "svchost" else ""
        return resident(self.company.seed, machine, name, group)

    def start(
        self, at: int, parent: Proc, name: str, cmdline: str = "", image: str = "", where: Session | None = None, level: str = ""
    ) -> Proc:
        """A program starts (in its parent's session unless told otherwise)."""
        proc = win.process(where or parent.session, name, at, self.rng, cmdline, image, level or ("" if where else parent.integrity))
        self.began(at, proc, parent)
        return proc

    def began(self, at: int, proc: Proc, parent: Proc) -> None:
        """The records of a process that starts."""
        machine, user = proc.machine, proc.session.login
        cwd = f"C:\\Users\\{user}\\" if proc.session.account else "C:\\Windows\\system32\\"
        self.windows.sysmon(machine, at, 1, win.created(proc, parent, cwd), user)
        if machine.role != "laptop":  # the audit policy covers servers only
            self.windows.security(machine, at, 4688, win.created_audit(proc, parent), user)
        for module in LIBRARIES.get(proc.name, ()):
            self.windows.sysmon(machine, at + self.rng.randrange(40, 400) * MS, 7, win.loaded(proc, module), user)

    def stop(self, at: int, proc: Proc) -> None:
        self.windows.sysmon(proc.machine, at, 5, win.of(proc), proc.session.login)

    def run(self, at: int, parent: Proc, name: str, cmdline: str = "", seconds: float = 1.0, where: Session | None = None) -> Proc:
        """A program starts, works for about `seconds` and ends."""
        proc = self.start(at, parent, name, cmdline, where=where)
        self.stop(at + int((0.05 + self.rng.expovariate(1 / seconds)) * SECOND), proc)
        return proc

    def wrote(self, at: int, proc: Proc, path: str) -> None:
        """A process creates a file."""
        fields = {**win.of(proc), "TargetFilename": path, "CreationUtcTime": spaced(at + proc.machine.skew)}
        self.windows.sysmon(proc.machine, at, 11, fields, proc.session.login)

    def registry(self, at: int, proc: Proc, key: str, details: str) -> None:
        fields = {**win.of(proc), "EventType": "SetValue", "TargetObject": key, "Details": details}
        self.windows.sysmon(proc.machine, at, 13, fields, proc.session.login)

    def opened(self, at: int, source: Proc, target: Proc, granted: str) -> None:
        """A process opens a handle to another."""
        via = source.image if source.program.description == "-" else "C:\\Windows\\System32\\RPCRT4.dll"
        trace = _TRACE.format(tail=f"{via}+{self.rng.randrange(4_096, 2**20):x}")
        fields = win.accessed(source, target, granted, trace)
        self.windows.sysmon(source.machine, at, 10, fields, source.session.login)

    def script(self, at: int, proc: Proc, text: str) -> None:
        """PowerShell logs a script block."""
        fields = win.script_block(proc, str(uuid.UUID(int=self.rng.getrandbits(128))), text)
        self.windows.other(win.POWERSHELL, proc.machine, at, 4104, fields, proc.session.login)

    # ---- network

    def lease(self, at: int, machine: Machine) -> None:
        """The address server tells a laptop its address."""
        mac = f"3c:52:82:{machine.tag >> 16 & 255:02x}:{machine.tag >> 8 & 255:02x}:{machine.tag & 255:02x}"
        self.zeek.dhcp(at, machine.ip, self.company.servers["dc01"].ip, mac, machine.name, DOMAIN)

    def address(self, machine: Machine) -> str:
        """Where a machine is now. A process that has run for days knows its machine as it was when it started."""
        return self.away or self.moved.get(machine.name, machine.ip)

    def port(self) -> int:
        return 49_152 + self.rng.getrandbits(14)

    def wire(self, flow: Flow, service: str, sent: int, got: int, state: str = "SF") -> str:
        """What the sensor alone sees of a connection."""
        return self.zeek.conn(flow, service, sent, got, state)

    def connect(self, flow: Flow, proc: Proc, service: str, sent: int, got: int, dst_host: str = "-") -> tuple[Flow, str]:
        """A process opens a connection: Sysmon on its machine and, unless away, the sensor. Gives the flow and the sensor's uid for it."""
        flow = flow._replace(src=self.address(proc.machine), host=proc.machine.name, user=proc.session.login)
        fields = win.connected(proc, flow.proto, flow.src, flow.sport, flow.dst, flow.dport, dst_host)
        self.windows.sysmon(proc.machine, flow.at + self.rng.randrange(1, 30) * MS, 3, fields, flow.user)
        return flow, "" if self.away else self.zeek.conn(flow, service, sent, got)

    def resolve(self, at: int, proc: Proc, site: Site) -> None:
        """A process asks for a name, unless the machine still knows the answer."""
        known = f"{proc.machine.name}?{site.name}"
        if self._known.get(known, 0) <= at:
            self._known[known] = at + site.ttl * SECOND
            self._query(at, proc, site.name, "0", f"::ffff:{site.ip};")
            if not self.away:
                self.ask(at, proc.machine, site, proc.session.login)

    def miss(self, at: int, proc: Proc, name: str) -> None:
        """A process asks for a name that does not exist."""
        self._query(at, proc, name, "9003", "-")
        if not self.away:
            flow = self._question(at, proc.machine, 1 * MS, proc.session.login)
            self.zeek.dns(flow, self.wire(flow, "dns", 18 + len(name), 93 + len(name)), name, (), 0)

    def _query(self, at: int, proc: Proc, name: str, status: str, results: str) -> None:
        fields = {**win.of(proc), "QueryName": name, "QueryStatus": status, "QueryResults": results}
        self.windows.sysmon(proc.machine, at + self.rng.randrange(2, 90) * MS, 22, fields, proc.session.login)

    def _question(self, at: int, machine: Machine, duration: int, user: str) -> Flow:
        server = self.company.controller(machine)
        return Flow(
            at,
            self.moved.get(machine.name, machine.ip),
            self.port(),
            server.ip,
            53,
            "udp",
            int(duration * (0.5 + self.rng.random())),
            machine.name,
            user,
        )

    def ask(self, at: int, machine: Machine, site: Site, user: str = "") -> None:
        """A question to the domain controller; now and then it does not know the answer either and asks further out."""
        known = self.rng.random() < 0.85 or site.ip.startswith("10.")
        flow = self._question(at, machine, MS // 2 if known else 24 * MS, user)
        flows = [flow]
        if not known:
            flows.append(
                flow._replace(at=at + MS, src=flow.dst, sport=self.port(), dst=self.company.resolver, duration=flow.duration - 2 * MS)
            )
        for one in flows:
            self.zeek.dns(one, self.wire(one, "dns", 18 + len(site.name), 34 + len(site.name)), site.name, (site.ip,), site.ttl)

    def fetch(self, at: int, proc: Proc, site: Site, sent: int = 0, got: int = 0, seconds: float = 0.0) -> None:
        """A TLS exchange: name, connection, handshake. Sizes and duration are drawn as for a page, unless given."""
        rng = self.rng
        self.resolve(at, proc, site)
        sent = sent or int(rng.lognormvariate(7.4, 0.7))
        got = got or int(rng.lognormvariate(9.6, 1.2) * site.weight)
        duration = int((seconds or rng.lognormvariate(0.4, 1.3)) * SECOND)
        flow = Flow(at + rng.randrange(3, 60) * MS, "", self.port(), site.ip, 443, duration=duration)
        flow, uid = self.connect(flow, proc, "ssl", sent + 517, got + 3_100, site.name)
        if uid:
            self.zeek.ssl(flow, uid, site, self.client(proc))

    def client(self, proc: Proc) -> str:
        return _TLS.get(proc.name, "schannel")

    def plain(self, at: int, proc: Proc, site: Site, request: str, size: int, mime: str = "text/html", agent: str = "svchost") -> None:
        """A request over plain HTTP."""
        self.resolve(at, proc, site)
        flow = Flow(
            at + self.rng.randrange(3, 60) * MS, "", self.port(), site.ip, 80, duration=int(self.rng.lognormvariate(-1.5, 0.8) * SECOND)
        )
        flow, uid = self.connect(flow, proc, "http", 210 + len(request), size + 320, site.name)
        if uid:
            status = 304 if not size else 200
            self.zeek.http(flow, uid, site.name, request, USER_AGENTS[agent], status, size, mime)

    # ---- services outside

    def via(self, login: str) -> Client:
        """From where somebody's browser reaches the services outside."""
        return client(self.company, foreign_network(self.company.seed, login) if self.away else "")

    def signed(self, at: int, who: Account, seen: Seen, via: Client | None = None) -> None:
        """Something is done at the identity provider."""
        self.saas.okta(at, who, via or self.via(who.login), seen)

    # ---- Linux

    def shell(self, at: int, machine: Machine, login: str, commands: Sequence[str], daemon: bool = False, cwd: str = "/") -> None:
        """Programs run one after another from one shell."""
        parent = self.rng.randrange(900, 60_000)
        for command in commands:
            self.linux.executed(machine, at, Exec(login, command, self.rng.randrange(900, 60_000), parent, cwd, daemon))
            at += int(self.rng.uniform(0.2, 9) * SECOND)

    # ---- logons

    def ticket(self, at: int, account: Account, source: Machine, service: Machine, first: bool = False) -> None:
        """A Kerberos ticket for `service` (and with `first` the one before it), unless the account still holds it."""
        held = f"{account.login}@{source.name}>{service.name}"
        if self._known.get(held, 0) > at or self.away:
            return
        self._known[held] = at + 10 * 3_600 * SECOND
        dc, sid, port = self.company.controller(source), self.company.sid, self.port()
        flow = Flow(at, source.ip, port, dc.ip, 88, duration=self.rng.randrange(2, 20) * MS, host=source.name, user=account.login)
        if source.os == "windows":
            flow, _ = self.connect(flow, self.resident(source, "lsass"), "krb_tcp", 1_540, 1_620, dc.fqdn)
        else:
            self.wire(flow, "krb_tcp", 1_540, 1_620)
        if first:
            self.windows.security(dc, at + 2 * MS, 4768, auth.ticket_granting(account, sid, source.ip, port), account.login)
        guid = win.session(source, account, at).guid
        fields = auth.service_ticket(account, service, sid, source.ip, port, guid)
        if service.name == "db01" and self.rng.random() < 0.05:  # an old client
            fields["TicketEncryptionType"] = "0x17"
        self.windows.security(dc, at + 4 * MS, 4769, fields, account.login)

    def logon(
        self, at: int, where: Session, kind: int, source: Machine | None = None, port: int = 0, ntlm: bool = False, admin: bool = False
    ) -> None:
        """A logon on `where.machine`; from `source` if it came by network."""
        login, machine = where.login, where.machine
        address = (self.away or source.ip) if source else "127.0.0.1" if kind in (2, 7) else "-"
        fields = auth.logged_on(where, kind, address, port, source.name if source else machine.name, ntlm, admin)
        self.windows.security(machine, at, 4624, fields, login)
        if admin:
            self.windows.security(machine, at, 4672, auth.privileged(where), login)
        if ntlm and source:
            dc = self.company.controller(source)
            self.windows.security(dc, at - 3 * MS, 4776, auth.ntlm_check(login, source.name), login)

    def logoff(self, at: int, where: Session, kind: int) -> None:
        self.windows.security(where.machine, at, 4634, auth.logged_off(where, kind), where.login)

    def smb(self, at: int, account: Account, source: Machine, server: Machine, sent: int, got: int, seconds: float, ntlm: bool = False,
            admin: bool = False) -> Session:  # fmt: skip
        """Files over the network: ticket or NTLM, connection, logon on the server, logoff. Gives the logon on the server."""
        if not ntlm:
            self.ticket(at, account, source, server)
        port, begin = self.port(), at + self.rng.randrange(6, 40) * MS
        flow = Flow(begin, source.ip, port, server.ip, 445, duration=int(seconds * SECOND), host=source.name, user=account.login)
        service = "smb,ntlm,gssapi" if ntlm else "smb,gssapi,krb"
        if source.os == "windows":
            self.connect(flow, self.resident(source, "system"), service, sent, got, server.fqdn)
        else:
            self.wire(flow, service, sent, got)
        where = win.session(server, account, begin + 20 * MS)
        self.logon(begin + 20 * MS, where, 3, source, port, ntlm, admin)
        self.logoff(begin + int(seconds * SECOND) + self.rng.randrange(200) * MS, where, 3)
        return where

    def remote_service(self, at: int, account: Account, source: Machine, server: Machine, name: str) -> Proc:
        """A program is copied to a server over the network, made a service there and started: how remote consoles work."""
        sent, got = self.rng.randrange(380_000, 450_000), self.rng.randrange(30_000, 90_000)
        self.smb(at, account, source, server, sent, got, 900, ntlm=True, admin=True)
        image = PROGRAMS[name].image
        self.wrote(at + 900 * MS, self.resident(server, "system"), image)
        fields = auth.service_installed(image.rpartition("\\")[2].removesuffix(".exe"), image.replace("C:\\Windows", "%SystemRoot%"))
        self.windows.other("System", server, at + 1_400 * MS, 7045, fields)
        return self.start(at + 1_700 * MS, self.resident(server, "services"), name, image)
