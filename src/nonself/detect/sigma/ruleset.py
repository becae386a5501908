"""`Ruleset`: rules read, compiled and ready to meet events."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nonself.core.events import Events
from nonself.core.scores import Delta
from nonself.detect.sigma import cache as store
from nonself.detect.sigma import hits
from nonself.detect.sigma.evaluate import Engine
from nonself.detect.sigma.files import rule_files
from nonself.detect.sigma.tree import Compiled, Rejected, Rule


class Ruleset:
    """A compiled set of Sigma rules.

    rules     those that are evaluated, in reading order
    rejected  those that are not, each with its reason
    """

    def __init__(self, compiled: Compiled) -> None:
        self.rules: tuple[Rule, ...] = compiled.rules
        self.rejected: tuple[Rejected, ...] = compiled.rejected
        self._engine = Engine(compiled)

    @classmethod
    def load(cls, paths: Sequence[Path], *, builtin: bool = True, cache: Path | None = None) -> Ruleset:
        """Read rules from files and from trees of .yml files, then those that come with nonself (`builtin`).

        Of rules with the same id the first one read counts, so yours go before ours. `cache` is a directory that keeps the compiled
        set. Raises UsageError for a path that is not there; whatever else is wrong with a rule or file is listed in `rejected`.
        """
        files = list(rule_files(paths, builtin=builtin))
        place = cache / store.name(files) if cache else None
        compiled = store.read(place) if place else None
        if compiled is None:
            from nonself.detect.sigma.reading import compile_files  # here: it imports the parser, which a start from the cache spares

            compiled = compile_files(files)
            if place:
                store.write(place, compiled)
        return cls(compiled)

    def match(self, events: Events) -> Delta:
        """The hits of all rules over `events`: a frame of `hits.HITS`, one row per rule, entity and hour, in canonical form."""
        return self._engine.match(events)

    def merge(self, deltas: Sequence[Delta]) -> Delta:
        """All hits as one. Associative and commutative; `merge([])` is the identity."""
        return hits.merge(deltas)
