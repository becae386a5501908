"""What a run did and what it cost: files, records, events, dead letters by reason, CPU seconds by stage, peak memory."""

from __future__ import annotations

import resource
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class _Chunk(Protocol):
    """As much of a chunk as is counted."""

    @property
    def events(self) -> Any: ...
    @property
    def dead(self) -> list[Any]: ...
    @property
    def records(self) -> int: ...
    @property
    def bytes(self) -> int: ...


@dataclass(slots=True)
class SourceCount:
    """What one source kind gave."""

    files: int = 0
    records: int = 0
    events: int = 0
    dead: int = 0
    bytes: int = 0


@dataclass(slots=True)
class Stats:
    """Counters of one run. CPU is the process's own (user and system), in seconds; memory in bytes."""

    sources: dict[str, SourceCount] = field(default_factory=dict)
    dead: Counter[str] = field(default_factory=Counter)
    cpu: Counter[str] = field(default_factory=Counter)
    repeated_files: int = 0
    done_bytes: int = 0
    started: float = field(default_factory=time.monotonic)

    def met(self, source: str, chunk: _Chunk, *, done: bool, size: int) -> None:
        """Count one chunk; `size` is the input's size on disk, counted when it is done."""
        count = self.sources.setdefault(source or "unrecognised", SourceCount())
        count.files += done
        count.records += chunk.records
        count.events += chunk.events.height
        count.dead += len(chunk.dead)
        count.bytes += chunk.bytes
        self.dead.update(letter.reason for letter in chunk.dead)
        self.done_bytes += size if done else 0

    def repeated(self, size: int) -> None:
        """Count one input that the ledger already holds."""
        self.repeated_files += 1
        self.done_bytes += size

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Charge the CPU time of the block to a stage."""
        before = time.process_time()
        try:
            yield
        finally:
            self.cpu[name] += time.process_time() - before  # type: ignore[assignment]

    def timed(self, name: str, items: Iterable[T]) -> Iterator[T]:
        """The same items; what it costs to make each is charged to a stage."""
        iterator = iter(items)
        while True:
            with self.stage(name):
                item = next(iterator, self)
            if item is self:
                return
            yield item  # type: ignore[misc]

    @property
    def events(self) -> int:
        return sum(count.events for count in self.sources.values())

    @property
    def records(self) -> int:
        return sum(count.records for count in self.sources.values())

    @property
    def files(self) -> int:
        return sum(count.files for count in self.sources.values())

    def as_dict(self) -> dict[str, Any]:
        """The `--stats` document."""
        total = time.process_time()
        return {
            "files": self.files,
            "repeated_files": self.repeated_files,
            "records": self.records,
            "events": self.events,
            "dead_letters": dict(sorted(self.dead.items())),
            "sources": {name: _fields(count) for name, count in sorted(self.sources.items())},
            "cpu_seconds": {**{name: round(value, 3) for name, value in sorted(self.cpu.items())}, "total": round(total, 3)},
            "wall_seconds": round(time.monotonic() - self.started, 3),
            "events_per_cpu_second": round(self.events / total, 1) if total else 0.0,
            "peak_rss_bytes": peak_rss(),
        }


def _fields(count: SourceCount) -> dict[str, int]:
    return {name: getattr(count, name) for name in SourceCount.__dataclass_fields__}


def peak_rss() -> int:
    """Peak resident set of this process, bytes (ru_maxrss is in KiB, on macOS in bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
