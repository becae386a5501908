"""The endpoint: a loopback server that keeps llama.cpp's HTTP API (tools/server/README.md there) is really asked, by the client alone and
by a whole report; whatever it answers is an answer or a `ModelError`."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from nonself.analyst.advisor import advise
from nonself.analyst.case import Case, investigate
from nonself.analyst.cassettes import Cassettes
from nonself.analyst.model import Budget, Endpoint, Request, UnansweredError
from nonself.analyst.post import LARGEST
from nonself.analyst.pseudonyms import Vault
from nonself.analyst.records import Records, read
from nonself.core.errors import ModelError
from nonself.lab.injection import state

KEY = bytes(range(32))
REQUEST = Request(model="m", system="s", user="u", schema={"type": "object"}, tokens=5)
MOST_REPEATED = 2_000
"""Repetitions from which on llama.cpp refuses a grammar (ggml-org/llama.cpp issue 17473)."""
TAKEN = {"model", "messages", "temperature", "seed", "max_tokens", "stream", "response_format"}
Reply = tuple[int, bytes]
LOADING: Reply = (503, b'{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}')


@pytest.fixture(scope="module")
def records() -> Iterator[Records]:
    ledger, incident = state(True)
    with ledger:
        yield read(ledger, incident)


def completion(text: str | None, finish: str = "stop", **message: Any) -> Reply:
    """As llama-server answers a chat completion that is not streamed."""
    return 200, json.dumps(
        {
            "choices": [{"finish_reason": finish, "index": 0, "message": {"role": "assistant", "content": text, **message}}],
            "created": 1_790_000_000, "model": "m", "object": "chat.completion", "id": "chatcmpl-1", "system_fingerprint": "b1-0",
            "usage": {"completion_tokens": 2, "prompt_tokens": 3, "total_tokens": 5, "prompt_tokens_details": {"cached_tokens": 0}},
            "timings": {"prompt_n": 3, "prompt_ms": 1.5, "predicted_n": 2, "predicted_ms": 2.5},
        }
    ).encode()  # fmt: skip


class Llama:
    """A server of that API: the next of `replies` to each request, the last of them again and again."""

    def __init__(self, replies: Sequence[Reply], key: str = "") -> None:
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        self._replies, self._key = list(replies), key
        llama = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                status, body = llama.reply(self.path, dict(self.headers), self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "http://127.0.0.1:9/elsewhere")
                self.send_header("Content-Type", "application/json; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                """Say nothing on stderr."""

        self._listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._listening.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._listening.server_port}/v1"

    def reply(self, path: str, headers: dict[str, str], body: bytes) -> Reply:
        self.seen.append((path, headers, body))
        status, answer = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        wrong = self._wrong(path, headers, json.loads(body))
        return (400 if wrong else status), (f'{{"error":{{"code":400,"message":"{wrong}"}}}}'.encode() if wrong else answer)

    def _wrong(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> str:
        """Why llama-server would refuse this request, if it would."""
        form = body["response_format"]
        if path != "/v1/chat/completions" or body["stream"] or set(body) != TAKEN:
            return "not found"
        if self._key and headers.get("Authorization") != f"Bearer {self._key}":
            return "Invalid API Key"
        if form["type"] != "json_schema" or not form["json_schema"]["schema"]:
            return "response_format type must be one of"
        return "failed to parse grammar" if any(n >= MOST_REPEATED for n in repetitions(form)) else ""

    def __enter__(self) -> Llama:
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown()
        self._listening.server_close()


def repetitions(schema: Any) -> list[int]:
    """Every bound of a schema that a grammar is repeated by."""
    inner = [schema[name] for name in schema] if isinstance(schema, dict) else schema if isinstance(schema, list) else []
    own = (
        [n for name, n in schema.items() if name in ("maxLength", "maxItems", "minLength", "minItems")] if isinstance(schema, dict) else []
    )
    return own + [n for one in inner for n in repetitions(one)]


def asked(server: Llama, seconds: float = 5.0, key: str = "") -> Any:
    return Endpoint(server.url, "m", "loopback", key=key).ask(REQUEST, seconds)


def advised(records: Records, server: Llama, **budget: Any) -> Case:
    return advise(records, investigate(records), Endpoint(server.url, "m", "loopback"), Vault(KEY), Budget(**budget))


def test_it_is_asked_the_previewed_bytes() -> None:
    with Llama([completion("{}")], key="k3y") as server:
        response = asked(server, key="k3y")
        assert (response.text, response.tokens_in, response.tokens_out, response.cut) == ("{}", 3, 2, False)
        assert server.seen[0][2] == REQUEST.bytes and b"k3y" not in server.seen[0][2]
        with pytest.raises(ModelError, match="HTTP 400"):
            asked(server, key="other")


@pytest.mark.parametrize(
    "reply",
    [(500, b""), (302, b""), (401, completion("{}")[1]), (200, b""), (200, b"{"), (200, b'{"choices":[]}'), (200, b"[" * 9_999),
     (200, b'{"choices":7}'), completion(None), (200, b" " * (LARGEST + 1)), (200, b"\xff"), (204, b""),
     (400, b'{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error"}}')],
)  # fmt: skip
def test_what_is_no_completion_is_a_model_error(reply: Reply) -> None:
    with Llama([reply]) as server, pytest.raises(UnansweredError):
        asked(server)


def test_a_model_that_is_loading_is_waited_for() -> None:
    with Llama([LOADING, LOADING, completion("{}")]) as server:
        response = asked(server)
        assert response.text == "{}" and len(server.seen) == 3
        assert response.seconds >= 0.9, "the wait is part of what it cost"


def test_a_model_that_never_loads_costs_its_time_once(records: Records, tmp_path: Path) -> None:
    with Llama([LOADING]) as server:
        model = Cassettes(tmp_path, Endpoint(server.url, "m", "loopback"))
        case = advise(records, investigate(records), model, Vault(KEY), Budget(seconds=0.6))
        assert "not ready" in case.advice.note and "budget" in case.advice.note, "the second request is not even sent"
        assert len(case.advice.requests) <= 2 and len(server.seen) <= 4
    again = advise(records, investigate(records), Cassettes(tmp_path, None, "m"), Vault(KEY), Budget(seconds=0.6))
    assert again.sha256 == case.sha256, "a failure's time is replayed, too"


def test_an_answer_that_is_cut_off_is_told(records: Records) -> None:
    with Llama([completion("", "length", reasoning_content="Let me think about")]) as server:
        case = advised(records, server)
        assert "cut off" in case.advice.note and case.advice.tokens_out == 4 * 2, "what it cost is counted"
        assert case.proposal == investigate(records).proposal


def test_every_request_of_a_report_is_one_that_llama_takes(records: Records) -> None:
    with Llama([completion('{"queries": [], "claims": [], "order": ["intrusion"], "summary": "First, {c0}."}')]) as server:
        case = advised(records, server)
        assert not case.advice.note and "summary" in case.advice.used and len(server.seen) == 4
        assert max(repetitions(json.loads(server.seen[0][2]))) < MOST_REPEATED


def test_nothing_is_sent_against_the_policy() -> None:
    with Llama([completion("{}")]) as server:
        for policy in ("none", "allowlist"):
            with pytest.raises(ModelError):
                Endpoint(server.url, "m", policy).ask(REQUEST, 5.0)  # type: ignore[arg-type]
        assert not server.seen
    with pytest.raises(ModelError, match="can't be reached"):
        Endpoint("http://127.0.0.1:9/v1", "m", "loopback").ask(REQUEST, 2.0)
