"""What the native text of a Windows field means in its column.

Most fields repeat themselves, so each distinct value of a block is converted once: an eighth of the work of doing it to whole columns.
Those that differ from event to event (process ids, GUIDs, hashes, answers) are converted as columns, which takes a fifth of that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import polars as pl

from nonself.sources.windows_fields import is_nothing, text

_SEVERITY = {"0": 1, "1": 5, "2": 4, "3": 3, "4": 1, "5": 1}  # Windows level -> OCSF severity
_INTEGRITY = {"S-1-16-0": "Untrusted", "S-1-16-4096": "Low", "S-1-16-8192": "Medium", "S-1-16-8448": "Medium",
              "S-1-16-12288": "High", "S-1-16-16384": "System"}  # fmt: skip
_DIRECTION = {"%%14592": 1, "%%14593": 2, "true": 2, "false": 1, "Inbound": 1, "Outbound": 2}  # WFP direction, Sysmon's Initiated
_PROTO = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmp6"}
_RCODE = {"0": "NOERROR", "9001": "FORMERR", "9002": "SERVFAIL", "9003": "NXDOMAIN", "9004": "NOTIMP", "9005": "REFUSED",
          "1": "FORMERR", "2": "SERVFAIL", "3": "NXDOMAIN", "4": "NOTIMP", "5": "REFUSED",  # of DNS itself, as the server logs them
          # Sysmon's status as Elastic's pipeline names it
          "SUCCESS": "NOERROR", "DNS_ERROR_RCODE_FORMAT_ERROR": "FORMERR", "DNS_ERROR_RCODE_SERVER_FAILURE": "SERVFAIL",
          "DNS_ERROR_RCODE_NAME_ERROR": "NXDOMAIN", "DNS_ERROR_RCODE_NOT_IMPLEMENTED": "NOTIMP",
          "DNS_ERROR_RCODE_REFUSED": "REFUSED"}  # fmt: skip
_QTYPE = {"1": "A", "2": "NS", "5": "CNAME", "6": "SOA", "12": "PTR", "15": "MX", "16": "TXT", "28": "AAAA", "33": "SRV",
          "65": "HTTPS", "252": "AXFR", "255": "ANY"}  # fmt: skip
_BOOLEAN = {"true": True, "false": False}
_HEXADECIMAL = "0x([0-9A-Fa-f]{1,16})"
_DIGESTS = ("SHA256=([0-9A-Fa-f]{64})", "SHA1=([0-9A-Fa-f]{40})", "MD5=([0-9A-Fa-f]{32})")
"""The strongest first."""
_DIGEST = "([0-9A-Fa-f]{32,64})"
"""One that stands alone."""
_END = re.compile(r"(?:([0-9]{1,3}(?:\.[0-9]{1,3}){3})|\[([0-9A-Fa-f:.%]+)\]):([0-9]{1,5})")
_SOCKET = re.compile(r"(?:0x)?(0200|1700)([0-9A-F]{4})([0-9A-F]{8})([0-9A-F]{32})?(?:[0-9A-F]{2})*", re.IGNORECASE)
"""A sockaddr in hexadecimal: family 2 or 23, port, address (of IPv6 after the flow)."""
_SHORTEST_SOCKET = 16
_LAST_PORT = 65_535
_SPACES = re.compile(r"\s+")
_NO_ANSWER = r"(?:^|;)(?:type: *[0-9]+ |::ffff:)"
_URL_HOST = re.compile(r"^[a-zA-Z]+://(?:[^/@]*@)?([^/:?#]+)")
_URL_PATH = re.compile(r"^[a-zA-Z]+://[^/]*(/.*)$")
_NO_GUID = "00000000-0000-0000-0000-000000000000"
_NO_DIGEST = tuple("0" * length for length in (64, 40, 32))
"""What Sysmon writes for a process it does not know (a parent that is gone), and for what it could not read."""
_NOTHING = ("", "-")
"""How Windows writes that there is no value."""
_WHOLE_NUMBER = re.compile(r"([+-]?)0*([0-9]{1,19})", re.ASCII)
_DN_PART = re.compile(r"(?:\\.|[^,\\])+", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ACCOUNTS = (("user", "user_domain"), ("tgt_user", "tgt_domain"))
_KEYS = frozenset((str, int, tuple, type(None)))


def said(values: Sequence[Any]) -> Sequence[Any]:
    """The values with null for what says nothing."""
    if "-" in values or "" in values:
        return [None if value in _NOTHING else value for value in values]
    return values


class Converters:
    """The conversions of one block, each with what it has met."""

    def __init__(self) -> None:
        self._memos = {name: _Memo(_spoken(convert)) for name, convert in _CONVERSIONS.items()}
        self._accounts = _Memo(lambda pair: account(*pair))
        self._alone = _Memo(lambda who: account(who, None))

    def columns(self, native: Mapping[str, Sequence[Any]]) -> dict[str, Sequence[Any]]:
        """Native values by the column they are for, as the columns' own values; those that `_CONVERSIONS` does not hold as they are."""
        found = {name: self._memos[name].of(values) if name in self._memos else values for name, values in native.items()}
        for who, where in _ACCOUNTS:
            if who in native:
                found[who], found[where] = self._accounts_of(native[who], native.get(where))
        return found

    def _accounts_of(self, who: Sequence[Any], where: Sequence[Any] | None) -> tuple[Sequence[Any], Sequence[Any]]:
        if where is None or is_nothing(where):
            pairs = self._alone.of(who)
        else:
            pairs = self._accounts.of(list(zip(_texts(who), _texts(where), strict=True)))
        return [user for user, _ in pairs], [domain for _, domain in pairs]


