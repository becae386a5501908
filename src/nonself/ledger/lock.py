"""One writer per state directory: an flock, which the kernel gives back however the process ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from nonself.core.errors import StateError


class Lock:
    """Holds `path` locked until `close`. StateError, naming the process that holds it, when another one does."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(self._handle, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(self._handle)
            raise StateError(
                f"this state is being written by process {holder}",
                do="wait for it to end, open the state read-only, or use another state directory",
                where=str(path.parent),
            ) from error
        # The pid is only for that message; what counts is the lock. The file stays: removing it would let two writers lock two files.
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, f"{os.getpid()}\n".encode(), 0)

    def close(self) -> None:
        """Give the lock back."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
