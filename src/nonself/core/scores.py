"""Frames that pass between a detector, the ledger and calibration: `Delta` and `Scores`."""

from __future__ import annotations

import polars as pl

from nonself.core.schema import TIME

Delta = pl.DataFrame
"""What a detector learnt from some events: a small frame with a `day` column (pl.Date). Its detector knows the rest."""

Scores = pl.DataFrame
"""One row per scored event or entity-window: the columns of `SCORES` first, then columns private to the detector, prefixed `_`."""

SCORES: dict[str, pl.DataType] = {
    "entity": pl.String(),  # the entity scored, e.g. host:ws5
    "entities": pl.List(pl.String()),  # every entity the finding would touch, `entity` included
    "start": TIME,  # first event behind the score
    "end": TIME,  # last event behind the score
    "score": pl.Float64(),  # raw, finite, higher is odder; comparable within one detector only
    "events": pl.List(pl.String()),  # uids of the evidence, at most EVIDENCE of them, earliest first
    "n_events": pl.Int64(),  # how many events the score rests on
}

EVIDENCE = 50
"""Evidence uids kept with a score; `n_events` tells the full count."""


def no_scores() -> Scores:
    """The Scores frame with no rows."""
    return pl.DataFrame(schema=SCORES)
