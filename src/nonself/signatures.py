"""Findings of what is known to be bad: hits of rules and of their correlations, of other tools' rules, and of indicators.

Each is calibrated by how often it is met here. Hits are learnt batch by batch; what they say is read off them when pending ones are
concluded.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from nonself.calibrate import alerts as alert_calibration
from nonself.calibrate import rules as rule_calibration
from nonself.core.events import Events
from nonself.core.finding import Finding
from nonself.core.scores import Delta
from nonself.core.settings import Config
from nonself.detect import alerts, intel
from nonself.detect.sigma import Ruleset, hits
from nonself.incidents import of_attacks
from nonself.ledger import Ledger
from nonself.triage.verdicts import in_force

SIGMA = "sigma"
INTEL = "intel"
"""Hits of indicators."""
ALERTS = "alerts"
"""Hits of other tools' rules."""
CORRELATION = "sigma-correlation"
"""What rule correlations take from events, and wait for more of."""
CORRELATED = "sigma-correlated"
"""Hits of rule correlations, kept to know how often each fires."""


@dataclass(frozen=True, slots=True)
class Signatures:
    """What every batch is held against."""

    ruleset: Ruleset
    intel: intel.Intel

    def hits(self, events: Events) -> dict[str, Delta]:
        """What some events add to each kind of hit, by the names that the ledger keeps them under."""
        matched, inputs = self.ruleset.observe(events)
        return {SIGMA: matched, CORRELATION: inputs, ALERTS: alerts.learn(events), INTEL: self.intel.match(events)}


def findings(ledger: Ledger, ruleset: Ruleset, of_correlations: Delta, config: Config) -> list[Finding]:
    """Findings of all pending hits; those of correlations (`correlated`) are not in the ledger yet."""
    return [*_of_rules(ledger, ruleset, of_correlations, config), *_of_alerts(ledger, config), *_of_intel(ledger, config)]


def correlated(ledger: Ledger, ruleset: Ruleset) -> Delta:
    """Hits of rule correlations that hold a pending event. Inputs of earlier days are read as far back as a window can reach."""
    pending = ruleset.merge_inputs(ledger.deltas(CORRELATION, pending=True))
    first = pending["day"].min()
    if not isinstance(first, date):
        return ruleset.correlate(pending)
    since = first - timedelta(days=min(ruleset.reach.days + 1, (first - date.min).days))
    return ruleset.correlate(ruleset.merge_inputs(ledger.deltas(CORRELATION, since=since)), pending)


def _of_rules(ledger: Ledger, ruleset: Ruleset, of_correlations: Delta, config: Config) -> list[Finding]:
    new = pl.concat([ruleset.merge(ledger.deltas(SIGMA, pending=True)), of_correlations])
    known = pl.concat([ruleset.merge(ledger.deltas(SIGMA)), *ledger.deltas(CORRELATED), of_correlations])
    by_id = {rule.id: rule for rule in ruleset.rules}
    return rule_calibration.findings(new, known, by_id, _read_so_far(ledger), min_bits=config.calibrate.rule_min_bits)


def _of_alerts(ledger: Ledger, config: Config) -> list[Finding]:
    """Findings of other tools' alerts, calibrated by how often each fires here hour by hour. What was judged malicious is no part of the
    normal: its episodes are left out of what others are compared with."""
    new, known = hits.merge(ledger.deltas(ALERTS, pending=True)), hits.merge(ledger.deltas(ALERTS))
    attacks = of_attacks(ledger.incidents(), in_force(ledger.verdicts()))
    judged = [(f.detector.partition(":")[2], f.entity, f.start) for f in ledger.findings(attacks) if f.detector.startswith("alert:")]
    keys = ("rule", "entity", "start")
    learnt = known.join(pl.DataFrame(judged, schema={key: known.schema[key] for key in keys}, orient="row"), on=keys, how="anti")
    past = pl.concat([learnt, new]).unique(hits.KEY)
    return alert_calibration.findings(new, past, alerts.rules(known), _read_so_far(ledger), min_bits=config.calibrate.rule_min_bits)


def _of_intel(ledger: Ledger, config: Config) -> list[Finding]:
    """Findings of indicators that were met, calibrated by how often each is met here."""
    new, known = hits.merge(ledger.deltas(INTEL, pending=True)), hits.merge(ledger.deltas(INTEL))
    floor = config.calibrate.rule_min_bits
    return rule_calibration.findings(new, known, intel.Intel.rules(known), _read_so_far(ledger), min_bits=floor, kind="intel")


def _read_so_far(ledger: Ledger) -> int:
    return sum(ledger.event_counts().values())
