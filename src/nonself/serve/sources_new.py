"""`nonself sources new`: a mapping drafted from a sample, and what is left for people to say."""

from __future__ import annotations

import argparse
import sys

from nonself import sources
from nonself.core import safe
from nonself.core.errors import UsageError
from nonself.sources import own_maps
from nonself.sources.contract import Input, Limits
from nonself.sources.draft import Draft, draft

OK, PARTIAL = 0, 3
_LISTED = 100
"""Unmapped fields told on stderr; the draft itself holds all."""


def new(arguments: argparse.Namespace) -> int:
    """The draft goes to stdout (or --out), what is unmapped to stderr. Exit status 3 where the draft can't read all of its own sample."""
    given = next(iter(sources.discover([arguments.sample], Limits())), None)
    if given is None:
        raise UsageError(expected="a sample of records", got="an empty folder", where=str(arguments.sample))
    made = draft(given, arguments.name or arguments.sample.name.partition(".")[0])
    text = made.text()
    if arguments.out is not None:
        if arguments.out.exists():
            raise UsageError(expected="--out of a file that is not there yet", got="one that is", where=str(arguments.out))
        arguments.out.write_text(text, "utf-8")
    else:
        sys.stdout.write(text)
    return _told(made, given, text)


def _told(made: Draft, given: Input, text: str) -> int:
    """Read the sample by the draft, and say what is left to do."""
    source = own_maps.source(own_maps.parse(text, "draft"))
    events = dead = 0
    if source.recognise(given.head, given.origin):
        for chunk in source.read(given, Limits()):
            events, dead = events + chunk.events.height, dead + len(chunk.dead)
    print(f"{made.name}: {events:,} events, {dead:,} dead letters; {len(made.columns):,} columns guessed", file=sys.stderr)
    if made.unmapped:
        print(f"not mapped, each with an example ({len(made.unmapped):,} fields):", file=sys.stderr)
        width = min(40, max(map(len, made.unmapped)))
        for name, example in list(made.unmapped.items())[:_LISTED]:
            print(f"  {safe.terminal(name):{width}}  {example}", file=sys.stderr)
    return OK if events and not dead else PARTIAL
