"""The beacon benchmark: parity with RITA on its own test data, and what is found among the calls of simulated offices."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from nonself import sources
from nonself.core.errors import UsageError
from nonself.core.events import Events, concat
from nonself.detect import detectors
from nonself.lab import beacon_traffic, rita
from nonself.lab.beacon_traffic import DAY, START, WEEK, Office, office
from nonself.sources.contract import Limits

TOP = 20
BITS = 7.0
"""Fewest bits of a finding, `calibrate.min_bits` as configured by default."""
SEEDS = (1, 2, 3, 4, 5, 6, 7, 8)
DETECTOR = "beacon-address"
_IP_BYTES = "$.orig_ip_bytes"
PARITY: tuple[tuple[str, str, str, int, float], ...] = (
    ("zeek/missing_host", "73.54.23.243", "64.225.56.201", 331, 0.963),
    ("zeek/proxy", "10.136.0.18", "www.honestimnotevil.com", 357, 0.979),
    ("zeek/proxy", "10.136.0.18", "www.google.com", 6, 0.586),
)
"""Data set, source, destination, connections and beacon score that RITA's own tests expect."""
Pair = tuple[str, str]


def beacons(folders: Sequence[Path], *, as_json: bool, seeds: Sequence[int] = SEEDS) -> int:
    """Print the benchmark. The folder given, or named by NONSELF_DATA, holds `zeek/missing_host` and `zeek/proxy`; with neither only the
    simulated part runs, and says so."""
    if len(folders) > 1:
        raise UsageError(expected="one data folder", got=" ".join(map(str, folders)))
    named = os.environ.get("NONSELF_DATA")
    data = folders[0] if folders else Path(named) if named else None
    missing = [name for name, *_ in PARITY if data and not (data / name).is_dir()]
    if missing:
        raise UsageError(expected=f"a data folder that holds {missing[0]}", got=str(data))
    document: dict[str, Any] = {"track": "beacons", "simulated": simulated(seeds)}
    if data is None:
        print("nonself: no --data and no NONSELF_DATA: only the simulated part is measured, not parity with RITA", file=sys.stderr)
    else:
        document |= {"parity": parity(data), "planted": planted(data)}
    print(json.dumps(document, indent=2) if as_json else _table(document))
    return 0


def simulated(seeds: Sequence[int]) -> dict[str, Any]:
    """By ranking method: share of implants found, by kind, and programs of each kind among the `TOP`, over all offices.

    Found is: among the `TOP` pairs of the office, and for our own scores at least `BITS`. "nonself" scores the third week against all
    three; "nonself, cold" all three weeks at once, as a scan of a folder does. The others rank the third week (RITA its last day).
    """
    kinds: Counter[str] = Counter()
    top: dict[str, Counter[str]] = {name: Counter() for name in METHODS}
    for seed in seeds:
        made = office(seed)
        kinds.update(made.kinds.values())
        for name, method in METHODS.items():
            top[name].update(made.kinds.get(pair, "people") for pair in method(made))
    implants = sorted(kind for kind in kinds if kind.startswith("implant"))
    return {
        "offices": len(seeds),
        "pairs_of_programs": dict(sorted(kinds.items())),
        "methods": {name: _summary(kinds, counts, implants) for name, counts in top.items()},
    }


def _summary(kinds: Counter[str], top: Counter[str], implants: Sequence[str]) -> dict[str, Any]:
    steady = [kind for kind in implants if "jitter" in kind]
    return {
        "found_jitter_up_to_30": round(sum(top[kind] for kind in steady) / sum(kinds[kind] for kind in steady), 4),
        "found_by_kind": {kind: round(top[kind] / kinds[kind], 4) for kind in implants},
        "others_in_top": {kind: top[kind] for kind in sorted({*kinds, "people"} - set(implants))},
    }


def ranked(scored: Events, known: Events) -> list[tuple[Pair, float]]:
    """Pairs of addresses (a pair by its best port) with our scores, oddest first."""
    detector = next(d for d in detectors() if d.name == DETECTOR)
    scores = detector.score(scored, detector.merge([detector.learn(known)]), included=True)
    other = pl.col("entities").list.set_difference(pl.concat_list("entity")).list.first().fill_null("ip:")
    best = scores.group_by("entity", other.alias("dst")).agg(pl.col("score").max())
    rows = best.sort(["score", "entity", "dst"], descending=[True, False, False]).iter_rows()
    return [((src.partition(":")[2], dst.partition(":")[2]), score) for src, dst, score in rows]


def _ours(made: Office, *, cold: bool) -> list[Pair]:
    events = made.events()
    week = events if cold else events.filter(pl.col("time").dt.epoch("s") >= START + 2 * WEEK)
    return [pair for pair, bits in ranked(week, events)[:TOP] if bits >= BITS]


