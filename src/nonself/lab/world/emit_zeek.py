"""Zeek records: what a sensor beside the company's switch and gateway writes, as the fields of its TSV logs."""

from __future__ import annotations

import base64
import functools
import hashlib
import random
from typing import NamedTuple

from nonself.lab.world.clock import MS, SECOND
from nonself.lab.world.company import Site
from nonself.lab.world.write import Journal

_HISTORY = {"SF": "ShADadFf", "S0": "S", "REJ": "Sr", "RSTO": "ShADadR", "RSTR": "ShADadr", "OTH": "Cc"}
_SSH_HELLO = "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u2"
_STATUS = {200: "OK", 204: "No Content", 206: "Partial Content", 301: "Moved Permanently", 304: "Not Modified", 401: "Unauthorized",
           403: "Forbidden", 404: "Not Found"}  # fmt: skip


class Flow(NamedTuple):
    """Who talked to whom, and for how long (microseconds)."""

    at: int
    src: str
    sport: int
    dst: str
    dport: int
    proto: str = "tcp"
    duration: int = 0
    host: str = ""  # the machine it is about, for the truth
    user: str = ""

    @property
    def four(self) -> str:
        return f"{self.src}\t{self.sport}\t{self.dst}\t{self.dport}"


@functools.lru_cache(maxsize=512)
def fingerprint(what: str) -> str:
    """The JA3-like MD5 of a kind of TLS client or server: the same software always has the same one."""
    return hashlib.md5(what.encode()).hexdigest()


def _ts(at: int) -> str:
    return f"{at // SECOND}.{at % SECOND:06d}"


