"""Scores become findings: a rank p-value, its bits, and reasons that add up to them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from nonself.calibrate import excess, window
from nonself.core import attack
from nonself.core.finding import Finding, Reason
from nonself.core.scores import SCORES, Delta, Scores


@dataclass(frozen=True, slots=True)
class About:
    """What a finding says of its detector; `basis` is what its idea of normal rests on, in words."""

    name: str
    title: str
    attack: tuple[str, ...]
    basis: str = ""


def significant(scores: Scores, calibration: Delta, *, min_bits: float, per_day: int) -> Scores:
    """The rows worth a finding, with columns p, n, bits, highest and beyond added; the `per_day` oddest of each day at most. `calibration`
    is the window that has learnt the scores, `as_of` their age.

    p is the larger of the rank p-value and 2^-score: detectors score in bits under their own model, and being the oddest of many
    ordinary things is no surprise. Both must agree before anything is claimed. To -log2(p) comes what a score has `beyond` all others here
    (`calibrate.excess`), never more than the detector's own model says.
    """
    if not scores.height:
        return scores.with_columns(pl.lit(None, pl.Float64).alias(name) for name in ("p", "n", "bits", "highest", "beyond"))
    own = pl.lit(2.0).pow(-pl.col("score").clip(lower_bound=0.0))
    rows = pl.concat([scores, window.rank(scores, calibration)], how="horizontal").with_columns(pl.max_horizontal("p", own).alias("p"))
    rows = rows.with_columns((-pl.col("p").log(2)).alias("bits")).filter(pl.col("bits") >= min_bits)
    rows = pl.concat([rows, excess.beyond(rows, calibration, least=min_bits)], how="horizontal")
    rows = rows.with_columns(pl.min_horizontal("beyond", (pl.col("score") - pl.col("bits")).clip(lower_bound=0.0)).alias("beyond"))
    rows = rows.with_columns(pl.col("bits") + pl.col("beyond"))
    return (
        rows.sort(["bits", "score", "entity", "start"], descending=[True, True, False, False])
        .filter(pl.int_range(pl.len()).over(pl.col("end").dt.date()) < per_day)
    )  # fmt: skip


def findings(about: About, rows: Scores, explain: Callable[[Scores], list[tuple[Reason, ...]]]) -> list[Finding]:
    """Findings of the rows that `significant` gave, in its order. `explain` is the detector's own; its reasons are scaled to bits."""
    if not rows.height:
        return []
    reasons = explain(rows)
    phrases = rows["_what"].to_list() if "_what" in rows.columns else [""] * rows.height
    columns = rows.select(*SCORES, "p", "n", "bits", "highest", "beyond").iter_rows(named=True)
    return [_finding(about, row, parts, phrase) for row, parts, phrase in zip(columns, reasons, phrases, strict=True)]


def _finding(about: About, row: dict[str, Any], parts: tuple[Reason, ...], phrase: str | None) -> Finding:
    title = f"{about.title}: {phrase}" if phrase else about.title
    return Finding(
        id=finding_id(about.name, row["entity"], str(row["start"]), row["events"]),
        detector=about.name,
        title=title,
        entity=row["entity"],
        entities=tuple(row["entities"]),
        start=row["start"],
        end=row["end"],
        score=row["score"],
        p=row["p"],
        n=row["n"],
        bits=row["bits"],
        reasons=(*scaled(parts, row["bits"] - row["beyond"]), *_beyond(row), *_basis(about)),
        events=tuple(row["events"]),
        n_events=row["n_events"],
        attack=about.attack,
        tactics=tactics(about.attack),
        reference=f"docs/detectors.md#{about.name}",
    )


def _beyond(row: dict[str, Any]) -> tuple[Reason, ...]:
    if row["beyond"] <= 0.0:
        return ()
    seen, normal = f"a score of {row['score']:.1f} bits", f"no other of this kind here had more than {row['highest']:.1f}"
    return (Reason(feature="beyond all others", seen=seen, normal=normal, bits=row["beyond"]),)


def _basis(about: About) -> tuple[Reason, ...]:
    """What normal rests on, as a reason worth no bits: it explains, and adds nothing."""
    return (Reason(feature="what normal rests on", seen="all that was learnt", normal=about.basis, bits=0.0),) if about.basis else ()


def scaled(parts: Sequence[Reason], bits: float) -> tuple[Reason, ...]:
    """The detector's reasons, whose bits add up to its raw score, scaled to add up to the calibrated `bits`.

    Ranking is monotone but not linear, so a reason keeps its share of the score, not its size.
    """
    total = math.fsum(part.bits for part in parts)
    if not parts or abs(total) < 1e-9:
        return (*parts, Reason(feature="rank", seen="", normal="among this environment's own scores", bits=bits))
    return tuple(Reason(feature=r.feature, seen=r.seen, normal=r.normal, bits=r.bits * bits / total) for r in parts)


def tactics(techniques: Sequence[str]) -> tuple[str, ...]:
    """The one tactic a learnt detector stands for: the earliest of its first technique's. A rule's author names his own."""
    return attack.tactics(techniques[0])[:1] if techniques else ()


def finding_id(detector: str, entity: str, start: str, events: Sequence[str]) -> str:
    """Stable id: the same detector, entity, start and first evidence give the same finding on every run."""
    text = "\x00".join((detector, entity, start, events[0] if events else ""))
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()
