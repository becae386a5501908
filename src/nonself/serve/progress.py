"""Progress on stderr: share of bytes read, rate and time left. Silent where stderr is no terminal."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from nonself.core.stats import Stats

_EVERY = 0.2


class Progress:
    """Call it with the run's Stats as often as you like; it draws at most five times a second."""

    def __init__(self, paths: Sequence[Path], *, quiet: bool) -> None:
        self._on = not quiet and sys.stderr.isatty()
        self._total = sum(map(_size, paths)) if self._on else 0
        self._start = self._drawn = time.monotonic()

    def __call__(self, stats: Stats) -> None:
        now = time.monotonic()
        if self._on and now - self._drawn >= _EVERY:
            self._drawn = now
            sys.stderr.write("\r\x1b[K" + self._line(stats, now - self._start))
            sys.stderr.flush()

    def _line(self, stats: Stats, elapsed: float) -> str:
        share = min(1.0, stats.done_bytes / self._total) if self._total else 0.0
        left = f", {elapsed * (1 - share) / share:,.0f} s left" if share > 0.02 else ""
        bar = "█" * round(share * 24)
        return f"[{bar:·<24}] {share:4.0%}  {stats.events:,} events  {stats.events / max(elapsed, 0.001):,.0f}/s{left}"

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._on:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(_file_size(Path(root) / name) for root, _, names in os.walk(path) for name in names)


def _file_size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:  # gone or unreadable: the walk reports it, the bar need not
        return 0
