"""Cassettes: request -> response by hash, so that what a model said once is replayed to the bit, without the model."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec

from nonself.analyst.model import Model, Request, Response, UnansweredError
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
        """The recorded answer, else the model's, which is recorded. A failure is recorded too, for replays only: a model that is asked
        again may answer. A recording whose bytes were changed is a ModelError."""
        path = self._folder / f"{request.id}.json"
        tape = _read(path, request) if path.exists() else None
        if tape and tape.response:
            return tape.response
        if self._inner is None:
            raise UnansweredError(tape.failed, tape.seconds) if tape else ModelError("no answer to this request was recorded")
        try:
            response = self._inner.ask(request, seconds)
        except ModelError as error:
            spent = error.seconds if isinstance(error, UnansweredError) else 0.0
            self._record(path, _Tape(request=request.bytes.decode(), failed=str(error), seconds=spent))
            raise
        self._record(path, _Tape(request=request.bytes.decode(), response=response))
        return response

    def _record(self, path: Path, bare: _Tape) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_suffix(".new")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.encode(msgspec.structs.replace(bare, sha256=_seal(bare))))
        fresh.replace(path)


class _Tape(msgspec.Struct, frozen=True, kw_only=True):
    request: str
    response: Response | None = None
    failed: str = ""
    seconds: float = 0.0
    sha256: str = ""


def _read(path: Path, request: Request) -> _Tape:
    try:
        tape = msgspec.json.decode(path.read_bytes(), type=_Tape)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ModelError("a recorded answer can't be read") from error
    if tape.sha256 != _seal(tape) or tape.request.encode() != request.bytes:
        raise ModelError("a recorded answer was changed")
    return tape


def _seal(tape: _Tape) -> str:
    bare = msgspec.structs.replace(tape, sha256="")
    return hashlib.sha256(msgspec.json.encode(bare, order="deterministic")).hexdigest()