def _by(measure: Callable[[pl.DataFrame], float], since: int) -> Callable[[Office], list[Pair]]:
    """A ranking of pairs by a measure of their calls since then, largest first."""

    def rank(made: Office) -> list[Pair]:
        late = made.calls.filter(pl.col("at") >= since)
        scored = [(-measure(calls), str(src), str(dst)) for (src, dst), calls in late.group_by("src", "dst", maintain_order=True)]
        return [(src, dst) for _, src, dst in sorted(scored)[:TOP]]

    return rank


_LAST = START + beacon_traffic.DAYS * DAY


def _rita(calls: pl.DataFrame) -> float:
    found = rita.beacon(calls["at"].cast(pl.Int64).to_list(), calls["size"].to_list(), _LAST - DAY, _LAST)
    return found.score if found else 0.0


def _mad(calls: pl.DataFrame) -> float:
    waits = np.diff(calls["at"].to_numpy())
    if waits.size < rita.LEAST_WAITS:
        return 0.0
    middle = float(np.median(waits))
    return 1.0 - float(np.median(np.abs(waits - middle))) / middle if middle else 0.0


METHODS: dict[str, Callable[[Office], list[Pair]]] = {
    "nonself": lambda made: _ours(made, cold=False),
    "nonself, cold": lambda made: _ours(made, cold=True),
    "RITA score": _by(_rita, _LAST - DAY),
    "MAD only": _by(_mad, START + 2 * WEEK),
    "count": _by(lambda calls: float(calls.height), START + 2 * WEEK),
}


def parity(data: Path) -> list[dict[str, Any]]:
    """RITA's score of its own test pairs, computed here, beside what its tests expect."""
    logs = {name: _read(data / name) for name in dict.fromkeys(name for name, *_ in PARITY)}
    out = []
    for name, src, dst, calls, expected in PARITY:
        found = _rita_of(logs[name], src, dst)
        parts = {part: getattr(found, part) for part in ("calls", "score", "ts", "ds", "hist", "dur")} if found else {}
        out.append({"data": name, "pair": f"{src} -> {dst}", "expected_calls": calls, "expected_score": expected, **parts})
    return out


def _rita_of(log: Events, src: str, dst: str) -> rita.Beacon | None:
    """By address, over connections; by name, over the connections of requests that name it."""
    sent = pl.col("ext").str.json_path_match(_IP_BYTES).cast(pl.Int64, strict=False).alias("sent")
    conn = log.filter(pl.col("channel") == "conn").select("session", "src_ip", "dst_ip", sent, at=pl.col("time").dt.epoch("s"))
    bounds = conn.select(first=pl.col("at").min(), last=pl.col("at").max()).row(0)
    first, last = rita.window(*bounds)
    named = log.filter(pl.col("url_host") == dst).select("session").unique()
    # RITA takes whole hours of rows, the hour in which the window begins included.
    kept = conn.filter((pl.col("src_ip") == src) & (pl.col("at") >= first // 3600 * 3600))
    pair = kept.filter(pl.col("dst_ip") == dst)
    pair = pair if pair.height else kept.join(named, on="session", how="semi")
    return rita.beacon(pair["at"].to_list(), pair["sent"].drop_nulls().to_list(), first, last)


def planted(data: Path) -> dict[str, Any]:
    """Where our own ranking puts the planted channel among all pairs of `zeek/missing_host`."""
    name, src, dst, *_ = PARITY[0]
    log = _read(data / name)
    rank = ranked(log, log)
    place = next((i for i, (pair, _) in enumerate(rank, 1) if pair == (src, dst)), 0)
    return {"data": name, "pair": f"{src} -> {dst}", "rank": place, "pairs": len(rank), "bits": round(rank[place - 1][1], 1)}


def _read(folder: Path) -> Events:
    chunks = (chunk for given in sources.discover([folder], Limits()) for chunk in sources.read(given, Limits())[1])
    return concat([chunk.events.filter(pl.col("class_uid").is_in([4001, 4002])) for chunk in chunks])


def _table(document: dict[str, Any]) -> str:
    made = document["simulated"]
    lines = [f"{made['offices']} simulated offices; found = among the {TOP} oddest pairs of its office", ""]
    lines.append(
        f"{'method':14} {'jitter <= 30 %':>14} {'every 4 h':>10} {'two sleeps':>11}   others among the {TOP}, all offices together"
    )
    for name, found in made["methods"].items():
        kinds = found["found_by_kind"]
        others = ", ".join(f"{n} {kind}" for kind, n in found["others_in_top"].items() if n) or "none"
        slow, two = kinds["implant, every 4 hours"], kinds["implant, two sleeps"]
        lines.append(f"{name:14} {found['found_jitter_up_to_30']:>14.1%} {slow:>10.1%} {two:>11.1%}   {others}")
    for row in document.get("parity", []):
        lines.append(f"RITA score of {row['pair']}: {row['score']:.3f} over {row['calls']} calls, {row['expected_score']:.3f} expected")
    if "planted" in document:
        lines.append("planted channel: rank {rank} of {pairs:,} pairs, {bits} bits".format_map(document["planted"]))
    return "\n".join(lines)