class _Memo(dict[Any, Any]):
    """A function's results by argument; an integer counts as its text."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function

    def __missing__(self, key: Any) -> Any:
        value = self[key] = self._function(text(key) if type(key) is int else key)
        return value

    def of(self, values: Sequence[Any]) -> list[Any]:
        """The results of all values, of any types."""
        # 1, 1.0 and True are one key, but not one text.
        return list(map(self.__getitem__, values if _KEYS.issuperset(map(type, values)) else _texts(values)))


def _without(values: pl.Series, silent: pl.Series) -> pl.Series:
    return values.set(silent, None) if silent.any() else values


def account(who: str | None, where: str | None) -> tuple[str | None, str | None]:
    """User and domain from `DOMAIN\\user`, `user@domain` (where the domain is given beside it) and `CN=user,OU=...,DC=corp,DC=example`."""
    who, where = None if who in _NOTHING else who, None if where in _NOTHING else where
    if who is None:
        return None, where
    if who[:3].upper() == "CN=":
        return _of_directory(who, where)
    if "\\" in who:
        return who.rsplit("\\", 1)[1], who.split("\\", 1)[0]
    if where is not None and who.lower().endswith("@" + where.lower()):
        return who.split("@", 1)[0], where
    return who, where


def _of_directory(name: str, where: str | None) -> tuple[str | None, str | None]:
    """Common name, and the domain that the DC parts of a distinguished name spell (RFC 2247)."""
    parts = [_ESCAPED.sub(r"\1", part) for part in _DN_PART.findall(name)]
    labels = [part[3:] for part in parts if part[:3].upper() == "DC="]
    return parts[0][3:] or None, where or ".".join(labels) or None


def _texts(values: Sequence[Any]) -> Sequence[str | None]:
    return [value if type(value) is str or value is None else text(value) for value in values]


def _spoken(convert: Callable[[str], Any]) -> Callable[[str | None], Any]:
    return lambda value: None if value is None or value in _NOTHING else convert(value)


def _numbers(values: pl.Series) -> pl.Series:
    """Decimal or 0x-hexadecimal numbers of 64 bits; null for anything else."""
    found = values.cast(pl.Int64, strict=False)
    if found.null_count() == values.null_count():
        return found
    return found.fill_null(values.str.extract(f"^{_HEXADECIMAL}$").str.to_integer(base=16, dtype=pl.Int64, strict=False))


def _strongest(values: pl.Series) -> pl.Series:
    """The strongest of `SHA1=...,MD5=...,SHA256=...`, or the digest itself where it stands alone."""
    first, *others = (*_DIGESTS, f"^{_DIGEST}$")
    found = values.str.extract(first)
    for pattern in others:
        if found.null_count() > values.null_count():
            found = found.fill_null(values.str.extract(pattern))
    return _without(found, found.is_in(_NO_DIGEST)).str.to_lowercase()


def number(value: str) -> int | None:
    """`_numbers` of one text."""
    if found := _WHOLE_NUMBER.fullmatch(value):
        whole = int(found[1] + found[2])
    elif found := re.fullmatch(_HEXADECIMAL, value):
        whole = int(found[1], 16)
    else:
        return None
    return whole if -(1 << 63) <= whole < 1 << 63 else None


def digest(value: str) -> str | None:
    """`_strongest` of one text."""
    named = next((found for pattern in _DIGESTS if (found := re.search(pattern, value))), None)
    found = named or re.fullmatch(_DIGEST, value)
    return found[1].lower() if found and found[1] not in _NO_DIGEST else None


def guid(value: str) -> str | None:
    """`_guids` of one text."""
    bare = value.strip("{}")
    return None if bare == _NO_GUID else bare


def answers(value: str) -> list[str]:
    """`_answers` of one text."""
    return re.sub(_NO_ANSWER, ";", value).strip(";").split(";")


def _address(value: str) -> str | None:
    """An address without what marks it as mapped to IPv6, as a name, or as one end of a connection (`10.0.0.1:445`, `[::1]:445`, a
    sockaddr in hexadecimal)."""
    value = value.removeprefix("::ffff:").strip("\\")
    if len(value) >= _SHORTEST_SOCKET and (socket := _SOCKET.fullmatch(value.replace("-", ""))):
        return _of_socket(socket)
    ended = _END.fullmatch(value) if ":" in value else None
    return None if value == "LOCAL" else ended.group(1) or ended.group(2) if ended else value


def _of_socket(socket: re.Match[str]) -> str | None:
    if socket[1] == "0200":
        return str(IPv4Address(bytes.fromhex(socket[3])))
    address = IPv6Address(bytes.fromhex(socket[4])) if socket[4] else None
    return None if address is None else str(address.ipv4_mapped or address)


def _port(value: str) -> int | None:
    """A port by itself, or of one end of a connection."""
    if len(value) >= _SHORTEST_SOCKET and (socket := _SOCKET.fullmatch(value.replace("-", ""))):
        found: int | None = int(socket[2], 16)
    elif ":" in value:
        found = int(ended[3]) if (ended := _END.fullmatch(value)) else None
    else:
        found = number(value)
    return found if found is not None and 0 <= found <= _LAST_PORT else None


def _ports(values: pl.Series) -> pl.Series:
    """`_port` of all; nearly all are by themselves."""
    found = values.cast(pl.Int64, strict=False)
    if found.null_count() > values.null_count():
        odd = (found.is_null() & values.is_not_null()).arg_true()
        found = found.scatter(odd, [_port(value) for value in values.gather(odd)])
    return _without(found, ~found.is_between(0, _LAST_PORT))


def _server(value: str) -> str:
    """The host of a connection string: `\\\\HOST`, `HOST/wsman?...`, `http://HOST:5985/wsman`."""
    host = value.rpartition("://")[2].strip("\\").split("/", 1)[0]
    return host.rpartition(":")[0] if host.count(":") == 1 else host


def _answers(values: pl.Series) -> pl.Series:
    """`type:  5 name;::ffff:1.2.3.4;` to its parts, without type and IPv4 prefix."""
    return values.str.replace_all(_NO_ANSWER, ";").str.strip_chars(";").str.split(";")


def _guids(values: pl.Series) -> pl.Series:
    bare = values.str.strip_chars("{}")
    return _without(bare, bare == _NO_GUID)


def _sid(value: str) -> str | None:
    return None if value == "S-1-0-0" else value  # the SID of nobody


def _first_group(pattern: re.Pattern[str]) -> Callable[[str], str | None]:
    return lambda value: match.group(1) if (match := pattern.search(value)) else None


def _outcome(keywords: str) -> int | None:
    """Outcome of a security audit event, from the keywords' bits."""
    return 1 if keywords.startswith("0x8020") else 2 if keywords.startswith("0x8010") else None


