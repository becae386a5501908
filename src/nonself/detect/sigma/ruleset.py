"""`Ruleset`: rules read, compiled and ready to meet events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from nonself.core.events import Events
from nonself.core.scores import Delta
from nonself.detect.sigma import cache as store
from nonself.detect.sigma import correlation, correlation_inputs, hits
from nonself.detect.sigma.evaluate import Engine
from nonself.detect.sigma.files import rule_files
from nonself.detect.sigma.tree import Compiled, Filter, Rejected, Rule


class Ruleset:
    """A compiled set of Sigma rules.

    rules     those that are evaluated, in reading order, then the correlations
    rejected  those that are not, each with its reason
    filters   those in force, with the rules they are applied to
    silent    ids of rules that serve correlations only: they match, but raise nothing of their own
    reach     how far before an event others can lie that bear on its correlations
    """

    def __init__(self, compiled: Compiled) -> None:
        self.rules: tuple[Rule, ...] = (*compiled.rules, *(found.rule for found in compiled.correlations))
        self.rejected: tuple[Rejected, ...] = compiled.rejected
        self.filters: tuple[Filter, ...] = compiled.filters
        self.silent: frozenset[str] = frozenset(compiled.silent)
        self.reach: timedelta = correlation.reach(compiled.correlations)
        self._correlations = compiled.correlations
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
        """The hits of all rules over `events`: a frame of `hits.HITS`, one row per rule, entity and hour, in canonical form.

        Silent rules are among them, correlations are not.
        """
        return self._engine.match(events)

    def observe(self, events: Events) -> tuple[Delta, Delta]:
        """What a batch adds: the hits of rules that speak for themselves, and the inputs of correlations (`correlation_inputs.INPUTS`)."""
        return self._engine.observe(events, self.silent)

    def merge(self, deltas: Sequence[Delta]) -> Delta:
        """All hits as one. Associative and commutative; `merge([])` is the identity."""
        return hits.merge(deltas)

    def merge_inputs(self, deltas: Sequence[Delta]) -> Delta:
        """All inputs of correlations as one. Associative and commutative; `merge_inputs([])` is the identity."""
        return correlation_inputs.merge(deltas)

    def correlate(self, inputs: Delta, pending: Delta | None = None) -> Delta:
        """Hits of the correlations over merged inputs, a frame of `hits.HITS` with one row a hit.

        With `pending` only those that hold one of its events; `inputs` must then reach back `reach` before the day of its first.
        """
        return correlation.correlate(inputs, self._correlations, self.silent, pending)
