"""Parquet read in a process of its own (`parquet_child`): on some damaged files the library asks for 2^61 bytes, and that ends the process.

A file that ends the child costs itself alone; the next file has a new child.
"""

from __future__ import annotations

import atexit
import io
import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import polars as pl

from nonself.core.errors import RecordError

_CHILD = Path(__file__).with_name("parquet_child.py")
_PATIENCE = 10  # seconds that a child has to end when nobody asks any more


class Apart:
    """A child that is made when first asked."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._one_at_a_time = threading.Lock()

    def rows(self, path: str, first: int, count: int, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Some rows of a file. RecordError "corrupt-parquet" where they can't be read."""
        asked = json.dumps({"path": path, "first": first, "count": count, "columns": columns and list(columns)}).encode()
        with self._one_at_a_time:
            answer = self._ask(asked + b"\n")
        if answer is None:
            raise RecordError("corrupt-parquet", "the library that reads Parquet could not go on with it")
        mark, said = answer
        if mark == b"E":
            raise RecordError("corrupt-parquet", said.decode("utf-8", "replace"))
        return pl.read_ipc_stream(io.BytesIO(said))

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            child, self._child = self._child, None
            assert child.stdin is not None and child.stdout is not None
            with child.stdout, suppress(OSError):  # it may be gone already
                child.stdin.close()
            try:
                child.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def _ask(self, line: bytes) -> tuple[bytes, bytes] | None:
        """What the child answers; None where it ended instead."""
        if self._child is None:
            self._child = subprocess.Popen(
                [sys.executable, "-P", str(_CHILD)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        child = self._child
        assert child.stdin is not None and child.stdout is not None
        try:
            child.stdin.write(line)
            child.stdin.flush()
            head = child.stdout.read(9)
            size = int.from_bytes(head[1:], "big")
            said = child.stdout.read(size)
        except OSError:
            head, said, size = b"", b"", 0
        if len(head) < 9 or len(said) < size:
            self.close()
            return None
        return head[:1], said


APART = Apart()
atexit.register(APART.close)
