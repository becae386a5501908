"""`nonself ocsf`: events of logs or of the lake as OCSF JSON lines on stdout; what could not be told as it is, on stderr."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from nonself import sources
from nonself.core import safe
from nonself.core.events import Events
from nonself.core.settings import Config
from nonself.ledger import Ledger
from nonself.pipeline import limits_of
from nonself.serve import selection
from nonself.serve.ocsf import encode
from nonself.serve.run import PARTIAL, UNTRUSTED, state_dir
from nonself.sources.ocsf_paths import classes

_SLICE = 8_192
"""Events encoded at once: text of an event is many times its columns."""


def run(arguments: argparse.Namespace, config: Config) -> int:
    """Exit status 2 where no event was read or chosen, 3 where more records were dead than `output.dead_letter_limit` allows."""
    wanted = selection.predicate(arguments.where, arguments.since, arguments.until)
    dead: Counter[str] = Counter()
    weaker: Counter[tuple[int, int]] = Counter()
    count = timeless = 0
    with ExitStack() as resources:
        events: Iterator[Events]
        if arguments.paths:
            own = sources.own(map(Path, config.sources.maps))
            events = selection.from_logs(arguments.paths, limits_of(config), wanted, dead, own)
        else:
            ledger = resources.enter_context(Ledger.open(state_dir(config), read_only=True))
            events = selection.from_lake(ledger, wanted, arguments.since, arguments.until)
        for part in (piece for frame in events for piece in frame.iter_slices(_SLICE)):
            told = encode(part, raw=arguments.raw)
            sys.stdout.writelines(line + "\n" for line in told.lines)
            count, timeless = count + len(told.lines), timeless + told.timeless
            weaker.update(told.weaker)
    _report(count, timeless, weaker, dead)
    if not count:
        return UNTRUSTED
    return PARTIAL if dead.total() > config.output.dead_letter_limit * (count + dead.total()) else 0


def _report(count: int, timeless: int, weaker: Counter[tuple[int, int]], dead: Counter[str]) -> None:
    names = classes()
    print(f"{count:,} events in OCSF", file=sys.stderr)
    for (kind, told_as), events in sorted(weaker.items()):
        print(
            f"  {events:,} of {names[kind].caption} told as {names[told_as].caption}: the records lack what that class requires",
            file=sys.stderr,
        )
    if timeless:
        print(f"  {timeless:,} events without a time are left out: OCSF has none", file=sys.stderr)
    if dead:
        reasons = ", ".join(f"{n:,} {reason}" for reason, n in dead.most_common(8))
        print(f"  {dead.total():,} records could not be read: {safe.terminal(reasons)}", file=sys.stderr)
