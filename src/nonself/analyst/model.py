"""Language models behind one small interface: any OpenAI-compatible endpoint.

A request is canonical JSON: messages, schema, model, limits, seed; its name is the SHA-256 of those bytes. What a model answers is text,
and nothing more: who reads it decides what of it is taken.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from nonself.analyst import egress
from nonself.analyst.post import BusyError, post
from nonself.analyst.taint import Prompt
from nonself.core.errors import ModelError

_PAUSE = 0.5
"""Seconds between two tries at an endpoint that is not ready."""


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
    """What came back: the text, and what it cost by the endpoint's own count (0 where it does not say). `cut`: it ended because the
    request's tokens were spent."""

    text: str
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    cut: bool = False


class UnansweredError(ModelError):
    """No answer; `seconds` were spent on finding that out, and count as those of an answer do."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class Model(Protocol):
    """Whoever answers requests."""

    @property
    def name(self) -> str:
        """What the audit calls it: a model's name, and a hash of its file where there is one."""
        ...

    def ask(self, request: Request, seconds: float) -> Response:
        """The answer, within so many seconds; ModelError for any failure."""
        ...


class Price(msgspec.Struct, frozen=True):
    """What a million tokens cost in US dollars, to the model and from it; 0 where it is one's own machine."""

    usd_in: float = 0.0
    usd_out: float = 0.0

    def usd(self, tokens_in: int, tokens_out: int) -> float:
        """What so many tokens cost."""
        return (tokens_in * self.usd_in + tokens_out * self.usd_out) / 1e6


FREE = Price()


@dataclass(slots=True)
class Budget:
    """What one incident may cost, and has cost. Tokens are counted as the endpoint counts them, or as a quarter of the characters where it
    does not. `usd` 0 is no limit on the cost."""

    tokens: int = 8_000
    seconds: float = 60.0
    usd: float = 0.0
    price: Price = FREE
    spent_in: int = 0
    spent_out: int = 0
    used_seconds: float = 0.0

    @property
    def spent_usd(self) -> float:
        """What was spent so far."""
        return self.price.usd(self.spent_in, self.spent_out)

    def ask(self, model: Model, request: Request, asked: list[str]) -> Response:
        """The answer, charged for; the request's id goes to `asked`. ModelError where it would pass the budget, or where there is no
        answer, of which the time is charged."""
        self._take(request)
        asked.append(request.id)
        try:
            response = model.ask(request, self.seconds - self.used_seconds)
        except UnansweredError as error:
            self.used_seconds += error.seconds
            raise
        self._pay(request, response)
        return response

    def _take(self, request: Request) -> None:
        tokens_in = len(request.bytes) // 4
        tokens = self.spent_in + self.spent_out + tokens_in + request.tokens
        usd = self.spent_usd + self.price.usd(tokens_in, request.tokens)
        if tokens > self.tokens or self.used_seconds >= self.seconds or (self.usd and usd > self.usd):
            raise ModelError("the budget of this incident is spent")

    def _pay(self, request: Request, response: Response) -> None:
        told = response.tokens_in + response.tokens_out > 0
        self.used_seconds += response.seconds
        self.spent_in += response.tokens_in if told else len(request.bytes) // 4
        self.spent_out += response.tokens_out if told else len(response.text) // 4


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An OpenAI-compatible endpoint: POST `url`/chat/completions. `key` goes into the header and nowhere else."""

    url: str
    name: str
    policy: egress.Policy = "none"
    allowed: tuple[str, ...] = ()
    key: str = ""

    def ask(self, request: Request, seconds: float) -> Response:
        """One POST, no redirect followed, no proxy used, once more every `_PAUSE` while the endpoint is not ready; the policy is asked
        before each."""
        started = time.monotonic()
        try:
            body = self._posted(request, started + seconds)
            choice, usage = _completion(body)
        except ModelError as error:
            raise UnansweredError(str(error), time.monotonic() - started) from error
        return Response(
            text=choice.message.content or "",
            tokens_in=usage.prompt_tokens,
            tokens_out=usage.completion_tokens,
            seconds=time.monotonic() - started,
            cut=choice.finish_reason == "length",
        )

    def _posted(self, request: Request, deadline: float) -> bytes:
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        allowed = egress.Egress(self.policy, self.allowed)
        while True:
            left = max(_PAUSE, deadline - time.monotonic())
            try:
                return post(self.url.rstrip("/") + "/chat/completions", request.bytes, headers, allowed, left)
            except BusyError:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise
                time.sleep(min(_PAUSE, left))


def _completion(body: bytes) -> tuple[_Choice, _Usage]:
    try:
        answer = msgspec.json.decode(body, type=_Completion)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ModelError("the endpoint's answer is not a completion") from error
    if not answer.choices or (answer.choices[0].message.content is None and not answer.choices[0].message.reasoning_content):
        raise ModelError("the endpoint answered without a text")
    return answer.choices[0], answer.usage


class _Message(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage = msgspec.field(default_factory=_Usage)