class Zeek:
    """Writes the sensor's logs. The sensor's clock is right."""

    def __init__(self, journal: Journal, rng: random.Random) -> None:
        self._journal, self._rng = journal, rng

    def conn(self, flow: Flow, service: str, sent: int, got: int, state: str = "SF") -> str:
        """One line of conn.log, written when the connection ends; `sent` and `got` are payload bytes. Gives the connection's uid."""
        uid = f"C{self._token()}"
        tcp, silent = flow.proto == "tcp", state in ("S0", "REJ")
        pkts_out = 1 if silent else (4 if tcp else 1) + sent // 1_380 + (got // 2_760 if tcp else 0)
        pkts_in = int(state == "REJ") if silent else ((3 if tcp else 1) if got or tcp else 0) + got // 1_380 + (sent // 2_760 if tcp else 0)
        header = 40 if tcp else 28
        history = _HISTORY[state] if tcp else "Dd" if got else "D"
        duration = "-" if state == "S0" else f"{flow.duration / SECOND:.6f}"
        local = ("T" if flow.src.startswith("10.") else "F") + "\t" + ("T" if flow.dst.startswith("10.") else "F")
        sizes = "-\t-" if state == "S0" and tcp else f"{sent}\t{got}"
        line = (
            f"{_ts(flow.at)}\t{uid}\t{flow.four}\t{flow.proto}\t{service or '-'}\t{duration}\t{sizes}\t{state}\t{local}\t0\t{history}\t"
            f"{pkts_out}\t{sent + header * pkts_out}\t{pkts_in}\t{got + header * pkts_in}\t-"
        )
        self._add("conn", flow, line, uid, flow.duration + 5 * SECOND)
        return uid

    def _token(self) -> str:
        """Seventeen letters and digits, as in Zeek's ids."""
        return base64.b64encode(self._rng.randbytes(13), b"q7")[:17].decode()

    def dns(self, flow: Flow, uid: str, query: str, answers: tuple[str, ...], ttl: int) -> None:
        """One question; no answers means that the name does not exist."""
        rcode = "0\tNOERROR" if answers else "3\tNXDOMAIN"
        texts, ttls = (",".join(answers), ",".join(f"{ttl}.000000" for _ in answers)) if answers else ("-", "-")
        line = (
            f"{_ts(flow.at)}\t{uid}\t{flow.four}\tudp\t{self._rng.randrange(65_536)}\t{flow.duration / SECOND:.6f}\t{query}\t1\t"
            f"C_INTERNET\t1\tA\t{rcode}\tF\tF\tT\tT\t0\t{texts}\t{ttls}\t{'F' if answers else 'T'}"
        )
        self._add("dns", flow, line, uid, flow.duration)

    def ssl(self, flow: Flow, uid: str, site: Site, client: str) -> None:
        """One TLS handshake of a `client` (a kind of TLS library) with `site`."""
        resumed = self._rng.random() < 0.35
        if site.modern:
            version = "TLSv13\tTLS_AES_256_GCM_SHA384\tx25519"
            tail = "CsiI\t-\t-\t-\t-"
        else:
            version = "TLSv12\tTLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384\tsecp384r1"
            chain = f"{_sha256(site.name)},{_sha256('issuer ' + str(len(site.name) % 5))}"
            tail = "CsiI\t-\t-\t-\t-" if resumed else f"CsxknGIi\t{chain}\t-\tT\tok"
        line = (
            f"{_ts(flow.at + 18 * MS)}\t{uid}\t{flow.four}\t{version}\t{site.name}\t{'T' if resumed else 'F'}\t-\t"
            f"{'h2' if site.modern else 'http/1.1'}\tT\t{tail}\t{fingerprint(client)}\t{fingerprint(f'server {site.modern}')}"
        )
        self._add("ssl", flow, line, uid, 80 * MS)

    def http(self, flow: Flow, uid: str, host: str, request: str, agent: str, status: int, size: int, mime: str = "text/html") -> None:
        """One request; `request` is method and path, as in `GET /index.html`."""
        method, _, path = request.partition(" ")
        file = "-" if not size else f"F{self._token()}"
        line = (
            f"{_ts(flow.at + 12 * MS)}\t{uid}\t{flow.four}\t1\t{method}\t{host}\t{path}\t-\t1.1\t{agent}\t-\t0\t{size}\t{status}\t"
            f"{_STATUS[status]}\t-\t-\t(empty)\t-\t-\t-\t-\t-\t-\t{file}\t-\t{mime if size else '-'}"
        )
        self._add("http", flow, line, uid, 60 * MS)

    def ssh(self, flow: Flow, uid: str, success: bool, attempts: int, client: str) -> None:
        """One SSH connection as Zeek judges it."""
        inbound = "INBOUND" if not flow.src.startswith("10.") else "-"
        line = (
            f"{_ts(flow.at + 30 * MS)}\t{uid}\t{flow.four}\t2\t{'T' if success else 'F'}\t{attempts}\t{inbound}\t{client}\t{_SSH_HELLO}\t"
            f"chacha20-poly1305@openssh.com\tumac-64-etm@openssh.com\tnone\tsntrup761x25519-sha512@openssh.com\tssh-ed25519\t"
            f"{':'.join(fingerprint('host key ' + flow.dst)[i : i + 2] for i in range(0, 32, 2))}"
        )
        self._add("ssh", flow, line, uid, SECOND)

    def dhcp(self, at: int, client: str, server: str, mac: str, name: str, domain: str) -> None:
        """One lease, renewed or new."""
        uid = f"C{self._token()}"
        line = (
            f"{_ts(at)}\t{uid}\t{client}\t{server}\t{mac}\t{name}\t{name}.{domain}\t{domain}\t{client}\t{client}\t28800.000000\t-\t-\t"
            f"REQUEST,ACK\t{self._rng.random() / 50:.6f}"
        )
        self._add("dhcp", Flow(at, client, 68, server, 67, "udp", host=name), line, uid, SECOND)

    def _add(self, log: str, flow: Flow, line: str, uid: str, later: int) -> None:
        self._journal.add(f"zeek/{log}", flow.at + later, line.encode(), uid, flow.at, flow.host, flow.user)


@functools.lru_cache(maxsize=4_096)
def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
