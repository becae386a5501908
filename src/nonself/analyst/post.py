"""One POST to an address that the egress policy allows: no redirect followed, no proxy used, bounded in time and in bytes."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from nonself.analyst.egress import Egress, allow, parts
from nonself.core.errors import ModelError

LARGEST = 1 << 20
"""Bytes of an answer that are read; a longer one is a failure."""


class BusyError(ModelError):
    """The endpoint is there and not ready (HTTP 503): llama.cpp says so while it loads its model."""


def post(url: str, body: bytes, headers: Mapping[str, str], egress: Egress, seconds: float) -> bytes:
    """The body of the answer to a POST of JSON. The policy is asked, and the address it allowed is connected to, whatever the name resolves
    to by then. EgressError where it is not allowed, BusyError for a 503, ModelError where nothing else, or no success, comes back."""
    scheme, host, port = parts(url)
    address = allow(url, egress.policy, egress.allowed)
    connection = _connection(scheme, host, address, port, seconds)
    deadline = time.monotonic() + seconds
    told = {"Content-Type": "application/json", "Host": host if port in (80, 443) else f"{host}:{port}", **headers}
    split = urlsplit(url)
    try:
        connection.request("POST", (split.path or "/") + (f"?{split.query}" if split.query else ""), body, told)
        response = connection.getresponse()
        if response.status == http.client.SERVICE_UNAVAILABLE:
            raise BusyError("the endpoint is not ready", got="HTTP 503")
        if not 200 <= response.status < 300:
            raise ModelError("the endpoint refused", got=f"HTTP {response.status}", do="its own log says why")
        return _read(response, deadline)
    except (OSError, http.client.HTTPException, ssl.SSLError, ValueError) as error:
        raise ModelError("the endpoint can't be reached", got=type(error).__name__) from error
    finally:
        connection.close()


def _connection(scheme: str, host: str, address: str, port: int, seconds: float) -> http.client.HTTPConnection:
    """A connection to the address that the policy allowed; TLS is checked against the name."""
    if scheme == "http":
        return http.client.HTTPConnection(address, port, timeout=seconds)
    connection = http.client.HTTPSConnection(host, port, timeout=seconds, context=ssl.create_default_context())
    connection._create_connection = lambda _, *rest, **more: _socket((address, port), *rest, **more)  # type: ignore[attr-defined]
    return connection


def _socket(where: tuple[str, int], *rest: Any, **more: Any) -> Any:
    return socket.create_connection(where, *rest, **more)


def _read(response: http.client.HTTPResponse, deadline: float) -> bytes:
    """The body, within the deadline and `LARGEST` bytes."""
    parts: list[bytes] = []
    size = 0
    while part := response.read1(65_536):
        parts.append(part)
        size += len(part)
        if size > LARGEST or time.monotonic() > deadline:
            raise ModelError("the answer is too long or too slow")
    return b"".join(parts)