_CONVERSIONS: dict[str, Callable[[str], Any]] = {
    "status_id": _outcome,
    "user_uid": _sid,
    "tgt_uid": _sid,
    "src_ip": _address,
    "dst_ip": _address,
    "src_host": lambda value: value.strip("\\"),
    "dst_host": _server,
    "proto": lambda value: _PROTO.get(value, value).lower(),
    "direction_id": _DIRECTION.get,
    "integrity": lambda value: _INTEGRITY.get(value, value),
    "rcode": lambda value: _RCODE.get(value, value),
    "qtype": lambda value: _QTYPE.get(value, value),
    "signed": lambda value: _BOOLEAN.get(value.lower()),
    "severity_id": _SEVERITY.get,
    "priv": lambda value: _SPACES.sub(" ", value),
    "url_host": _first_group(_URL_HOST),
    "url_path": _first_group(_URL_PATH),
}
"""Columns whose text means something, value by value; all others are kept as they are and cast by the schema. `status_id` is given
keywords."""
CONVERTED = frozenset(_CONVERSIONS)
WHOLE: dict[str, tuple[Callable[[pl.Series], pl.Series], Callable[[str], Any]]] = {
    "pid": (_numbers, number),
    "parent_pid": (_numbers, number),
    "src_port": (_ports, _port),
    "dst_port": (_ports, _port),
    "proc_guid": (_guids, guid),
    "parent_guid": (_guids, guid),
    "tgt_guid": (_guids, guid),
    "hash": (_strongest, digest),
    "answers": (_answers, answers),
}
"""Columns whose text is converted when it has been gathered: all at once, or one by one where it is little."""
