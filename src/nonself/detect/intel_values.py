"""Values of indicators: what a text means by its form, as an *atom*: (kind, value) in the one form values are compared in."""

from __future__ import annotations

import ipaddress
import re

from nonself.core import suffixes
from nonself.core.enrich import address

KINDS = ("ip", "cidr", "domain", "url", "hash", "user", "ja3")
MAX_VALUE = 4_096
_HASH = re.compile(r"[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{128}")
_LABEL = r"[^\W_](?:[\w-]{0,61}[\w])?|_[\w-]{1,62}"
_DOMAIN = re.compile(rf"(?:(?:{_LABEL})\.){{1,60}}(?:xn--[a-z0-9-]{{1,59}}|[^\W\d_]{{2,63}})")
_USER = re.compile(r"[^\s@,;:/\\\"']{1,64}@[\w.-]{1,253}")
_IPV4 = re.compile(r"(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}", re.ASCII)
_NOBODY = re.compile(r"0\.|127\.|169\.254\.|22[4-9]\.|23\d\.|255\.255\.255\.255|::1?$|fe[89ab][0-9a-f]:|ff[0-9a-f]{2}:")
"""Addresses that name no one machine: loopback, unspecified, link-local, multicast, broadcast."""
_ADDRESS = re.compile(r"[\[\]0-9a-f:.]+(?:%\w+)?(?:/\d{1,3})?")
_URL = re.compile(
    r"(?:[a-z][a-z0-9+.-]{1,15}://)?(?:[^/@?#\s]*@)?(\[[0-9a-f:.]+\]|[^/:?#\s\[\]]+)(?::\d{1,5})?([/?][^#\s]*)?(?:#\S*)?", re.IGNORECASE
)
_SCHEME, _BRACKETED = re.compile(r"\bh(?:xx|\*\*)p", re.IGNORECASE), re.compile(r"\[(?:\.|:|@|://|dot|at)\]|\((?:\.|dot|at)\)|\{\.\}")

Atom = tuple[str, str]


class EntryError(ValueError):
    """An entry that is no indicator that could be matched; the message is a short stable code."""


def of(kind: str, value: str) -> Atom:
    """An atom of a kind that is known; EntryError where the value is none of it."""
    if kind == "user":
        return "user", user(value)
    atom = guessed(value)
    if kind == "ja3" and atom[0] == "hash":
        return "ja3", atom[1]
    if kind and atom[0] != kind and (kind, atom[0]) not in (("ip", "cidr"), ("url", "domain"), ("url", "ip"), ("domain", "ip")):
        raise EntryError(f"not-{kind}")
    return ("url", url(value)) if kind == "url" and atom[0] != "url" else atom


def guessed(value: str) -> Atom:
    """What a value is, by its form, in the form values are compared in. EntryError where it is nothing, or would match everything."""
    if _IPV4.fullmatch(value) and not _NOBODY.match(value):  # half of most lists
        return "ip", value
    text = _refanged(value.strip().strip("\"'"))
    if len(text) > MAX_VALUE or not text.isprintable():
        raise EntryError("not-an-indicator")
    lower = text.lower().removeprefix("||").removesuffix("^").removeprefix("*.").strip(".")
    if _HASH.fullmatch(lower):
        return "hash", lower
    if (found := _network(lower)) is not None:
        return found
    if "://" in lower or (("/" in lower) and _DOMAIN.match(lower)):
        return "url", url(text)
    if _USER.fullmatch(lower):
        return "user", lower
    name = re.sub(r":\d{1,5}$", "", lower)
    if len(name) <= 253 and _DOMAIN.fullmatch(name):
        if name in suffixes.registries().names:
            raise EntryError("too-broad")
        return "domain", name
    raise EntryError("not-an-indicator")


def _network(text: str) -> Atom | None:
    """An address or a range of them; without the port."""
    if _ADDRESS.fullmatch(text) is None:
        return None
    bare = re.sub(r"^\[(.*)\](?::\d{1,5})?$|^([\d.]+):\d{1,5}$", lambda found: found[1] or found[2], text)
    one = address(bare)
    if one is not None:
        plain = str(one).partition("%")[0]
        if _NOBODY.match(plain):
            raise EntryError("too-broad")
        return "ip", plain
    if re.fullmatch(r"[0-9a-f.:]+/\d{1,3}", text) is None:
        return None
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    if network.prefixlen < (8 if network.version == 4 else 19):
        raise EntryError("too-broad")
    whole = network.prefixlen == network.max_prefixlen
    return ("ip", str(network.network_address)) if whole else ("cidr", str(network))


def url(text: str) -> str:
    """Host and path, as URLs are compared: no scheme, user, port or fragment; an empty path is /."""
    found = _URL.fullmatch(_refanged(text))
    if found is None:
        raise EntryError("not-url")
    path = found[2] or "/"
    return found[1].strip("[]").lower().strip(".") + (path if path.startswith("/") else f"/{path}")


def user(value: str) -> str:
    name = value.strip().lower()
    if not 2 <= len(name) <= 256 or not name.isprintable():
        raise EntryError("not-user")
    return name


def _refanged(text: str) -> str:
    """`hxxp://evil[.]example` as it is meant."""
    if "[" not in text and "(" not in text and "{" not in text and text[:2].lower() != "hx":
        return text
    return _BRACKETED.sub(lambda found: {"dot": ".", "at": "@"}.get(found[0][1:-1], found[0][1:-1]), _SCHEME.sub("http", text))
