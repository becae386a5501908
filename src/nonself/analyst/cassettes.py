"""Cassettes: request -> response by hash, so that what a model said once is replayed to the bit, without the model."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec

from nonself.analyst.model import Model, Request, Response
from nonself.core.errors import ModelError


class Cassettes:
    """Answers by the hash of their request, one file each. `inner` None answers from the files alone: a replay of the model `name`."""

    def __init__(self, folder: Path, inner: Model | None, name: str = "") -> None:
        self._folder, self._inner, self._name = folder, inner, name

    @property
    def name(self) -> str:
        """The model's name; in a replay the one it had then, since it is part of every request."""
        return self._inner.name if self._inner else self._name

    def ask(self, request: Request, seconds: float) -> Response:
        """The recorded answer, else the model's, which is recorded. A recording whose bytes were changed is a ModelError."""
        path = self._folder / f"{request.id}.json"
        if path.exists():
            return self._recorded(path, request)
        if self._inner is None:
            raise ModelError("no answer to this request was recorded")
        response = self._inner.ask(request, seconds)
        self._record(path, request, response)
        return response

    def _recorded(self, path: Path, request: Request) -> Response:
        try:
            tape = msgspec.json.decode(path.read_bytes(), type=_Tape)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ModelError("a recorded answer can't be read") from error
        if tape.sha256 != _seal(tape.request, tape.response) or tape.request.encode() != request.bytes:
            raise ModelError("a recorded answer was changed")
        return tape.response

    def _record(self, path: Path, request: Request, response: Response) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        text = request.bytes.decode()
        tape = _Tape(request=text, response=response, sha256=_seal(text, response))
        fresh = path.with_suffix(".new")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.encode(tape))
        fresh.replace(path)


class _Tape(msgspec.Struct, frozen=True, kw_only=True):
    request: str
    response: Response
    sha256: str


def _seal(request: str, response: Response) -> str:
    return hashlib.sha256(request.encode() + b"\0" + msgspec.json.encode(response, order="deterministic")).hexdigest()
