"""Language models behind one small interface: any OpenAI-compatible endpoint.

A request is canonical JSON: messages, schema, model, limits, seed; its name is the SHA-256 of those bytes. What a model answers is text,
and nothing more: who reads it decides what of it is taken.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
import ssl
import time
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import msgspec

from nonself.analyst import egress
from nonself.analyst.taint import Prompt
from nonself.core.errors import ModelError

LARGEST = 1 << 20
"""Bytes of an answer that are read; a longer one is a failure."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """`system` and `user` are the texts of prompts; `schema` the JSON schema of the answer; `tokens` the most it may have. `varying` is
    what of the two texts does not stand in this program's source; it is not sent once more."""

    model: str
    system: str
    user: str
    schema: dict[str, Any]
    tokens: int
    seed: int = 7
    varying: str = ""

    @property
    def bytes(self) -> bytes:
        """The exact bytes that would leave (an endpoint's URL and headers are told beside them)."""
        body = {
            "model": self.model,
            "messages": [{"role": "system", "content": self.system}, {"role": "user", "content": self.user}],
            "temperature": 0,
            "seed": self.seed,
            "max_tokens": self.tokens,
            "stream": False,
            "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": self.schema}},
        }
        return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()

    @property
    def id(self) -> str:
        """SHA-256 of the bytes."""
        return hashlib.sha256(self.bytes).hexdigest()


def request(model: str, system: Prompt, user: Prompt, schema: dict[str, Any], tokens: int) -> Request:
    """The only way a request is made: of prompts, which hold no text of a log."""
    varying = f"{system.varying} {user.varying}"
    return Request(model=model, system=system.text, user=user.text, schema=schema, tokens=tokens, varying=varying)


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """What came back: the text, and what it cost by the endpoint's own count (0 where it does not say)."""

    text: str
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0


class Model(Protocol):
    """Whoever answers requests."""

    @property
    def name(self) -> str:
        """What the audit calls it: a model's name, and a hash of its file where there is one."""
        ...

    def ask(self, request: Request, seconds: float) -> Response:
        """The answer, within so many seconds; ModelError for any failure."""
        ...


@dataclass(slots=True)
class Budget:
    """What one incident may cost. Tokens are counted as the endpoint counts them, or as a quarter of the characters where it does not."""

    tokens: int = 8_000
    seconds: float = 60.0
    spent: int = 0
    used_seconds: float = 0.0

    def take(self, request: Request) -> None:
        """ModelError where the request would pass the budget."""
        if self.spent + len(request.bytes) // 4 + request.tokens > self.tokens or self.used_seconds >= self.seconds:
            raise ModelError("the budget of this incident is spent")

    def pay(self, request: Request, response: Response) -> None:
        """Count what an answer has cost."""
        self.used_seconds += response.seconds
        self.spent += (response.tokens_in + response.tokens_out) or (len(request.bytes) + len(response.text)) // 4


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An OpenAI-compatible endpoint: POST `url`/chat/completions. `key` goes into the header and nowhere else."""

    url: str
    name: str
    policy: egress.Policy = "none"
    allowed: tuple[str, ...] = ()
    key: str = ""

    def ask(self, request: Request, seconds: float) -> Response:
        """One POST, no redirect followed, no proxy used; the policy is asked before each."""
        started = time.monotonic()
        try:
            address = egress.allow(self.url, self.policy, self.allowed)
            body = self._post(address, request.bytes, seconds)
            answer = msgspec.json.decode(body, type=_Completion)
        except (OSError, http.client.HTTPException, ssl.SSLError) as error:
            raise ModelError("the endpoint can't be reached", got=type(error).__name__) from error
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise ModelError("the endpoint's answer is not a completion") from error
        text = answer.choices[0].message.content if answer.choices else None
        if text is None:
            raise ModelError("the endpoint answered without a text")
        spent = time.monotonic() - started
        return Response(text=text, tokens_in=answer.usage.prompt_tokens, tokens_out=answer.usage.completion_tokens, seconds=spent)

    def _post(self, address: str, body: bytes, seconds: float) -> bytes:
        scheme, host, port = egress.parts(self.url)
        connection = _connection(scheme, host, address, port, seconds)
        deadline = time.monotonic() + seconds
        headers = {"Content-Type": "application/json", "Host": host if port in (80, 443) else f"{host}:{port}"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        try:
            connection.request("POST", urlsplit(self.url).path.rstrip("/") + "/chat/completions", body, headers)
            response = connection.getresponse()
            if response.status != 200:
                raise ModelError("the endpoint refused", got=f"HTTP {response.status}")
            return _read(response, deadline)
        finally:
            connection.close()


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage = msgspec.field(default_factory=_Usage)


def _connection(scheme: str, host: str, address: str, port: int, seconds: float) -> http.client.HTTPConnection:
    """A connection to the address that the policy allowed, whatever the name resolves to by now; TLS is checked against the name."""
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
