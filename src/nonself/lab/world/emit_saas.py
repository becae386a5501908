"""Records of services outside: the identity provider's system log (Okta) and the office suite's audit log (Microsoft 365), JSON lines."""

from __future__ import annotations

import functools
import hashlib
import random
import uuid
from dataclasses import dataclass
from typing import Any

import orjson

from nonself.lab.world.catalog import AGENTS_OF_BROWSERS
from nonself.lab.world.clock import HOUR, iso, when
from nonself.lab.world.company import Account, Company
from nonself.lab.world.write import Journal

_ORIGIN = {"user.session.start": "User login to Okta", "user.authentication.sso": "User single sign on to app"}
_CITIES = {"Portugal": "Porto", "Ireland": "Galway", "Estonia": "Tartu"}
_FAR = (("Brazil", "Recife"), ("Vietnam", "Da Nang"), ("Canada", "Halifax"), ("Poland", "Lublin"), ("Kenya", "Mombasa"))


@dataclass(frozen=True, slots=True)
class Client:
    """From where somebody comes: public address, country, browser."""

    ip: str
    country: str
    agent: str = "chrome"


@functools.lru_cache(maxsize=8_192)
def _token(kind: str, name: str, length: int = 17) -> str:
    """The id that a service gives a thing: the same thing has the same one."""
    return kind + hashlib.blake2b(f"{kind}|{name}".encode(), digest_size=20).hexdigest()[:length]


def client(company: Company, ip: str = "", country: str = "", agent: str = "chrome") -> Client:
    """Somebody behind the company's gateway, or at the address `ip`, whose country goes with it."""
    if not ip:
        return Client(company.egress, country or "Portugal", agent)
    return Client(ip, country or _FAR[sum(map(int, ip.split("."))) % len(_FAR)][0], agent)


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing done at the identity provider. `reason` says why it failed, "" that it did not; `app` and `whom` are what it is done to."""

    event: str
    reason: str = ""
    app: str = ""
    whom: Account | None = None
    group: str = ""
    detail: tuple[tuple[str, str], ...] = ()


class Saas:
    """Writes both logs; each comes by a poll every few minutes."""

    def __init__(self, journal: Journal, rng: random.Random) -> None:
        self._journal, self._rng = journal, rng

    def okta(self, at: int, who: Account, via: Client, seen: Seen) -> None:
        rng, event = self._rng, str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        failed = bool(seen.reason)
        record: dict[str, Any] = {
            "actor": {"id": _token("00u", who.login), "type": "User", "alternateId": who.mail, "displayName": who.name or who.login},
            "client": _client(via),
            "authenticationContext": {"authenticationStep": 0, "externalSessionId": _token("102", f"{who.login}{at // HOUR}")},
            "displayMessage": _ORIGIN.get(seen.event, seen.event.replace(".", " ").replace("_", " ").capitalize()),
            "eventType": seen.event,
            "outcome": {"result": "FAILURE" if failed else "SUCCESS", "reason": seen.reason or None},
            "published": iso(at),
            "securityContext": {"isProxy": False},
            "severity": "WARN" if failed else "INFO",
            "debugContext": {"debugData": {"requestUri": "/api/v1/authn", **dict(seen.detail)}},
            "transaction": {"type": "WEB", "id": f"Z{rng.getrandbits(64):016x}", "detail": {}},
            "uuid": event,
            "version": "0",
            "request": {"ipChain": [{"ip": via.ip, "version": "V4"}]},
            "target": _targets(seen),
        }
        self._journal.add("okta", at + int(rng.uniform(20, 200) * 1e6), orjson.dumps(record), event, at, "", who.login)

    def m365(self, at: int, who: Account, via: Client, workload: str, operation: str, thing: str = "", **more: Any) -> None:
        """One audited operation of the office suite on `thing`."""
        event = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        record: dict[str, Any] = {
            "CreationTime": when(at).strftime("%Y-%m-%dT%H:%M:%S"),
            "Id": event,
            "Operation": operation,
            "OrganizationId": "5d1f5b0e-8a3c-4f4e-9d0e-0d6a3f3c2b11",
            "RecordType": {"Exchange": 2, "SharePoint": 6, "OneDrive": 6, "AzureActiveDirectory": 8}[workload],
            "ResultStatus": "Success",
            "UserKey": _token("i:0h.f|membership|", who.login, 16),
            "UserType": 0,
            "Version": 1,
            "Workload": workload,
            "ClientIP": via.ip,
            "UserId": who.mail,
            "UserAgent": AGENTS_OF_BROWSERS[via.agent],
            **({"ObjectId": thing} if thing else {}),
            **more,
        }
        self._journal.add("m365", at + int(self._rng.uniform(120, 1_500) * 1e6), orjson.dumps(record), event, at, "", who.login)

    def file(self, at: int, who: Account, via: Client, operation: str, team: str, name: str) -> None:
        """A file of the document store is opened, fetched or stored."""
        site = f"https://tidewell.sharepoint.com/sites/{team}"
        self.m365(at, who, via, "SharePoint", operation, f"{site}/Shared Documents/{name}", SiteUrl=site, SourceFileName=name,
                  SourceRelativeUrl="Shared Documents", SourceFileExtension=name.rpartition(".")[2], ItemType="File")  # fmt: skip


@functools.lru_cache(maxsize=4_096)
def _client(via: Client) -> dict[str, Any]:
    windows = via.agent == "chrome"
    return {
        "userAgent": {
            "rawUserAgent": AGENTS_OF_BROWSERS[via.agent],
            "os": "Windows 10" if windows else "Unknown",
            "browser": "CHROME" if windows else "UNKNOWN",
        },
        "zone": "null",
        "device": "Computer" if windows else "Unknown",
        "ipAddress": via.ip,
        "geographicalContext": {
            "city": _CITIES.get(via.country) or dict(_FAR).get(via.country, "-"),
            "country": via.country,
            "geolocation": None,
        },
    }


def _targets(seen: Seen) -> list[dict[str, str]]:
    targets = []
    if seen.whom:
        targets.append(
            {"id": _token("00u", seen.whom.login), "type": "User", "alternateId": seen.whom.mail, "displayName": seen.whom.name or "-"}
        )
    if seen.group:
        targets.append({"id": _token("00g", seen.group), "type": "UserGroup", "alternateId": "unknown", "displayName": seen.group})
    if seen.app:
        targets.append({"id": _token("0oa", seen.app), "type": "AppInstance", "alternateId": seen.app, "displayName": seen.app})
    return targets
