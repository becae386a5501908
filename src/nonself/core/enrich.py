"""What is known of an address or a name without asking anybody: its scope, its registered domain and, from files the user has, its
country and autonomous system. Pure functions of columns, worked out once for each distinct value; the network is never used.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from functools import lru_cache, partial
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from nonself.core import suffixes
from nonself.core.errors import ConfigError
from nonself.core.events import Events
from nonself.core.schema import SCHEMA

if TYPE_CHECKING:
    from maxminddb.reader import Reader

PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
SPECIAL = (
    "0.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
    "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    "::/127", "64:ff9b:1::/48", "100::/64", "2001:2::/48", "2001:db8::/32", "3fff::/20", "fe80::/10", "fec0::/10", "ff00::/8",
)  # fmt: skip
"""Addresses that belong to nobody on the internet, by the IANA registries (RFC 6890): shared, loopback, link-local, documentation,
benchmarks, multicast, reserved. The table is ours, since Python's own changes between its releases."""
_MAX_NAME = 253
PROVIDERS = frozenset((
    "co.cc", "cz.cc", "cu.cc", "uk.to", "us.to", "dynserv.com", "dyndns.info", "yi.org", "mooo.com", "strangled.net", "changeip.org",
    "xxuz.com", "3322.org", "8866.org", "2288.org", "dnsrd.com", "dynssl.com", "zapto.org", "sytes.net",
))  # fmt: skip
"""Domains whose owners hand out the names below them to anybody, as dynamic DNS does, and that the public suffix list may lack."""


def scope(addresses: pl.Series) -> pl.Series:
    """What each address is: "private" (a site's own), "public", or "special" (SPECIAL); null for what is no address."""
    return _distinct(addresses, _scope, pl.String())


def registered_domain(names: pl.Series) -> pl.Series:
    """The domain somebody registered, of each name: `example.co.uk` of `www.Example.co.uk.`, by the public suffix list (`core.suffixes`).
    Null for addresses, public suffixes, single labels and what is no name."""
    return _distinct(names, _registered, pl.String())


def chosen_domain(names: pl.Series) -> pl.Series:
    """The registered domain of each name; or, under a suffix that a provider hands out (`blogspot.com`, `ddns.net`, those of `PROVIDERS`),
    the name one label below it: what somebody chose, or made a machine choose. Null as of `registered_domain`."""
    return _distinct(names, _chosen, pl.String())


def _distinct(values: pl.Series, answer: Callable[[str], Any], dtype: pl.DataType) -> pl.Series:
    """`answer` of every value, asked once for each that is distinct."""
    asked = values.drop_nulls().unique(maintain_order=True)
    answers = pl.Series([answer(value) for value in asked], dtype=dtype)
    if answers.null_count() == answers.len():
        return pl.Series(values.name, [None], dtype=dtype).new_from_index(0, values.len())
    return values.replace_strict(asked, answers, default=None, return_dtype=dtype)


def address(text: str) -> IPv4Address | IPv6Address | None:
    """An address as written, or None; one of IPv4 in IPv6's clothes is itself."""
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def _scope(text: str) -> str | None:
    found = address(text)
    if found is None:
        return None
    starts, ranges = _ranges()[found.version]
    at = bisect_right(starts, int(found)) - 1
    return ranges[at][1] if at >= 0 and int(found) <= ranges[at][0] else "public"


@lru_cache(maxsize=1)
def _ranges() -> dict[int, tuple[list[int], list[tuple[int, str]]]]:
    """By version of IP: where the ranges start, and (end, scope) of each."""
    tables: dict[int, list[tuple[int, int, str]]] = {4: [], 6: []}
    for name, blocks in (("private", PRIVATE), ("special", SPECIAL)):
        for block in map(ip_network, blocks):
            tables[block.version].append((int(block[0]), int(block[-1]), name))
    return {
        version: ([start for start, _, _ in sorted(found)], [(end, name) for _, end, name in sorted(found)])
        for version, found in tables.items()
    }


def _registered(text: str) -> str | None:
    name = text.strip().rstrip(".").lower()
    if not name or len(name) > _MAX_NAME or "." not in name or address(name) is not None:
        return None
    return suffixes.registries().registered(name)


def _chosen(text: str) -> str | None:
    domain = _registered(text)
    if domain is None:
        return None
    name = text.strip().rstrip(".").lower()
    if domain in PROVIDERS:
        return ".".join(name.split(".")[-domain.count(".") - 2 :])
    return suffixes.all_owners().registered(name) or domain


class Places:
    """Country and autonomous system of addresses, from MMDB files (GeoLite2, DB-IP, IPinfo)."""

    def __init__(self, country: str = "", asn: str = "") -> None:
        """Paths; empty for none. ConfigError where one can't be read."""
        found = (("country", country, _country), ("asn", asn, _asn))
        self._readers = [(column, _opened(path, f"enrich.{column}"), told) for column, path, told in found if path]

    def fill(self, events: Events) -> Events:
        """The events with `country` and `asn` of the source address, where it is public and the record did not say."""
        if not self._readers or not events["src_ip"].null_count() < events.height:
            return events
        public = events["src_ip"].set(scope(events["src_ip"]).ne_missing("public"), None)
        for column, reader, told in self._readers:
            found = _distinct(public, partial(_told, reader, told), SCHEMA[column])
            events = events.with_columns(pl.coalesce(column, found).alias(column))
        return events


def _opened(path: str, key: str) -> Reader:
    import maxminddb

    try:
        return maxminddb.open_database(Path(path))
    except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
        raise ConfigError(expected="an MMDB file such as GeoLite2-Country.mmdb", got=str(error), where=f"{key}: {path}") from None


def _told(reader: Reader, told: Callable[[dict[str, Any]], Any], text: str) -> Any:
    return told(_looked_up(reader, text))


def _looked_up(reader: Reader, text: str) -> dict[str, Any]:
    import maxminddb

    found = address(text)
    try:
        record = reader.get(found) if found is not None else None
    except (ValueError, maxminddb.InvalidDatabaseError):  # of IPv6 in a file for IPv4, or damaged there
        return {}
    return record if isinstance(record, dict) else {}


def _country(record: dict[str, Any]) -> str | None:
    held = record.get("country") or record.get("country_code") or record.get("registered_country")
    code = held.get("iso_code") if isinstance(held, dict) else held
    return code.upper() if isinstance(code, str) and len(code) == 2 else None


def _asn(record: dict[str, Any]) -> int | None:
    number = record.get("autonomous_system_number") or record.get("asn")
    if isinstance(number, str):
        number = int(number[2:]) if number[:2].upper() == "AS" and number[2:].isdecimal() else None
    return number if isinstance(number, int) else None
