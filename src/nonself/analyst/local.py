"""A local model: llama.cpp in this process, by the extra `nonself[llm]` (xllamacpp), on a GGUF file that the user names. Nothing is ever
downloaded. One thread unless told otherwise, so that a triage does not take the machine from what it watches.

A grammar made from the schema keeps the answer's JSON in form; it makes nothing true, and whoever reads the answer relies on neither.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from pathlib import Path
from typing import Any

from nonself.analyst.model import Request, Response, UnansweredError
from nonself.analyst.post import LARGEST
from nonself.core.errors import ModelError

_CONTEXT = 8_192


class Local:
    """A GGUF file, loaded at the first question. ModelError where the extra is not installed or the file can't be used."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        self._path, self._threads = path, threads
        self._server: Any = None
        self._name = ""

    @property
    def name(self) -> str:
        """The file's name and the start of its SHA-256: another model is another name in every audit row."""
        if not self._name:
            try:
                with self._path.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as error:
                raise ModelError("the model's file can't be read", got=error.strerror or "", where="analyst.gguf") from error
            self._name = f"{self._path.name}@{digest[:16]}"
        return self._name

    def ask(self, request: Request, seconds: float) -> Response:
        """The answer. llama.cpp can't be stopped in the middle of it: its length is bounded by the request's tokens, and one that took
        longer than `seconds` is thrown away."""
        server = self._loaded()
        body = json.loads(request.bytes)
        started = time.monotonic()
        try:
            answer = server.handle_chat_completions({**body, "cache_prompt": False})
        except (ValueError, RuntimeError, TypeError) as error:
            raise ModelError("the local model failed", got=type(error).__name__) from error
        spent = time.monotonic() - started
        text, usage, cut = _said(answer)
        if spent > seconds or len(text) > LARGEST:
            raise UnansweredError("the local model was too slow" if spent > seconds else "the local model said too much", spent)
        tokens_in, tokens_out = (_count(usage.get(name)) for name in ("prompt_tokens", "completion_tokens"))
        return Response(text=text, tokens_in=tokens_in, tokens_out=tokens_out, seconds=spent, cut=cut)

    def _loaded(self) -> Any:
        if self._server is None:
            try:
                import xllamacpp
            except ImportError as error:
                raise ModelError("llama.cpp is not installed", do="pip install 'nonself[llm]'") from error
            self._server = xllamacpp.Server(self._parameters(xllamacpp))
        return self._server

    def _parameters(self, xllamacpp: Any) -> Any:
        """llama.cpp opens a server on this machine's loopback as it starts: nobody knows its key, and it offers neither pages nor tools."""
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(self._path)
        parameters.n_ctx, parameters.n_parallel = _CONTEXT, 1
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = self._threads
        parameters.hostnames, parameters.port, parameters.api_keys = ["127.0.0.1"], 0, [secrets.token_hex(16)]
        parameters.offline, parameters.ui, parameters.endpoint_slots = True, False, False
        parameters.warmup, parameters.verbosity = False, -1
        return parameters


def _said(answer: Any) -> tuple[str, dict[str, Any], bool]:
    """Text, usage, and whether the text was cut off."""
    try:
        choice, usage = answer["choices"][0], answer.get("usage", {})
        text, cut = choice["message"]["content"], choice.get("finish_reason") == "length"
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ModelError("the local model's answer is not a completion") from error
    if not isinstance(text, str) or not isinstance(usage, dict):
        raise ModelError("the local model answered without a text")
    return text, usage, cut


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value >= 0 else 0
