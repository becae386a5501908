"""Freed memory, given back to the system."""

from __future__ import annotations

import ctypes
from functools import cache


def release() -> None:
    """Give back what has been freed. Millions of lines of a few KB leave holes that glibc keeps: 100 MB of 550 after reading 440 MB of
    logs. Does nothing where the C library is another."""
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> ctypes._FuncPointer | None:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # musl, macOS, Windows
        return None
