"""Memory of a process that reads millions of records: rarely searched for garbage, and given back when freed."""

from __future__ import annotations

import ctypes
import gc
import os
from functools import cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""glibc's numbers for the options of `mallopt`."""


def give_back() -> None:
    """Have polars' allocator give freed pages back after half a second, unless the user says otherwise. Must be said before polars is
    imported. As it is built it only marks them as free (MADV_FREE), and they count as resident until the system runs short: a million
    connections learnt and scored peak 25 to 50 MB lower, in the same CPU time (measured)."""
    os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:500,muzzy_decay_ms:0")


def settle() -> None:
    """Look for cycles in what is made from now on only, and rarely: decoded records are many small objects without any, and looking
    through them takes a fifth of reading (measured). What does leave cycles, captures above all, is cleared away in pauses of 5 to 40 ms;
    at five times the threshold they were 150 to 210 ms, and no less time in all."""
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
    _keep()


def _keep() -> None:
    """Have the C library keep up to 64 MB of what arrays and blocks of lines leave behind. Otherwise each new one is memory that the system
    must first clear: 5 to 10 % of learning and scoring a million connections, for 30 MB of 710 (measured; without a bound 80)."""
    option = _of_glibc("mallopt")
    if option is not None:
        option(_MMAP_THRESHOLD, 32 << 20)  # the most there is
        option(_TRIM_THRESHOLD, 64 << 20)


def release() -> None:
    """Give back what has been freed. Millions of lines of a few KB leave holes that glibc keeps: 100 MB of 550 after reading 440 MB of
    logs. Does nothing where the C library is another."""
    trim = _of_glibc("malloc_trim")
    if trim is not None:
        trim(0)


@cache
def _of_glibc(name: str) -> ctypes._FuncPointer | None:
    try:
        found: ctypes._FuncPointer = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):  # musl, macOS, Windows
        return None
    return found
