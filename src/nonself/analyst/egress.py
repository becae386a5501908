"""Where anything may be sent, a question to a model or an approved action: nowhere, to this machine, or to endpoints on a list. Asked
before every request, by the address the name resolves to, so that a name that points elsewhere today is refused today. Redirects are not
followed by the client."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from nonself.core.errors import ConfigError, ModelError

Policy = Literal["none", "loopback", "allowlist"]


@dataclass(frozen=True, slots=True)
class Egress:
    """A policy, and the endpoints that "allowlist" permits."""

    policy: Policy = "none"
    allowed: Sequence[str] = ()


class EgressError(ModelError):
    """The egress policy does not allow this endpoint."""


def allow(endpoint: str, policy: Policy, allowed: Sequence[str]) -> str:
    """The numeric address to connect to. EgressError where the policy does not allow it; ConfigError for what is no http(s) URL.

    none       nothing
    loopback   addresses of this machine only, whatever the name
    allowlist  endpoints whose scheme, host and port are those of one of `allowed`; over https unless it is this machine
    """
    scheme, host, port = parts(endpoint)
    if policy == "none":
        raise EgressError("the egress policy is none", do="set analyst.egress to loopback, or to allowlist with analyst.allow")
    address = _resolved(host, port)
    if policy == "loopback":
        if not ipaddress.ip_address(address).is_loopback:
            raise EgressError("the egress policy is loopback and the endpoint is not on this machine")
        return address
    if (scheme, host, port) not in {parts(one) for one in allowed}:
        raise EgressError("the endpoint is not on the list", do="add it to analyst.allow")
    if scheme != "https" and not ipaddress.ip_address(address).is_loopback:
        raise EgressError("an endpoint elsewhere must be https")
    return address


def parts(endpoint: str) -> tuple[str, str, int]:
    """Scheme, host and port; ConfigError where there are none."""
    try:
        split = urlsplit(endpoint)
        port = split.port or (443 if split.scheme == "https" else 80)
    except ValueError:
        split, port = urlsplit(""), 0
    if split.scheme not in ("http", "https") or not split.hostname or split.username is not None:
        raise ConfigError(expected="a URL such as http://127.0.0.1:8080/v1", got="something else", where="analyst")
    return split.scheme, split.hostname.lower(), port


def _resolved(host: str, port: int) -> str:
    try:
        return str(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4][0])
    except OSError as error:
        raise EgressError("the endpoint's name can't be resolved", got=error.strerror or "no answer") from error
